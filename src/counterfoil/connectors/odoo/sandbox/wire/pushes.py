"""Sending webhooks of automation rules: after the commit, one by one, one second each, no retry, unsigned."""

from __future__ import annotations

import aiohttp

from counterfoil.connectors.odoo.sandbox.database import Database

TIMEOUT_S = 1.0
AGENT = "python-requests/2.31.0"


async def deliver(db: Database) -> None:
    """Send what waits; the caller's call takes as long as this does. Failures are only noted."""
    waiting, db.outbox = db.outbox, []
    if not waiting:
        return
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), headers={"User-Agent": AGENT}) as session:
        for url, payload in waiting:
            try:
                async with session.post(url, json=payload) as response:
                    outcome = str(response.status)
            except (TimeoutError, aiohttp.ClientError) as error:
                outcome = type(error).__name__
            db.pushes.append({"url": url, "payload": payload, "outcome": outcome})

"""Waiting until one session of the database is in another's way."""

from __future__ import annotations

import asyncio

from counterfoil.store.pool import Conn


async def is_blocked(conn: Conn, by: Conn) -> None:
    """Return once some session waits for a lock that ``by`` holds."""
    while True:
        row = await (
            await conn.execute("select count(*) from pg_stat_activity where %s = any(pg_blocking_pids(pid))", (by.info.backend_pid,))
        ).fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(0.005)

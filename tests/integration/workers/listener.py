"""A worker that listens to the trial feed, as a process of its own (nursery.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.integration.workers.runner import hurry
from tests.kit.trial_connectors.acme_feed import CONNECTOR

from counterfoil.app.logs import working
from counterfoil.engine import engine, membership
from counterfoil.ingress.listening import STAGE, Listening
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.context import Context
from counterfoil.store import work
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, PartitionKey, open_pool

TOKEN = "feed_secret_77"


async def arm(conn: Conn, keys: Sequence[PartitionKey]) -> None:
    """Arm partitions, which nobody works here."""
    await work.arm(conn, keys)


async def listen(dsn: str, name: str, target: str) -> None:
    """Listen until killed."""
    settings = CONNECTOR.config.model_validate({"target": target, "token": TOKEN})
    if CONNECTOR.client is None or CONNECTOR.listens is None:
        raise RuntimeError("the trial feed streams")
    async with open_pool(dsn) as pool, CONNECTOR.client(settings) as client:
        member = await membership.join(dsn, name)
        member.start()
        clock = SystemClock()
        sources = {"feed": (CONNECTOR.listens, Context("feed", settings, client, clock))}
        listening = Listening(pool, Cipher({"test": bytes(range(32))}), sources, clock, arm)
        runs = engine.Engine(pool, dsn, {STAGE: listening.turn}, member, knows=lambda stage, _key: stage == STAGE)
        await runs.start()
        print("working", flush=True)
        await asyncio.Event().wait()


def main(dsn: str, name: str, target: str) -> None:
    """Run."""
    working()
    hurry()
    asyncio.run(listen(dsn, name, target))

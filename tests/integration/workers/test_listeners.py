"""Two workers share a stream: one listens, the other takes over when it is killed, and every change is kept once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.kit.trial_connectors.acme_feed.sandbox import FeedServer, serving
from tests.nursery import Forked, fork

from counterfoil.app.hub import wait_until
from counterfoil.ingress.listening import STAGE
from counterfoil.store import work
from counterfoil.store.pool import Pool

PATIENCE_S = 90.0


@asynccontextmanager
async def listener(database: str, name: str, target: str) -> AsyncIterator[Forked]:
    """Run a worker that listens; it is killed at the end if it still runs."""
    process = await fork("tests.integration.workers.listener", database, name, target)
    try:
        assert (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).strip() == b"working"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(condition: Callable[[], object]) -> None:
    async def holds() -> bool:
        return bool(condition())

    assert await wait_until(holds, timeout_s=PATIENCE_S)


async def until_kept(pool: Pool, keys: list[str]) -> None:
    """Wait until the receipts are these."""

    async def holds() -> bool:
        async with pool.connection() as conn:
            return [row[0] for row in await (await conn.execute("select dedupe_key from receipt order by dedupe_key")).fetchall()] == keys

    assert await wait_until(holds, timeout_s=PATIENCE_S)


async def test_one_worker_listens_at_a_time_and_another_takes_over_when_it_is_killed(database: str, pool: Pool) -> None:
    async with serving(FeedServer()) as feed, pool.connection() as conn, listener(database, "a", feed.target) as first:
        async with conn.transaction():
            await work.arm(conn, [(STAGE, "feed")])
        await until(lambda: feed.open == 1)
        async with listener(database, "b", feed.target):
            feed.add("Blue Harbor")
            await until_kept(pool, ["1"])
            first.kill()
            await until(lambda: feed.open == 0)
            feed.add("Green Hill")
            await until(lambda: feed.open == 1)
            feed.add("White Sands")
            await until_kept(pool, ["1", "2", "3"])
            assert (feed.asked[0], feed.asked[-1], feed.open_max) == (None, 1, 1)

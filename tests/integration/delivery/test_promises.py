"""Service levels: what was promised against what is done, and against what still waits."""

from __future__ import annotations

from tests.integration.delivery.scripted import START, Desk

from counterfoil.core.policies.lanes import LaneRule, Lanes
from counterfoil.store import promises, views
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

LANES = Lanes((LaneRule("products", within_s=60),))


async def test_what_took_too_long_and_what_waits_too_long_break_the_promise(pool: Pool, cipher: Cipher) -> None:
    desk = Desk(pool, cipher)
    await desk.wish(1)
    desk.later(20)
    await desk.turn()

    async def seen(lanes: Lanes) -> list[tuple[str, float | None, float | None, bool]]:
        async with pool.connection() as conn:
            lags = await views.latencies(conn, START)
            found = await promises.measured(conn, lanes, lags, desk.clock.now())
            return [(one.kind, one.p95_s, one.oldest_open_s, one.is_kept) for one in found]

    assert await seen(LANES) == [("upsert_product", 20.0, None, True)]
    await desk.wish(2, needs=("customer/x:1",))
    desk.later(61)
    assert await seen(LANES) == [("upsert_product", 20.0, 61.0, False)]
    assert await seen(Lanes()) == []

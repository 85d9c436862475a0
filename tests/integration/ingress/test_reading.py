"""Polls and backfills: a page and its cursor commit together, and an interruption costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil.core.language.commands import Lane
from counterfoil.ingress.backfill import Backfill, BackfillProgress
from counterfoil.ingress.poller import Polled, Poller
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.store import cursors, receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def poller(source: Any, context: Context, pool: Pool, cipher: Cipher, arming: Any) -> Poller:
    return Poller(source, context, pool, cipher, arming)


async def names(pool: Pool) -> list[tuple[str, int]]:
    async with pool.connection() as conn:
        return await (await conn.execute("select dedupe_key, lane from receipt order by id")).fetchall()


async def test_a_poll_reads_every_page_and_goes_on_where_it_ended(poller: Poller, source: Any, pool: Pool) -> None:
    source.pages = [["evt_1", "evt_2"], ["evt_3"]]
    assert await poller.poll() == Polled(pages=2, received=3, new=3, has_more=False, covers_until=NOW)
    source.pages.append(["evt_3", "evt_4"])  # overlapping, as sources do
    assert await poller.poll() == Polled(pages=1, received=2, new=1, has_more=False, covers_until=NOW)
    assert await names(pool) == [("evt_1", 10), ("evt_2", 10), ("evt_3", 10), ("evt_4", 10)]
    async with pool.connection() as conn:
        cursor = await cursors.load(conn, "stripe", "poll")
    assert cursor is not None
    assert (cursor.cursor, cursor.covers_until, cursor.read_count) == ("3", NOW, 5)


async def test_a_poll_is_bounded_and_says_that_there_is_more(poller: Poller, source: Any) -> None:
    source.pages = [["evt_1"], ["evt_2"], ["evt_3"]]
    polled = await poller.poll(pages_max=2)
    assert (polled.pages, polled.has_more) == (2, True)
    assert (await poller.poll()).received == 1


async def test_a_page_that_is_a_heap_lets_pass_what_is_in_real_time(poller: Poller, source: Any, pool: Pool) -> None:
    source.pages = [[f"evt_{n}" for n in range(50)], [f"evt_{n}" for n in range(50, 101)]]
    await poller.poll()
    assert [lane for _, lane in await names(pool)] == [10] * 50 + [20] * 51
    source.pages.append([f"evt_{n}" for n in range(200, 300)])
    await replace(poller, lane=Lane.BATCH).poll()
    assert {lane for _, lane in (await names(pool))[101:]} == {30}, "what its connection says is less urgent stays so"


async def test_what_was_read_before_a_failure_is_kept(poller: Poller, source: Any, pool: Pool) -> None:
    source.pages, source.failing_at = [["evt_1"], ["evt_2"]], 1
    with pytest.raises(TransientError):
        await poller.poll()
    assert await names(pool) == [("evt_1", 10)]
    await poller.poll()
    assert source.asked == ["", "1", "1"]


async def test_the_first_poll_begins_where_it_was_first_tried_however_often_it_failed(
    poller: Poller, source: Any, clock: SettableClock
) -> None:
    source.pages, source.failing_at = [["evt_1"], ["evt_2"]], 0
    with pytest.raises(TransientError):
        await poller.poll()
    clock.advance_to(NOW + timedelta(hours=1))
    await poller.poll()
    assert source.asked_at == [NOW, NOW, NOW + timedelta(hours=1)]


@dataclass
class Unarmed:
    """An engine that refuses, so that the page's transaction fails."""

    async def __call__(self, conn: Conn, keys: Any) -> None:
        raise RuntimeError("the engine is not there")


async def test_a_page_that_was_not_kept_does_not_move_the_cursor(source: Any, context: Context, pool: Pool, cipher: Cipher) -> None:
    source.pages = [["evt_1"]]
    with pytest.raises(RuntimeError):
        await Poller(source, context, pool, cipher, Unarmed()).poll()
    async with pool.connection() as conn:
        cursor = await cursors.load(conn, "stripe", "poll")
        assert cursor is not None
        assert (cursor.cursor, cursor.read_count, cursor.covers_until) == ("", 0, None)
        assert await receipts.counts(conn) == {}


@pytest.fixture
def shown() -> list[BackfillProgress]:
    return []


@pytest.fixture
def backfill(source: Any, context: Context, pool: Pool, cipher: Cipher, arming: Any, shown: list[BackfillProgress]) -> Backfill:
    return Backfill(source, context, pool, cipher, arming, shown.append)


async def test_a_backfill_fetches_all_kinds_in_order_in_the_lane_that_delays_nobody(
    backfill: Backfill, source: Any, pool: Pool, shown: list[BackfillProgress]
) -> None:
    source.pages = [["1", "2"], ["3"]]
    ended = await backfill.run(SINCE)
    assert ended == (BackfillProgress("customer", 3, 3, True), BackfillProgress("invoice", 3, 3, True))
    assert shown[:2] == [BackfillProgress("customer", 2, 2, False), BackfillProgress("customer", 3, 3, True)]
    assert await names(pool) == [(f"{kind}_{number}", 40) for kind in ("customer", "invoice") for number in (1, 2, 3)]


async def test_a_backfill_that_was_interrupted_goes_on_after_its_last_page(backfill: Backfill, source: Any) -> None:
    source.pages, source.failing_at = [["1"], ["2"], ["3"]], 2
    with pytest.raises(TransientError):
        await backfill.run(SINCE, ("invoice",))
    assert await backfill.run(SINCE, ("invoice",)) == (BackfillProgress("invoice", 3, 1, True),)
    assert source.asked == ["", "1", "2", "2"]


async def test_a_finished_backfill_is_read_again_only_if_asked(backfill: Backfill, source: Any) -> None:
    source.pages = [["1"]]
    await backfill.run(SINCE, ("invoice",))
    assert await backfill.run(SINCE, ("invoice",)) == (BackfillProgress("invoice", 1, 0, True),)
    assert source.asked == [""]
    assert await backfill.run(SINCE, ("invoice",), again=True) == (BackfillProgress("invoice", 1, 0, True),)
    assert source.asked == ["", ""]
    await backfill.run(datetime(2025, 1, 1, tzinfo=UTC), ("invoice",))  # another date is another backfill
    assert len(source.asked) == 3


async def test_a_kind_the_source_does_not_have_is_named(backfill: Backfill) -> None:
    with pytest.raises(ValueError, match="cannot backfill ghost; stripe has customer, invoice"):
        await backfill.run(SINCE, ("ghost",))

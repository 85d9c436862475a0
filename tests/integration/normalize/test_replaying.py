"""The stage of replays: its rate, its place, what it does without a source, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.integration.normalize.conftest import NOW, SOURCE, Caution, ShopSource, arm, drain, incoming, keep

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.records import Purpose
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.stage import Turn
from counterfoil.normalize.replaying import Replayer
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import bundles, cases, receipts, replays, work
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import ReceiptEnd, ReceiptState, Selection
from counterfoil.store.replays import Replay, ReplayOrder, ReplayState

ALL = Selection(SOURCE, NOW, NOW + timedelta(days=1))


@pytest.fixture
def make_replayer(pool: Pool, cipher: Cipher, sources: Any, clock: SettableClock) -> Callable[[], Replayer]:
    return lambda: Replayer(pool, cipher, sources, clock, arm, (Purpose.BOOKS,))


@pytest.fixture
def replayer(make_replayer: Callable[[], Replayer]) -> Replayer:
    return make_replayer()


@pytest.fixture
async def ten(pool: Pool, cipher: Cipher, normalizer: Normalizer, source: ShopSource) -> list[int]:
    """Return ten receipts that are through."""
    ids = await keep(pool, cipher, *(incoming(f"evt_{n}", id=f"p{n}", sequence=1, name="x") for n in range(10)))
    await drain(normalizer)
    source.read.clear()
    return ids


async def order(pool: Pool, wanted: ReplayOrder) -> int:
    async with pool.connection() as conn:
        id, keys = await replays.add(conn, wanted, 0, "tester", NOW)
        assert keys == [("replay", str(id))]
    return id


async def load(pool: Pool, id: int) -> Replay:
    async with pool.connection() as conn:
        found = await replays.load(conn, id)
    assert found is not None
    return found


async def test_at_its_rate_a_replay_never_reads_more_whoever_works_it(
    pool: Pool, make_replayer: Callable[[], Replayer], clock: SettableClock, ten: list[int], source: ShopSource
) -> None:
    id = str(await order(pool, ReplayOrder(selection=ALL, rate=4)))
    first, second = make_replayer(), make_replayer()
    assert await first.turn(id) == Turn(has_more=False, wake_in_s=1.0)
    assert (await second.turn(id)).wake_in_s == 1.0  # another worker gets no share of its own
    assert len(source.read) == 4
    clock.advance_to(NOW + timedelta(seconds=60))  # nobody worked for a minute: nothing is caught up
    assert (await second.turn(id)).wake_in_s == 1.0
    assert len(source.read) == 8
    clock.advance_to(NOW + timedelta(seconds=61))
    assert (await first.turn(id)).wake_in_s == 0.5  # two were left
    clock.advance_to(NOW + timedelta(seconds=62))
    assert await first.turn(id) == Turn(has_more=False)
    assert (len(source.read), (await load(pool, int(id))).state) == (10, ReplayState.DONE)


async def test_a_replay_that_is_stopped_goes_on_where_it_ended(
    pool: Pool, make_replayer: Callable[[], Replayer], clock: SettableClock, ten: list[int], source: ShopSource
) -> None:
    id = await order(pool, ReplayOrder(selection=ALL, rate=3))
    await make_replayer().turn(str(id))
    async with pool.connection() as conn:
        assert await replays.stop(conn, id, NOW)
        assert not await replays.stop(conn, id, NOW)
    clock.advance_to(NOW + timedelta(seconds=5))
    assert await make_replayer().turn(str(id)) == Turn(has_more=False)
    assert len(source.read) == 3
    async with pool.connection() as conn:
        assert await replays.resume(conn, id, NOW) == [("replay", str(id))]
        assert await replays.resume(conn, id, NOW) == []
    for second in range(6, 12):
        clock.advance_to(NOW + timedelta(seconds=second))
        await make_replayer().turn(str(id))
    assert sorted(source.read) == sorted(f"evt_{n}" for n in range(10))
    found = await load(pool, id)
    assert (found.state, found.place, found.read_count, found.changed_count) == (ReplayState.DONE, ten[-1], 10, 0)


async def test_without_its_source_a_replay_waits_and_changes_nothing(
    pool: Pool, replayer: Replayer, normalizer: Normalizer, cipher: Cipher, source: ShopSource
) -> None:
    await keep(pool, cipher, incoming("evt_1", id="p1", sequence=1, name="x", needs="product/p1"))
    await drain(normalizer)
    source.is_away = True
    id = str(await order(pool, ReplayOrder(selection=ALL, must_fetch=True)))
    assert await replayer.turn(id) == Turn(has_more=False, wake_in_s=7.0)
    async with pool.connection() as conn:
        assert (await receipts.counts(conn))[SOURCE][ReceiptState.NORMALIZED] == 1
    source.is_away = False
    await replayer.turn(id)
    assert source.fetched == ["product/p1", "product/p1"]
    assert (await load(pool, int(id))).state is ReplayState.DONE


async def test_what_was_fetched_then_is_used_and_the_source_is_not_asked(
    pool: Pool, replayer: Replayer, normalizer: Normalizer, cipher: Cipher, source: ShopSource
) -> None:
    await keep(pool, cipher, incoming("evt_1", id="p1", sequence=1, name="x", needs="product/p1"))
    await drain(normalizer)
    await replayer.turn(str(await order(pool, ReplayOrder(selection=ALL))))
    assert (source.fetched, source.read) == (["product/p1"], ["evt_1", "evt_1"])


async def test_one_object_that_cannot_be_had_does_not_stop_the_others(
    pool: Pool, replayer: Replayer, normalizer: Normalizer, cipher: Cipher, source: ShopSource
) -> None:
    told = (incoming("evt_1", id="p1", sequence=1, name="x", needs="product/p1"), incoming("evt_2", id="p2", sequence=1, name="x"))
    lost, other = await keep(pool, cipher, *told)
    await drain(normalizer)
    source.read.clear()
    source.unreachable = frozenset({"product/p1"})
    id = await order(pool, ReplayOrder(selection=ALL, must_fetch=True))
    await replayer.turn(str(id))
    assert source.read == ["evt_2"]
    async with pool.connection() as conn:
        rows = await (await conn.execute(f"select id, {bundles.STATE}, lane, must_fetch from receipt r order by id")).fetchall()
        assert ("normalize_bulk", f"{SOURCE}/{work.shard_of('p1')}") in await work.armed(conn)
    assert rows == [(lost, "pending", 40, True), (other, "normalized", 10, False)]
    assert (await load(pool, id)).state is ReplayState.DONE


async def test_an_outcome_that_differs_today_is_written_and_resolves_its_case(
    pool: Pool, replayer: Replayer, cipher: Cipher, normalizer: Normalizer
) -> None:
    parked, ignored = await keep(pool, cipher, incoming("evt_1", id="p1", sequence=1, name="x"), incoming("evt_2"))
    async with pool.connection() as conn:
        await receipts.settle(
            conn, [ReceiptEnd(parked, NOW, ReceiptState.PARKED, "x"), ReceiptEnd(ignored, NOW, ReceiptState.IGNORED, "y")], NOW
        )
        held = cases.Opening("x", CaseClass.SCHEMA_DRIFT, "x", "?", "?", "?", "?", NOW, cases.CaseSubject("normalize", str(parked)))
        await cases.open_or_count(conn, [held], NOW)
    id = await order(pool, ReplayOrder(ids=(parked, ignored)))
    await replayer.turn(str(id))
    async with pool.connection() as conn:
        rows = await (await conn.execute(f"select {bundles.STATE}, rule from receipt r order by id")).fetchall()
        assert await cases.list_cases(conn) == []
        agenda = await (await conn.execute("select id, lane from to_decide")).fetchall()
    assert rows == [("normalized", ""), ("ignored", "no_product")]
    assert agenda == [("p1", 40)]
    assert (await load(pool, id)).changed_count == 1


async def test_receipts_that_are_pending_are_left_to_their_own_turn(
    pool: Pool, replayer: Replayer, cipher: Cipher, source: ShopSource
) -> None:
    [pending] = await keep(pool, cipher, incoming("evt_1", id="p1", sequence=1, name="x"))
    for wanted in (ReplayOrder(ids=(pending,)), ReplayOrder(selection=ALL)):
        id = await order(pool, wanted)
        await replayer.turn(str(id))
        assert (await load(pool, id)).state is ReplayState.DONE
    assert source.read == []


async def test_a_receipt_that_kills_its_replay_is_parked_and_the_replay_goes_on(
    pool: Pool, replayer: Replayer, ten: list[int], source: ShopSource
) -> None:
    id = await order(pool, ReplayOrder(selection=ALL))
    await replayer.turn(str(id), Caution(limit=1, poisoned=frozenset({str(ten[1])})))
    await replayer.turn(str(id))
    assert sorted(source.read) == sorted(f"evt_{n}" for n in range(10) if n != 1)
    async with pool.connection() as conn:
        assert [case.code for case in await cases.list_cases(conn)] == ["normalize.poisoned"]
    assert (await load(pool, id)).state is ReplayState.DONE


async def test_two_workers_at_one_page_note_it_once(pool: Pool, cipher: Cipher, ten: list[int], clock: SettableClock) -> None:
    id = await order(pool, ReplayOrder(selection=ALL))
    seen = await load(pool, id)

    async def advance(now: datetime) -> bool:
        async with pool.connection() as conn:
            return await replays.advance(conn, seen, ten[4], now, read=5, changed=1)

    assert (await advance(NOW), await advance(NOW)) == (True, False)
    assert (await load(pool, id)).read_count == 5

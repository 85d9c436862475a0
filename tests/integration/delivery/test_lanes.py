"""Urgent work first: lanes in a claim, short bulk batches while there is real-time work, micro batches that fill up, windows kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from tests.integration.delivery.scripted import START, Desk

from counterfoil.core.language.commands import Command, Lane
from counterfoil.delivery.sizing import LearnedSizes
from counterfoil.delivery.stage import WATCH_S
from counterfoil.kit.context import Context
from counterfoil.kit.limits import is_yielding
from counterfoil.kit.windows import Dated
from counterfoil.kit.writing import Outcome
from counterfoil.store import standing
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

BULK = int(Lane.BATCH)
MICRO = int(Lane.MICRO_BATCH)


@pytest.fixture
def desk(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher)


async def test_real_time_work_goes_first_and_not_in_one_batch_with_bulk(desk: Desk) -> None:
    await desk.wish(1, 2, lane=BULK)
    await desk.wish(3)
    await desk.turn()
    assert desk.books.done == ["k3", "k1", "k2"]
    assert desk.books.calls == [("send", 1), ("send", 2)]


async def test_bulk_batches_are_short_and_yield_only_while_there_was_real_time_work(desk: Desk) -> None:
    sizes = LearnedSizes()
    place = ("books", "all", "upsert_product")
    seen: list[tuple[int, bool]] = []
    patient = desk.books.send

    async def watched(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        seen.append((len(commands), is_yielding()))
        return await patient(ctx, commands, bound)

    desk.books.send = watched  # type: ignore[method-assign]
    await desk.wish(*range(1, 101), lane=BULK)
    await desk.turn(sizes=sizes)
    assert seen == [(100, False)]
    sizes.learn(place, 100, 100, 4.0, is_yielding=False, has_failed=False)  # 40 ms each: half a second is 12 of them
    async with desk.pool.connection() as conn:
        await standing.note_real_time(conn, "books", desk.clock.now())  # by whichever worker
    await desk.wish(*range(101, 201), lane=BULK)
    await desk.turn(sizes=sizes)
    assert (seen[1], all(yields for _, yields in seen[1:])) == ((12, True), True)
    seen.clear()
    desk.later(600)
    await desk.wish(*range(201, 301), lane=BULK)
    await desk.turn(sizes=sizes)
    assert seen == [(100, False)]
    assert len(desk.books.done) == len(set(desk.books.done)) == 300


def test_a_slow_target_makes_batches_smaller_and_a_fast_one_larger_again() -> None:
    sizes, place = LearnedSizes(), ("books", "all", "post_invoice")
    assert sizes.size(place, 100, is_yielding=False) == 100
    sizes.learn(place, 100, 100, 40.0, is_yielding=False, has_failed=False)
    assert sizes.size(place, 100, is_yielding=False) == 50
    slow = ("books", "all", "post_entry")
    sizes.learn(slow, 100, 100, 10.0, is_yielding=False, has_failed=False)  # a tenth of a second each
    assert sizes.size(slow, 100, is_yielding=True) == 5
    assert sizes.size(place, 100, is_yielding=True) == 4, "one at a time would make a slow target slower still"
    sizes.learn(place, 100, 4, 2.0, is_yielding=True, has_failed=False)
    assert sizes.size(place, 100, is_yielding=True) == 4
    sizes.learn(place, 100, 50, 2.0, is_yielding=False, has_failed=False)
    assert sizes.size(place, 100, is_yielding=False) == 62
    sizes.learn(place, 100, 62, 1.0, is_yielding=False, has_failed=True)
    assert sizes.size(place, 100, is_yielding=False) == 31


async def test_a_micro_batch_waits_for_its_time_or_until_it_is_full(desk: Desk) -> None:
    desk.batch_size_max = 5
    due = START + timedelta(seconds=30)
    await desk.wish(1, 2, 3, lane=MICRO, not_before=due)
    turn = await desk.turn()
    assert (desk.books.done, turn.has_more, turn.wake_in_s) == ([], False, 30.0)
    await desk.wish(4, 5, lane=MICRO, not_before=due)
    assert (await desk.turn()).has_more
    await desk.turn()
    assert desk.books.calls == [("send", 5)]
    await desk.wish(6, lane=MICRO, not_before=due)
    await desk.settle()
    assert desk.books.calls == [("send", 5), ("send", 1)]


async def test_nothing_is_sent_or_asked_within_a_declared_window_and_nobody_is_told(desk: Desk) -> None:
    desk.windows = (Dated(START, START + timedelta(hours=2)),)
    await desk.wish(1)
    while desk.clock.now() < START + timedelta(hours=2):
        turn = await desk.turn()
        assert desk.books.calls == []
        desk.later(turn.wake_in_s or 0)
    assert await desk.cases() == []
    await desk.settle()
    assert (desk.books.done, [row.attempts for row in await desk.rows(1)]) == (["k1"], [1])


@pytest.mark.parametrize("is_ending", [False, True])
async def test_real_time_work_that_comes_while_bulk_work_is_under_way_does_not_wait_for_it(desk: Desk, is_ending: bool) -> None:
    desk.width = 3
    async with desk.pool.connection() as conn:
        await standing.note_real_time(conn, "books", desk.clock.now())
    bulk_is_under_way, payment_is_sent = asyncio.Event(), asyncio.Event()
    patient = desk.books.send

    async def slow_in_bulk(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        if commands[0].external_key == "k1":
            bulk_is_under_way.set()
            await asyncio.wait_for(payment_is_sent.wait(), 10.0)
        else:
            payment_is_sent.set()
        return await patient(ctx, commands, bound)

    @dataclass
    class Ending:
        limit: int | None = None

        @property
        def is_ending(self) -> bool:
            return is_ending and bulk_is_under_way.is_set()

        async def hold(self, items: Sequence[str]) -> frozenset[str]:
            del items
            return frozenset()

    desk.books.send = slow_in_bulk  # type: ignore[method-assign]
    await desk.wish(1, lane=BULK)
    turn = asyncio.create_task(desk.turn(Ending()))
    await bulk_is_under_way.wait()
    await asyncio.sleep(3 * WATCH_S)  # by now the other hands have looked and found nothing
    await desk.wish(2)
    await turn
    assert desk.books.done == ["k2", "k1"]

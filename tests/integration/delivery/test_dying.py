"""The deliverer among workers that die or are taken for dead: nothing sent without the right to, nothing twice, poison set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from tests.integration.delivery.scripted import START, Desk, Wary

from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import outbox
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandState, End, EndStatus
from counterfoil.store.pool import Pool


@pytest.fixture
def desk(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher)


async def test_a_worker_taken_for_dead_after_its_intent_sends_nothing_and_another_resolves(desk: Desk) -> None:
    await desk.wish(1, 2)
    answers = iter([True, False])
    turn = await desk.turn(may_send=lambda: next(answers))
    assert (desk.books.calls, turn.has_more) == ([], False)
    assert {(row.state.value, row.in_doubt) for row in await desk.rows(1, 2)} == {("unknown", True)}
    await desk.settle()
    assert desk.books.calls == [("resolve", 2), ("send", 2)]
    assert (sorted(desk.books.done), await desk.states(1, 2)) == (["k1", "k2"], ["done"] * 2)


async def test_a_worker_that_may_not_send_claims_nothing(desk: Desk) -> None:
    await desk.wish(1)
    await desk.turn(may_send=lambda: False)
    assert [(row.state.value, row.fence) for row in await desk.rows(1)] == [("ready", 0)]


async def test_after_deaths_items_go_one_at_a_time_and_are_held_before_anything_else(desk: Desk) -> None:
    await desk.wish(1, 2, 3)
    desk.width = 3
    context = Wary(limit=1)
    await desk.turn(context)
    assert desk.books.calls == [("send", 1)] * 3
    assert [len(items) for items in context.held] == [1, 1, 1]


async def test_poison_is_parked_with_a_case_and_the_rest_goes_on(desk: Desk) -> None:
    await desk.wish(1, 2, 3)
    async with desk.pool.connection() as conn:
        [_, second, _] = await desk.rows(1, 2, 3)
        await outbox.mark_sent(conn, [second], START)
    poison = frozenset({f"{1:032x}", f"{2:032x}"})
    await desk.turn(Wary(limit=1, poison=poison))
    rows = await desk.rows(1, 2, 3)
    assert [(row.state.value, row.in_doubt) for row in rows] == [("parked", False), ("parked", True), ("done", False)]
    cases = await desk.cases()
    assert sorted(case.code for case in cases) == ["deliver.poisoned"] * 2
    assert any("looked up in books by its key" in case.next_step for case in cases)
    assert desk.books.done == ["k3"]


async def test_a_process_about_to_end_begins_no_batch(desk: Desk) -> None:
    await desk.wish(1)
    turn = await desk.turn(Wary(is_ending=True))
    assert (turn.has_more, desk.books.calls) == (True, [])


async def test_a_stale_workers_bad_news_changes_nothing_once_another_took_the_command_up(desk: Desk) -> None:
    await desk.wish(1)
    is_sent, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        del ctx, bound
        is_sent.set()
        await may_answer.wait()
        return tuple(Outcome(one.id, OutcomeStatus.REFUSED, code="books.refused", message="no") for one in commands)

    patient = desk.books.send
    desk.books.send = slow  # type: ignore[method-assign]
    answers = iter([True, True])
    stale = asyncio.create_task(desk.turn(may_send=lambda: next(answers, False)))
    await is_sent.wait()
    desk.books.send = patient  # type: ignore[method-assign]
    async with desk.pool.connection() as conn:  # the other worker takes it up and is still at it
        [row] = await desk.rows(1)
        assert row.state is CommandState.UNKNOWN
        await outbox.mark_sent(conn, [row], START)
    may_answer.set()
    await stale
    assert (await desk.states(1), await desk.cases()) == (["unknown"], [])


async def test_the_fence_tells_tries_apart_and_done_passes_it(desk: Desk) -> None:
    await desk.wish(1)
    [first] = await desk.rows(1)
    async with desk.pool.connection() as conn:
        await outbox.mark_sent(conn, [first], START)
        [second] = await outbox.read(conn, desk.cipher, [first.id])
        await outbox.mark_sent(conn, [second], START)
        late = [End(first.id, first.created_at, status, code="x", fence=1) for status in (EndStatus.REFUSED, EndStatus.UNKNOWN)]
        for end in late:
            assert (await outbox.settle(conn, [end], START)).changed == frozenset()
        mine = End(first.id, first.created_at, EndStatus.RETRY, fence=2, is_counted=False)
        assert (await outbox.settle(conn, [mine], START)).changed == {first.id}
        [third] = await outbox.read(conn, desk.cipher, [first.id])
        assert (third.state, third.attempts, third.fence) == (CommandState.READY, 1, 2)
        done = End(first.id, first.created_at, EndStatus.DONE, "book/1", fence=1)
        assert (await outbox.settle(conn, [done], START + timedelta(seconds=1))).changed == {first.id}

"""Sending again, step by step: what is taken, when what is not done is due again, what is bound, written down, told and left to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from tests.integration.delivery.late import LATE_S, delay_next, newer_was_undone, noted, until_done, update
from tests.integration.delivery.rows import bill, row
from tests.integration.delivery.scripted import START, Desk, Wary
from tests.integration.delivery.sending_again import (
    NEW,
    OLD,
    answer,
    desk,
    due_now,
    kept,
    overwrite_two,
    said,
    send,
    take,
    taken,
    two_things_due,
)

from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.limits import is_yielding
from counterfoil.kit.stage import Turn
from counterfoil.kit.windows import Dated
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import outbox, outbox_cancel, rechecks, standing

__all__ = ["desk"]


async def test_what_is_taken_names_the_newest_command_and_all_keys_of_the_thing(desk: Desk) -> None:
    await due_now(desk)
    now = desk.clock.now()
    batch = await taken(desk)
    assert (batch.target, batch.batch_key, [one.id for one in batch.rows], batch.started) == ("books", "all", [NEW], now)
    assert ({id: [one.command_id for one in found] for id, found in batch.of.items()}, batch.keys) == ({NEW: [OLD]}, {OLD: ("plan",)})
    assert batch.all_keys == {"plan"}
    assert await kept(desk) == [(LATE_S, 1)]
    assert await take(desk) is None


@pytest.mark.parametrize(("late_s", "again_s"), [(130.0, 130.0), (15.5, 15.5), (2.0, 15.0)])
async def test_a_taker_that_does_not_come_back_is_waited_for_as_long_as_its_write_may_come(
    desk: Desk, late_s: float, again_s: float
) -> None:
    await due_now(desk)
    desk.late_s = late_s
    await taken(desk)
    assert await kept(desk) == [(again_s, 1)]


async def test_nothing_is_taken_in_a_window_or_by_a_worker_that_may_not_send(desk: Desk) -> None:
    await due_now(desk)
    assert await take(desk, may_send=lambda: False) is None
    now = desk.clock.now()
    desk.windows = (Dated(now - timedelta(hours=1), now + timedelta(seconds=0.5)),)
    assert await take(desk) is None
    assert await kept(desk) == [(-1.0, 0)]  # due since a second, as nothing happened to it


async def test_after_deaths_one_is_taken_at_a_time_and_held_by_its_own_name(desk: Desk) -> None:
    await overwrite_two(desk)
    context = Wary(limit=1)
    batch = await take(desk, context)
    assert batch is not None
    assert ([one.id for one in batch.rows], context.held) == ([f"{2:032x}"], [(f"recheck/{1:032x}",)])
    both = await take(desk, Wary())
    assert both is not None
    assert [one.id for one in both.rows] == [f"{4:032x}"]


async def test_as_many_are_taken_as_one_call_takes(desk: Desk) -> None:
    for number in (1, 3, 5):
        await update(desk, number, "old", f"k{number}")
        delay_next(desk)
        await until_done(desk, number)
        await update(desk, number + 1, "new", f"k{number}")
        await until_done(desk, number + 1)
    desk.later(LATE_S)
    desk.batch_size_max = 2
    batch = await taken(desk)
    assert sorted(one.id for one in batch.rows) == [f"{2:032x}", f"{4:032x}"]


async def test_one_that_workers_died_of_is_a_case_and_not_sent(desk: Desk) -> None:
    await due_now(desk)
    context = Wary(limit=1, poison=frozenset({f"recheck/{OLD}"}))
    batch = await take(desk, context)
    assert batch is not None
    assert (batch.rows, await kept(desk)) == ((), [(None, 0)])
    assert await send(desk, batch) == ()
    [case] = await desk.cases()
    words = "the worker ended 5 times while this was in hand; the log of the workers says why"
    assert (case.code, case.case_class, case.cause.endswith(f"could not be sent again: {words}")) == (
        "deliver.recheck",
        "rejected_by_target",
        True,
    )


async def test_one_whose_command_is_no_more_or_after_which_nothing_was_done_is_forgotten(desk: Desk) -> None:
    await update(desk, 1, "refused")
    [refused] = await desk.rows(1)
    async with desk.pool.connection() as conn:
        await outbox_cancel.cancel(conn, [refused.id], "not wished any more")
        await rechecks.note(conn, [refused, row(9, bill(1), batch_key="all")], START, START)
    assert await noted(desk) == 2
    batch = await taken(desk)
    assert (batch.rows, await noted(desk), await desk.cases()) == ((), 0, [])


@pytest.mark.parametrize(("noted_before_s", "wait_s"), [(140, 70), (20, 15), (31, 15.5), (3599, 1799.5), (7200, 1800)])
async def test_one_waits_half_as_long_again_while_a_newer_command_is_open(desk: Desk, noted_before_s: float, wait_s: float) -> None:
    await newer_was_undone(desk)
    await update(desk, 3, "newest")
    [newest] = await desk.rows(3)
    begun = desk.clock.now()
    async with desk.pool.connection() as conn:
        await outbox.mark_sent(conn, [newest], begun)
        await conn.execute("update recheck set noted_at = %s, due_at = %s", (begun, begun))
    desk.later(noted_before_s)
    batch = await taken(desk)
    assert (batch.rows, await kept(desk)) == ((), [(wait_s, 0)])


RETRY, UNKNOWN, AWAY = said(OutcomeStatus.RETRY), said(OutcomeStatus.UNKNOWN), said(OutcomeStatus.RETRY, is_unavailable=True)


@pytest.mark.parametrize(
    ("tries", "outcome", "expected"),
    [
        (0, RETRY, (2.0, 1)),
        (1, RETRY, (4.0, 2)),
        (6, RETRY, (128.0, 7)),
        (8, RETRY, (240.0, 9)),
        (10, RETRY, (240.0, 11)),
        (11, RETRY, (None, 12)),
        (0, said(OutcomeStatus.RETRY, retry_after_s=30.0), (30.0, 1)),
        (3, said(OutcomeStatus.RETRY, retry_after_s=5.0), (16.0, 4)),
        (0, UNKNOWN, (LATE_S, 1)),
        (9, UNKNOWN, (240.0, 10)),
        (11, UNKNOWN, (None, 12)),
        (0, AWAY, (2.0, 0)),
        (4, AWAY, (16.0, 4)),
        (11, AWAY, (240.0, 11)),
        (0, said(OutcomeStatus.REFUSED), (None, 1)),
        (0, said(OutcomeStatus.WAITING), (None, 1)),
    ],
)
async def test_what_is_not_done_is_due_again_later_each_time_or_becomes_a_case(
    desk: Desk, tries: int, outcome: Outcome, expected: tuple[float | None, int]
) -> None:
    await due_now(desk)
    async with desk.pool.connection() as conn:
        await conn.execute("update recheck set tries = %s", (tries,))
    batch = await taken(desk)
    answer(desk, outcome)
    assert await send(desk, batch) == [outcome]
    assert await kept(desk) == [expected]
    assert len(await desk.cases()) == (expected[0] is None)


async def test_a_turn_sends_again_what_is_due_at_that_instant_and_goes_on_at_once(desk: Desk) -> None:
    await due_now(desk)
    desk.books.calls.clear()
    assert await desk.turn() == Turn(has_more=True)
    assert (desk.books.calls, desk.books.held) == ([("send", 1)], {"plan": "new"})
    assert await desk.turn() == Turn(has_more=False)


async def test_a_target_that_is_away_while_something_is_sent_again_is_left_alone_and_the_fall_counts_once(desk: Desk) -> None:
    await due_now(desk)
    away = TransientError("away", code="http.away", is_unavailable=True)

    async def falling(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        del ctx, commands, bound
        await desk.rest.went_down(
            "books", standing.ConnectionTrouble("http.away", "away"), is_trial=False
        )  # seen by another batch just before
        raise away

    desk.books.send = falling  # type: ignore[method-assign]
    assert await desk.turn() == Turn(has_more=False, wake_in_s=0.5)
    async with desk.pool.connection() as conn:
        found = await standing.read(conn, "books")
    assert (found.is_down, found.tries, found.is_by_sending) == (True, 1, True)


async def test_while_real_time_work_comes_what_is_sent_again_yields_to_it(desk: Desk) -> None:
    await due_now(desk)
    async with desk.pool.connection() as conn:
        await standing.note_real_time(conn, "books", desk.clock.now())
    seen: list[bool] = []

    async def watching(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        del ctx, bound
        seen.append(is_yielding())
        return tuple(Outcome(one.id, OutcomeStatus.DONE, "book/plan") for one in commands)

    desk.books.send = watching  # type: ignore[method-assign]
    await desk.turn()
    desk.later(600)
    assert seen == [True]


@pytest.mark.parametrize(("status", "expected", "cases"), [(OutcomeStatus.RETRY, (2.0, 1), 0), (OutcomeStatus.REFUSED, (None, 1), 2)])
async def test_each_that_is_not_done_is_kept(desk: Desk, status: OutcomeStatus, expected: tuple[float | None, int], cases: int) -> None:
    batch = await two_things_due(desk)
    answer(desk, *(Outcome(one.id, status, code="books.x", message="words") for one in batch.rows))
    await send(desk, batch)
    assert (await kept(desk), len(await desk.cases())) == ([expected] * 2, cases)


async def test_two_doubts_about_one_thing_are_put_right_by_one_sending(desk: Desk) -> None:
    for number in (1, 2):
        await update(desk, number, f"old {number}")
        delay_next(desk)
        await until_done(desk, number)
    await update(desk, 3, "new")
    await until_done(desk, 3)
    desk.later(LATE_S)
    batch = await taken(desk)
    assert {id: sorted(one.command_id for one in found) for id, found in batch.of.items()} == {f"{3:032x}": [OLD, NEW]}
    await send(desk, batch)
    assert (await noted(desk), desk.books.held) == (0, {"plan": "new"})

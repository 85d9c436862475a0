"""Writes that got no answer and are done in the target later, over newer ones: the target ends with the newest all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import product

import pytest
from tests.integration.delivery.late import LATE_S, NO_ANSWER, delay_next, newer_was_undone, noted, refusing, until_done, update
from tests.integration.delivery.scripted import PARTITION, START, Desk

from counterfoil.core.commands.books import MATCH, UNMATCH, Allocate, Unmatch, pair_of
from counterfoil.core.language.commands import Arguments, Command
from counterfoil.core.language.ids import external_key
from counterfoil.core.language.money import Money
from counterfoil.delivery.ends import ATTEMPTS_MAX
from counterfoil.kit.codec import encode
from counterfoil.kit.context import Context
from counterfoil.kit.doubts import note_doubt
from counterfoil.kit.errors import TransientError
from counterfoil.kit.writing import Outcome
from counterfoil.store import case_work, outbox, rechecks
from counterfoil.store.cipher import Cipher
from counterfoil.store.commands import command_of
from counterfoil.store.outbox import End, EndStatus
from counterfoil.store.pool import Pool
from counterfoil.store.work import DELIVER

AWAY = TransientError("no connection could be made", code="http.unreachable", is_unavailable=True)
DEBIT, CREDIT = "invoice/stripe:in_1", "credit_note/stripe:cn_1"


@pytest.fixture
def desk(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher, overwrites=True, late_s=LATE_S)


async def test_an_older_version_that_comes_after_a_newer_one_does_not_stand(desk: Desk) -> None:
    await newer_was_undone(desk)
    before = await desk.rows(1, 2)
    turn = await desk.turn()
    assert turn.wake_in_s is not None
    assert 100 < turn.wake_in_s <= LATE_S
    desk.books.calls.clear()
    await desk.settle()
    assert (desk.books.held, desk.books.calls) == ({"plan": "new"}, [("send", 1)])
    assert (await desk.rows(1, 2), await noted(desk), await desk.cases()) == (before, 0, [])


async def test_a_match_that_comes_after_it_was_undone_does_not_stand(desk: Desk) -> None:
    match, undoing = Allocate(DEBIT, CREDIT, Money(100, "EUR")), Unmatch(DEBIT, CREDIT)
    pair = pair_of(DEBIT, CREDIT)
    await desk.wish(1, kind="allocate", arguments=encode(match), external_key=external_key(MATCH, pair))
    delay_next(desk)
    await until_done(desk, 1)
    await desk.wish(2, kind="unmatch", arguments=encode(undoing), external_key=external_key(UNMATCH, pair))
    await until_done(desk, 2)
    assert desk.books.held == {}
    desk.books.land()
    assert desk.books.held == {f"{DEBIT}+{CREDIT}": "1.00 EUR"}
    await desk.settle()
    assert (desk.books.held, await noted(desk)) == ({}, 0)


async def made_anew(desk: Desk, late: int) -> None:
    """A match of 1.00 is undone and made anew for 0.60; the ``late`` one of the three gets no answer, and comes last."""
    pair, again = pair_of(DEBIT, CREDIT), pair_of(DEBIT, CREDIT, 2)
    steps: list[tuple[str, Arguments, str]] = [
        ("allocate", Allocate(DEBIT, CREDIT, Money(100, "EUR")), external_key(MATCH, pair)),
        ("unmatch", Unmatch(DEBIT, CREDIT), external_key(UNMATCH, pair)),
        ("allocate", Allocate(DEBIT, CREDIT, Money(60, "EUR")), external_key(MATCH, again)),
    ]
    for number, (kind, arguments, key) in enumerate(steps, start=1):
        await desk.wish(number, kind=kind, arguments=encode(arguments), external_key=key)
        if number == late:
            delay_next(desk)
        await until_done(desk, number)
    assert desk.books.held == {f"{DEBIT}+{CREDIT}": "0.60 EUR"}
    desk.books.land()


@pytest.mark.parametrize("late", [1, 2, 3])
async def test_a_match_made_anew_stands_alone_whichever_of_its_writes_comes_late(desk: Desk, late: int) -> None:
    await made_anew(desk, late)
    came = {1: {f"{DEBIT}+{CREDIT}": "0.60 EUR and 1.00 EUR"}, 2: {}, 3: {f"{DEBIT}+{CREDIT}": "0.60 EUR"}}
    assert desk.books.held == came[late]
    await desk.settle()
    assert (desk.books.held, await noted(desk), await desk.cases()) == ({f"{DEBIT}+{CREDIT}": "0.60 EUR"}, 0, [])


async def test_whatever_versions_come_late_in_whatever_order_the_last_one_stands(desk: Desk) -> None:
    number = 0
    for lateness in product((False, True), repeat=3):
        for is_reversed in (False, True):
            key = f"plan-{lateness}-{is_reversed}"
            for version, is_late in enumerate(lateness):
                number += 1
                await update(desk, number, f"version {version}", key)
                if is_late:
                    delay_next(desk)
                await until_done(desk, number)
            while desk.books.late:
                desk.books.land(-1 if is_reversed else 0)
    await desk.settle()
    assert (set(desk.books.held.values()), len(desk.books.held), await noted(desk)) == ({"version 2"}, 16, 0)


async def test_without_a_doubt_nothing_is_noted_and_nothing_sent_again(desk: Desk) -> None:
    await update(desk, 1, "old")
    await update(desk, 2, "new")
    await desk.settle()
    assert (await noted(desk), desk.books.calls) == (0, [("send", 1)] * 2)


async def test_a_kind_whose_late_writes_undo_nothing_is_not_noted(desk: Desk) -> None:
    desk.overwrites = False
    await update(desk, 1, "old")
    delay_next(desk)
    await until_done(desk, 1)
    assert await noted(desk) == 0


async def test_a_doubt_over_which_nothing_newer_was_done_costs_no_further_write(desk: Desk) -> None:
    await update(desk, 1, "old")
    delay_next(desk)
    await until_done(desk, 1)
    desk.books.calls.clear()
    await desk.settle()
    assert (desk.books.calls, await noted(desk)) == ([], 0)


async def test_a_doubt_the_client_got_over_by_itself_counts_too(desk: Desk) -> None:
    await update(desk, 1, "old")
    patient = desk.books.send

    async def twice(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        desk.books.late.append(commands)
        note_doubt()
        return await patient(ctx, commands, bound)

    desk.books.send = twice  # type: ignore[method-assign]
    await until_done(desk, 1)
    desk.books.send = patient  # type: ignore[method-assign]
    await update(desk, 2, "new")
    await until_done(desk, 2)
    desk.books.land()
    assert desk.books.held == {"plan": "old"}
    await desk.settle()
    assert desk.books.held == {"plan": "new"}


async def test_what_a_killed_worker_sent_is_in_doubt_from_when_it_is_taken_up(desk: Desk) -> None:
    await update(desk, 1, "old")
    [row] = await desk.rows(1)
    async with desk.pool.connection() as conn:  # the intent is committed, the request is on its way, its worker is no more
        await outbox.mark_sent(conn, [row], START)
    desk.books.late.append([command_of(row)])
    desk.later(60)
    await until_done(desk, 1)
    await update(desk, 2, "new")
    await until_done(desk, 2)
    desk.books.land()
    assert desk.books.held == {"plan": "old"}
    desk.later(LATE_S - 15)  # long since it was sent; not since the other worker could have sent it
    await desk.turn()
    assert desk.books.held == {"plan": "old"}
    await desk.settle()
    assert desk.books.held == {"plan": "new"}


async def test_what_was_parked_when_its_workers_died_may_come_late_too(desk: Desk) -> None:
    await update(desk, 1, "old")
    [row] = await desk.rows(1)
    async with desk.pool.connection() as conn:
        await outbox.mark_sent(conn, [row], START)
    desk.books.late.append([command_of(row)])

    class Wary:
        limit = 1
        is_ending = False

        async def hold(self, items: Sequence[str]) -> frozenset[str]:
            return frozenset({row.id} & set(items))

    await desk.turn(Wary())
    assert await desk.states(1) == ["parked"]
    await update(desk, 2, "new")
    await until_done(desk, 2)
    desk.books.land()
    await desk.settle()
    assert desk.books.held == {"plan": "new"}


async def test_a_version_that_was_refused_after_all_gives_way_to_the_one_that_is_done(desk: Desk) -> None:
    await update(desk, 1, "good")
    await until_done(desk, 1)
    await update(desk, 2, "bad")
    delay_next(desk)
    desk.books.resolve = refusing  # type: ignore[method-assign]
    await desk.turn()
    desk.later(5)
    await desk.turn()
    assert await desk.states(2) == ["parked"]
    desk.books.land()
    assert desk.books.held == {"plan": "bad"}
    await desk.settle()
    assert desk.books.held == {"plan": "good"}


async def test_it_waits_while_a_newer_version_is_in_doubt(desk: Desk) -> None:
    await newer_was_undone(desk)
    await update(desk, 3, "newest")
    [row] = await desk.rows(3)
    now = desk.clock.now()
    async with desk.pool.connection() as conn:  # some worker did not hear what became of it, and looks again in an hour
        await outbox.mark_sent(conn, [row], now)
        await outbox.settle(conn, [End(row.id, row.created_at, EndStatus.UNKNOWN, next_try_at=now + timedelta(hours=1))], now)
    desk.later(LATE_S + 10)
    desk.books.calls.clear()
    turn = await desk.turn()
    assert (turn.has_more, desk.books.calls) == (True, [])
    turn = await desk.turn()
    assert turn.wake_in_s is not None
    assert 15 <= turn.wake_in_s <= 100
    await desk.settle()
    assert (desk.books.held, await noted(desk)) == ({"plan": "newest"}, 0)


async def test_other_work_goes_on_while_something_is_sent_again_and_its_own_next_version_waits(desk: Desk) -> None:
    await newer_was_undone(desk)
    desk.later(LATE_S)
    is_sending, may_end = asyncio.Event(), asyncio.Event()
    patient = desk.books.send

    async def slow(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        if commands[0].id == f"{2:032x}":
            is_sending.set()
            await may_end.wait()
        return await patient(ctx, commands, bound)

    desk.books.send = slow  # type: ignore[method-assign]
    turn = asyncio.create_task(desk.turn())
    await asyncio.wait_for(is_sending.wait(), 10.0)
    await update(desk, 3, "newest")
    await update(desk, 4, "another", key="other")
    for _ in range(100):
        if await desk.states(4) == ["done"]:
            break
        await asyncio.sleep(0.05)
    assert await desk.states(3, 4) == ["ready", "done"]
    may_end.set()
    assert (await turn).has_more
    await desk.settle()
    assert desk.books.held == {"plan": "newest", "other": "another"}


async def test_of_two_workers_one_sends_it_again(desk: Desk) -> None:
    await newer_was_undone(desk)
    desk.later(LATE_S)
    desk.books.calls.clear()
    await asyncio.gather(*(desk.turn() for _ in range(4)))
    assert desk.books.calls == [("send", 1)]
    assert (desk.books.held, await noted(desk)) == ({"plan": "new"}, 0)


async def test_one_that_was_taken_by_a_worker_that_died_is_sent_again_later(desk: Desk) -> None:
    await newer_was_undone(desk)
    desk.later(LATE_S)
    answers = iter([True, True, False])  # for the turn, for taking it up, and not any more for sending it
    await desk.turn(may_send=lambda: next(answers, False))
    assert desk.books.held == {"plan": "old"}
    turn = await desk.turn()
    assert turn.wake_in_s == pytest.approx(LATE_S, abs=1)
    await desk.settle()
    assert (desk.books.held, await noted(desk)) == ({"plan": "new"}, 0)


async def test_one_that_was_sent_again_by_a_stale_worker_is_looked_at_once_more(desk: Desk) -> None:
    await newer_was_undone(desk)
    desk.later(LATE_S)
    patient = desk.books.send

    async def overtaken(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        await update(desk, 3, "newest")
        other = Desk(desk.pool, desk.cipher, desk.books, desk.clock, overwrites=True, late_s=LATE_S)
        desk.books.send = patient  # type: ignore[method-assign]
        await until_done(other, 3)
        return await patient(ctx, commands, bound)

    desk.books.send = overtaken  # type: ignore[method-assign]
    await desk.turn()
    assert (desk.books.held, await noted(desk)) == ({"plan": "new"}, 1)
    await desk.settle()
    assert (desk.books.held, await noted(desk)) == ({"plan": "newest"}, 0)


async def test_what_got_no_answer_again_is_tried_as_often_as_a_command_and_then_a_case(desk: Desk) -> None:
    await newer_was_undone(desk)
    desk.books.calls.clear()
    desk.books.losing = lambda _call, _commands: NO_ANSWER
    started = desk.clock.now()
    await desk.settle(turns_max=100)
    assert desk.books.calls == [("send", 1)] * ATTEMPTS_MAX
    assert desk.clock.now() - started > timedelta(seconds=(ATTEMPTS_MAX - 1) * LATE_S)
    [case] = await desk.cases()
    assert (case.code, case.fingerprint, await desk.states(1, 2)) == ("deliver.recheck", "deliver.recheck|books|plan", ["done"] * 2)
    desk.books.losing = lambda _call, _commands: None
    async with desk.pool.connection() as conn:
        touched = await case_work.retry(conn, case.id, "somebody", desk.clock.now())
    assert touched == [(DELIVER, PARTITION)]
    await desk.settle()
    assert (await desk.cases(), await noted(desk)) == ([], 0)


async def test_what_is_refused_is_a_case_that_can_be_waived(desk: Desk) -> None:
    await newer_was_undone(desk)
    patient = desk.books.send
    desk.books.send = refusing  # type: ignore[method-assign]
    started = desk.clock.now()
    await desk.settle()
    [case] = await desk.cases()
    assert desk.clock.now() - started < timedelta(seconds=LATE_S + 1)  # at once: it will not be taken unchanged
    assert "the record is locked" in case.cause
    assert await desk.states(1, 2) == ["done"] * 2
    desk.books.send = patient  # type: ignore[method-assign]
    async with desk.pool.connection() as conn:
        await case_work.waive(conn, case.id, "somebody", "it is right", desk.clock.now())
    await desk.settle()
    assert (await desk.cases(), await noted(desk), desk.books.held) == ([], 0, {"plan": "old"})


async def test_a_target_that_is_away_uses_up_no_try(desk: Desk) -> None:
    await newer_was_undone(desk)
    back = desk.clock.now() + timedelta(minutes=60)
    desk.books.failing = lambda call, _commands: AWAY if call == "send" and desk.clock.now() < back else None
    await desk.settle(turns_max=1000)
    assert (desk.books.held, await noted(desk)) == ({"plan": "new"}, 0)
    assert "deliver.recheck" not in {case.code for case in await desk.cases()}
    assert desk.clock.now() >= back


async def test_a_doubt_while_it_is_sent_again_is_not_forgotten(desk: Desk) -> None:
    await newer_was_undone(desk)
    desk.later(LATE_S)
    async with desk.pool.connection() as conn:
        [one] = await rechecks.due(conn, "books", "all", desk.clock.now(), 10)
        [taken] = (await rechecks.take(conn, [one], desk.clock.now())).values()
        await rechecks.note(conn, await desk.rows(1), desk.clock.now(), desk.clock.now() + timedelta(seconds=LATE_S))
        await rechecks.drop(conn, [taken])
    assert await noted(desk) == 1


async def test_partitions_with_something_to_send_again_are_known_after_a_long_stop(desk: Desk) -> None:
    await newer_was_undone(desk)
    async with desk.pool.connection() as conn:
        assert await rechecks.partitions(conn) == [(DELIVER, PARTITION)]
        assert await rechecks.partitions(conn, "other") == []

"""Sending again, step by step: what is taken, when what is not done is due again, what is bound, written down, told and left to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.integration.delivery.late import LATE_S, delay_next, newer_was_undone, noted, until_done, update
from tests.integration.delivery.rows import bill, row
from tests.integration.delivery.scripted import START, SUBJECT, Desk, Wary, breaking

from counterfoil.core.commands.books import UpsertCustomer
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.policies.exceptions import handling_of
from counterfoil.delivery.rechecking import Batch
from counterfoil.kit.codec import encode
from counterfoil.kit.connector import Context, Outcome, OutcomeStatus
from counterfoil.kit.doubts import note_doubt
from counterfoil.kit.errors import RejectedError, TransientError
from counterfoil.kit.limits import is_yielding
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.kit.windows import Dated
from counterfoil.store import attempts, bindings, cases, outbox, rechecks, standing
from counterfoil.store.attempts import Attempt
from counterfoil.store.bindings import Binding
from counterfoil.store.cases import CaseSubject
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

OLD, NEW = f"{1:032x}", f"{2:032x}"
AGAIN = "sent again: an older write may have been done late"


@pytest.fixture
def desk(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher, overwrites=True, late_s=LATE_S)


async def due_now(desk: Desk) -> None:
    """An older write came over a newer one, and can no longer come again."""
    await newer_was_undone(desk)
    desk.later(LATE_S)


async def take(desk: Desk, context: TurnContext = PLAIN, **changes: Any) -> Batch | None:
    one = desk.deliverer(**changes)
    return await one.rechecker.take("books", "all", one.targets["books"], context)


async def taken(desk: Desk) -> Batch:
    batch = await take(desk)
    assert batch is not None
    return batch


async def send(desk: Desk, batch: Batch, *, is_yielding: bool = False) -> Sequence[Outcome]:
    one = desk.deliverer()
    return await one.rechecker.send(one.targets["books"], batch, is_yielding=is_yielding)


def answer(desk: Desk, *outcomes: Outcome, after_s: float = 0.0) -> None:
    """Have every sending answered so, in the order of its commands, after some time."""

    async def answering(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        del ctx, commands, bound
        desk.later(after_s)
        return outcomes

    desk.books.send = answering  # type: ignore[method-assign]


async def kept(desk: Desk) -> list[tuple[float | None, int]]:
    """Return of every recheck in how many seconds it is due (None: when its case is retried) and how often it was tried."""
    async with desk.pool.connection() as conn:
        rows = await (await conn.execute("select due_at, tries from recheck order by command_id")).fetchall()
    return [(None if due is None else (due - desk.clock.now()).total_seconds(), tries) for due, tries in rows]


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
    for number, key in ((1, "a"), (3, "b")):
        await update(desk, number, "old", key)
        delay_next(desk)
        await until_done(desk, number)
        await update(desk, number + 1, "new", key)
        await until_done(desk, number + 1)
    desk.later(LATE_S)
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
        await outbox.cancel(conn, [refused.id], "not wished any more")
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


def said(status: OutcomeStatus, **more: Any) -> Outcome:
    return Outcome(NEW, status, code="books.x", message="words", **more)


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


async def test_what_was_sent_again_is_written_down_and_logged(desk: Desk) -> None:
    await due_now(desk)
    batch, begun = await taken(desk), desk.clock.now()
    answer(desk, Outcome(NEW, OutcomeStatus.DONE, "book/plan"), after_s=3)
    with capture_logs() as logs:
        await send(desk, batch)
    told = {"target": "books", "batch_key": "all", "size": 1, "done": 1, "log_level": "info"}
    assert logs == [{"event": "sent again what a late write may have undone", **told}]
    async with desk.pool.connection() as conn:
        *_, found = await attempts.of_commands(conn, [NEW])
    ended = begun + timedelta(seconds=3)
    assert found == Attempt(
        begun, ended, "books", "all", "upsert_product", 1, found.request_digest, 1, 0, 0, 0, (NEW,), is_resolution=False, detail=AGAIN
    )
    assert await noted(desk) == 0


async def test_the_record_of_a_sending_again_says_what_was_refused(desk: Desk) -> None:
    await due_now(desk)
    batch = await taken(desk)
    answer(desk, said(OutcomeStatus.REFUSED))
    with capture_logs() as logs:
        await send(desk, batch)
    assert [(one["size"], one["done"]) for one in logs] == [(1, 0)]
    async with desk.pool.connection() as conn:
        *_, found = await attempts.of_commands(conn, [NEW])
    assert (found.done, found.refused, found.detail) == (0, 1, AGAIN)


async def test_what_nobody_answered_for_and_what_broke_is_in_doubt(desk: Desk) -> None:
    await due_now(desk)
    batch = await taken(desk)
    answer(desk)
    [unanswered] = await send(desk, batch)
    assert (unanswered.code, await kept(desk)) == ("deliver.no_outcome", [(LATE_S, 1)])
    desk.later(LATE_S)
    desk.books.failing = lambda _call, _commands: RejectedError("odd", code="books.odd")
    desk.books.send = type(desk.books).send.__get__(desk.books)  # type: ignore[method-assign]
    batch = await taken(desk)
    [failed] = await send(desk, batch)
    assert (failed.code, failed.status, await kept(desk)) == ("books.odd", OutcomeStatus.UNKNOWN, [(LATE_S, 2)])


async def test_a_connector_that_breaks_is_logged_and_leaves_it_in_doubt(desk: Desk) -> None:
    await due_now(desk)
    batch = await taken(desk)

    desk.books.send = breaking  # type: ignore[method-assign]
    with capture_logs() as logs:
        [outcome] = await send(desk, batch)
    told = {"target": "books", "batch_key": "all", "size": 1, "exc_info": True, "log_level": "error"}
    assert logs[0] == {"event": "connector failed", **told}
    assert (outcome.command_id, outcome.code, await kept(desk)) == (NEW, "deliver.failed", [(LATE_S, 1)])


@pytest.mark.parametrize("yields", [False, True])
async def test_it_is_sent_with_what_it_needs_and_yields_as_it_is_told(desk: Desk, yields: bool) -> None:
    async with desk.pool.connection() as conn:
        await outbox.bind_and_release(
            conn, [Binding("books", key, f"id/{key}") for key in map(NeedKey, ("customer/a", "product/z"))], START
        )
    await update(desk, 1, "old")
    delay_next(desk)
    await until_done(desk, 1)
    await desk.wish(2, external_key="plan", order_key="plan", needs=("customer/a",), produces="product/p")
    await until_done(desk, 2)
    desk.later(LATE_S)
    batch = await taken(desk)
    seen: list[tuple[dict[str, str], bool]] = []

    async def watching(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        del ctx
        seen.append((dict(bound), is_yielding()))
        return tuple(Outcome(one.id, OutcomeStatus.DONE, "book/plan") for one in commands)

    desk.books.send = watching  # type: ignore[method-assign]
    await send(desk, batch, is_yielding=yields)
    assert seen == [({"customer/a": "id/customer/a", "product/p": "book/plan"}, yields)]


@pytest.mark.parametrize(("external_id", "bound"), [("book/9", "book/9"), ("book/plan", "book/plan"), ("", "book/plan")])
async def test_a_record_that_was_made_anew_is_bound_anew_and_who_waited_for_it_is_woken(desk: Desk, external_id: str, bound: str) -> None:
    await update(desk, 1, "old")
    delay_next(desk)
    await until_done(desk, 1)
    await desk.wish(2, external_key="plan", order_key="plan", produces="product/p")
    await until_done(desk, 2)
    desk.later(LATE_S)
    async with desk.pool.connection() as conn:
        await bindings.end(conn, "books", [NeedKey("product/p")] if external_id == "book/9" else [], desk.clock.now())
    await desk.wish(3, external_key="other", needs=("product/p",), batch_key="other")
    batch = await taken(desk)
    desk.armed.clear()
    answer(desk, Outcome(NEW, OutcomeStatus.DONE, external_id, "P/9"))
    await send(desk, batch)
    async with desk.pool.connection() as conn:
        found = (await bindings.current(conn, "books", [NeedKey("product/p")]))[NeedKey("product/p")]
    assert (found.external_id, found.external_name) == (bound, "P/9" if bound == "book/9" else "")
    assert (("deliver", "books/other") in desk.armed) is (external_id == "book/9")


async def test_one_that_cannot_be_sent_again_is_a_case_with_all_that_a_person_needs(desk: Desk) -> None:
    ann = UpsertCustomer(Customer("stripe:cus_1", "Ann Ltd"))
    for number in (1, 2):
        await desk.wish(number, kind="upsert_customer", arguments=encode(ann), external_key="ann", order_key="ann")
        if number == 1:
            delay_next(desk)
        await until_done(desk, number)
    desk.later(LATE_S)
    batch, now = await taken(desk), desk.clock.now()
    answer(desk, Outcome(NEW, OutcomeStatus.REFUSED, code="books.locked", case_class=CaseClass.PERIOD_LOCKED, message="Ann Ltd is locked"))
    await send(desk, batch)
    [case] = await desk.cases()
    assert (case.fingerprint, case.code, case.case_class) == ("deliver.recheck|books|ann", "deliver.recheck", "period_locked")
    assert case.cause == (
        "Something books took for DE01 is done, but an older write that got no answer may have undone it since, and it could not be sent"
        " again: [name] is locked"
    )
    assert case.next_step == (
        "Compare the record in the target with its source; correct the cause named above and retry this case, which sends it again;"
        " or waive it if the target is right."
    )
    assert (case.entity, case.connection, case.opened_at) == ("DE01", "books", now)
    assert case.due_at == now + handling_of("period_locked").due_after
    async with desk.pool.connection() as conn:
        found = await cases.show(conn, case.id)
    assert found is not None
    assert [one.subject for one in found.subjects] == [CaseSubject("recheck", OLD, SUBJECT.key, None, "", "", "[name] is locked")]


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


async def two_things_due(desk: Desk) -> Batch:
    """Two records were overwritten by older versions; both are taken."""
    for number, key in ((1, "a"), (3, "b")):
        await update(desk, number, "old", key)
        delay_next(desk)
        await until_done(desk, number)
        await update(desk, number + 1, "new", key)
        await until_done(desk, number + 1)
    desk.later(LATE_S)
    return await taken(desk)


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


async def test_what_is_in_doubt_when_it_is_sent_again_is_noted_anew_and_all_who_wait_are_woken(desk: Desk) -> None:
    await update(desk, 1, "old")
    delay_next(desk)
    await until_done(desk, 1)
    await desk.wish(2, external_key="plan", order_key="plan", produces="product/p")
    await until_done(desk, 2)
    desk.later(LATE_S)
    batch = await taken(desk)
    async with desk.pool.connection() as conn:
        await bindings.end(conn, "books", [NeedKey("product/p")], desk.clock.now())
    await desk.wish(3, external_key="other", needs=("product/p",), batch_key="other")
    desk.armed.clear()

    async def answered_the_second_time(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        del ctx, bound
        note_doubt()
        return tuple(Outcome(one.id, OutcomeStatus.DONE, "book/9") for one in commands)

    desk.books.send = answered_the_second_time  # type: ignore[method-assign]
    await send(desk, batch)
    assert await kept(desk) == [(LATE_S, 0)]
    assert sorted(desk.armed) == [("deliver", "books/all"), ("deliver", "books/other")]


async def test_a_record_that_nothing_can_need_is_not_bound(desk: Desk) -> None:
    await due_now(desk)
    batch = await taken(desk)
    answer(desk, Outcome(NEW, OutcomeStatus.DONE, "book/9"))
    await send(desk, batch)
    async with desk.pool.connection() as conn:
        assert await bindings.by_external(conn, "books", ["book/9"]) == []


async def test_a_trial_sends_nothing_again_and_the_turn_after_it_does(desk: Desk) -> None:
    await due_now(desk)
    await desk.wish(3)
    desk.books.calls.clear()
    await desk.rest.went_down("books", standing.ConnectionTrouble("http.away", "away"), is_trial=False)
    desk.later(0.5)
    assert await desk.turn() == Turn(has_more=True)
    assert (desk.books.calls, desk.books.held["plan"]) == ([("probe", 0), ("send", 1)], "old")
    await desk.turn()
    assert desk.books.held["plan"] == "new"


async def test_a_trial_with_nothing_but_something_to_send_again_leaves_it_to_the_next_turn(desk: Desk) -> None:
    await due_now(desk)
    await desk.rest.went_down("books", standing.ConnectionTrouble("http.away", "away"), is_trial=False)
    desk.later(0.5)
    assert await desk.turn() == Turn(has_more=False, wake_in_s=0.2)
    assert desk.books.held == {"plan": "old"}
    await desk.turn()
    assert desk.books.held == {"plan": "new"}

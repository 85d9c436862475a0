"""Sending again, told: what is written down, logged, bound anew, left to people, and how it yields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from tests.integration.delivery.late import LATE_S, delay_next, noted, until_done, update
from tests.integration.delivery.scripted import START, SUBJECT, Desk, breaking
from tests.integration.delivery.sending_again import AGAIN, NEW, OLD, answer, desk, due_now, kept, said, send, taken

from counterfoil.core.commands.books import UpsertCustomer
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.policies.exceptions import handling_of
from counterfoil.kit.codec import encode
from counterfoil.kit.context import Context
from counterfoil.kit.doubts import note_doubt
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.limits import is_yielding
from counterfoil.kit.stage import Turn
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import attempts, bindings, cases, outbox, standing
from counterfoil.store.attempts import Attempt
from counterfoil.store.bindings import Binding
from counterfoil.store.cases import CaseSubject

__all__ = ["desk"]


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

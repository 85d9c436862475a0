"""What one delivering turn leaves behind: rows, the record of the try, cases, who is woken, and when the partition is looked at again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.integration.delivery.answers import DONE, NO, Answers, outcome, standing_of
from tests.integration.delivery.late import noted
from tests.integration.delivery.scripted import START, SUBJECT, Desk, Wary, breaking

from counterfoil.app.hub import wait_until
from counterfoil.core.commands.books import MATCH, UNMATCH, Allocate, BookCommand, Unmatch, pair_of
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.payment import PAYMENT as PAYMENT_KIND
from counterfoil.core.kinds.payment import Application, Payment, PaymentState
from counterfoil.core.language.commands import Command, Lane
from counterfoil.core.language.ids import external_key
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.money import Money
from counterfoil.delivery.sizing import LearnedSizes
from counterfoil.delivery.stage import WATCH_S
from counterfoil.kit.codec import encode
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, RejectedError, TransientError
from counterfoil.kit.limits import is_yielding
from counterfoil.kit.stage import Turn
from counterfoil.kit.windows import Dated
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import attempts, case_work, cases, objects, outbox, outbox_due, standing
from counterfoil.store.attempts import Attempt
from counterfoil.store.bindings import Binding
from counterfoil.store.cases import CaseDetail
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Pool
from counterfoil.store.work import decide_key, shard_of

PLACE = ("books", "all", "upsert_product")
ANN = Customer("stripe:cus_A", "Ann Ltd", "ann@example.com")
PAYMENT = PAYMENT_KIND.ref("stripe:ch_1")


@pytest.fixture
def desk(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher)


async def detail(desk: Desk) -> CaseDetail:
    """Return the only open case with its records."""
    [case] = await desk.cases()
    async with desk.pool.connection() as conn:
        found = await cases.show(conn, case.id)
    assert found is not None
    return found


async def retry(desk: Desk) -> None:
    """Have a person retry every open case."""
    for case in await desk.cases():
        async with desk.pool.connection() as conn:
            await case_work.retry(conn, case.id, "somebody", desk.clock.now())


async def known(desk: Desk) -> None:
    """Store a payment of one invoice and its customer."""
    paid = Payment(PAYMENT.id, ANN.id, PaymentState.SUCCEEDED, Money(100, "EUR"), START, (Application("stripe:in_9", Money(100, "EUR")),))
    who = CUSTOMER.ref(ANN.id)
    rows = [
        ObjectRow(PAYMENT, "stripe", 1, 1, b"d", START, START, encode(paid), customer_id=ANN.id),
        ObjectRow(who, "stripe", 1, 1, b"d", START, START, encode(ANN)),
    ]
    async with desk.pool.connection() as conn:
        await objects.upsert(conn, desk.cipher, rows)


async def test_a_try_is_written_down_with_when_it_began_and_ended_and_how_each_command_did(desk: Desk) -> None:
    books = Answers(desk, k1=DONE, k2=NO)
    await desk.wish(1, 2)
    assert await desk.turn() == Turn(has_more=False)
    assert [[one.external_key for one in sent] for sent in books.sent] == [["k1", "k2"]]
    one, two = await desk.rows(1, 2)
    later = START + timedelta(seconds=3)
    assert (one.state.value, one.external_id, one.external_name, one.sent_at, one.done_at) == ("done", "book/1", "B/1", START, later)
    assert (two.state.value, two.code, two.reason, two.attempts, two.in_doubt) == ("parked", "books.no", "no", 1, False)
    async with desk.pool.connection() as conn:
        [found] = await attempts.of_commands(conn, [one.id])
    assert found == Attempt(
        START, later, "books", "all", "upsert_product", 2, found.request_digest, 1, 1, 0, 0, (one.id, two.id), is_resolution=False
    )


async def test_a_command_nobody_answered_for_is_looked_up_half_a_second_later(desk: Desk) -> None:
    Answers(desk)
    await desk.wish(1)
    assert await desk.turn() == Turn(has_more=False, wake_in_s=0.5)
    [row] = await desk.rows(1)
    assert (row.state.value, row.code, row.in_doubt) == ("unknown", "deliver.no_outcome", True)
    await desk.settle()
    async with desk.pool.connection() as conn:
        tries = await attempts.of_commands(conn, [row.id])
    assert [one.is_resolution for one in tries][:2] == [False, True]


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        (TransientError("slow", code="x", retry_after_s=3.0), 3.0),
        (TransientError("slow", code="x", retry_after_s=0.05), 0.2),
        (TransientError("slow", code="x"), 0.5),
        (RejectedError("odd", code="x"), 0.5),
    ],
)
async def test_a_partition_whose_call_failed_rests_as_long_as_asked_or_half_a_second(desk: Desk, error: HubError, pause_s: float) -> None:
    desk.books.failing = lambda _call, _commands: error
    await desk.wish(1, 2)
    with capture_logs() as logs:
        assert await desk.turn() == Turn(has_more=False, wake_in_s=pause_s)
    assert logs == [{"event": "batch failed", "target": "books", "batch_key": "all", "size": 2, "code": "x", "log_level": "warning"}]


async def test_a_connector_that_breaks_leaves_its_commands_in_doubt_and_the_log_says_where(desk: Desk) -> None:
    desk.books.send = breaking  # type: ignore[method-assign]
    await desk.wish(1, 2)
    with capture_logs() as logs:
        assert await desk.turn() == Turn(has_more=False, wake_in_s=1.0)
    told = {"target": "books", "batch_key": "all", "size": 2, "exc_info": True, "log_level": "error"}
    assert logs == [{"event": "connector failed", **told}]
    assert [(row.state.value, row.code) for row in await desk.rows(1, 2)] == [("unknown", "deliver.failed")] * 2


async def test_a_worker_that_may_not_send_looks_again_in_five_seconds(desk: Desk) -> None:
    await desk.wish(1)
    assert await desk.turn(may_send=lambda: False) == Turn(has_more=False, wake_in_s=5.0)
    answers = iter([True, False])
    assert await desk.turn(may_send=lambda: next(answers)) == Turn(has_more=False, wake_in_s=5.0)


async def test_what_is_refused_names_nobody_and_its_money_is_that_of_the_invoice_it_pays(desk: Desk) -> None:
    await known(desk)
    Answers(desk, k1=outcome(OutcomeStatus.REFUSED, "books.no", "Ann Ltd (ann@example.com) is archived"))
    await desk.wish(1, subject=PAYMENT)
    await desk.turn()
    [row] = await desk.rows(1)
    assert row.reason == "[name] ([e-mail]) is archived"
    found = await detail(desk)
    [held] = [one.subject for one in found.subjects]
    assert found.case.cause == "books does not take products of DE01: [name] ([e-mail]) is archived"
    assert (held.stage, held.subject, held.label, held.concerns) == ("deliver", row.id, PAYMENT.key, "invoice/stripe:in_9")


async def test_what_workers_died_of_names_its_invoice_and_wakes_who_puts_right_what_it_may_do_late(desk: Desk) -> None:
    await known(desk)
    desk.overwrites = True
    await desk.wish(1, 2, subject=PAYMENT)
    [row, _] = await desk.rows(1, 2)
    async with desk.pool.connection() as conn:
        await outbox.mark_sent(conn, [row], START)
    poison = frozenset({row.id})
    with capture_logs() as logs:
        await desk.turn(Wary(limit=1, poison=poison))
    told = {"target": "books", "batch_key": "all", "size": 1, "log_level": "error"}
    assert logs == [{"event": "commands parked: workers ended with them in hand", **told}]
    found = await detail(desk)
    assert [one.subject.concerns for one in found.subjects] == ["invoice/stripe:in_9"]
    assert (found.case.code, found.case.opened_at) == ("deliver.poisoned", START)
    assert desk.armed == [("deliver", "books/all")]
    assert await desk.states(1, 2) == ["parked", "done"]


async def test_a_record_that_stands_still_for_another_cause_now_is_in_that_case_only_and_in_none_once_it_is_done(desk: Desk) -> None:
    books = Answers(desk, k1=NO)
    await desk.wish(1)
    await desk.turn()
    assert [(case.code, case.opened_at) for case in await desk.cases()] == [("books.no", START + timedelta(seconds=3))]
    books.by_key["k1"] = replace(NO, code="books.other")
    await retry(desk)
    await desk.turn()
    assert [case.code for case in await desk.cases()] == ["books.other"]
    books.by_key["k1"] = DONE
    await retry(desk)
    await desk.turn()
    assert (await desk.cases(), await desk.states(1)) == ([], ["done"])


async def test_a_match_that_found_too_little_open_goes_on_when_another_match_is_undone(desk: Desk) -> None:
    debit, credit, other = "invoice/a", "payment/b", "payment/c"
    match, undoing = external_key(MATCH, pair_of(debit, credit)), external_key(UNMATCH, pair_of(debit, other))
    await desk.wish(1, kind="allocate", arguments=encode(Allocate(debit, credit, Money(100, "EUR"))), external_key=match)
    books = Answers(desk, **{match: NO})
    await desk.turn()
    assert await desk.states(1) == ["parked"]
    desk.armed.clear()
    books.by_key |= {match: DONE, undoing: DONE}
    await desk.wish(2, kind="unmatch", arguments=encode(Unmatch(debit, other)), external_key=undoing, subject=PAYMENT)
    await desk.turn()
    assert await desk.states(1, 2) == ["done", "done"]
    assert ("deliver", "books/all") in desk.armed


async def test_a_command_is_sent_with_what_it_needs_and_what_it_was_bound_to_before(desk: Desk) -> None:
    bound = [Binding("books", key, f"id/{key}") for key in map(NeedKey, ("customer/a", "product/p", "product/other"))]
    async with desk.pool.connection() as conn:
        await outbox.bind_and_release(conn, [*bound, Binding("ledger", NeedKey("customer/a"), "x")], START)
    books = Answers(desk, k1=DONE, k2=DONE)
    await desk.wish(1, needs=("customer/a",), produces="product/p")
    await desk.wish(2)
    await desk.turn()
    assert books.bound == [{"customer/a": "id/customer/a", "product/p": "id/product/p"}]


async def test_who_waited_for_what_is_done_and_who_decides_on_what_is_refused_is_woken(desk: Desk) -> None:
    Answers(desk, k1=DONE, k2=NO)
    await desk.wish(1, produces="product/p")
    await desk.wish(3, needs=("product/p",), batch_key="other")
    await desk.wish(2)
    await desk.turn()
    assert sorted(desk.armed) == sorted([("deliver", "books/other"), decide_key(shard_of(SUBJECT.key))])


async def test_what_came_to_lack_nothing_since_the_last_look_is_sent_by_one_more_turn(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(desk, k1=DONE)
    released, first, other = outbox_due.released, NeedKey("customer/a"), NeedKey("product/p")
    await desk.wish(1, needs=(first, other))
    async with desk.pool.connection() as conn:
        await outbox.bind_and_release(conn, [Binding("books", first, "1")], START)

    async def bound_meanwhile(*given: Any) -> Any:
        monkeypatch.setattr(outbox_due, "released", released)
        async with desk.pool.connection() as conn:
            assert await outbox.bind_and_release(conn, [Binding("books", other, "2")], START) == []  # nobody is told
        return await released(*given)

    monkeypatch.setattr(outbox_due, "released", bound_meanwhile)
    assert (await desk.turn()).has_more
    assert not (await desk.turn()).has_more
    assert await desk.states(1) == ["done"]


async def test_what_a_batch_released_while_another_hand_looked_in_vain_is_sent_in_the_same_turn(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    Answers(desk, k1=DONE, k2=DONE)
    desk.width, claim = 2, outbox_due.claim
    await desk.wish(1, produces="product/p")
    await desk.wish(2, needs=("product/p",))

    async def is_done() -> bool:
        return await desk.states(1) == ["done"]

    async def slowly(*given: Any, **named: Any) -> Any:
        rows = await claim(*given, **named)
        if not rows:
            monkeypatch.setattr(outbox_due, "claim", claim)
            assert await wait_until(is_done, timeout_s=30.0, every_s=0.01)
            await asyncio.sleep(0.1)  # until the other hand waits for its turn to look
        return rows

    monkeypatch.setattr(outbox_due, "claim", slowly)
    await desk.turn()
    assert await desk.states(1, 2) == ["done", "done"]


async def test_only_real_time_work_is_noted_as_such(desk: Desk) -> None:
    await desk.wish(1, lane=int(Lane.BATCH))
    await desk.turn()
    assert (await standing_of(desk)).real_time_at is None
    await desk.wish(2)
    await desk.turn()
    assert (await standing_of(desk)).real_time_at == START


async def test_a_turn_learns_sizes_from_what_was_fast_and_from_what_is_in_doubt(desk: Desk) -> None:
    sizes = LearnedSizes()
    await desk.wish(*range(1, 101))
    await desk.turn(sizes=sizes)
    assert sizes.size(PLACE, 100, is_yielding=False) == 100
    lost = outcome(OutcomeStatus.UNKNOWN, "x", "no answer")
    Answers(desk, **{f"k{n}": DONE for n in range(102, 201)}, k101=lost)
    await desk.wish(*range(101, 201))
    await desk.turn(sizes=sizes)
    assert sizes.size(PLACE, 100, is_yielding=False) == 50
    assert (await desk.states(101, 102)) == ["unknown", "done"]


async def test_a_target_that_is_away_teaches_nothing_of_sizes(desk: Desk) -> None:
    sizes = LearnedSizes()
    away = outcome(OutcomeStatus.UNKNOWN, "x", "away", is_unavailable=True)
    Answers(desk, **{f"k{n}": away for n in range(1, 101)})
    await desk.wish(*range(1, 101))
    assert await desk.turn(sizes=sizes) == Turn(has_more=False, wake_in_s=0.5)
    assert sizes.size(PLACE, 100, is_yielding=False) == 100


@pytest.mark.parametrize(("lasts_s", "wake_in_s"), [(3600, 300.0), (100, 98.0), (3, 1.0)])
async def test_a_window_that_begins_during_a_turn_ends_it(desk: Desk, lasts_s: float, wake_in_s: float) -> None:
    Answers(desk, k1=DONE, k2=DONE)
    desk.batch_size_max = 1
    desk.windows = (Dated(START + timedelta(seconds=1), START + timedelta(seconds=1 + lasts_s)),)
    await desk.wish(1, 2)
    assert await desk.turn() == Turn(has_more=False, wake_in_s=wake_in_s)
    assert await desk.states(1, 2) == ["done", "ready"]


@pytest.mark.parametrize(("left_s", "wake_in_s"), [(30.0, 30.0), (0.4, 0.4), (0.1, 0.2)])
async def test_a_partition_is_woken_when_its_next_command_is_due_but_not_at_once(desk: Desk, left_s: float, wake_in_s: float) -> None:
    await desk.wish(1, not_before=START + timedelta(seconds=left_s))
    assert await desk.turn() == Turn(has_more=False, wake_in_s=wake_in_s)
    assert desk.books.calls == []


async def test_a_micro_batch_of_one_that_is_full_is_due_at_once(desk: Desk) -> None:
    desk.batch_size_max = 1
    await desk.wish(1, lane=int(Lane.MICRO_BATCH), not_before=START + timedelta(seconds=30))
    assert await desk.turn() == Turn(has_more=True)
    assert await desk.turn() == Turn(has_more=False)
    assert desk.books.done == ["k1"]


async def test_a_batch_holds_commands_of_one_kind(desk: Desk) -> None:
    books = Answers(desk, k1=DONE, k2=DONE, k3=DONE)
    arguments = encode(Allocate("invoice/a", "payment/b", Money(1, "EUR")))
    await desk.wish(1, 3)
    await desk.wish(2, kind="allocate", arguments=arguments)
    await desk.turn()
    assert [{one.kind for one in sent} for sent in books.sent] == [{BookCommand.UPSERT_PRODUCT}, {BookCommand.ALLOCATE}]


async def test_real_time_work_is_sent_in_ordinary_batches_and_yields_to_nobody(desk: Desk) -> None:
    sizes, seen = LearnedSizes(), list[tuple[int, bool]]()
    sizes.learn(PLACE, 100, 100, 40.0, is_yielding=False, has_failed=False)  # slow: ordinary batches are of 50, yielding ones of 4
    patient = desk.books.send

    async def watching(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        seen.append((len(commands), is_yielding()))
        return await patient(ctx, commands, bound)

    desk.books.send = watching  # type: ignore[method-assign]
    await desk.wish(*range(1, 41))
    await desk.turn(sizes=sizes)
    await desk.wish(*range(41, 101))
    await desk.turn(sizes=sizes)
    assert seen == [(40, False), (50, False), (10, False)]


async def test_bulk_work_leaves_one_hand_free_while_there_is_real_time_work(desk: Desk) -> None:
    desk.width, desk.batch_size_max = 3, 1
    async with desk.pool.connection() as conn:
        await standing.note_real_time(conn, "books", START)
    patient, under_way, most = desk.books.send, 0, 0

    async def slow(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(3 * WATCH_S)
        under_way -= 1
        return await patient(ctx, commands, bound)

    desk.books.send = slow  # type: ignore[method-assign]
    await desk.wish(*range(1, 7), lane=int(Lane.BATCH))
    await desk.turn()
    assert (most, len(desk.books.done)) == (2, 6)


async def test_a_write_in_doubt_wakes_its_partition_and_one_that_certainly_failed_is_not_noted(desk: Desk) -> None:
    desk.overwrites = True
    books = Answers(desk, k1=outcome(OutcomeStatus.RETRY, "x", "busy"))
    await desk.wish(1)
    await desk.turn()
    books.by_key["k1"] = DONE
    desk.later(1)
    await desk.turn()
    assert (await desk.states(1), await noted(desk), desk.armed) == (["done"], 0, [])
    await desk.wish(2)  # nobody answers for it
    await desk.turn()
    assert (await noted(desk), desk.armed) == (1, [("deliver", "books/all")])

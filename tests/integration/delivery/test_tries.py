"""What becomes of a try, without a database: outcome, end, when it goes on, the record of it, and what it says of the target."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from tests.integration.delivery.rows import NOW, bill, row

from counterfoil.core.commands.books import Allocate, BookCommand, Unmatch, UpsertProduct
from counterfoil.core.kinds.product import PRODUCT
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command, Lane
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.money import Money
from counterfoil.delivery.ends import (
    ATTEMPTS_MAX,
    BREAK_TRIES_MAX,
    GONE_TRIES_MAX,
    Try,
    all_failed,
    attempt_of,
    broken,
    end_of,
    gone_of,
    is_bulk,
    opened_by,
    poisoned,
    poisoned_end,
    released_by,
    trouble_of,
    unanswered,
)
from counterfoil.delivery.resting import as_trouble
from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store.attempts import Attempt
from counterfoil.store.commands import command_of
from counterfoil.store.outbox import CommandRow, CommandState, End, EndStatus
from counterfoil.store.standing import ConnectionTrouble

FIRST, SECOND = f"{1:032x}", f"{2:032x}"
ONE = row(1, bill(100))
AWAY = TransientError("away", code="http.away", retry_after_s=7.0, is_unavailable=True)


def ended(
    one: CommandRow,
    status: OutcomeStatus,
    case_class: CaseClass | Literal[""] = "",
    *,
    is_unavailable: bool = False,
    after_s: float | None = None,
) -> End:
    said = Outcome(one.id, status, case_class=case_class, is_unavailable=is_unavailable, retry_after_s=after_s)
    return end_of(one, said, NOW)


def test_a_row_of_the_outbox_is_the_command_with_all_that_was_wished() -> None:
    subject, later = PRODUCT.ref("stripe:p"), NOW + timedelta(hours=1)
    product = UpsertProduct("stripe:p", "Plan")
    one = row(
        1, product, BookCommand.UPSERT_PRODUCT, subject=subject, entity="DE01", needs=("a", "b"), produces="product/stripe:p",
        order_key="o", not_before=later, rules_version=7, content="c",
    )  # fmt: skip
    assert command_of(one) == Command(
        FIRST, BookCommand.UPSERT_PRODUCT, "books", "DE01", subject, "invoice_stripe.in_1Xy", product,
        (NeedKey("a"), NeedKey("b")), NeedKey("product/stripe:p"), "o", not_before=later, rules_version=7, content="c",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lane", "expected"), [(Lane.REAL_TIME, False), (Lane.MICRO_BATCH, False), (Lane.BATCH, True), (Lane.REPLAY, True)]
)
def test_batches_and_replays_are_bulk_work(lane: Lane, expected: bool) -> None:
    assert is_bulk(row(1, bill(1), lane=int(lane))) is expected


@pytest.mark.parametrize(
    ("error", "status", "case_class", "after_s", "is_away"),
    [
        (TransientError("slow", code="http.slow"), OutcomeStatus.RETRY, "target_unavailable", None, False),
        (
            TransientError("away", code="http.away", retry_after_s=7.0, is_unavailable=True),
            OutcomeStatus.RETRY,
            "target_unavailable",
            7.0,
            True,
        ),
        (TransientError("cut", code="http.cut", is_outcome_unknown=True), OutcomeStatus.UNKNOWN, "target_unavailable", None, False),
        (SetupError("revoked", code="http.unauthorized"), OutcomeStatus.RETRY, "authentication_refused", None, True),
        (RejectedError("odd", code="x.odd"), OutcomeStatus.UNKNOWN, "target_unavailable", None, False),
    ],
)
def test_a_call_that_failed_as_a_whole_is_told_of_each_of_its_commands(
    error: HubError, status: OutcomeStatus, case_class: CaseClass, after_s: float | None, is_away: bool
) -> None:
    expected = [Outcome(id, status, "", "", error.code, case_class, str(error), after_s, is_away) for id in (FIRST, SECOND)]
    assert list(all_failed([ONE, row(2, bill(1))], error)) == expected
    doubtful = all_failed([replace(ONE, in_doubt=True)], error)
    assert [(one.status, one.is_unavailable) for one in doubtful] == [(OutcomeStatus.UNKNOWN, is_away)]


def test_a_key_refused_after_something_was_sent_leaves_it_in_doubt() -> None:
    error = SetupError("revoked", code="http.unauthorized")
    error.is_outcome_unknown = True
    assert [one.status for one in all_failed([ONE], error)] == [OutcomeStatus.UNKNOWN]


def test_what_nobody_answered_for_and_what_a_connector_broke_on_is_unknown() -> None:
    assert unanswered(ONE) == Outcome(
        FIRST, OutcomeStatus.UNKNOWN, code="deliver.no_outcome", message="the connector gave no outcome for this command"
    )
    words = "the connector failed (ValueError); the log says where"
    assert broken([ONE, row(2, bill(1))], ValueError("x")) == tuple(
        Outcome(id, OutcomeStatus.UNKNOWN, code="deliver.failed", message=words) for id in (FIRST, SECOND)
    )


def test_what_workers_died_of_is_parked_unsent_or_in_doubt_as_it_was() -> None:
    words = "the worker ended 5 times while this was in hand; the log of the workers says why"
    one = replace(ONE, fence=3)
    refused = Outcome(FIRST, OutcomeStatus.REFUSED, code="deliver.poisoned", case_class=CaseClass.REJECTED_BY_TARGET, message=words)
    assert poisoned(one) == refused
    assert poisoned_end(one) == End(FIRST, NOW, EndStatus.REFUSED, code="deliver.poisoned", reason=words, fence=3)
    doubtful = replace(one, in_doubt=True)
    assert poisoned(doubtful) == replace(refused, status=OutcomeStatus.UNKNOWN)
    assert poisoned_end(doubtful) == End(FIRST, NOW, EndStatus.GIVEN_UP, code="deliver.poisoned", reason=words, fence=3)


def away(code: str, words: str, case_class: CaseClass = CaseClass.TARGET_UNAVAILABLE, after_s: float | None = None) -> Outcome:
    return Outcome("x", OutcomeStatus.RETRY, "", "", code, case_class, words, after_s, True)


def test_a_target_is_in_trouble_only_when_an_outcome_says_so() -> None:
    done, refused = (
        Outcome("x", OutcomeStatus.DONE),
        Outcome("x", OutcomeStatus.REFUSED, code="x", case_class=CaseClass.AUTHENTICATION_REFUSED),
    )
    assert trouble_of([]) is None
    assert trouble_of([done, refused]) is None
    assert trouble_of([done, away("a", "first"), away("b", "second")]) == ConnectionTrouble("a", "first")


def test_a_refused_key_is_the_worst_of_troubles_and_the_longest_wait_asked_for_counts() -> None:
    found = [away("a", "first", after_s=9.0), away("k", "the key", CaseClass.AUTHENTICATION_REFUSED), away("b", "second", after_s=4.0)]
    assert trouble_of(found) == ConnectionTrouble("k", "the key", is_refused=True, retry_after_s=9.0)


def test_a_failed_read_of_a_target_is_trouble_with_its_own_words() -> None:
    asked = TransientError("busy", code="http.throttled", retry_after_s=3.0)
    assert as_trouble(asked) == ConnectionTrouble("http.throttled", "busy", is_refused=False, retry_after_s=3.0)
    assert as_trouble(SetupError("revoked", code="http.unauthorized")) == ConnectionTrouble("http.unauthorized", "revoked", is_refused=True)
    assert as_trouble(RejectedError("odd", code="x.odd")) == ConnectionTrouble("x.odd", "odd")


def test_an_end_carries_what_the_target_said_of_the_try_it_ends() -> None:
    one = replace(ONE, created_at=NOW - timedelta(days=1), fence=6, attempts=2)
    done = Outcome(FIRST, OutcomeStatus.DONE, "account.move/7", "INV/7", "c", "", "words")
    assert end_of(one, done, NOW) == End(
        FIRST, NOW - timedelta(days=1), EndStatus.DONE, "account.move/7", "INV/7", "c", "words", None, 7, True
    )


@pytest.mark.parametrize("status", [OutcomeStatus.RETRY, OutcomeStatus.UNKNOWN])
@pytest.mark.parametrize(("attempts", "wait_s"), [(0, 0.5), (1, 1.0), (3, 4.0), (8, 128.0), (9, 240.0), (10, 240.0)])
def test_what_is_tried_again_waits_twice_as_long_each_time_up_to_four_minutes(status: OutcomeStatus, attempts: int, wait_s: float) -> None:
    end = ended(replace(ONE, attempts=attempts), status)
    assert (end.status.value, end.next_try_at, end.is_counted) == (status.value, NOW + timedelta(seconds=wait_s), True)


def test_a_wait_the_target_asked_for_is_kept() -> None:
    assert ended(replace(ONE, attempts=5), OutcomeStatus.RETRY, after_s=0.0).next_try_at == NOW
    assert ended(ONE, OutcomeStatus.UNKNOWN, after_s=90.0).next_try_at == NOW + timedelta(seconds=90)


def test_the_last_try_makes_it_a_case_and_a_target_that_is_away_uses_up_none() -> None:
    assert ATTEMPTS_MAX == 12
    last, before = replace(ONE, attempts=11), replace(ONE, attempts=10)
    found = [ended(one, status) for one in (before, last) for status in (OutcomeStatus.RETRY, OutcomeStatus.UNKNOWN)]
    assert [end.status.value for end in found] == ["retry", "unknown", "refused", "given_up"]
    assert [(end.next_try_at, end.is_counted) for end in found[2:]] == [(None, True)] * 2
    absent = [ended(last, status, is_unavailable=True) for status in (OutcomeStatus.RETRY, OutcomeStatus.UNKNOWN)]
    assert [(end.status.value, end.next_try_at, end.is_counted) for end in absent] == [("retry", None, False), ("unknown", None, False)]
    assert ended(last, OutcomeStatus.DONE, is_unavailable=True).is_counted
    assert ended(replace(ONE, attempts=20), OutcomeStatus.DONE).status is EndStatus.DONE


def test_a_look_that_failed_leaves_in_doubt_what_was_in_doubt_and_nothing_else() -> None:
    doubtful = replace(ONE, in_doubt=True)
    assert ended(doubtful, OutcomeStatus.RETRY, is_unavailable=True).status is EndStatus.UNKNOWN
    assert ended(doubtful, OutcomeStatus.RETRY).status is EndStatus.RETRY
    assert ended(doubtful, OutcomeStatus.REFUSED, is_unavailable=True).status is EndStatus.REFUSED
    assert ended(ONE, OutcomeStatus.RETRY, is_unavailable=True).status is EndStatus.RETRY


def test_a_break_is_looked_at_again_so_many_times_and_another_refusal_is_not() -> None:
    assert (BREAK_TRIES_MAX, GONE_TRIES_MAX) == (3, 4)
    found = [ended(replace(ONE, attempts=tried), OutcomeStatus.REFUSED, CaseClass.RECONCILIATION_BREAK).status.value for tried in (2, 3)]
    assert found == ["retry", "refused"]
    assert ended(ONE, OutcomeStatus.REFUSED, CaseClass.REJECTED_BY_TARGET).status is EndStatus.REFUSED
    assert ended(ONE, OutcomeStatus.DONE, CaseClass.RECONCILIATION_BREAK).status is EndStatus.DONE


def test_what_is_missing_is_waited_for_so_many_times() -> None:
    found = [ended(replace(ONE, attempts=tried), OutcomeStatus.WAITING) for tried in (3, 4)]
    assert [(end.status.value, end.next_try_at) for end in found] == [("waiting", None), ("refused", None)]


def test_what_a_command_missed_is_what_its_target_named_or_all_it_needs() -> None:
    one = replace(ONE, needs=(NeedKey("customer/a"), NeedKey("product/b")))
    waiting, refused = End(FIRST, NOW, EndStatus.WAITING), End(FIRST, NOW, EndStatus.REFUSED)
    said = Outcome(FIRST, OutcomeStatus.WAITING)
    assert gone_of(one, said, waiting) == ("customer/a", "product/b")
    assert gone_of(one, replace(said, missing=("product/b", "tax/c")), waiting) == ("product/b",)
    assert gone_of(one, said, refused) == ()


def test_the_record_of_a_try_counts_how_its_commands_ended() -> None:
    rows = tuple(row(number, bill(1)) for number in range(1, 12))
    statuses = (["done"] * 1 + ["refused"] * 2 + ["given_up"] * 1 + ["unknown"] * 4 + ["retry"] * 1 + ["waiting"] * 2)  # fmt: skip
    ended_as = [EndStatus(status) for status in statuses]
    one = Try("books", "all", rows, NOW - timedelta(seconds=3))
    ids = tuple(f"{number:032x}" for number in range(1, 12))
    expected = Attempt(
        NOW - timedelta(seconds=3), NOW, "books", "all", "post_invoice", 11, attempt_of(one, ended_as, NOW).request_digest,
        done=1, refused=3, unknown=4, retried=3, command_ids=ids, is_resolution=False,
    )  # fmt: skip
    assert attempt_of(one, ended_as, NOW) == expected


def test_two_tries_of_the_same_commands_have_one_digest_and_a_look_is_told_apart() -> None:
    two = (row(10, bill(1)), row(11, bill(1), BookCommand.POST_CREDIT_NOTE))
    found = attempt_of(Try("books", "all", two, NOW), [], NOW)
    # blake2b, 16 bytes, of 62 zeros, "a" in the 32nd place, "b" in the 64th
    assert found.kind == "post_invoice"
    assert found.request_digest.hex() == "f2f780d9f4fe3eb9650c3de3572b4d3c"
    unknown = tuple(replace(one, state=CommandState.UNKNOWN) for one in two)
    assert attempt_of(Try("books", "all", unknown, NOW), [], NOW) == replace(found, is_resolution=True)


def test_undoing_a_match_opens_its_document_and_a_match_waits_for_that() -> None:
    match = row(1, Allocate("invoice/a", "payment/b", Money(700, "EUR")), BookCommand.ALLOCATE)
    undoing = row(1, Unmatch("invoice/a", "payment/b"), BookCommand.UNMATCH)
    assert [opened_by(one) for one in (match, undoing, ONE)] == ["", "open/invoice/a", ""]
    assert [released_by(one) for one in (match, undoing, ONE)] == ["open/invoice/a", "", ""]

"""Refusals by their cause: the same cause is one case, whatever ids, amounts and days its words name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from counterfoil.core.canonical.commands import (
    Account,
    AccountRole,
    Allocate,
    Arguments,
    CommandKind,
    EntryLine,
    PostDocument,
    PostEntry,
    PostPayment,
    UpsertProduct,
)
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.core.canonical.money import Money
from counterfoil.delivery.causes import About, case_of, money_of, shape
from counterfoil.delivery.ends import broken
from counterfoil.kit.codec import encode
from counterfoil.kit.connector import Outcome, OutcomeStatus
from counterfoil.store.cases import CaseSubject, Opening
from counterfoil.store.outbox import CommandRow, CommandState, End, EndStatus

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = date(2026, 2, 1)


def row(number: int, arguments: Arguments, kind: CommandKind = CommandKind.POST_INVOICE) -> CommandRow:
    ref = ObjectRef(ObjectKind.INVOICE, f"stripe:in_{number}Xy")
    key, digits = f"invoice_stripe.in_{number}Xy", f"{number:032x}"
    return CommandRow(
        digits, NOW, number, kind.value, "books", "DE", "DE", "", 10, ref, key, "", (), 0, CommandState.READY, None, None, 0, 0, False,
        None, None, "", "", "", "", 0, "", "", encode(arguments),
    )  # fmt: skip


def bill(total: int) -> PostDocument:
    return PostDocument("stripe:cus_1", "EUR", DAY, DAY, DAY, Money(total, "EUR"), Money(0, "EUR"), ())


def case(one: CommandRow, message: str, about: About | None = None, *, cause: str = "", remedy: str = "") -> Opening:
    refused = Outcome(one.id, OutcomeStatus.REFUSED, code="odoo.refused", message=message, about=cause, remedy=remedy)
    return case_of(one, refused, End(one.id, NOW, EndStatus.REFUSED, code="odoo.refused", reason=message), NOW, about)


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("no rate for EUR on 2026-02-01", "no rate for EUR on 2026-02-17", True),
        ("no rate for EUR on 2026-02-01", "no rate for GBP on 2026-02-01", False),
        ("Odoo computes 119.00 EUR, the source says 1,115.00 EUR", "Odoo computes 7.00 EUR, the source says 8.50 EUR", True),
        ("Odoo computes 1,200 JPY", "Odoo computes 900 JPY", True),
        ("The account Sales (400000) is archived.", "The account Sales (400000) is archived.", True),
        ("The account Sales (400000) is archived.", "The account Sales (430000) is archived.", False),
        ("No record found for database id '8' in field 'Partner'", "No record found for database id '17' in field 'Partner'", True),
        ("INV/2026/00005 is canceled", "INV/2026/00017 is canceled", True),
        ("invoice_stripe.in_1Xy is a draft", "invoice_stripe.in_2Xy is a draft", True),
        ("account.move/12 is gone", "account.move/131 is gone", True),
    ],
)  # fmt: skip
def test_the_same_cause_is_one_case_and_another_cause_another(first: str, second: str, is_same: bool) -> None:
    found = [case(row(1, bill(11_900)), first), case(row(2, bill(700)), second)]
    assert (found[0].fingerprint == found[1].fingerprint) is is_same


@pytest.mark.parametrize(
    ("words", "own", "expected"),
    [
        ("A-1 of [name] is  gone", ("A-1", "is", ""), "* of * is gone"),  # two letters are too few to be an id
        ("ab-1 and ab-12", ("ab-1", "ab-12"), "* and *"),  # the longer one first
        ("at -1,200.50 and 17 EUR, 400000", (), "at * and * EUR, 400000"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e, in_1NX, ids 8", (), "*, *, *"),
    ],
)
def test_the_shape_of_words_is_without_what_is_of_one_record(words: str, own: tuple[str, ...], expected: str) -> None:
    assert shape(words, own) == expected


def test_a_refused_posting_is_a_case_that_says_what_is_refused_and_what_to_do() -> None:
    words = "The account is archived."
    found = case(row(1, bill(11_900)), words, About((), "invoice/stripe:in_9"))
    assert (found.case_class, found.code, found.entity, found.connection) == ("rejected_by_target", "odoo.refused", "DE", "books")
    assert found.subject == CaseSubject("deliver", f"{1:032x}", "invoice/stripe:in_1Xy", 11_900, "EUR", "invoice/stripe:in_9", words)
    assert (found.cause, found.due_at) == (f"books does not take postings of DE: {words}", NOW + timedelta(days=1))
    assert found.next_step == (
        "Mend in books what its words name, then retry this case: what is there already is found by its key and never doubled."
    )
    assert case(row(1, bill(100)), "", remedy="Do this.").next_step == "Do this."
    assert case(row(1, bill(100)), "").cause == "books does not take postings of DE: no reason was given"
    product = row(1, UpsertProduct("stripe:p", "P"), CommandKind.UPSERT_PRODUCT)
    assert case(product, "no").cause == "books does not take products of DE: no"


def test_a_posting_of_which_nobody_knows_is_another_case_with_another_next_step() -> None:
    one = row(1, bill(11_900))
    lost = Outcome(one.id, OutcomeStatus.UNKNOWN, message="no answer")
    given_up = case_of(one, lost, End(one.id, NOW, EndStatus.GIVEN_UP), NOW)
    refused = case_of(one, replace(lost, status=OutcomeStatus.REFUSED), End(one.id, NOW, EndStatus.REFUSED), NOW)
    assert (given_up.code, refused.code, given_up.subject.concerns) == ("deliver.unknown", "deliver.refused", "")
    assert given_up.cause == "It is not known whether books took postings of DE: no answer"
    assert given_up.next_step == (
        "Retry this case: each record is looked up in books by its key and never doubled. Should that fail too, look for it there."
    )
    locked = case_of(one, replace(lost, case_class="period_locked"), End(one.id, NOW, EndStatus.REFUSED), NOW)
    assert (locked.case_class, locked.releases_on) == ("period_locked", "period/DE")


LINE = EntryLine(Account(AccountRole.FEES), Money(300, "EUR"))


@pytest.mark.parametrize(
    ("arguments", "money"),
    [
        (bill(500), Money(500, "EUR")),
        (Allocate("invoice/a", "payment/b", Money(700, "EUR")), Money(700, "EUR")),
        (PostEntry(DAY, (LINE, replace(LINE, amount=Money(-400, "EUR")), replace(LINE, amount=Money(100, "EUR")))), Money(400, "EUR")),
        (PostEntry(DAY, (LINE, replace(LINE, amount=Money(900, "USD")))), Money(300, "EUR")),
        (UpsertProduct("stripe:p", "P"), None),
        (None, None),
    ],
)
def test_the_money_of_a_posting_is_its_total_or_its_debits(arguments: Arguments | None, money: Money | None) -> None:
    assert money_of(arguments) == money


def test_a_batch_on_which_the_connector_failed_is_unknown_and_says_by_what() -> None:
    (outcome,) = broken([row(1, bill(100))], KeyError("x"))
    words = "the connector failed (KeyError); the log says where"
    assert outcome == Outcome(f"{1:032x}", OutcomeStatus.UNKNOWN, code="deliver.failed", message=words)


def test_a_cause_the_connector_names_counts_more_than_its_words() -> None:
    found = {case(row(number, bill(100)), f"words number {number}", cause="rate/EUR").fingerprint for number in (1, 2, 3)}
    assert len(found) == 1


def test_a_case_names_no_record_and_each_record_has_its_own_words_and_money() -> None:
    opened = case(row(7, bill(11_900)), "Odoo computes 119.01 EUR", About((), "invoice/stripe:in_7Xy"))
    assert opened.cause == "books does not take postings of DE: Odoo computes 119.01 EUR"
    assert (opened.subject.detail, opened.subject.money_minor, opened.subject.currency) == ("Odoo computes 119.01 EUR", 11_900, "EUR")
    assert opened.subject.concerns == "invoice/stripe:in_7Xy"
    assert "in_7Xy" not in opened.cause + opened.next_step + opened.fingerprint
    payment = PostPayment("stripe:cus_1", Money(-4321, "USD"), False, DAY, Account(AccountRole.CLEARING, "stripe_us"))
    assert case(row(8, payment, CommandKind.POST_PAYMENT), "no").subject.money_minor == 4321


def test_the_connectors_remedy_is_the_next_step() -> None:
    assert case(row(1, bill(1)), "x", remedy="Do that, then retry this case.").next_step == "Do that, then retry this case."
    assert "retry this case" in case(row(1, bill(1)), "x").next_step


def test_shape_leaves_what_tells_causes_apart() -> None:
    assert shape("tax '15%' of  company 'My Company' is not there") == "tax '15%' of company 'My Company' is not there"

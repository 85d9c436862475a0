"""Refusals by their cause: the same cause is one case, whatever ids, amounts and days its words name."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from counterfoil.core.canonical.commands import Account, AccountRole, Arguments, CommandKind, PostDocument, PostPayment
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.core.canonical.money import Money
from counterfoil.delivery.causes import About, case_of, shape
from counterfoil.kit.codec import encode
from counterfoil.kit.connector import Outcome, OutcomeStatus
from counterfoil.store.cases import Opening
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

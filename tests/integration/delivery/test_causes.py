"""Refusals by their cause: the same cause is one case, whatever ids, amounts and days its words name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.delivery.rows import DAY, NOW, bill, row

from counterfoil.core.commands.books import (
    Account,
    AccountRole,
    Allocate,
    BookCommand,
    EntryLine,
    PostEntry,
    PostPayment,
    UpsertCustomer,
    UpsertProduct,
)
from counterfoil.core.commands.crm import CrmCommand, ShowStatus
from counterfoil.core.kinds.company import COMPANY
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Arguments, CommandKind
from counterfoil.core.language.money import Money
from counterfoil.delivery.causes import About, arguments_of, case_of, discreet, shape
from counterfoil.delivery.ends import broken
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store.cases import CaseSubject, Opening
from counterfoil.store.outbox import CommandRow, End, EndStatus


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


def test_a_refused_status_is_a_case_of_those_who_sell_and_is_called_no_posting() -> None:
    status = row(1, ShowStatus(COMPANY.ref("crm:10")), CrmCommand.SHOW_STATUS, target="crm", entity="")
    found = case(status, "company 10 does not keep to a rule")
    assert found.owner == "sales operations"
    assert found.cause == "crm does not take customers' status of the whole company: company 10 does not keep to a rule"
    away = replace(Outcome(status.id, OutcomeStatus.UNKNOWN, code="crm.away", message="x"), case_class=CaseClass.TARGET_UNAVAILABLE)
    given_up = case_of(status, away, End(status.id, NOW, EndStatus.GIVEN_UP), NOW)
    assert given_up.owner == "operations"


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
    product = row(1, UpsertProduct("stripe:p", "P"), BookCommand.UPSERT_PRODUCT)
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
    locked = case_of(one, replace(lost, case_class=CaseClass.PERIOD_LOCKED), End(one.id, NOW, EndStatus.REFUSED), NOW)
    assert (locked.case_class, locked.releases_on) == ("period_locked", "period/DE")


LINE = EntryLine(Account(AccountRole.FEES), Money(300, "EUR"))


@pytest.mark.parametrize(
    ("arguments", "money"),
    [
        (bill(500), Money(500, "EUR")),
        (Allocate("invoice/a", "payment/b", Money(700, "EUR")), Money(700, "EUR")),
        (PostEntry(DAY, (LINE, replace(LINE, amount=Money(-400, "EUR")), replace(LINE, amount=Money(100, "EUR")))), Money(400, "EUR")),
        (PostEntry(DAY, (LINE, replace(LINE, amount=Money(900, "USD")))), Money(300, "EUR")),
        (PostEntry(DAY, (LINE, replace(LINE, amount=Money(1, "EUR")))), Money(301, "EUR")),
        (UpsertProduct("stripe:p", "P"), None),
    ],
)
def test_the_money_of_a_posting_is_its_total_or_its_debits(arguments: Arguments, money: Money | None) -> None:
    assert arguments.money == money


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
    assert case(row(8, payment, BookCommand.POST_PAYMENT), "no").subject.money_minor == 4321


def test_the_connectors_remedy_is_the_next_step() -> None:
    assert case(row(1, bill(1)), "x", remedy="Do that, then retry this case.").next_step == "Do that, then retry this case."
    assert "retry this case" in case(row(1, bill(1)), "x").next_step


def test_shape_leaves_what_tells_causes_apart() -> None:
    assert shape("tax '15%' of  company 'My Company' is not there") == "tax '15%' of company 'My Company' is not there"


@pytest.mark.parametrize("own", [("ab-1", "b-1"), ("b-1", "ab-1"), ("ab-1", "ab-")])
def test_the_longest_of_a_records_own_names_is_taken_out_first(own: tuple[str, ...]) -> None:
    assert shape("ab-1 is not there", own) == "* is not there"


@pytest.mark.parametrize(
    "own",
    [
        {"external_key": "alpha key"},
        {"subject": CUSTOMER.ref("alpha key")},
        {"subject": CUSTOMER.ref("files:DE:alpha key")},
        {"produces": "alpha key"},
        {"needs": ("customer/x", "alpha key")},
    ],
)
def test_whatever_name_of_its_own_a_refusal_uses_it_is_the_same_cause(own: dict[str, Any]) -> None:
    named = case(row(1, bill(100), **own), "alpha key is locked")
    assert named.fingerprint == case(row(2, bill(100), external_key="other name"), "other name is locked").fingerprint


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (bill(100, "alpha key"), BookCommand.POST_INVOICE),
        (Allocate("alpha key", "payment/b", Money(700, "EUR")), BookCommand.ALLOCATE),
        (Allocate("invoice/a", "alpha key", Money(700, "EUR")), BookCommand.ALLOCATE),
    ],
)
def test_a_documents_number_and_both_sides_of_a_match_are_names_of_its_own(arguments: Arguments, kind: CommandKind) -> None:
    named = case(row(1, arguments, kind), "alpha key is locked")
    assert named.fingerprint == case(row(2, bill(100), external_key="other name"), "other name is locked").fingerprint


@pytest.mark.parametrize("name", ["external_id", "external_name"])
def test_what_the_target_calls_a_record_is_a_name_of_its_own(name: str) -> None:
    found = set()
    for called in ("alpha key", "other name"):
        names: dict[str, Any] = {name: called}
        refused = Outcome(f"{1:032x}", OutcomeStatus.REFUSED, code="x", message=f"{called} is locked", **names)
        found.add(case_of(row(1, bill(1)), refused, End(refused.command_id, NOW, EndStatus.REFUSED), NOW).fingerprint)
    assert len(found) == 1


def test_a_case_keeps_its_fingerprint_over_releases_so_that_an_open_one_is_found_again() -> None:
    assert case(row(1, bill(100)), "The account is archived.").fingerprint == "odoo.refused|books|DE|5a8ad54dd6b27668"
    product = row(1, UpsertProduct("stripe:p", "P"), BookCommand.UPSERT_PRODUCT, target="ledger", entity="US")
    lost = Outcome(product.id, OutcomeStatus.UNKNOWN, about="rate/EUR")
    given_up = case_of(product, lost, End(product.id, NOW, EndStatus.GIVEN_UP), NOW)
    assert given_up.fingerprint == "deliver.unknown|ledger|US|2ef944f3c7fcec0b"


def test_customers_products_and_postings_that_are_refused_alike_are_a_case_each() -> None:
    customer = UpsertCustomer(Customer("stripe:cus_1", "Ann Ltd"))
    found = [
        case(row(1, bill(100)), "it is locked"),
        case(row(1, UpsertProduct("stripe:p", "P"), BookCommand.UPSERT_PRODUCT), "it is locked"),
        case(row(1, customer, BookCommand.UPSERT_CUSTOMER), "it is locked"),
    ]
    assert len({one.fingerprint for one in found}) == 3
    assert [one.cause for one in found] == [
        f"books does not take {what} of DE: it is locked" for what in ("postings", "products", "customers")
    ]
    assert [one.subject.money_minor for one in found] == [100, None, None]


def test_only_a_match_is_tried_again_when_its_document_opens() -> None:
    match = row(1, Allocate("invoice/stripe:in_1", "payment/b", Money(700, "EUR")), BookCommand.ALLOCATE)
    assert case(match, "too little is open").releases_on == "open/invoice/stripe:in_1"
    assert case(row(1, bill(100)), "no").releases_on == ""


def test_a_posting_whose_arguments_cannot_be_read_is_a_case_without_money() -> None:
    unreadable = replace(row(1, bill(100)), arguments=b"\x00")
    assert arguments_of(unreadable) is None
    assert case(unreadable, "no").subject.money_minor is None
    assert arguments_of(row(1, bill(100))) == bill(100)


def test_an_entry_without_lines_moves_nothing() -> None:
    assert PostEntry(DAY, ()).money is None


def test_what_a_target_says_is_kept_without_what_it_says_of_a_person() -> None:
    words = "Ann Ltd (ann@example.com) is archived"
    said = Outcome("x", OutcomeStatus.REFUSED, "id", "name", "code", CaseClass.MISSING_FIELD, words, 3.0, True, ("need",), "about", "do")
    known = About((("Ann Ltd", "name"),), "invoice/stripe:in_1")
    assert discreet(said, known) == replace(said, message="[name] ([e-mail]) is archived")
    silent = replace(said, message="")
    assert discreet(silent, known) is silent

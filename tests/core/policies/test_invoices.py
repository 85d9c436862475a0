"""Invoices beyond the traps: what is ignored, written off, recovered, refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from tests.core.builders import ANN, PRO, RULES, World, at, eur, invoice, line, payment, tax, texts, usd, with_entity, world
from tests.core.ledger import Ledger

from counterfoil.core.commands.books import Account, AccountRole, PostDocument
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.policies.rules import MappingKey, MappingKind, Route, Rules


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"state": InvoiceState.DRAFT, "issued_at": None}, "invoice_draft"),
        ({"state": InvoiceState.DELETED, "issued_at": None}, "invoice_draft_deleted"),
        ({"state": InvoiceState.VOID, "issued_at": None}, "invoice_never_issued"),
    ],
)
def test_an_invoice_that_was_never_issued_is_ignored_by_a_named_rule(changes: dict[str, Any], rule: str) -> None:
    decision = world().decide(invoice(usd(100), **changes))
    assert (decision.commands, decision.ignored) == ((), rule)


def test_an_invoice_names_its_customer_and_products_as_needs_and_itself_as_product() -> None:
    command = world().decide(invoice(usd(100))).commands[0]
    assert (command.needs, command.produces) == (("customer/stripe:cus_A", "product/stripe:prod_pro"), "invoice/stripe:in_1")
    assert (command.order_key, command.entity, command.target, command.rules_version) == ("stripe:cus_A", "US", "odoo", 7)


@pytest.mark.parametrize(("due_at", "due_on"), [(at("2026-04-10 03:00"), date(2026, 4, 9)), (None, date(2026, 3, 10))])
def test_an_invoice_is_due_on_the_day_the_source_says_in_the_entitys_zone_else_when_it_is_issued(due_at: datetime, due_on: date) -> None:
    document = world().decide(invoice(usd(100), due_at=due_at)).commands[0].arguments
    assert isinstance(document, PostDocument)
    assert document.due_on == due_on


def test_an_invoice_of_an_unknown_customer_waits_for_it() -> None:
    decision = World().know(PRO).decide(invoice(usd(100)))
    assert (decision.commands, decision.waits) == ((), (CUSTOMER.ref(ANN.id),))


def test_an_invoice_without_a_customer_is_a_case() -> None:
    assert world().decide(invoice(usd(100), customer_id="")).problems[0].case_class is CaseClass.MISSING_FIELD


def test_an_invoice_that_bills_an_account_says_that_this_is_not_supported_and_what_it_is_about() -> None:
    problem = world().decide(invoice(usd(100), customer_id="", customer_account="acct_9")).problems[0]
    assert (problem.code, problem.money) == ("decide.account_billed", usd(100))
    assert "acct_9" in problem.cause


def test_an_invoice_no_route_matches_is_a_case_and_never_goes_to_a_default() -> None:
    rules = replace(RULES, routes=(Route("DE", country="DE"),))
    problem = world(rules=rules).decide(invoice(usd(100))).problems[0]
    assert (problem.code, problem.money, problem.releases_on) == ("decide.no_route", usd(100), "route/stripe")


def test_an_uncollectible_invoice_is_written_off_for_what_is_open() -> None:
    books = world()
    state = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, amount_remaining=usd(6000), uncollectible_at=at("2026-05-01 12:00"))
    books.decide(payment(usd(3900), ("stripe:in_1", 3900)))
    assert texts(books.decide(state).commands)[1:] == [
        "post_entry bad_debt_stripe.in_1 2026-05-01 bad_debt 60.00 USD, receivable -60.00 USD",
        "allocate invoice/stripe:in_1 entry/bad_debt.stripe:in_1 60.00 USD",
    ]


@pytest.mark.parametrize("payment_first", [True, False])
def test_an_invoice_paid_after_all_takes_its_write_off_back(payment_first: bool) -> None:
    books = world()
    lost = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, uncollectible_at=at("2026-05-01 12:00"))
    books.decide(lost)
    paid = replace(lost, state=InvoiceState.PAID, amount_remaining=usd(0), paid_at=at("2026-06-01 12:00"))
    received = payment(usd(9900), ("stripe:in_1", 9900), occurred_at=at("2026-06-01 12:00"))
    for state in (received, paid, received) if payment_first else (paid, received):
        books.decide(state)
    assert "post_entry recovery_stripe.in_1 2026-06-01 bad_debt -99.00 USD, receivable 99.00 USD" in texts(books.sent)
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("bad_debt"), ledger.balance("clearing:stripe")) == ({}, 0, 9900)


def test_an_invoice_voided_after_it_was_written_off_takes_both_back() -> None:
    books = world()
    lost = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, uncollectible_at=at("2026-05-01 12:00"))
    books.decide(lost)
    books.decide(replace(lost, state=InvoiceState.VOID, voided_at=at("2026-06-01 12:00")))
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("bad_debt"), ledger.balance("revenue:plans")) == ({}, 0, 0)


def test_an_invoice_first_seen_when_paid_was_never_written_off() -> None:
    decision = world().decide(invoice(usd(9900), state=InvoiceState.PAID, uncollectible_at=at("2026-05-01 12:00")))
    assert texts(decision.commands) == ["post_invoice invoice_stripe.in_1 2026-03-10 99.00 USD"]


def test_parts_that_differ_from_the_whole_are_a_case_and_nothing_is_booked() -> None:
    decision = world().decide(invoice(usd(9900), line(usd(9800))))
    assert decision.commands == ()
    assert (decision.problems[0].case_class, decision.problems[0].code) == (CaseClass.AMOUNT_MISMATCH, "decide.parts_differ")


def test_taxes_that_differ_from_the_documents_tax_are_a_case() -> None:
    vat = tax(eur(1900), eur(10000), "19")
    decision = world().decide(invoice(eur(11900), line(eur(10000), taxes=[vat]), tax=1800))
    assert decision.problems[0].code == "decide.parts_differ"


def test_an_unmapped_tax_names_the_key_to_add_and_all_that_would_do() -> None:
    vat = tax(eur(10700), eur(10000), "7")
    decision = world().decide(invoice(eur(10700), line(eur(10000), taxes=[vat]), tax=700))
    problem = decision.problems[0]
    assert (problem.case_class, problem.releases_on) == (CaseClass.UNMAPPED_TAX, "mapping/tax/DE/7|exclusive")
    assert problem.releases_also == ("mapping/tax/DE/stripe:txr_1|exclusive",)
    assert (problem.money, problem.entity, decision.commands) == (eur(10700), "DE", ())


def test_a_mapping_added_releases_what_waited_for_it() -> None:
    vat = tax(eur(700), eur(10000), "7")
    state = invoice(eur(10700), line(eur(10000), taxes=[vat]), tax=700)
    books = world()
    assert books.decide(state).problems
    books.rules = replace(RULES, mappings={**RULES.mappings, MappingKey(MappingKind.TAX, "DE", "7|exclusive"): "VAT 7"})
    assert texts(books.redecide(state).commands) == ["post_invoice invoice_stripe.in_1 2026-03-10 107.00 EUR"]


def one_line(rules: Rules, **changes: Any) -> PostDocument:
    """Return the document of an invoice of one line, changed."""
    arguments = world(rules=rules).decide(invoice(usd(9900), line(usd(9900), **changes))).commands[0].arguments
    assert isinstance(arguments, PostDocument)
    return arguments


def test_revenue_of_a_deferred_product_group_is_deferred_over_its_service_period() -> None:
    rules = with_entity(RULES, "US", deferred_product_groups=("plans",))
    posted = one_line(rules, period_start=at("2026-03-10 12:00"), period_end=at("2026-04-10 12:00")).lines[0]
    assert posted.account == Account(AccountRole.DEFERRED_REVENUE, "plans")
    assert (posted.period_start, posted.period_end) == (date(2026, 3, 10), date(2026, 4, 10))


def test_a_deferred_line_without_a_service_period_is_a_case_and_not_a_guess() -> None:
    rules = with_entity(RULES, "US", deferred_product_groups=("plans",))
    assert world(rules=rules).decide(invoice(usd(9900))).problems[0].code == "decide.period_missing"


@pytest.mark.parametrize(
    ("mapped", "code"), [({"group/plans": "400100"}, "400100"), ({"group/plans": "400100", "product/stripe:prod_pro": "400200"}, "400200")]
)
def test_a_mapped_account_takes_the_revenue_and_the_product_goes_before_its_group(mapped: dict[str, str], code: str) -> None:
    mappings = {MappingKey(MappingKind.ACCOUNT, "US", key): value for key, value in mapped.items()}
    assert one_line(replace(RULES, mappings=mappings)).lines[0].account == Account(AccountRole.EXPLICIT, code)


def test_a_line_without_a_product_needs_none_in_the_target() -> None:
    posted = one_line(RULES, product_id="").lines[0]
    assert (posted.product_id, posted.account) == ("", Account(AccountRole.REVENUE))


def test_a_mapped_product_is_the_targets_own() -> None:
    rules = replace(RULES, mappings={MappingKey(MappingKind.PRODUCT, "US", PRO.id): "PLAN-PRO"})
    rules = with_entity(rules, "US", product_policy="mapped")
    assert one_line(rules).lines[0].product_id == "target:PLAN-PRO"


@pytest.mark.parametrize(("declared", "tolerance"), [(None, 2), (5, 5), (0, 0)])
def test_the_rounding_tolerance_is_two_hundredths_of_the_currency_unless_declared(declared: int | None, tolerance: int) -> None:
    assert one_line(with_entity(RULES, "US", rounding_tolerance_minor=declared)).rounding_tolerance == tolerance

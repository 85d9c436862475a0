"""Customers, products, related objects and what is declared of every class of case, in whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.core.builders import ANN, DE, NOON, PRO, RULES, US, World, credit_note, invoice, line, payment, refund, tax, usd, with_entity

from counterfoil.core.commands.books import (
    Account,
    AccountRole,
    Allocate,
    EntryLine,
    PostDocument,
    PostEntry,
    PostPayment,
    Unmatch,
    UpsertCustomer,
    UpsertProduct,
)
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.invoice import InvoiceState, PaidPart
from counterfoil.core.kinds.price import Price
from counterfoil.core.kinds.refund import CreditNotePart
from counterfoil.core.kinds.subscription import Subscription, SubscriptionState
from counterfoil.core.kinds.tax_rate import TaxRate
from counterfoil.core.language.commands import Arguments
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.policies.exceptions import Handling, handling_of
from counterfoil.core.policies.related import related
from counterfoil.core.policies.requests import moved_to
from counterfoil.core.policies.rules import PostingMode, Route
from counterfoil.core.policies.service_levels import service_level, service_level_of, wait_limits

FEES = Account(AccountRole.FEES)
SPLIT = with_entity(RULES, "DE", target="odoo_eu")


def test_a_customer_goes_to_every_target_without_its_balance_and_by_the_name_it_has() -> None:
    expected = """\
upsert_customer customer_stripe.cus_A of odoo_eu (DE in odoo_eu, for stripe:cus_A)
  id stripe:cus_A, name Ann Ltd, country US
  makes customer/stripe:cus_A
upsert_customer customer_stripe.cus_A of odoo (US in odoo, for stripe:cus_A)
  id stripe:cus_A, name Ann Ltd, country US
  makes customer/stripe:cus_A"""
    assert World(SPLIT).tell(replace(ANN, balance=usd(-500))) == expected
    nameless = replace(ANN, name="", email="ann@example.com")
    expected = """\
upsert_customer customer_stripe.cus_A of odoo (DE in odoo, for stripe:cus_A)
  id stripe:cus_A, name ann@example.com, email ann@example.com, country US
  makes customer/stripe:cus_A"""
    assert World().tell(nameless) == expected
    expected = """\
upsert_customer customer_stripe.cus_A of odoo (DE in odoo, for stripe:cus_A)
  id stripe:cus_A, name cus_A, country US
  makes customer/stripe:cus_A"""
    assert World().tell(replace(nameless, email="")) == expected


def test_a_merged_customer_waits_for_the_one_that_survived() -> None:
    merged = Customer("stripe:cus_B", "Bob", merged_into=ANN.id)
    expected = """\
waits for customer/stripe:cus_A
ignored: customer_was_merged"""
    assert World().tell(merged) == expected
    assert World().know(ANN).tell(merged) == "ignored: customer_was_merged"


def test_a_deleted_customer_stays_as_it_was_wished_and_is_wished_once_if_it_never_was() -> None:
    books = World(SPLIT)
    expected = """\
upsert_customer customer_stripe.cus_A of odoo_eu (DE in odoo_eu, for stripe:cus_A)
  id stripe:cus_A, name Ann Ltd, country US, is_deleted True
  makes customer/stripe:cus_A
upsert_customer customer_stripe.cus_A of odoo (US in odoo, for stripe:cus_A)
  id stripe:cus_A, name Ann Ltd, country US, is_deleted True
  makes customer/stripe:cus_A"""
    assert books.tell(replace(ANN, is_deleted=True)) == expected
    expected = """\
still upsert_customer customer_stripe.cus_A of odoo_eu
still upsert_customer customer_stripe.cus_A of odoo
ignored: customer_deleted"""
    assert books.tell(replace(ANN, name="Ann", is_deleted=True)) == expected


def test_a_customer_of_entities_that_sum_up_is_not_written() -> None:
    only = replace(RULES, routes=(Route("US"),), entities={"US": replace(US, posting_mode=PostingMode.SUMMARY)})
    assert World(only).tell(ANN) == "ignored: customer_of_summary_entity"
    since = replace(US, posting_mode=PostingMode.SUMMARY, posting_mode_from=NOON.date())
    assert len(World(replace(only, entities={"US": since})).decide(ANN).commands) == 1
    beside = {"US": replace(US, posting_mode=PostingMode.SUMMARY), "DE": DE}
    assert len(World(replace(only, entities=beside)).decide(ANN).commands) == 1


def test_a_product_goes_to_every_target_that_takes_its_products_from_the_source() -> None:
    expected = """\
upsert_product product_stripe.prod_pro of odoo_eu (DE in odoo_eu, for stripe:prod_pro)
  product_id stripe:prod_pro, name Plan Pro, sku PP
  makes product/stripe:prod_pro
upsert_product product_stripe.prod_pro of odoo (US in odoo, for stripe:prod_pro)
  product_id stripe:prod_pro, name Plan Pro, sku PP
  makes product/stripe:prod_pro"""
    assert World(SPLIT).tell(replace(PRO, sku="PP")) == expected
    mapped = with_entity(SPLIT, "DE", product_policy="mapped")
    expected = """\
upsert_product product_stripe.prod_pro of odoo (US in odoo, for stripe:prod_pro)
  product_id stripe:prod_pro, name stripe:prod_pro
  makes product/stripe:prod_pro"""
    assert World(mapped).tell(replace(PRO, name="")) == expected
    only = replace(mapped, routes=(Route("DE"),))
    assert World(only).tell(PRO) == "ignored: product_is_mapped"
    beside = with_entity(SPLIT, "DE", posting_mode="summary")
    assert [command.target for command in World(beside).decide(PRO).commands] == ["odoo"]
    summed = replace(RULES, routes=(Route("US"),), entities={"US": replace(US, posting_mode=PostingMode.SUMMARY)})
    assert World(summed).tell(PRO) == "ignored: product_is_mapped"


def test_a_deleted_product_stays_as_it_was_wished() -> None:
    books = World(SPLIT)
    expected = """\
upsert_product product_stripe.prod_pro of odoo_eu (DE in odoo_eu, for stripe:prod_pro)
  product_id stripe:prod_pro, name Plan Pro
  makes product/stripe:prod_pro
upsert_product product_stripe.prod_pro of odoo (US in odoo, for stripe:prod_pro)
  product_id stripe:prod_pro, name Plan Pro
  makes product/stripe:prod_pro"""
    assert books.tell(replace(PRO, is_deleted=True)) == expected
    expected = """\
still upsert_product product_stripe.prod_pro of odoo_eu
still upsert_product product_stripe.prod_pro of odoo
ignored: product_deleted"""
    assert books.tell(replace(PRO, name="Pro", is_deleted=True)) == expected


def test_master_data_of_a_connection_no_route_names_is_a_case() -> None:
    rules = replace(RULES, routes=(Route("US", "other"), Route("US", "", "acct_1"), Route("XX", "stripe")))
    expected = """\
case unmapped_account decide.no_route, without money
  No route sends this to a legal entity: connection 'stripe', account '', country '', currency ''.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert World(rules).tell(ANN) == expected
    expected = """\
case unmapped_account decide.no_route, without money
  No route sends this to a legal entity: connection 'stripe', account '', country '', currency ''.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert World(rules).tell(PRO) == expected


@pytest.mark.parametrize("kind", ["price", "tax_rate", "subscription"])
def test_what_has_no_counterpart_is_ignored_by_its_kind(kind: str) -> None:
    states: dict[str, Record] = {
        "price": Price("stripe:price_1", PRO.id, "USD", None),
        "tax_rate": TaxRate("stripe:txr_1", "VAT", 19, False),  # type: ignore[arg-type]
        "subscription": Subscription("stripe:sub_1", ANN.id, SubscriptionState.ACTIVE, "USD", NOON),
    }
    assert World().decide(states[kind]).ignored == f"{kind}_has_no_counterpart"


def refs(*keys: str) -> tuple[ObjectRef, ...]:
    """Return references by their keys."""
    return tuple(ObjectRef(key.partition("/")[0], key.partition("/")[2]) for key in keys)


CUSTOMER = "customer/stripe:cus_A"
VAT = tax(usd(19), usd(100), "19", rate="stripe:txr_1")
BILL = invoice(usd(238), line(usd(100), taxes=[VAT]), line(usd(100), product="", taxes=[replace(VAT, rate_id="")], id="il_2"))
PAID = replace(
    BILL,
    credit_note_ids=("stripe:cn_1",),
    paid_parts=(PaidPart("a", usd(1), None, "stripe:ch_1"), PaidPart("b", usd(1))),
)
NOTE = credit_note(usd(100), refund_ids=("stripe:re_1",))
REFUND = refund(usd(100), credit_note_id="stripe:cn_1", credit_notes=(CreditNotePart("stripe:cn_2", usd(40)),))
DISPUTE = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.OPEN, usd(100), NOON, ANN.id)
CREDIT = CustomerCredit("stripe:cb_1", ANN.id, usd(-5), NOON, invoice_id="stripe:in_1")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (replace(ANN, merged_into="stripe:cus_B"), ("customer/stripe:cus_B",)),
        (ANN, ()),
        (BILL, (CUSTOMER, "product/stripe:prod_pro", "tax_rate/stripe:txr_1")),
        (PAID, (CUSTOMER, "product/stripe:prod_pro", "tax_rate/stripe:txr_1")),
        (
            replace(PAID, state=InvoiceState.VOID),
            (CUSTOMER, "product/stripe:prod_pro", "tax_rate/stripe:txr_1", "credit_note/stripe:cn_1"),
        ),
        (
            replace(PAID, amount_overpaid=usd(5)),
            (CUSTOMER, "product/stripe:prod_pro", "tax_rate/stripe:txr_1", "payment/stripe:ch_1"),
        ),
        (replace(BILL, state=InvoiceState.VOID, customer_id="", lines=(), amount_overpaid=usd(5)), ()),
        (NOTE, (CUSTOMER, "invoice/stripe:in_1", "refund/stripe:re_1", "product/stripe:prod_pro")),
        (replace(NOTE, invoice_id=""), (CUSTOMER, "refund/stripe:re_1", "product/stripe:prod_pro")),
        (payment(usd(1), ("stripe:in_1", 1), ("stripe:in_2", 0)), (CUSTOMER, "invoice/stripe:in_1", "invoice/stripe:in_2")),
        (payment(usd(1), first_part_id="stripe:ch_0"), (CUSTOMER, "payment/stripe:ch_0")),
        (payment(usd(1), first_part_id="stripe:ch_1"), (CUSTOMER,)),
        (REFUND, (CUSTOMER, "payment/stripe:ch_1", "credit_note/stripe:cn_1", "credit_note/stripe:cn_2")),
        (replace(REFUND, customer_id="", payment_id="", credit_note_id="", credit_notes=()), ()),
        (DISPUTE, ("payment/stripe:ch_1",)),
        (replace(DISPUTE, payment_id=""), ()),
        (CREDIT, (CUSTOMER, "invoice/stripe:in_1")),
        (replace(CREDIT, invoice_id=""), (CUSTOMER,)),
        (PRO, ()),
    ],
)
def test_what_a_decision_looks_at_beside_its_subject(state: Record, expected: tuple[str, ...]) -> None:
    assert related(state) == refs(*expected)


def test_a_class_of_case_without_a_row_goes_to_operations_within_a_day() -> None:
    assert handling_of("something_new") == Handling("operations", "by domain", timedelta(days=1))
    assert handling_of("period_locked") == Handling("finance", "revenue", timedelta(days=2))


def test_a_service_level_is_five_minutes_unless_the_table_says_otherwise() -> None:
    assert (service_level("something_new"), service_level("allocate")) == (timedelta(minutes=5), timedelta(seconds=10))


def test_a_record_is_promised_what_its_domain_is_and_one_of_which_nothing_comes_nothing() -> None:
    levels = [service_level_of(kind) for kind in ("payment", "dispute", "balance_entry", "customer_credit", "tax_rate", "something_new")]
    seconds, day = (timedelta(seconds=number) for number in (10, 60)), timedelta(days=1)
    assert levels == [*seconds, day, day, None, timedelta(minutes=5)]


def test_the_general_limit_of_waiting_is_the_least_of_every_kind() -> None:
    assert wait_limits(timedelta(hours=1)) == {"payout": timedelta(days=1), "dispute": timedelta(days=3)}
    assert wait_limits(timedelta(days=2)) == {"payout": timedelta(days=2), "dispute": timedelta(days=3)}


def test_customers_for_money_of_nobody_are_those_the_entities_declare() -> None:
    rules = with_entity(with_entity(RULES, "US", collecting_customer="b"), "DE", collecting_customer="a")
    assert (rules.collecting_customers(), RULES.collecting_customers()) == (("a", "b"), ())


def test_master_data_of_a_target_stays_whichever_entity_asks_for_it() -> None:
    books = World()
    books.decide(ANN)
    books.rules = replace(RULES, routes=tuple(reversed(RULES.routes)))
    assert books.tell(ANN) == "still upsert_customer customer_stripe.cus_A of odoo"


ENTRY = PostEntry(NOON.date(), (EntryLine(FEES, usd(100)), EntryLine(FEES, usd(300)), EntryLine(FEES, usd(-400))))


@pytest.mark.parametrize(
    ("arguments", "money"),
    [
        (PostDocument(ANN.id, "USD", NOON.date(), NOON.date(), NOON.date(), usd(500), usd(0), ()), usd(500)),
        (PostPayment(ANN.id, usd(600), True, NOON.date(), FEES), usd(600)),
        (Allocate("invoice/a", "payment/b", usd(700)), usd(700)),
        (ENTRY, usd(400)),  # 1.00 and 3.00 debited
        (PostEntry(NOON.date(), ()), None),
        (Unmatch("invoice/a", "payment/b"), None),
        (UpsertCustomer(ANN), None),
        (UpsertProduct("a", "A"), None),
    ],
)
def test_what_is_at_stake_is_a_documents_total_and_the_debits_of_an_entry(arguments: Arguments, money: Money | None) -> None:
    assert arguments.money == money


def test_a_booking_moved_out_of_a_locked_period_keeps_a_reference_to_its_own_day() -> None:
    april = date(2026, 4, 1)
    note = "original date 2026-03-10"
    assert moved_to(ENTRY, april) == replace(ENTRY, accounting_on=april, memo=note)
    paid = PostPayment(ANN.id, usd(600), True, NOON.date(), FEES, memo="refunded")
    assert moved_to(paid, april) == replace(paid, paid_on=april, memo=f"refunded ({note})")

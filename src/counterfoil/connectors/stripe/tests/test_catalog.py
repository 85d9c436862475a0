"""Customers with their credits, products, prices, tax rates and subscriptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from counterfoil.core.kinds.customer import Address, Customer, CustomerEvent, TaxExemption, TaxId
from counterfoil.core.kinds.customer_credit import CustomerCredit, CustomerCreditEvent
from counterfoil.core.kinds.price import Price
from counterfoil.core.kinds.product import Product, ProductEvent
from counterfoil.core.kinds.subscription import Subscription, SubscriptionEvent, SubscriptionItem, SubscriptionState
from counterfoil.core.kinds.tax_rate import TaxRate
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType
from counterfoil.kit.connector import Ignored
from counterfoil.kit.errors import DriftError

from .building import CREATED, CREATED_AT, SOURCE, delivery, facts, fetched, listed_delivery, normalized, official, records

CUSTOMER: dict[str, Any] = {
    "id": "cus_1",
    "object": "customer",
    "name": "Muster GmbH",
    "email": "rechnung@example.com",
    "phone": "+49 30 1",
    "address": {"line1": "Unter den Linden 1", "line2": None, "city": "Berlin", "state": None, "postal_code": "10117", "country": "DE"},
    "currency": "eur",
    "balance": -500,
    "tax_exempt": "reverse",
    "tax_ids": {"object": "list", "data": [{"id": "txi_1", "type": "eu_vat", "value": "DE123456789"}], "has_more": False},
    "preferred_locales": ["de"],
    "created": CREATED - 100,
}
SNAPSHOT = {name: value for name, value in CUSTOMER.items() if name != "tax_ids"}


def change(txn: str, kind: str, amount: int, **more: Any) -> dict[str, Any]:
    found = {"id": txn, "object": "customer_balance_transaction", "type": kind, "amount": amount, "currency": "eur"}
    return {**found, "customer": "cus_1", "created": CREATED, "description": "goodwill", **more}


def test_an_update_is_fetched_so_that_its_tax_ids_are_not_lost() -> None:
    found = delivery("customer.updated", SNAPSHOT, previous={"name": "Old name"})
    assert SOURCE.needs(found) == ("acct_1/customer/cus_1",)
    assert records(found, fetched("customer", CUSTOMER)) == [
        Customer(
            id="stripe:cus_1",
            name="Muster GmbH",
            email="rechnung@example.com",
            phone="+49 30 1",
            address=Address("Unter den Linden 1", "", "Berlin", "", "10117", "DE"),
            currency="EUR",
            tax_exemption=TaxExemption.REVERSE_CHARGE,
            tax_ids=(TaxId("eu_vat", "DE123456789"),),
            balance=Money(-500, "EUR"),
            locale="de",
        )
    ]


def test_an_update_of_fields_that_are_not_kept_is_ignored_unfetched() -> None:
    found = delivery("customer.updated", SNAPSHOT, previous={"next_invoice_sequence": 3, "delinquent": False})
    assert SOURCE.needs(found) == ()
    assert normalized(found) == Ignored("customer_fields_not_kept")


def test_a_changed_balance_tells_the_credits_that_no_document_explains() -> None:
    found = delivery("customer.updated", SNAPSHOT, previous={"balance": 0})
    assert SOURCE.needs(found) == ("acct_1/customer/cus_1", "acct_1/customer_balance/cus_1")
    changes = [change("cbtxn_2", "applied_to_invoice", 300, invoice="in_1"), change("cbtxn_1", "adjustment", -800)]
    given = fetched("customer", CUSTOMER) | fetched("customer_balance", {"data": changes}, object_id="cus_1")
    assert records(found, given)[1:] == [CustomerCredit("stripe:cbtxn_1", "stripe:cus_1", Money(-800, "EUR"), CREATED_AT, "goodwill")]


@pytest.mark.parametrize("kind", ["adjustment", "initial", "migration", "unspent_receiver_credit"])
def test_credits_by_hand_stand_for_themselves(kind: str) -> None:
    (fact,) = facts(listed_delivery(change("cbtxn_1", kind, -800)))
    assert fact.type is CustomerCreditEvent.CHANGED


@pytest.mark.parametrize("kind", ["applied_to_invoice", "unapplied_from_invoice", "credit_note", "invoice_too_small"])
def test_changes_by_documents_are_explained_by_them(kind: str) -> None:
    assert normalized(listed_delivery(change("cbtxn_1", kind, 800))) == Ignored("balance_change_explained_by_document")


@pytest.mark.parametrize("kind", ["invoice_overpaid", "checkout_session_subscription_payment"])
def test_credits_by_a_payment_are_credits_with_the_invoice_they_came_of(kind: str) -> None:
    (fact,) = facts(listed_delivery(change("cbtxn_1", kind, -800) | {"invoice": "in_1"}))
    assert isinstance(fact.data, CustomerCredit)
    assert (fact.data.amount.minor, fact.data.is_paid, fact.data.invoice_id) == (-800, True, "stripe:in_1")


def test_an_unknown_change_of_balance_is_drift() -> None:
    with pytest.raises(DriftError):
        normalized(listed_delivery(change("cbtxn_1", "lottery", -800)))


def test_a_deleted_customer_keeps_its_name() -> None:
    (fact,) = facts(delivery("customer.deleted", SNAPSHOT))
    assert isinstance(fact.data, Customer)
    assert (fact.type, fact.data.is_deleted, fact.data.name) == (CustomerEvent.SUSPENDED, True, "Muster GmbH")
    stub = fetched("customer", official("deleted_customer") | {"id": "cus_1"})
    (fact,) = facts(delivery("customer.updated", SNAPSHOT, previous={"name": "x"}), stub)
    assert isinstance(fact.data, Customer)
    assert (fact.data.is_deleted, fact.data.name) == (True, "Muster GmbH")


def test_a_customer_that_was_deleted_before_we_knew_it_is_named_as_its_newest_invoice_named_it() -> None:
    billed = {
        "customer_name": "Gone Customer Ltd",
        "customer_email": "gone@example.com",
        "customer_address": {"line1": "Main Street 1", "city": "Springfield", "country": "US"},
        "customer_tax_ids": [{"type": "us_ein", "value": "12-3456789"}],
    }
    stub = official("deleted_customer") | {"id": "cus_1", "counterfoil": {"account": "acct_1", "billed": billed}}
    (fact,) = facts(listed_delivery(stub | {"object": "customer"}))
    assert isinstance(fact.data, Customer)
    assert (fact.data.name, fact.data.email, fact.data.is_deleted) == ("Gone Customer Ltd", "gone@example.com", True)
    assert (fact.data.address.line1, fact.data.address.country) == ("Main Street 1", "US")
    assert fact.data.tax_ids == (TaxId("us_ein", "12-3456789"),)


def test_a_customer_without_a_name_is_called_by_what_is_known() -> None:
    for given, name in (({"email": "a@example.com"}, "a@example.com"), ({"description": "Walk-in"}, "Walk-in"), ({}, "cus_9")):
        (customer,) = records(delivery("customer.created", {"id": "cus_9", "object": "customer", **given}))
        assert isinstance(customer, Customer)
        assert customer.name == name


def test_a_tax_id_shows_in_its_customer() -> None:
    found = delivery("customer.tax_id.created", {"id": "txi_1", "object": "tax_id", "customer": "cus_1"})
    assert SOURCE.needs(found) == ("acct_1/customer/cus_1",)
    (customer,) = records(found, fetched("customer", CUSTOMER))
    assert isinstance(customer, Customer)
    assert customer.tax_ids == (TaxId("eu_vat", "DE123456789"),)


def test_events_of_one_second_are_ordered_by_what_their_names_tell() -> None:
    kinds = ("customer.created", "customer.deleted")
    first, last = (facts(delivery(kind, SNAPSHOT))[0].sequence for kind in kinds)
    assert first == 1_790_000_000_000_000
    assert last == first + 2


def test_a_fetched_state_is_at_least_as_new_as_its_event_when_our_clock_is_behind() -> None:
    created = facts(delivery("customer.created", SNAPSHOT))[0]
    answer = fetched("customer", CUSTOMER, at=CREATED_AT - timedelta(minutes=5))
    updated = facts(delivery("customer.updated", SNAPSHOT, previous={"name": "Old"}), answer)[0]
    assert updated.sequence == created.sequence + 1


def test_a_products_sku_and_group_come_from_its_metadata() -> None:
    wire = {"id": "prod_1", "object": "product", "name": "Team", "active": True, "description": None, "tax_code": "txcd_10103001"}
    (fact,) = facts(delivery("product.created", {**wire, "metadata": {"sku": "T-1", "group": "plans"}, "created": CREATED}))
    assert fact.type is ProductEvent.RELEASED
    assert fact.data == Product("stripe:prod_1", "Team", "", "T-1", "plans", "txcd_10103001")
    (fact,) = facts(delivery("product.updated", {**wire, "active": False}))
    assert fact.type is ProductEvent.RETIRED


@pytest.mark.parametrize(
    ("amounts", "unit"),
    [
        ({"unit_amount": 2000, "unit_amount_decimal": "2000"}, Decimal(2000)),
        ({"unit_amount": None, "unit_amount_decimal": "0.05"}, Decimal("0.05")),
        ({"unit_amount": None, "unit_amount_decimal": None, "billing_scheme": "tiered"}, None),
    ],
)
def test_a_price_keeps_its_exact_unit_amount(amounts: dict[str, Any], unit: Decimal | None) -> None:
    wire = {
        "id": "price_1",
        "object": "price",
        "currency": "usd",
        "product": "prod_1",
        "recurring": {"interval": "month", "interval_count": 3},
    }
    (price,) = records(delivery("price.created", {**wire, **amounts, "nickname": "Q"}))
    assert price == Price("stripe:price_1", "stripe:prod_1", "USD", unit, "Q", "month", 3)


def test_a_tax_rate_keeps_its_exact_percentage() -> None:
    wire = {"id": "txr_1", "object": "tax_rate", "display_name": "Sales tax", "percentage": 8.875, "inclusive": False, "created": CREATED}
    (rate,) = records(delivery("tax_rate.created", {**wire, "country": "US", "state": "NY", "tax_type": "sales_tax"}))
    assert rate == TaxRate("stripe:txr_1", "Sales tax", Decimal("8.875"), False, "US", "US-NY", "sales_tax")


def item(**more: Any) -> dict[str, Any]:
    price = {"id": "price_1", "object": "price", "currency": "usd", "product": "prod_1"}
    return {"id": "si_1", "object": "subscription_item", "price": price, "quantity": 2, **more}


PERIOD = {"current_period_start": CREATED, "current_period_end": CREATED + 30 * 86_400}


def subscription(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active", "currency": "usd"}
    found |= {"start_date": CREATED, "created": CREATED, "items": {"object": "list", "data": [item(**PERIOD)], "has_more": False}}
    return {**found, **more}


def test_a_subscription_is_the_same_in_both_generations() -> None:
    before = subscription(**PERIOD, items={"object": "list", "data": [item()], "has_more": False})
    expected = Subscription(
        id="stripe:sub_1",
        customer_id="stripe:cus_1",
        state=SubscriptionState.ACTIVE,
        currency="USD",
        started_at=CREATED_AT,
        items=(SubscriptionItem("stripe:si_1", "stripe:price_1", "stripe:prod_1", 2, CREATED_AT, CREATED_AT + timedelta(days=30)),),
    )
    for wire in (subscription(), before):
        (fact,) = facts(delivery("customer.subscription.created", wire))
        assert (fact.data, fact.type) == (expected, SubscriptionEvent.STARTED)


FORMER = {"current_period_start": CREATED - 30 * 86_400}


@pytest.mark.parametrize(
    ("changes", "previous", "event_type"),
    [
        ({}, {"items": {"data": [item(**FORMER)]}}, SubscriptionEvent.RENEWED),
        (PERIOD, FORMER, SubscriptionEvent.RENEWED),
        ({}, {"items": {"data": [item(quantity=1)]}, "quantity": 1}, SubscriptionEvent.AMENDED),
        ({}, {"items": {"data": [item(**FORMER, price={"id": "price_0"})]}}, SubscriptionEvent.AMENDED),
        ({}, {"items": {"data": [item(), item(id="si_2")]}}, SubscriptionEvent.AMENDED),
        ({}, {"discounts": []}, SubscriptionEvent.AMENDED),
        ({}, {"status": "incomplete"}, SubscriptionEvent.STARTED),
        ({}, {"status": "paused"}, SubscriptionEvent.RESUMED),
        ({}, {"pause_collection": None}, SubscriptionEvent.PAUSED),
        ({}, {"pause_collection": {"behavior": "void"}}, SubscriptionEvent.RESUMED),
        ({"status": "past_due"}, {"status": "active"}, SubscriptionEvent.UPDATED),
        ({"status": "incomplete_expired"}, {"status": "incomplete"}, SubscriptionEvent.EXPIRED),
        ({"cancel_at": CREATED}, {"cancel_at": None}, SubscriptionEvent.UPDATED),
    ],
)
def test_what_an_update_means_is_told_by_what_changed(changes: dict[str, Any], previous: dict[str, Any], event_type: EventType) -> None:
    (fact,) = facts(delivery("customer.subscription.updated", subscription(**changes), previous=previous))
    assert fact.type is event_type


@pytest.mark.parametrize(
    ("kind", "status", "event_type"),
    [
        ("created", "incomplete", SubscriptionEvent.UPDATED),
        ("created", "trialing", SubscriptionEvent.STARTED),
        ("paused", "paused", SubscriptionEvent.PAUSED),
        ("resumed", "active", SubscriptionEvent.RESUMED),
        ("deleted", "canceled", SubscriptionEvent.CANCELED),
    ],
)
def test_a_subscription_does_not_start_before_it_is_active_or_in_trial(kind: str, status: str, event_type: EventType) -> None:
    (fact,) = facts(delivery(f"customer.subscription.{kind}", subscription(status=status)))
    assert fact.type is event_type


def test_a_subscription_with_more_items_than_fit_is_fetched() -> None:
    more = subscription(items={"object": "list", "data": [item(**PERIOD)], "has_more": True})
    assert SOURCE.needs(delivery("customer.subscription.updated", more)) == ("acct_1/subscription/sub_1",)
    assert SOURCE.needs(delivery("customer.subscription.updated", subscription())) == ()


def test_an_unknown_subscription_status_is_drift() -> None:
    with pytest.raises(DriftError):
        normalized(delivery("customer.subscription.updated", subscription(status="dreaming")))


def test_listed_objects_happened_when_they_say() -> None:
    (fact,) = facts(listed_delivery({**CUSTOMER}))
    assert fact.occurred_at == datetime(2026, 9, 21, 14, 11, 40, tzinfo=UTC)

"""Invoices: one canonical invoice from both generations of payloads, its states, and what was paid outside Stripe."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from counterfoil.core.kinds.invoice import Invoice, InvoiceEvent, InvoiceLine, InvoiceState, LineTax
from counterfoil.core.kinds.payment import Application, Payment, PaymentState
from counterfoil.core.kinds.tax_rate import TaxRate
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType
from counterfoil.kit.connector import Fetched, Ignored
from counterfoil.kit.errors import DriftError, RejectedError

from .building import (
    CREATED_AT,
    FETCHED_AT,
    SOURCE,
    delivery,
    facts,
    fetched,
    fixture,
    listed_delivery,
    normalized,
    records,
)

NEW, OLD = "invoice.basil.json", "invoice.2023-08-16.json"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def golden(name: str, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {**json.loads(json.dumps(fixture(name))), **changes}
    return found


def vat(amount: int, taxable: int, *, is_inclusive: bool = False) -> LineTax:
    rate = "stripe:txr_incl" if is_inclusive else "stripe:txr_excl"
    return LineTax(rate, eur(amount), eur(taxable), is_inclusive, Decimal(19), "DE", "standard_rated")


START, MONTH_END = at("2026-09-21T12:13:20"), at("2026-10-21T12:13:20")

# Printed: 100.00 less a 10 % coupon, -20.00 unused time, 11.90 with 1.90 VAT in it; 19 % VAT on top of 90.00 and -20.00.
# 100.00 - 20.00 + 11.90 = 91.90; - 10.00 = 81.90; + 17.10 - 3.80 = 95.20. 5.00 of credit used, 90.20 paid.
EXPECTED = Invoice(
    id="stripe:in_gold",
    customer_id="stripe:cus_1",
    state=InvoiceState.PAID,
    currency="EUR",
    total=eur(9520),
    tax=eur(1520),
    lines=(
        InvoiceLine(
            "stripe:il_1",
            "1 × Team plan",
            eur(10000),
            eur(1000),
            Decimal(1),
            (vat(1710, 9000),),
            "stripe:prod_team",
            "stripe:price_team",
            START,
            MONTH_END,
        ),
        InvoiceLine(
            "stripe:il_2",
            "Unused time on Solo plan",
            eur(-2000),
            eur(0),
            Decimal(1),
            (vat(-380, -2000),),
            "stripe:prod_solo",
            "stripe:price_solo",
            START,
            at("2026-10-14T17:46:40"),
            is_proration=True,
        ),
        InvoiceLine(
            "stripe:il_3",
            "Sticker set",
            eur(1190),
            eur(0),
            Decimal(1),
            (vat(190, 1000, is_inclusive=True),),
            "stripe:prod_sticker",
            "stripe:price_sticker",
            START,
            START,
        ),
    ),
    number="GOLD-0001",
    subscription_id="stripe:sub_1",
    issued_at=at("2026-09-21T13:13:20"),
    created_at=START,
    amount_due=eur(9020),
    amount_paid=eur(9020),
    amount_remaining=eur(0),
    starting_balance=eur(-500),
    ending_balance=eur(0),
    credited_before_payment=eur(0),
    paid_out_of_band=eur(0),
    paid_at=at("2026-09-21T13:14:20"),
    billing_reason="subscription_update",
    attempt_count=1,
    customer_name="Muster GmbH",
    customer_country="DE",
)


@pytest.mark.parametrize("name", [NEW, OLD])
def test_both_generations_give_the_same_invoice(name: str) -> None:
    found = [e for e in records(delivery("invoice.paid", golden(name))) if isinstance(e, Invoice)]
    assert [replace(one, paid_parts=None) for one in found] == [EXPECTED]


def test_lines_discounts_and_exclusive_taxes_sum_to_the_total() -> None:
    exclusive = sum(t.amount.minor for line in EXPECTED.lines for t in line.taxes if not t.is_inclusive)
    assert sum(line.amount.minor - line.discount.minor for line in EXPECTED.lines) + exclusive == EXPECTED.total.minor


def test_a_fetched_state_carries_the_instant_it_was_fetched() -> None:
    (invoice,) = facts(delivery("invoice.finalized", golden(NEW, status="open")), fetched("invoice", golden(NEW)))[-1:]
    assert invoice.type is InvoiceEvent.PAID  # the fetched state is further than the event
    assert invoice.sequence == 1_790_000_003_000_000
    assert invoice.occurred_at == CREATED_AT
    assert invoice.correlation_id == "stripe:sub_1"


def test_a_paid_invoice_tells_its_tax_rates() -> None:
    rates = [e for e in records(delivery("invoice.paid", golden(NEW)), {}) if isinstance(e, TaxRate)]
    assert rates == [
        TaxRate("stripe:txr_excl", "USt", Decimal(19), False, "DE", "DE", "vat"),
        TaxRate("stripe:txr_incl", "USt", Decimal(19), True, "DE", "DE", "vat"),
    ]


@pytest.mark.parametrize(
    ("status", "paid", "state", "event_type"),
    [
        ("draft", 0, InvoiceState.DRAFT, InvoiceEvent.DRAFTED),
        ("open", 0, InvoiceState.ISSUED, InvoiceEvent.ISSUED),
        ("open", 1, InvoiceState.PARTIALLY_PAID, InvoiceEvent.UPDATED),
        ("paid", 9020, InvoiceState.PAID, InvoiceEvent.PAID),
        ("void", 0, InvoiceState.VOID, InvoiceEvent.VOIDED),
        ("uncollectible", 0, InvoiceState.UNCOLLECTIBLE, InvoiceEvent.UNCOLLECTIBLE),
    ],
)
def test_states_follow_the_map(status: str, paid: int, state: InvoiceState, event_type: EventType) -> None:
    (fact,) = facts(delivery("invoice.finalized", golden(NEW, status=status, amount_paid=paid, counterfoil={})))
    assert isinstance(fact.data, Invoice)
    assert (fact.data.state, fact.type) == (state, event_type)
    assert (fact.data.issued_at is None) == (state is InvoiceState.DRAFT)


def test_an_overdue_invoice_is_told_as_such() -> None:
    (fact,) = facts(delivery("invoice.overdue", golden(NEW, status="open", amount_paid=0)))
    assert fact.type is InvoiceEvent.OVERDUE


def test_an_unknown_status_is_drift() -> None:
    with pytest.raises(DriftError) as caught:
        normalized(delivery("invoice.updated", golden(NEW, status="paused")))
    assert caught.value.drift_key == "invoice.status:paused"


def test_a_draft_that_was_thrown_away_is_deleted() -> None:
    draft = golden(NEW, status="draft")
    gone = fetched("invoice", None, object_id="in_gold")
    (fact,) = facts(delivery("invoice.deleted", draft), gone)
    assert isinstance(fact.data, Invoice)
    assert (fact.data.state, fact.type) == (InvoiceState.DELETED, InvoiceEvent.DELETED)
    assert fact.sequence == 1_790_000_003_000_000


def test_an_issued_invoice_that_is_gone_is_a_case_not_a_guess() -> None:
    with pytest.raises(RejectedError) as caught:
        normalized(delivery("invoice.paid", golden(NEW)), fetched("invoice", None, object_id="in_gold"))
    assert caught.value.code == "stripe.object_gone"


def test_the_printed_date_of_issue_wins_over_the_instant_of_finalization() -> None:
    (fact,) = facts(delivery("invoice.finalized", golden(NEW, status="open", amount_paid=0, effective_at=1_788_220_800, counterfoil={})))
    assert isinstance(fact.data, Invoice)
    assert fact.data.issued_at == at("2026-09-01T00:00:00")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (NEW, {"amount_paid_off_stripe": 9020, "payments": None}),
        (OLD, {"paid_out_of_band": True}),
        (NEW, {"amount_paid_off_stripe": None, "payments": {"object": "list", "data": [], "has_more": False}}),
    ],
)
def test_an_invoice_marked_paid_by_hand_tells_an_out_of_band_payment(name: str, changes: dict[str, Any]) -> None:
    found = [e for e in records(delivery("invoice.finalized", golden(name, **changes))) if isinstance(e, Payment)]
    assert found == [
        Payment(
            id="stripe:oob_in_gold",
            customer_id="stripe:cus_1",
            state=PaymentState.SUCCEEDED,
            amount=eur(9020),
            occurred_at=at("2026-09-21T13:14:20"),
            applications=(Application("stripe:in_gold", eur(9020)),),
            method="out_of_band",
            is_out_of_band=True,
            earlier_parts=eur(0),
            first_part_id="stripe:oob_in_gold",
        )
    ]


def record(number: int, amount: int, created: int) -> dict[str, Any]:
    """Return a payment of the golden invoice that was reported by hand."""
    of = {"type": "payment_record", "payment_record": f"pr_{number}"}
    times = {"paid_at": created - 60, "canceled_at": None}
    shared = {"object": "invoice_payment", "invoice": "in_gold", "currency": "eur", "status": "paid", "is_default": False}
    return {"id": f"inpay_{number}", "amount_paid": amount, "created": created, "payment": of, "status_transitions": times, **shared}


def test_every_record_of_a_payment_outside_stripe_is_a_payment_on_its_day_and_what_is_on_no_record_one_more() -> None:
    # 30.00 and 40.20 by records, 20.00 marked by hand: 90.20. The first one recorded goes by the invoice alone.
    lines = [record(2, 4020, 1_790_200_000), record(1, 3000, 1_790_100_000)]
    payments = {"object": "list", "data": lines, "has_more": False}
    found = records(delivery("invoice.updated", golden(NEW, amount_paid_off_stripe=9020, payments=payments)))
    paid = [e for e in found if isinstance(e, Payment)]
    assert [(p.id, p.amount, p.earlier_parts) for p in paid] == [
        ("stripe:oob_in_gold", eur(3000), eur(0)),
        ("stripe:oob_in_gold.inpay_2", eur(4020), eur(3000)),
        ("stripe:oob_in_gold.rest", eur(2000), eur(7020)),
    ]
    assert [p.occurred_at.timestamp() for p in paid[:2]] == [1_790_099_940, 1_790_199_940]
    assert [p.applications[0].id for p in paid] == ["stripe:inpay_1", "stripe:inpay_2", ""]
    assert {p.first_part_id for p in paid} == {"stripe:oob_in_gold"}
    (invoice,) = [e for e in found if isinstance(e, Invoice)]
    assert invoice.paid_parts is not None
    assert [(part.id, part.payment_id) for part in invoice.paid_parts] == [
        ("stripe:inpay_1", "stripe:oob_in_gold"),
        ("stripe:inpay_2", "stripe:oob_in_gold.inpay_2"),
    ]


def test_a_payment_through_stripe_is_named_by_its_charge() -> None:
    intent = {"id": "pi_1", "latest_charge": "ch_1"}
    through = record(1, 9020, 1_790_100_000) | {"payment": {"type": "payment_intent", "payment_intent": intent}}
    payments = {"object": "list", "data": [through], "has_more": False}
    (invoice,) = [e for e in records(delivery("invoice.updated", golden(NEW, payments=payments))) if isinstance(e, Invoice)]
    assert invoice.paid_parts is not None
    assert (invoice.paid_parts[0].payment_id, invoice.paid_parts[0].amount) == ("stripe:ch_1", eur(9020))


def test_a_partial_payment_outside_stripe_counts_only_its_part() -> None:
    found = records(delivery("invoice.updated", golden(NEW, amount_paid_off_stripe=2000)))
    (payment,) = [e for e in found if isinstance(e, Payment)]
    assert payment.amount == eur(2000)
    assert payment.applications == (Application("stripe:in_gold", eur(2000)),)


def test_shipping_is_one_more_line_with_its_taxes() -> None:
    rate = {**fixture(NEW)["counterfoil"]["tax_rates"][1]}
    cost = {"amount_subtotal": 500, "amount_tax": 95, "amount_total": 595, "taxes": [{"amount": 95, "rate": rate}]}
    found = records(delivery("invoice.created", golden(NEW, shipping_cost=cost, amount_shipping=500)))
    (invoice,) = [e for e in found if isinstance(e, Invoice)]
    # 5.00 before tax and 0.95 inclusive VAT: printed 5.95, net 5.00
    assert invoice.lines[-1] == InvoiceLine(
        "stripe:in_gold_shipping",
        "Shipping",
        eur(595),
        eur(0),
        taxes=(LineTax("stripe:txr_incl", eur(95), eur(500), True, Decimal(19), "DE", ""),),
    )


def test_applied_billing_credits_lower_a_line_like_a_discount() -> None:
    changed = golden(NEW)
    changed["lines"]["data"][0]["pretax_credit_amounts"].append({"amount": 300, "type": "credit_balance_transaction"})
    (invoice,) = [e for e in records(delivery("invoice.created", changed)) if isinstance(e, Invoice)]
    assert invoice.lines[0].discount == eur(1300)


def test_amounts_in_yen_have_no_decimals() -> None:
    yen = golden(NEW, currency="jpy", total=1100, amount_paid_off_stripe=0)
    (invoice,) = [e for e in records(delivery("invoice.created", yen)) if isinstance(e, Invoice)]
    assert invoice.total == Money(1100, "JPY")


def test_an_upcoming_invoice_is_a_preview() -> None:
    assert normalized(delivery("invoice.upcoming", {"object": "invoice"})) == Ignored("preview_of_invoice")


def test_a_listed_invoice_needs_nothing_and_happened_when_it_says() -> None:
    found = listed_delivery(golden(NEW))
    assert SOURCE.needs(found) == ()
    fact = facts(found)[-1]
    assert fact.occurred_at == at("2026-09-21T13:14:20")
    assert fact.sequence == 1_790_000_003_000_000


def test_paid_invoices_lead_to_their_charges() -> None:
    assert SOURCE.needs(delivery("invoice.paid", golden(NEW))) == ("acct_1/invoice/in_gold", "acct_1/invoice_charges/in_gold")
    assert SOURCE.needs(delivery("invoice.paid", golden(OLD))) == ("acct_1/invoice/in_gold", "acct_1/charge/ch_1")


def test_an_object_fetched_by_its_id_alone_counts_too() -> None:
    answer = Fetched("*/invoice/in_gold", json.dumps(golden(NEW)).encode(), FETCHED_AT)
    fact = facts(delivery("invoice.finalized", golden(NEW, status="open", amount_paid=0)), {answer.ref: answer})[-1]
    assert isinstance(fact.data, Invoice)
    assert fact.data.state is InvoiceState.PAID


def taxed(number: int, amount: int, taxed: int, rate: str = "txr_excl") -> dict[str, Any]:
    """Return a line with one exclusive tax."""
    tax = {"amount": taxed, "tax_behavior": "exclusive", "taxable_amount": amount, "tax_rate_details": {"tax_rate": rate}}
    return {"id": f"il_{number}", "amount": amount, "currency": "eur", "quantity": 1, "taxes": [tax], "discount_amounts": []}


@pytest.mark.parametrize(("told", "taxes"), [(86, [6, 6, 74]), (85, [6, 6, 73]), (87, [6, 6, 75]), (88, [6, 6, 73])])
def test_taxes_that_are_rounded_on_the_subtotal_sum_to_it(told: int, taxes: list[int]) -> None:
    # 15 % of 0.43, 0.43 and 4.84: 0.06 + 0.06 + 0.73 = 0.85 by line, 0.86 of 5.70. Three cents more is no rounding and left as it is.
    lines = {"object": "list", "data": [taxed(1, 43, 6), taxed(2, 43, 6), taxed(3, 484, 73)], "has_more": False}
    total = {"amount": told, "tax_behavior": "exclusive", "taxable_amount": 570, "tax_rate_details": {"tax_rate": "txr_excl"}}
    changes = {"lines": lines, "total_taxes": [total], "total": 570 + told, "shipping_cost": None}
    (invoice,) = [e for e in records(delivery("invoice.finalized", golden(NEW, **changes))) if isinstance(e, Invoice)]
    assert [line.taxes[0].amount.minor for line in invoice.lines] == taxes
    assert invoice.tax == eur(told)


def test_each_rate_is_tied_to_its_own_total() -> None:
    # Two rates: only the smaller one's sum differs, by a cent, and only its line takes it.
    lines = {"object": "list", "data": [taxed(1, 10000, 1900), taxed(2, 43, 6, "txr_b"), taxed(3, 43, 6, "txr_b")], "has_more": False}
    totals = [
        {"amount": amount, "tax_behavior": "exclusive", "taxable_amount": 1, "tax_rate_details": {"tax_rate": rate}}
        for rate, amount in (("txr_excl", 1900), ("txr_b", 13))
    ]
    changes = {"lines": lines, "total_taxes": totals, "total": 11999, "shipping_cost": None}
    (invoice,) = [e for e in records(delivery("invoice.finalized", golden(NEW, **changes))) if isinstance(e, Invoice)]
    assert [line.taxes[0].amount.minor for line in invoice.lines] == [1900, 7, 6]

"""Charges, refunds, disputes, payouts and movements of the balance: one payment per movement, every movement explained once."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from counterfoil.connectors.stripe.normalize.balance import CATEGORIES, EXPLAINED
from counterfoil.core.kinds.balance_entry import BalanceEntry, BalanceEntryEvent
from counterfoil.core.kinds.dispute import Dispute, DisputeEvent, DisputeState
from counterfoil.core.kinds.payment import Application, Payment, PaymentEvent, PaymentState
from counterfoil.core.kinds.payout import Payout, PayoutEvent, PayoutState
from counterfoil.core.kinds.refund import Refund, RefundEvent, RefundState
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType
from counterfoil.core.language.settlement import Settlement
from counterfoil.kit.connector import Fetched, Ignored
from counterfoil.kit.errors import DriftError, RejectedError

from .building import ACCOUNT, CREATED, FETCHED_AT, SOURCE, delivery, facts, fetched, listed_delivery, normalized, records

T0 = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
T1 = datetime(2026, 9, 23, 14, 13, 20, tzinfo=UTC)
DAY = 86_400


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def movement(txn: str, amount: int, fee: int = 0, **more: Any) -> dict[str, Any]:
    found = {"id": txn, "object": "balance_transaction", "amount": amount, "fee": fee, "net": amount - fee, "currency": "usd"}
    times: dict[str, Any] = {"created": CREATED, "available_on": CREATED + 2 * DAY, "exchange_rate": None, "fee_details": []}
    return {**found, **times, "type": "charge", "reporting_category": "charge", "source": None, "description": None, **more}


def settlement(txn: str, gross: int, fee: int = 0, **more: Any) -> Settlement:
    given: dict[str, Any] = {"available_at": T1, "type": "charge", **more}
    return Settlement(f"stripe:{txn}", usd(gross), usd(fee), usd(gross - fee), T0, **given)


def charge(**more: Any) -> dict[str, Any]:
    found = {"id": "ch_1", "object": "charge", "amount": 5000, "amount_captured": 5000, "currency": "usd", "status": "succeeded"}
    found |= {"created": CREATED, "captured": True, "refunded": False, "customer": "cus_1", "payment_intent": "pi_1"}
    return {**found, "payment_method_details": {"type": "card"}, "failure_code": None, **more}


def paid(invoice: str, amount: int, status: str = "paid") -> dict[str, Any]:
    return {
        "id": "inpay_1",
        "invoice": invoice,
        "currency": "usd",
        "status": status,
        "amount_paid": amount,
        "payment": {"type": "payment_intent"},
    }


def test_a_charge_is_a_payment_with_its_settlement_and_invoices() -> None:
    txn = movement("txn_1", 5000, 175, fee_details=[{"amount": 147, "type": "stripe_fee"}, {"amount": 28, "type": "tax"}])
    whole = charge(
        balance_transaction=txn, counterfoil={"account": ACCOUNT, "invoice_payments": [paid("in_1", 5000), paid("in_2", 0, "open")]}
    )
    (fact,) = facts(delivery("charge.succeeded", charge(balance_transaction="txn_1")), fetched("charge", whole))
    assert fact.type is PaymentEvent.SUCCEEDED
    assert fact.correlation_id == "stripe:in_1"
    assert fact.data == Payment(
        id="stripe:ch_1",
        customer_id="stripe:cus_1",
        state=PaymentState.SUCCEEDED,
        amount=usd(5000),
        occurred_at=T0,
        applications=(Application("stripe:in_1", usd(5000), "stripe:inpay_1"),),
        settlement=settlement("txn_1", 5000, 175, fee_tax=usd(28)),
        method="card",
    )


def test_before_basil_a_charge_names_its_one_invoice() -> None:
    (payment,) = records(delivery("charge.succeeded", charge(invoice="in_1")))
    assert isinstance(payment, Payment)
    assert payment.applications == (Application("stripe:in_1", usd(5000)),)


def test_settlement_in_another_currency_keeps_its_exact_rate() -> None:
    txn = movement("txn_1", 5425, 187, currency="usd", exchange_rate=1.085)
    raw = json.dumps(charge(currency="eur", balance_transaction=txn)).encode()
    ref = f"{ACCOUNT}/charge/ch_1"
    (payment,) = records(delivery("charge.succeeded", charge()), {ref: Fetched(ref, raw, FETCHED_AT)})
    assert isinstance(payment, Payment)
    assert payment.amount == Money(5000, "EUR")
    assert payment.settlement == settlement("txn_1", 5425, 187, exchange_rate=Decimal("1.085"))


@pytest.mark.parametrize(
    ("changes", "state", "event_type", "amount"),
    [
        ({"status": "pending"}, PaymentState.PENDING, PaymentEvent.PENDING, 5000),
        ({"status": "failed", "failure_code": "card_declined"}, PaymentState.FAILED, PaymentEvent.FAILED, 5000),
        ({"captured": False, "amount_captured": 0}, PaymentState.AUTHORIZED, PaymentEvent.AUTHORIZED, 5000),
        ({"captured": False, "amount_captured": 0, "refunded": True}, PaymentState.CANCELED, PaymentEvent.FAILED, 5000),
        ({"amount_captured": 3000}, PaymentState.SUCCEEDED, PaymentEvent.SUCCEEDED, 3000),
    ],
)
def test_charges_follow_the_state_map(changes: dict[str, Any], state: PaymentState, event_type: EventType, amount: int) -> None:
    (fact,) = facts(delivery("charge.updated", charge(**changes)))
    assert isinstance(fact.data, Payment)
    assert (fact.data.state, fact.type, fact.data.amount) == (state, event_type, usd(amount))


def test_a_bank_debit_that_failed_after_it_had_moved_money_is_a_payment_and_its_return() -> None:
    back = movement("txn_2", -5000, 1500, type="payment_failure_refund", created=CREATED + 2 * DAY)
    failed = charge(
        status="failed", failure_code="insufficient_funds", balance_transaction=movement("txn_1", 5000), failure_balance_transaction=back
    )
    payment, refund = records(delivery("charge.failed", failed))
    assert isinstance(payment, Payment)
    assert (payment.state, payment.failure_code) == (PaymentState.SUCCEEDED, "insufficient_funds")
    assert isinstance(refund, Refund)
    assert (refund.id, refund.payment_id, refund.amount, refund.reason) == (
        "stripe:failure_ch_1",
        "stripe:ch_1",
        usd(5000),
        "payment_failed",
    )
    assert refund.settlement is not None
    assert refund.settlement.net == usd(-6500)


def test_a_movement_that_does_not_add_up_is_refused() -> None:
    with pytest.raises(RejectedError, match="not net"):
        normalized(delivery("charge.updated", charge(balance_transaction=movement("txn_1", 5000, 175, net=4800))))


def test_a_payment_intent_leads_to_its_charge_and_never_counts_twice() -> None:
    intent = {"id": "pi_1", "object": "payment_intent", "latest_charge": "ch_1", "customer": "cus_1"}
    found = delivery("payment_intent.succeeded", intent)
    assert SOURCE.needs(found) == ("acct_1/charge/ch_1",)
    (payment,) = records(found, fetched("charge", charge()))
    assert isinstance(payment, Payment)
    assert payment.id == "stripe:ch_1"
    older = {"id": "pi_1", "object": "payment_intent", "charges": {"data": [{"id": "ch_0"}, {"id": "ch_1"}]}, "invoice": "in_1"}
    assert SOURCE.needs(delivery("payment_intent.succeeded", older)) == ("acct_1/charge/ch_0", "acct_1/charge/ch_1", "acct_1/invoice/in_1")
    untried = {"id": "pi_1", "object": "payment_intent", "latest_charge": None}
    assert normalized(delivery("payment_intent.canceled", untried)) == Ignored("payment_intent_without_charge")


def test_an_invoice_payment_leads_to_all_charges_of_its_intent() -> None:
    seen = {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "currency": "usd", "status": "paid", "amount_paid": 5000}
    found = delivery("invoice_payment.paid", {**seen, "payment": {"type": "payment_intent", "payment_intent": "pi_1"}})
    assert SOURCE.needs(found) == ("acct_1/invoice/in_1", "acct_1/payment_intent/pi_1")
    charges = {"data": [charge(id="ch_2"), charge(id="ch_1", status="failed")]}
    given = fetched("payment_intent", charges, object_id="pi_1") | fetched("invoice", None, object_id="in_1")
    assert [e.id for e in records(found, given)] == ["stripe:ch_2", "stripe:ch_1"]


def refund(**more: Any) -> dict[str, Any]:
    found = {"id": "re_1", "object": "refund", "amount": 2000, "currency": "usd", "created": CREATED, "status": "succeeded"}
    return {**found, "charge": {"id": "ch_1", "customer": "cus_1", "captured": True}, "reason": "requested_by_customer", **more}


def test_a_refund_names_payment_customer_and_credit_note() -> None:
    txn = movement("txn_3", -2000, type="refund")
    whole = refund(balance_transaction=txn, counterfoil={"account": ACCOUNT, "credit_note": "cn_1"})
    (fact,) = facts(delivery("refund.created", refund(charge="ch_1")), fetched("refund", whole))
    assert fact.type is RefundEvent.SUCCEEDED
    assert fact.data == Refund(
        "stripe:re_1",
        "stripe:ch_1",
        RefundState.SUCCEEDED,
        usd(2000),
        T0,
        "stripe:cus_1",
        "stripe:cn_1",
        settlement("txn_3", -2000, type="refund"),
        None,
        "requested_by_customer",
    )


def test_a_failed_refund_carries_the_moneys_return() -> None:
    txn, back = movement("txn_3", -2000, type="refund"), movement("txn_4", 2000, type="refund_failure")
    (fact,) = facts(delivery("refund.failed", refund(status="failed", balance_transaction=txn, failure_balance_transaction=back)))
    assert isinstance(fact.data, Refund)
    assert (fact.type, fact.data.state) == (RefundEvent.FAILED, RefundState.FAILED)
    assert fact.data.reversal == settlement("txn_4", 2000, type="refund_failure")


@pytest.mark.parametrize("status", ["pending", "requires_action"])
def test_a_refund_on_its_way_is_pending(status: str) -> None:
    (fact,) = facts(delivery("charge.refund.updated", refund(status=status)))
    assert isinstance(fact.data, Refund)
    assert fact.data.state is RefundState.PENDING


def test_a_refund_that_only_the_charges_event_tells_of_is_told_with_it() -> None:
    told = delivery("charge.refunded", charge(object="charge"))
    assert SOURCE.needs(told) == (f"{ACCOUNT}/charge/ch_1", f"{ACCOUNT}/charge_refunds/ch_1")
    given = fetched("charge", charge()) | fetched("charge_refunds", {"data": [refund()]}, object_id="ch_1")
    paid_in, sent_back = records(told, given)
    assert isinstance(paid_in, Payment)
    assert isinstance(sent_back, Refund)
    (alone,) = records(delivery("refund.created", refund()))
    assert isinstance(alone, Refund)
    assert (sent_back.id, sent_back.settlement) == ("stripe:re_1", alone.settlement)


def test_the_part_of_an_authorization_that_was_not_captured_is_no_refund_but_what_was_taken_is() -> None:
    # 50.00 authorized, 30.00 captured: 20.00 are let go of, without a movement. 20.01 would be more than that.
    partly = {"id": "ch_1", "customer": "cus_1", "captured": True, "amount": 5000, "amount_captured": 3000}
    rest = refund(charge=partly, amount=2000, balance_transaction=None)
    assert normalized(delivery("refund.created", rest)) == Ignored("authorization_released")
    (more,) = records(delivery("refund.created", {**rest, "amount": 2001}))
    assert isinstance(more, Refund)


def test_a_tax_withheld_in_a_fee_is_told_apart() -> None:
    # 11.20 of fee: 3.20 for Stripe, 8.00 withheld.
    details = [{"amount": 320, "type": "stripe_fee"}, {"amount": 800, "type": "withheld_tax"}]
    (paid_in,) = records(delivery("charge.succeeded", charge(balance_transaction=movement("txn_1", 5000, 1120, fee_details=details))))
    assert isinstance(paid_in, Payment)
    assert paid_in.settlement is not None
    assert (paid_in.settlement.withheld_tax, paid_in.settlement.fee_tax) == (usd(800), None)


def test_the_end_of_an_authorization_is_no_refund() -> None:
    released = refund(reason="expired_uncaptured_charge", balance_transaction=None)
    assert normalized(delivery("refund.created", released)) == Ignored("authorization_released")


def dispute(status: str, *movements: dict[str, Any]) -> dict[str, Any]:
    found = {"id": "dp_1", "object": "dispute", "amount": 5000, "currency": "usd", "status": status, "created": CREATED}
    return {**found, "charge": {"id": "ch_1", "customer": "cus_1"}, "reason": "fraudulent", "balance_transactions": list(movements)}


WITHDRAWN = movement("txn_5", -5000, 1500, type="adjustment", reporting_category="dispute")
BACK = movement("txn_6", 5000, type="adjustment", reporting_category="dispute_reversal", created=CREATED + 2 * DAY)


def test_a_won_dispute_carries_what_was_withdrawn_and_reinstated() -> None:
    (fact,) = facts(delivery("charge.dispute.closed", dispute("won", WITHDRAWN, BACK)))
    assert fact.type is DisputeEvent.WON
    assert isinstance(fact.data, Dispute)
    assert fact.data.withdrawals == (settlement("txn_5", -5000, 1500, type="adjustment"),)
    assert [s.gross for s in fact.data.reinstatements] == [usd(5000)]
    assert (fact.data.payment_id, fact.data.customer_id, fact.data.closed_at) == ("stripe:ch_1", "stripe:cus_1", T1)


@pytest.mark.parametrize(
    ("status", "state", "event_type"),
    [
        ("warning_needs_response", DisputeState.WARNING, DisputeEvent.UPDATED),
        ("warning_under_review", DisputeState.WARNING, DisputeEvent.UPDATED),
        ("warning_closed", DisputeState.PREVENTED, DisputeEvent.UPDATED),
        ("prevented", DisputeState.PREVENTED, DisputeEvent.UPDATED),
        ("needs_response", DisputeState.OPEN, DisputeEvent.OPENED),
        ("under_review", DisputeState.OPEN, DisputeEvent.OPENED),
        ("appeal_needs_response", DisputeState.OPEN, DisputeEvent.OPENED),
        ("lost", DisputeState.LOST, DisputeEvent.LOST),
    ],
)
def test_disputes_follow_the_state_map(status: str, state: DisputeState, event_type: EventType) -> None:
    (fact,) = facts(delivery("charge.dispute.funds_withdrawn", dispute(status, WITHDRAWN)))
    assert isinstance(fact.data, Dispute)
    assert (fact.data.state, fact.type) == (state, event_type)


LOST = {**dispute("lost", WITHDRAWN), "object": "dispute"}


@pytest.mark.parametrize("status", ["lost", "prevented"])
def test_a_dispute_is_closed_when_the_event_says_so(status: str) -> None:
    # Opened at CREATED, lost 40 days later.
    (fact,) = facts(delivery("charge.dispute.closed", dispute(status, WITHDRAWN), created=CREATED + 40 * DAY))
    assert isinstance(fact.data, Dispute)
    assert fact.data.closed_at == T0 + timedelta(days=40)


def test_a_lost_dispute_told_by_another_event_was_closed_when_its_own_event_was_made() -> None:
    seen = {**LOST, "counterfoil": {"account": ACCOUNT, "closed_at": CREATED + 40 * DAY}}
    (fact,) = facts(delivery("charge.dispute.updated", LOST, created=CREATED + 50 * DAY), fetched("dispute", seen))
    assert isinstance(fact.data, Dispute)
    assert fact.data.closed_at == T0 + timedelta(days=40)


def test_of_a_loss_that_no_event_tells_any_more_the_day_is_not_known() -> None:
    (fact,) = facts(listed_delivery(LOST))
    assert isinstance(fact.data, Dispute)
    assert fact.data.closed_at is None


def payout(status: str, **more: Any) -> dict[str, Any]:
    found = {"id": "po_1", "object": "payout", "amount": 9000, "currency": "usd", "status": status, "created": CREATED, "automatic": True}
    return {**found, "arrival_date": CREATED + DAY, "balance_transaction": movement("txn_9", -9000, type="payout"), **more}


def test_a_paid_payout_lists_what_it_settles_and_tells_the_fees_among_it() -> None:
    items = [
        movement("txn_9", -9000, type="payout"),
        movement("txn_1", 10_000, 500),
        movement("txn_7", -400, type="stripe_fee"),
        movement("txn_8", -100, type="tax_fee"),
        movement("txn_5", -5000, 1500, type="adjustment", reporting_category="dispute"),
    ]
    found = facts(delivery("payout.paid", payout("paid", counterfoil={"account": ACCOUNT, "balance_transactions": items})))
    fee, tax, fact = found
    assert [(f.type, f.data.category) for f in (fee, tax) if isinstance(f.data, BalanceEntry)] == [
        (BalanceEntryEvent.FEE_CHARGED, "fee"),
        (BalanceEntryEvent.FEE_CHARGED, "fee_tax"),
    ]
    assert fact.type is PayoutEvent.PAID
    assert fact.data == Payout(
        id="stripe:po_1",
        state=PayoutState.PAID,
        amount=usd(9000),
        created_at=T0,
        arrives_on=date(2026, 9, 22),
        settlement=settlement("txn_9", -9000, type="payout"),
        items=("stripe:txn_1", "stripe:txn_7", "stripe:txn_8", "stripe:txn_5"),
    )


@pytest.mark.parametrize(
    ("status", "state", "event_type"),
    [
        ("pending", PayoutState.PENDING, PayoutEvent.CREATED),
        ("in_transit", PayoutState.IN_TRANSIT, PayoutEvent.CREATED),
        ("failed", PayoutState.FAILED, PayoutEvent.FAILED),
        ("canceled", PayoutState.CANCELED, PayoutEvent.FAILED),
    ],
)
def test_payouts_follow_the_state_map(status: str, state: PayoutState, event_type: EventType) -> None:
    back = movement("txn_10", 9000, type="payout_failure")
    (fact,) = facts(delivery("payout.updated", payout(status, failure_balance_transaction=back)))
    assert isinstance(fact.data, Payout)
    assert (fact.data.state, fact.type) == (state, event_type)
    assert fact.data.reversal == settlement("txn_10", 9000, type="payout_failure")


def _spec_types() -> list[str]:
    text = (Path(__file__).parent / "fixtures" / "balance-transaction-types.json").read_text()
    found: list[str] = json.loads(text)["types"]
    return found


@pytest.mark.parametrize("kind", _spec_types())
def test_every_type_of_movement_is_explained_or_an_entry(kind: str) -> None:
    assert (kind in EXPLAINED) != (kind in CATEGORIES)
    result = normalized(listed_delivery(movement("txn_1", -100, type=kind)))
    if kind in EXPLAINED:
        assert result == Ignored(EXPLAINED[kind])
    else:
        assert not isinstance(result, Ignored)
        (fact,) = result
        assert isinstance(fact.data, BalanceEntry)
        assert (fact.data.category, fact.data.settlement.net) == (CATEGORIES[kind], usd(-100))


def test_an_adjustment_of_a_dispute_is_explained_by_it() -> None:
    assert normalized(listed_delivery(WITHDRAWN)) == Ignored("explained_by_dispute")
    other = normalized(listed_delivery(movement("txn_1", -100, type="adjustment", reporting_category="other_adjustment")))
    assert not isinstance(other, Ignored)


def test_an_unknown_type_of_movement_is_drift() -> None:
    with pytest.raises(DriftError) as caught:
        normalized(listed_delivery(movement("txn_1", 1, type="gift")))
    assert caught.value.drift_key == "balance_transaction.type:gift"


@pytest.mark.parametrize(
    ("kind", "obj"),
    [
        ("charge.updated", charge(status="flying")),
        ("refund.updated", refund(status="flying")),
        ("charge.dispute.updated", dispute("flying")),
        ("payout.updated", payout("flying")),
    ],
)
def test_unknown_states_are_drift(kind: str, obj: dict[str, Any]) -> None:
    with pytest.raises(DriftError, match="flying"):
        normalized(delivery(kind, obj))


@pytest.mark.parametrize(("kind", "obj"), [("charge.updated", charge()), ("refund.updated", refund()), ("payout.paid", payout("paid"))])
def test_money_that_stripe_no_longer_knows_is_a_case(kind: str, obj: dict[str, Any]) -> None:
    with pytest.raises(RejectedError) as caught:
        normalized(delivery(kind, obj), fetched(obj["object"], None, object_id=obj["id"]))
    assert caught.value.code == "stripe.object_gone"

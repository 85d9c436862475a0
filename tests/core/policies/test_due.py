"""What is overdue is one thing, whoever asks: to be paid by now, not paid, and not under way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.builders import NOON, credit_note, invoice, payment, usd

from counterfoil.core.kinds.invoice import Invoice, InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Payment, PaymentState
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.policies.due import due_at, open_of, overdue_of, payments_under_way, under_way_of

DAY = timedelta(days=1)
BILL = replace(invoice(usd(100_00), due_at=NOON, issued_at=NOON - 14 * DAY), amount_remaining=usd(100_00))
COLLECTED = replace(BILL, due_at=None, attempt_count=1)
UNTOLD = replace(BILL, amount_remaining=None)


def under_way(bill: Invoice, minor: int, of: str = "stripe:ch_1") -> Invoice:
    """Return a bill whose source says that a payment of so much is under way."""
    return replace(bill, parts_under_way=(PaidPart("stripe:inpay_1", usd(minor), payment_id=of),))


def debit(minor: int, state: PaymentState = PaymentState.PENDING) -> Payment:
    """Return a bank debit that names no invoice, as the processor tells of one that has not succeeded."""
    return replace(payment(usd(minor)), state=state)


def overdue(bill: Invoice, *beside: Record, late: timedelta = DAY) -> Money:
    return overdue_of(bill, beside, NOON + late)


def test_what_is_not_paid_is_overdue_from_the_instant_it_is_due() -> None:
    assert overdue(BILL, late=-timedelta(microseconds=1)) == usd(0)
    assert overdue(BILL, late=timedelta(0)) == usd(100_00)
    assert overdue(replace(BILL, state=InvoiceState.PAID)) == usd(0)


def test_what_is_collected_by_itself_is_due_since_it_was_issued_once_that_was_tried_in_vain() -> None:
    assert due_at(replace(COLLECTED, attempt_count=0)) is None
    assert overdue(replace(COLLECTED, attempt_count=0)) == usd(0)
    assert (due_at(COLLECTED), overdue(COLLECTED)) == (NOON - 14 * DAY, usd(100_00))


def test_a_debit_under_way_is_no_failed_one() -> None:
    # 100.00 of which 100.00, 40.00 are under way; all of it is still to be paid.
    assert overdue(under_way(COLLECTED, 100_00), debit(100_00)) == usd(0)
    assert overdue(under_way(COLLECTED, 40_00), debit(40_00)) == usd(60_00)
    assert open_of(under_way(COLLECTED, 100_00), [debit(100_00)]) == usd(100_00)
    assert overdue(under_way(COLLECTED, 100_00), debit(100_00, PaymentState.FAILED)) == usd(100_00)
    assert overdue(under_way(COLLECTED, 100_00), debit(100_00, PaymentState.CANCELED)) == usd(100_00)


def test_money_that_arrived_is_still_under_way_until_the_invoice_says_that_it_is_paid() -> None:
    assert overdue(under_way(COLLECTED, 100_00), debit(100_00, PaymentState.SUCCEEDED)) == usd(0)


def test_a_payment_that_is_not_known_yet_is_as_much_under_way_as_the_invoice_says() -> None:
    assert overdue(under_way(COLLECTED, 100_00)) == usd(0)


@pytest.mark.parametrize("state", PaymentState)
def test_without_a_word_of_the_invoice_its_payments_tell_what_is_under_way(state: PaymentState) -> None:
    named = replace(payment(usd(70_00), (BILL.id, 60_00), ("stripe:in_2", 10_00)), state=state)
    found = {PaymentState.PENDING: 60_00, PaymentState.AUTHORIZED: 60_00}.get(state, 0)
    assert under_way_of(BILL, [named]) == usd(found)
    assert list(payments_under_way(BILL, [named])) == ([named] if found else [])


def test_no_more_is_under_way_than_is_to_be_paid() -> None:
    # 100.00, of which 30.00 were credited before payment: 70.00 are left.
    untold = under_way(UNTOLD, 100_00)
    assert under_way_of(untold, [credit_note(usd(30_00), before=30_00)]) == usd(70_00)
    assert under_way_of(replace(untold, state=InvoiceState.PAID), []) == usd(0)

"""Invoices paid too much: the invoice takes what is due, the rest becomes the customer's credit when it does at the source."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, RULES, World, at, eur, invoice, payment, settled, texts, usd, world
from tests.core.ledger import Ledger

from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.invoice import INVOICE, Invoice, InvoiceState, PaidPart
from counterfoil.core.kinds.payment import PAYMENT, Application, Payment
from counterfoil.core.language.records import Record
from counterfoil.core.policies.rules import Route


def part(number: int, amount: int) -> PaidPart:
    """Return a payment as its invoice tells it."""
    return PaidPart(f"stripe:inpay_{number}", usd(amount), at(f"2026-03-{10 + number} 12:00"), f"stripe:ch_{number}")


def paid(amount: int, applied: int, number: int = 1) -> Payment:
    """Return a payment that names its application."""
    application = Application("stripe:in_1", usd(applied), f"stripe:inpay_{number}")
    return payment(usd(amount), id=f"stripe:ch_{number}", applications=(application,))


def overpaid(*parts: PaidPart, by: int) -> Invoice:
    """Return a paid invoice of 100.00."""
    nothing, all_of_it = usd(0), usd(10000)
    bill = invoice(all_of_it, state=InvoiceState.PAID, paid_parts=parts, amount_overpaid=usd(by), amount_paid=all_of_it)
    return replace(bill, amount_remaining=nothing, starting_balance=nothing, ending_balance=nothing)


CREDIT = CustomerCredit("stripe:cbtxn_1", ANN.id, usd(-5000), at("2026-03-11 12:00"), is_paid=True, invoice_id="stripe:in_1")


def played(*states: Record, books: World | None = None) -> World:
    """Decide states in this order, and all of them once more: what waited comes to its end."""
    made = books or world()
    for state in (*states, *states):
        made.decide(state)
    return made


@pytest.mark.parametrize("applied", [15000, 10000], ids=["the whole payment is named", "only what the invoice took is named"])
@pytest.mark.parametrize("is_backwards", [False, True])
def test_what_is_paid_too_much_becomes_the_customers_credit_and_leaves_nothing_open(applied: int, is_backwards: bool) -> None:
    # 150.00 paid on 100.00: the invoice takes 100.00, 50.00 are the customer's credit.
    states: list[Record] = [overpaid(part(1, applied), by=5000), paid(15000, applied), CREDIT]
    books = played(*(reversed(states) if is_backwards else states))
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("customer_credit"), ledger.balance("clearing:stripe")) == ({}, -5000, 15000)
    lines = texts(books.sent)
    assert "post_entry paid_credit_stripe.cbtxn_1 2026-03-11 customer_credit -50.00 USD, receivable 50.00 USD" in lines
    assert "allocate entry/paid_credit.stripe:cbtxn_1 payment/stripe:ch_1 50.00 USD" in lines


def test_the_credit_of_an_overpaid_invoice_is_used_up_by_the_next_one() -> None:
    # 20.00 too much go to the next invoice of 100.00, which is paid with 80.00.
    credit = replace(CREDIT, amount=usd(-2000))
    books = played(overpaid(part(1, 12000), by=2000), paid(12000, 12000), credit)
    nxt = invoice(usd(10000), id="stripe:in_2", starting_balance=usd(-2000), ending_balance=usd(0))
    books.decide(nxt)
    books.decide(payment(usd(8000), ("stripe:in_2", 8000), id="stripe:ch_9"))
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("customer_credit")) == ({}, 0)


def test_the_payment_that_came_last_is_the_one_paid_too_much() -> None:
    # 60.00, then 60.00 on 100.00: the second one has 20.00 left.
    credit = replace(CREDIT, amount=usd(-2000))
    bill = overpaid(part(1, 6000), part(2, 6000), by=2000)
    books = played(bill, paid(6000, 6000, 1), paid(6000, 6000, 2), credit)
    lines = texts(books.sent)
    assert "allocate invoice/stripe:in_1 payment/stripe:ch_2 40.00 USD" in lines
    assert "allocate entry/paid_credit.stripe:cbtxn_1 payment/stripe:ch_2 20.00 USD" in lines
    assert Ledger().take(books.sent).left_open() == {}


def test_a_credit_waits_for_an_invoice_that_tells_of_it_and_for_the_payment_it_came_of() -> None:
    books = world()
    assert books.decide(CREDIT).waits == (INVOICE.ref("stripe:in_1"),)
    books.know(replace(overpaid(by=0), state=InvoiceState.ISSUED))
    assert books.redecide(CREDIT).waits == (INVOICE.ref("stripe:in_1"),)
    books.know(overpaid(part(1, 15000), by=5000))
    assert books.redecide(CREDIT).waits == (PAYMENT.ref("stripe:ch_1"),)


def test_a_payment_ahead_of_any_invoice_is_credit_of_the_customer_and_no_gift() -> None:
    ahead = replace(CREDIT, invoice_id="")
    books = played(payment(usd(5000)), ahead)
    ledger = Ledger().take(books.sent)
    assert (ledger.balance("customer_credit"), ledger.balance("receivable"), ledger.balance("adjustment")) == (-5000, 0, 0)
    books.decide(replace(ahead, id="stripe:cbtxn_2", amount=usd(5000)))
    ledger = Ledger().take(books.sent)
    assert (ledger.balance("customer_credit"), ledger.balance("receivable")) == (0, -5000)


def test_what_one_entity_received_too_much_for_anothers_invoice_goes_through_both_books() -> None:
    # The German entity bills 100.00 EUR, the dollar balance of the US entity receives 150.00 EUR.
    rules = replace(RULES, routes=(Route("DE", "stripe", country="US"), Route("US", "stripe")))
    bill = overpaid(PaidPart("stripe:inpay_1", eur(15000), None, "stripe:ch_1"), by=5000)
    euros = invoice(
        eur(10000),
        state=InvoiceState.PAID,
        paid_parts=bill.paid_parts,
        amount_overpaid=eur(5000),
        amount_paid=eur(10000),
        amount_remaining=eur(0),
    )
    received = payment(eur(15000), applications=(Application("stripe:in_1", eur(15000), "stripe:inpay_1"),), settlement=settled(usd(16000)))
    books = played(euros, received, replace(CREDIT, amount=eur(-5000)), books=world(rules=rules))
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("customer_credit", "EUR", "DE")) == ({}, -5000)
    assert ledger.balance("intercompany:DE", "EUR", "US") == -ledger.balance("intercompany:US", "EUR", "DE") == -15000

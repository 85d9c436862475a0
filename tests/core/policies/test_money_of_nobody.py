"""Refunds that name no customer: who they are of is told by their payment, its invoices and their credit notes, once these are known."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import RULES, World, credit_note, invoice, payment, refund, usd, with_entity, world

from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.payment import Application
from counterfoil.core.language.records import Record

GUESTS = Customer("stripe:cus_guests", "Guests")
DECLARED = with_entity(RULES, "US", collecting_customer=GUESTS.id)
NOBODYS = payment(usd(5000), customer_id="")
BACK = refund(usd(2000), customer_id="")
TO_ANN = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 20.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1"""


def guests(*known: Record) -> World:
    """Return a world with a customer for money of nobody."""
    return world(GUESTS, *known, rules=DECLARED)


def test_a_refund_of_nobody_waits_for_a_credit_note_that_may_tell_its_customer() -> None:
    books = guests(NOBODYS)
    given = replace(BACK, credit_note_id="stripe:cn_1")
    assert books.tell(given) == "waits for credit_note/stripe:cn_1"
    assert world(NOBODYS).tell(given) == "waits for credit_note/stripe:cn_1"
    books.know(credit_note(usd(2000), invoice_id="", refund_ids=("stripe:re_1",)))
    assert books.tell(given).startswith(TO_ANN)


def test_a_refund_of_nobody_is_of_the_first_credit_note_that_is_known() -> None:
    # The note that names the refund is known, the one the refund names is not: the customer is the same.
    books = guests(NOBODYS, credit_note(usd(500), id="stripe:cn_2", invoice_id="", refund_ids=("stripe:re_1",)))
    assert books.tell(replace(BACK, credit_note_id="stripe:cn_1")).startswith(TO_ANN)


def test_a_refund_of_nobody_waits_for_an_invoice_that_may_tell_its_customer() -> None:
    bought = replace(NOBODYS, applications=(Application("stripe:in_1", usd(5000)),))
    books = guests(bought)
    assert books.tell(BACK) == "waits for invoice/stripe:in_1"
    books.know(invoice(usd(5000)))
    assert books.tell(BACK).startswith(TO_ANN)


def test_a_refund_of_nobody_that_nothing_can_tell_of_is_of_the_declared_customer() -> None:
    nameless = invoice(usd(5000), customer_id="")
    books = guests(replace(NOBODYS, applications=(Application("stripe:in_1", usd(5000)),)), nameless)
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_guests)
  stripe:cus_guests: 20.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_guests
  makes refund/stripe:re_1
"""
    assert books.tell(BACK).startswith(expected)

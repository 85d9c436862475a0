"""Payments outside the processor in parts, in whole: sums that grow and shrink, drafts, and write-offs they take the place of."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import ANN, RULES, at, invoice, payment, usd, world

from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.payment import Application, Payment, PaymentState
from counterfoil.core.policies.rules import Route

BILL = invoice(usd(9900))
FIRST = "stripe:oob_in_1"


def cheque(amount: int, day: int, *, earlier: int = 0, id: str = FIRST) -> Payment:
    """Return one part of what was paid outside the processor on an invoice."""
    applied = (Application("stripe:in_1", usd(amount)),)
    paid = Payment(id, ANN.id, PaymentState.SUCCEEDED, usd(amount), at(f"2026-03-{day} 12:00"), applied, is_out_of_band=True)
    return replace(paid, earlier_parts=usd(earlier), first_part_id=FIRST)


def test_a_sum_paid_outside_the_processor_that_grows_is_booked_for_what_it_grew_by() -> None:
    books = world()
    books.decide(replace(BILL, paid_out_of_band=usd(9900)))
    expected = """\
post_payment payment_stripe.oob_in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 40.00 USD in on 2026-03-11 by out_of_band
  needs customer/stripe:cus_A
  makes payment/stripe:oob_in_1
match invoice/stripe:in_1 with payment/stripe:oob_in_1: 40.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(cheque(4000, 11)) == expected
    expected = """\
still post_payment payment_stripe.oob_in_1
post_payment payment_stripe.oob_in_1.2 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 59.00 USD in on 2026-03-20 by out_of_band
  needs customer/stripe:cus_A
  makes payment/stripe:oob_in_1.2
still match invoice/stripe:in_1 with payment/stripe:oob_in_1: 40.00 USD
match invoice/stripe:in_1 with payment/stripe:oob_in_1.2: 59.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(cheque(9900, 20)) == expected
    expected = """\
still post_payment payment_stripe.oob_in_1
still post_payment payment_stripe.oob_in_1.2
still match invoice/stripe:in_1 with payment/stripe:oob_in_1: 40.00 USD
still match invoice/stripe:in_1 with payment/stripe:oob_in_1.2: 59.00 USD"""
    assert books.tell(cheque(9900, 21)) == expected
    assert books.tell(cheque(5900, 20, earlier=4000, id=f"{FIRST}.2nd")) == "ignored: booked_with_what_was_paid_before"


def test_a_sum_paid_outside_the_processor_that_shrank_says_by_how_much() -> None:
    books = world()
    books.decide(replace(BILL, paid_out_of_band=usd(3000)))
    books.decide(cheque(4000, 11))
    expected = """\
case amount_mismatch decide.changed_after_posting, US 10.00 USD
  payment/stripe:oob_in_1, paid outside the processor, is 30.00 USD at the source now; 40.00 USD of it was sent to odoo before.
  Look which is right: correct it at the source, or undo 10.00 USD of the payment in the target and waive this case."""
    assert books.tell(cheque(3000, 12)) == expected


def test_a_cheque_for_an_invoice_that_is_not_issued_waits_for_it() -> None:
    books = world(invoice(usd(9900), state=InvoiceState.DRAFT, issued_at=None))
    expected = """\
post_payment payment_stripe.oob_in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 40.00 USD in on 2026-03-11 by out_of_band
  needs customer/stripe:cus_A
  makes payment/stripe:oob_in_1
waits for invoice/stripe:in_1"""
    assert books.tell(cheque(4000, 11)) == expected


def test_a_cheque_for_a_written_off_invoice_takes_the_write_offs_place_once_the_invoice_tells() -> None:
    lost = replace(BILL, state=InvoiceState.UNCOLLECTIBLE, amount_remaining=usd(9900), uncollectible_at=at("2026-05-01 12:00"))
    books = world()
    books.decide(replace(lost, paid_out_of_band=usd(4000)))
    expected = """\
post_payment payment_stripe.oob_in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 40.00 USD in on 2026-03-11 by out_of_band
  needs customer/stripe:cus_A
  makes payment/stripe:oob_in_1
waits for invoice/stripe:in_1"""
    assert books.tell(cheque(4000, 11)) == expected
    books.decide(replace(lost, amount_remaining=usd(5900), paid_out_of_band=usd(4000)), when=at("2026-06-01 12:00"))
    expected = """\
still post_payment payment_stripe.oob_in_1
still unmatch invoice/stripe:in_1 from entry/bad_debt.stripe:in_1
match invoice/stripe:in_1 with payment/stripe:oob_in_1: 40.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1"""
    assert books.tell(cheque(4000, 11)) == expected


def test_money_paid_by_hand_stays_in_the_books_it_was_booked_in_when_an_invoice_of_others_turns_up() -> None:
    rules = replace(RULES, routes=(Route("DE", "stripe", country="DE"), Route("US", "stripe")))
    books = world(rules=rules)
    by_hand = payment(usd(9900), settlement=None, is_out_of_band=True)
    books.decide(by_hand)
    books.decide(replace(BILL, customer_country="DE"))
    applied = replace(by_hand, applications=(Application("stripe:in_1", usd(9900)),))
    owners = {command.external_key.partition("_stripe")[0]: command.entity for command in books.decide(applied).commands}
    assert (owners["payment"], owners["intercompany_payer"], owners["intercompany_owner"]) == ("US", "US", "DE")

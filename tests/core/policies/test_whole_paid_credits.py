"""Customer credit that came of a payment, in whole: matched with what its payments have left, also in another entity's books."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import ANN, NOON, RULES, at, eur, invoice, payment, settled, usd, world

from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.invoice import InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Application
from counterfoil.core.policies.rules import Route

BILL = invoice(usd(9900))
BOTH_BOOKS = replace(RULES, routes=(Route("DE", "stripe", country="US"), Route("US", "stripe")))


def test_credit_of_an_overpaid_invoice_is_matched_with_what_its_payments_have_left() -> None:
    # 60.00 and 60.00 on 99.00: the second one has 21.00 left.
    parts = (PaidPart("inpay_1", usd(6000), NOON, "stripe:ch_1"), PaidPart("inpay_2", usd(6000), NOON, "stripe:ch_2"))
    bill = replace(BILL, state=InvoiceState.PAID, paid_parts=parts, amount_overpaid=usd(2100), amount_paid=usd(9900))
    credit = CustomerCredit("stripe:cb_1", ANN.id, usd(-2100), at("2026-03-12 12:00"), "", True, "stripe:in_1")
    books = world()
    assert books.tell(credit) == "waits for invoice/stripe:in_1"
    books.know(replace(bill, amount_overpaid=None))
    expected = """\
post_entry paid_credit_stripe.cb_1 (US in odoo, for stripe:cus_A)
  2026-03-12 in general "customer balance, paid in"
  customer_credit -21.00 USD stripe:cus_A
  receivable 21.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/paid_credit.stripe:cb_1
waits for invoice/stripe:in_1"""
    assert books.tell(credit) == expected
    books.decide(bill)
    expected = """\
still post_entry paid_credit_stripe.cb_1
waits for payment/stripe:ch_2"""
    assert books.tell(credit) == expected
    for number in (1, 2):
        applied = (Application("stripe:in_1", usd(6000), f"inpay_{number}"),)
        books.decide(payment(usd(6000), id=f"stripe:ch_{number}", applications=applied))
    expected = """\
still post_entry paid_credit_stripe.cb_1
match entry/paid_credit.stripe:cb_1 with payment/stripe:ch_2: 21.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(credit) == expected


def test_what_was_paid_too_much_on_a_booked_invoice_becomes_the_survivors_credit_and_leaves_nothing_open_on_the_other() -> None:
    parts = (PaidPart("inpay_1", usd(12000), NOON, "stripe:ch_1"),)
    bill = replace(BILL, state=InvoiceState.PAID, paid_parts=parts, amount_overpaid=usd(2100), amount_paid=usd(9900))
    books = world()
    books.decide(bill)
    books.decide(payment(usd(12000), applications=(Application("stripe:in_1", usd(12000), "inpay_1"),)))
    books.know(replace(ANN, merged_into="stripe:cus_B"), Customer("stripe:cus_B", "Bob"))
    expected = """\
post_entry paid_credit_stripe.cb_1 (US in odoo, for stripe:cus_B)
  2026-03-12 in general "customer balance, paid in"
  customer_credit -21.00 USD stripe:cus_B
  receivable 21.00 USD stripe:cus_A
  needs customer/stripe:cus_B, customer/stripe:cus_A
  makes entry/paid_credit.stripe:cb_1
match entry/paid_credit.stripe:cb_1 with payment/stripe:ch_1: 21.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(CustomerCredit("stripe:cb_1", ANN.id, usd(-2100), at("2026-03-12 12:00"), "", True, "stripe:in_1")) == expected


def test_credit_paid_ahead_and_taken_back_is_an_entry_alone() -> None:
    ahead = CustomerCredit("stripe:cb_1", ANN.id, usd(-5000), NOON, "prepaid", True)
    books = world()
    expected = """\
post_entry paid_credit_stripe.cb_1 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "prepaid"
  customer_credit -50.00 USD stripe:cus_A
  receivable 50.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/paid_credit.stripe:cb_1"""
    assert books.tell(ahead) == expected
    expected = """\
post_entry paid_credit_stripe.cb_2 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "customer balance, paid in"
  customer_credit 50.00 USD stripe:cus_A
  receivable -50.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/paid_credit.stripe:cb_2"""
    assert books.tell(replace(ahead, id="stripe:cb_2", amount=usd(5000), description="")) == expected


def test_credit_of_what_another_entity_received_goes_through_both_books() -> None:
    # Germany bills 100.00 EUR, the dollar balance of the US takes 150.00 EUR: 50.00 are the customer's credit in Germany.
    part = PaidPart("inpay_1", eur(15000), None, "stripe:ch_1")
    bill = invoice(eur(10000), state=InvoiceState.PAID, paid_parts=(part,), amount_overpaid=eur(5000), amount_paid=eur(10000))
    received = payment(eur(15000), applications=(Application("stripe:in_1", eur(15000), "inpay_1"),), settlement=settled(usd(16000)))
    credit = CustomerCredit("stripe:cb_1", ANN.id, eur(-5000), at("2026-03-12 12:00"), "", True, "stripe:in_1")
    books = world(rules=BOTH_BOOKS)
    books.decide(replace(bill, amount_remaining=eur(0)))
    books.decide(received)
    expected = """\
post_entry paid_credit_stripe.cb_1 (DE in odoo, for stripe:cus_A)
  2026-03-12 in general "customer balance, paid in"
  customer_credit -50.00 EUR stripe:cus_A
  receivable 50.00 EUR stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/paid_credit.stripe:cb_1
post_entry intercompany_payer_stripe.ch_1-stripe.cb_1-3e43b410 (US in odoo, for stripe:cus_A)
  2026-03-12 in general "between US and DE: stripe:ch_1+stripe:cb_1"
  receivable 50.00 EUR stripe:cus_A
  intercompany:DE -50.00 EUR
  needs customer/stripe:cus_A
  makes entry/intercompany_payer.stripe:ch_1+stripe:cb_1
post_entry intercompany_owner_stripe.ch_1-stripe.cb_1-3e43b410 (DE in odoo, for stripe:cus_A)
  2026-03-12 in general "between US and DE: stripe:ch_1+stripe:cb_1"
  intercompany:US 50.00 EUR
  receivable -50.00 EUR stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/intercompany_owner.stripe:ch_1+stripe:cb_1
match entry/intercompany_payer.stripe:ch_1+stripe:cb_1 with payment/stripe:ch_1: 50.00 EUR (US in odoo, for stripe:cus_A)
match entry/paid_credit.stripe:cb_1 with entry/intercompany_owner.stripe:ch_1+stripe:cb_1: 50.00 EUR (DE in odoo, for
    stripe:cus_A)"""
    assert books.tell(credit) == expected


def test_credit_of_an_invoice_is_of_the_entity_that_billed_it_and_ahead_of_any_of_the_one_its_country_goes_to() -> None:
    rules = replace(RULES, routes=(Route("DE", "stripe", country="US"), Route("US", "stripe")))
    books = world(rules=rules)
    books.decide(BILL)
    books.rules = replace(RULES, routes=(Route("US"),))
    of_bill = CustomerCredit("stripe:cb_1", ANN.id, usd(-500), NOON, "", True, "stripe:in_1")
    assert [command.entity for command in books.decide(of_bill).commands] == ["DE"]
    books.rules = rules
    assert [command.entity for command in books.decide(replace(of_bill, id="stripe:cb_2", invoice_id="")).commands] == ["DE"]
    books.rules = replace(RULES, routes=())
    expected = """\
case unmapped_account decide.no_route, -5.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country 'US', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert books.tell(replace(of_bill, id="stripe:cb_3", invoice_id="")) == expected


def test_credit_is_matched_in_the_books_that_hold_the_payment_whatever_the_routes_say_by_now() -> None:
    parts = (PaidPart("inpay_1", usd(12000), NOON, "stripe:ch_1"),)
    bill = replace(BILL, state=InvoiceState.PAID, paid_parts=parts, amount_overpaid=usd(2100), amount_paid=usd(9900))
    books = world(rules=BOTH_BOOKS)
    books.decide(bill)
    books.decide(payment(usd(12000), applications=(Application("stripe:in_1", usd(12000), "inpay_1"),)))
    books.rules = replace(RULES, routes=(Route("DE"),))
    credit = CustomerCredit("stripe:cb_1", ANN.id, usd(-2100), NOON, "", True, "stripe:in_1")
    owners = {command.external_key.partition("_stripe")[0]: command.entity for command in books.decide(credit).commands}
    assert (owners["paid_credit"], owners["intercompany_payer"], owners["intercompany_owner"]) == ("DE", "US", "DE")

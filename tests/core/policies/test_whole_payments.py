"""Payments in whole: gross, fee and settlement; what each invoice gets; outside the processor; of nobody; between entities."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import ANN, RULES, at, eur, invoice, payment, settled, usd, with_entity, world

from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.invoice import InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Application
from counterfoil.core.policies.rules import Route

GUESTS = Customer("stripe:cus_guests", "Guests")
BILL = invoice(usd(9900))
BOTH_BOOKS = replace(RULES, routes=(Route("DE", "stripe", country="US"), Route("US", "stripe")))


def test_a_payment_is_gross_its_fee_an_entry_of_the_processors_journal_and_its_invoice_matched() -> None:
    books = world()
    books.decide(BILL)
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
post_entry fee_stripe.txn_1 (US in odoo, for stripe:cus_A, batch)
  2026-03-10 in stripe "fee of stripe:txn_1"
  fees 3.17 USD "fee"
  clearing:stripe -3.17 USD "stripe:txn_1"
  makes entry/fee.stripe:txn_1
match invoice/stripe:in_1 with payment/stripe:ch_1: 99.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(payment(usd(9900), ("stripe:in_1", 9900), fee=317)) == expected


def test_a_payment_settled_in_another_currency_says_what_the_balance_moved_by() -> None:
    # 100.00 EUR paid, 108.00 USD on the balance: the dollars' owner has the money.
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 EUR in on 2026-03-10 by clearing:stripe, settled as 108.00 USD
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
post_entry fee_stripe.txn_1 (US in odoo, for stripe:cus_A, batch)
  2026-03-10 in stripe "fee of stripe:txn_1"
  fees 3.00 USD "fee"
  clearing:stripe -3.00 USD "stripe:txn_1"
  makes entry/fee.stripe:txn_1"""
    assert world().tell(payment(eur(10000), settlement=settled(usd(10800), fee=300))) == expected


def test_a_payment_outside_the_processor_has_no_fee_and_goes_by_its_account() -> None:
    books = world()
    books.decide(BILL)
    paid = payment(usd(9900), ("stripe:in_1", 9900), settlement=None, is_out_of_band=True, occurred_at=at("2026-03-15 12:00"))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD in on 2026-03-15 by out_of_band
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
match invoice/stripe:in_1 with payment/stripe:ch_1: 99.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(paid) == expected


def test_money_outside_the_processor_is_of_the_entity_that_billed_it() -> None:
    rules = replace(RULES, routes=(Route("DE", "stripe", country="DE"), Route("US", "stripe")))
    books = world(rules=rules)
    bill = invoice(usd(9900), customer_country="DE")
    books.decide(bill)
    paid = payment(usd(9900), ("stripe:in_1", 9900), settlement=None, is_out_of_band=True)
    expected = """\
post_payment payment_stripe.ch_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD in on 2026-03-10 by out_of_band
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
match invoice/stripe:in_1 with payment/stripe:ch_1: 99.00 USD (DE in odoo, for stripe:cus_A)"""
    assert books.tell(paid) == expected
    expected = """\
post_payment payment_stripe.ch_2 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD in on 2026-03-10 by out_of_band
  needs customer/stripe:cus_A
  makes payment/stripe:ch_2"""
    assert books.tell(replace(paid, id="stripe:ch_2", applications=())) == expected


def test_a_payment_of_several_invoices_waits_for_those_it_does_not_know() -> None:
    books = world()
    books.decide(BILL)
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
post_entry fee_stripe.txn_1 (US in odoo, for stripe:cus_A, batch)
  2026-03-10 in stripe "fee of stripe:txn_1"
  fees 3.17 USD "fee"
  clearing:stripe -3.17 USD "stripe:txn_1"
  makes entry/fee.stripe:txn_1
match invoice/stripe:in_1 with payment/stripe:ch_1: 99.00 USD (US in odoo, for stripe:cus_A)
waits for invoice/stripe:in_2"""
    assert books.tell(payment(usd(10000), ("stripe:in_1", 9900), ("stripe:in_2", 100), fee=317)) == expected


def test_a_payment_of_a_draft_waits_for_it_to_be_issued() -> None:
    books = world(invoice(usd(9900), state=InvoiceState.DRAFT, issued_at=None))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
waits for invoice/stripe:in_1"""
    assert books.tell(payment(usd(9900), ("stripe:in_1", 9900))) == expected
    books.know(invoice(usd(9900), state=InvoiceState.DELETED, issued_at=None))
    assert books.tell(payment(usd(9900), ("stripe:in_1", 9900))) == "still post_payment payment_stripe.ch_1"


def test_money_one_entity_receives_for_anothers_invoice_is_owed_to_it_in_both_books() -> None:
    books = world(rules=BOTH_BOOKS)
    books.decide(BILL)
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
post_entry intercompany_payer_stripe.ch_1-stripe.in_1-d53a9e08 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "between US and DE: stripe:ch_1+stripe:in_1"
  receivable 99.00 USD stripe:cus_A
  intercompany:DE -99.00 USD
  needs customer/stripe:cus_A
  makes entry/intercompany_payer.stripe:ch_1+stripe:in_1
post_entry intercompany_owner_stripe.ch_1-stripe.in_1-d53a9e08 (DE in odoo, for stripe:cus_A)
  2026-03-10 in general "between US and DE: stripe:ch_1+stripe:in_1"
  intercompany:US 99.00 USD
  receivable -99.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/intercompany_owner.stripe:ch_1+stripe:in_1
match entry/intercompany_payer.stripe:ch_1+stripe:in_1 with payment/stripe:ch_1: 99.00 USD (US in odoo, for stripe:cus_A)
match invoice/stripe:in_1 with entry/intercompany_owner.stripe:ch_1+stripe:in_1: 99.00 USD (DE in odoo, for stripe:cus_A)"""
    assert books.tell(payment(usd(10000), ("stripe:in_1", 9900))) == expected


def test_money_of_nobody_is_a_case_unless_a_customer_is_declared_for_it() -> None:
    nobodys = payment(usd(5000), customer_id="", fee=175)
    expected = """\
case missing_mandatory_field decide.customer_missing, US 50.00 USD
  payment/stripe:ch_1 names no customer, and no document it belongs to does.
  Make a customer for such money at the source (for example one named Guests), set collecting_customer = "<source>:<its id>" under
    [entities.US] (for example "billing:cus_123"), and start again.
  goes on with entity/US/collecting_customer"""
    assert world().tell(nobodys) == expected
    declared = with_entity(RULES, "US", collecting_customer=GUESTS.id)
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_guests)
  stripe:cus_guests: 50.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_guests
  makes payment/stripe:ch_1
post_entry fee_stripe.txn_1 (US in odoo, for stripe:cus_guests, batch)
  2026-03-10 in stripe "fee of stripe:txn_1"
  fees 1.75 USD "fee"
  clearing:stripe -1.75 USD "stripe:txn_1"
  makes entry/fee.stripe:txn_1"""
    assert world(GUESTS, rules=declared).tell(nobodys) == expected
    euros = replace(nobodys, amount=eur(5000), settlement=settled(eur(5000)))
    expected = """\
case missing_mandatory_field decide.customer_missing, DE 50.00 EUR
  payment/stripe:ch_1 names no customer, and no document it belongs to does.
  Make a customer for such money at the source (for example one named Guests), set collecting_customer = "<source>:<its id>" under
    [entities.DE] (for example "billing:cus_123"), and start again.
  goes on with entity/DE/collecting_customer"""
    assert world(GUESTS, rules=declared).tell(euros) == expected
    nowhere = replace(declared, routes=(Route("DE", currency="EUR", country="FR"),))
    expected = """\
case unmapped_account decide.no_route, 50.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country '', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert world(GUESTS, rules=nowhere).tell(nobodys) == expected
    assert world(GUESTS, rules=declared).decide(replace(nobodys, is_out_of_band=True)).commands == ()
    paid_by_hand = replace(nobodys, settlement=None, is_out_of_band=True)
    expected = """\
case missing_mandatory_field decide.customer_missing, 50.00 USD
  payment/stripe:ch_1 names no customer, and no document it belongs to does.
  Name a customer at the source. An invoice of an account without a customer is not supported: book it by hand, then waive this
    case."""
    assert world(GUESTS, rules=declared).tell(paid_by_hand) == expected


def test_a_payment_that_an_unknown_invoice_may_tell_the_customer_of_waits_for_it() -> None:
    declared = with_entity(RULES, "US", collecting_customer=GUESTS.id)
    books = world(GUESTS, rules=declared)
    state = payment(usd(9900), ("stripe:in_1", 9900), customer_id="")
    assert books.tell(state) == "waits for invoice/stripe:in_1"
    books.know(replace(BILL, customer_id=""))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_guests)
  stripe:cus_guests: 99.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_guests
  makes payment/stripe:ch_1"""
    assert books.tell(state) == expected


def test_a_payment_applied_for_more_than_it_is_and_one_that_moved_something_else_are_refused() -> None:
    books = world(BILL)
    expected = """\
case amount_mismatch decide.parts_differ, 50.00 USD
  payment/stripe:ch_1 does not add up: payment stripe:ch_1 of 50.00 USD is applied for more than it is.
  Nothing of it was booked. Correct it at the source, or report the payload if the source is right."""
    assert books.tell(payment(usd(5000), ("stripe:in_1", 5001))) == expected
    expected = """\
case amount_mismatch decide.parts_differ, 50.00 USD
  payment/stripe:ch_1 does not add up: balance transaction stripe:txn_1 moved 49.99 USD, the payment or refund is of 50.00 USD.
  Nothing of it was booked. Correct it at the source, or report the payload if the source is right."""
    assert books.tell(payment(usd(5000), settlement=settled(usd(4999)))) == expected


def test_a_payment_of_a_merged_customer_is_the_survivors() -> None:
    books = world(Customer("stripe:cus_B", "Bob", merged_into=ANN.id))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1"""
    assert books.tell(payment(usd(5000), customer_id="stripe:cus_B")) == expected
    assert books.tell(payment(usd(5000), id="stripe:ch_2", customer_id="stripe:cus_C")) == "waits for customer/stripe:cus_C"


def test_a_payment_into_other_books_than_its_invoices_is_the_survivors_there() -> None:
    # In those books nobody was made for who was merged since: it would wait for him for ever.
    rules = replace(RULES, routes=(Route("DE", "stripe", country="DE"), Route("US", "stripe")))
    books = world(rules=rules)
    bill = invoice(usd(5000), customer_country="DE")
    books.decide(bill)
    books.know(replace(ANN, merged_into="stripe:cus_B"), Customer("stripe:cus_B", "Bob"))
    told = books.tell(payment(usd(5000), (bill.id, 5000)))
    assert "post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_B)" in told
    assert "(DE in odoo, for stripe:cus_A)" in told  # what settles the invoice in its own books


def test_what_a_booked_payment_pays_later_is_taken_from_who_it_was_booked_for_whoever_he_was_merged_into() -> None:
    rules = replace(RULES, routes=(Route("DE", "stripe", country="DE"), Route("US", "stripe")))
    books = world(Customer("stripe:cus_B", "Bob"), rules=rules)
    paid = payment(usd(5000), customer_id="stripe:cus_B")
    books.decide(paid)
    bill = invoice(usd(5000), customer_id="stripe:cus_B", customer_country="DE")
    books.know(Customer("stripe:cus_B", "Bob", merged_into=ANN.id), bill)
    told = books.tell(replace(paid, applications=(Application(bill.id, usd(5000)),)))
    assert "still post_payment payment_stripe.ch_1" in told
    [entry] = [line for line in told.splitlines() if line.startswith("post_entry intercompany_payer")]
    assert "(US in odoo, for stripe:cus_B)" in entry


def test_a_debt_the_invoice_collects_is_paid_first() -> None:
    # 99.00 and an old debt of 50.00: of 60.00 the debt takes 50.00.
    bill = replace(BILL, starting_balance=usd(5000), ending_balance=usd(0), paid_parts=(PaidPart("inpay_1", usd(6000)),))
    books = world()
    books.decide(bill)
    paid = payment(usd(6000), applications=(Application("stripe:in_1", usd(6000), "inpay_1"),))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 60.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
match invoice/stripe:in_1 with payment/stripe:ch_1: 10.00 USD (US in odoo, for stripe:cus_A)
match entry/balance.stripe:in_1 with payment/stripe:ch_1: 50.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(paid) == expected


def test_a_part_payment_waits_until_the_invoice_tells_which_part_it_is() -> None:
    bill = replace(BILL, paid_parts=(PaidPart("inpay_1", usd(6000)),))
    books = world()
    books.decide(bill)
    second = payment(usd(3000), applications=(Application("stripe:in_1", usd(3000), "inpay_2"),))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
waits for invoice/stripe:in_1"""
    assert books.tell(second) == expected
    last = payment(usd(3900), id="stripe:ch_2", applications=(Application("stripe:in_1", usd(3900), "inpay_3"),))
    expected = """\
post_payment payment_stripe.ch_2 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 39.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_2
match invoice/stripe:in_1 with payment/stripe:ch_2: 39.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(last) == expected


def test_a_payment_stays_in_the_books_it_was_booked_in_whatever_the_routes_say_by_now() -> None:
    books = world()
    books.decide(payment(usd(9900)))
    books.decide(replace(payment(usd(500), id="stripe:ch_2"), settlement=None, is_out_of_band=True))
    books.rules = replace(RULES, routes=(Route("DE"),))
    books.decide(BILL)
    expected = """\
still post_payment payment_stripe.ch_1
post_entry intercompany_payer_stripe.ch_1-stripe.in_1-d53a9e08 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "between US and DE: stripe:ch_1+stripe:in_1"
  receivable 99.00 USD stripe:cus_A
  intercompany:DE -99.00 USD
  needs customer/stripe:cus_A
  makes entry/intercompany_payer.stripe:ch_1+stripe:in_1
post_entry intercompany_owner_stripe.ch_1-stripe.in_1-d53a9e08 (DE in odoo, for stripe:cus_A)
  2026-03-10 in general "between US and DE: stripe:ch_1+stripe:in_1"
  intercompany:US 99.00 USD
  receivable -99.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/intercompany_owner.stripe:ch_1+stripe:in_1
match entry/intercompany_payer.stripe:ch_1+stripe:in_1 with payment/stripe:ch_1: 99.00 USD (US in odoo, for stripe:cus_A)
match invoice/stripe:in_1 with entry/intercompany_owner.stripe:ch_1+stripe:in_1: 99.00 USD (DE in odoo, for stripe:cus_A)"""
    assert books.tell(payment(usd(9900), ("stripe:in_1", 9900))) == expected
    by_hand = replace(payment(usd(500), id="stripe:ch_2"), settlement=None, is_out_of_band=True)
    assert [command.entity for command in books.decide(by_hand).commands] == ["US"]


def test_money_outside_the_processor_that_no_route_sends_anywhere_is_a_case() -> None:
    books = world(rules=replace(RULES, routes=(Route("DE", country="DE"),)))
    by_hand = replace(payment(usd(500)), settlement=None, is_out_of_band=True)
    expected = """\
case unmapped_account decide.no_route, 5.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country 'US', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert books.tell(by_hand) == expected
    bill = replace(BILL, customer_id="stripe:cus_B")
    books.know(bill)
    applied = (Application("stripe:in_1", usd(500)),)
    assert books.tell(replace(by_hand, applications=applied)) == "waits for customer/stripe:cus_B"


def test_a_payment_outside_the_processor_that_moved_a_balance_by_mistake_is_still_outside() -> None:
    moved = payment(usd(9900), is_out_of_band=True, occurred_at=at("2026-03-15 12:00"))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD in on 2026-03-15 by out_of_band
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1"""
    assert world().tell(moved) == expected


def test_an_invoice_takes_no_more_of_a_payment_than_is_due_and_may_take_nothing() -> None:
    # 99.00 are paid; another entity's balance gets 10.00 more for it: nothing of that goes through the books of both.
    parts = (PaidPart("inpay_1", usd(9900)), PaidPart("inpay_2", usd(1000)))
    books = world(rules=BOTH_BOOKS)
    books.decide(replace(BILL, state=InvoiceState.PAID, paid_parts=parts, amount_paid=usd(9900)))
    late = payment(usd(1000), applications=(Application("stripe:in_1", usd(1000), "inpay_2"),))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 10.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1"""
    assert books.tell(late) == expected


def test_parts_without_ids_are_told_by_their_payment() -> None:
    # 40.00 by one payment, 59.00 by a second one: of 50.00 of debt carried over the first takes 40.00, the second the other 10.00.
    parts = (PaidPart("a", usd(4000), None, "stripe:ch_1"), PaidPart("b", usd(5900), None, "stripe:ch_2"))
    bill = replace(BILL, starting_balance=usd(5000), ending_balance=usd(0), paid_parts=parts)
    books = world()
    books.decide(bill)
    books.decide(payment(usd(4000), ("stripe:in_1", 4000)))
    expected = """\
post_payment payment_stripe.ch_2 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 59.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_2
match invoice/stripe:in_1 with payment/stripe:ch_2: 49.00 USD (US in odoo, for stripe:cus_A)
match entry/balance.stripe:in_1 with payment/stripe:ch_2: 10.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(payment(usd(5900), ("stripe:in_1", 5900), id="stripe:ch_2")) == expected

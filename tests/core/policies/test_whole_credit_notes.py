"""Credit notes in whole: before and after payment, to the balance, out of band, by refund, void."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.core.builders import ANN, RULES, at, credit_note, eur, invoice, line, payment, refund, settled, tax, usd, world

from counterfoil.core.kinds.credit_note import CreditNoteState
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.policies.rules import Route

APRIL = at("2026-04-20 12:00")
PLAN = line(eur(10000), taxes=[tax(eur(1900), eur(10000), "19")])
BILL = invoice(eur(11900), PLAN, tax=1900, number="A-17")
HALF = line(eur(5000), taxes=[tax(eur(950), eur(5000), "19")], quantity=Decimal(2), of_line_id="il_1")


def test_a_credit_note_before_payment_lowers_its_invoice() -> None:
    books = world()
    books.decide(BILL)
    expected = """\
post_credit_note credit_note_stripe.cn_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 59.50 EUR, of which tax 9.50 EUR
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  C-1 "credits invoice A-17" reverses invoice/stripe:in_1, tolerance 2
  2 of "Plan Pro" 50.00 EUR on revenue:plans as stripe:prod_pro, VAT 19 9.50 EUR on 50.00 EUR
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/stripe:cn_1
match invoice/stripe:in_1 with credit_note/stripe:cn_1: 59.50 EUR (DE in odoo, for stripe:cus_A)
  makes match/invoice/stripe:in_1+credit_note/stripe:cn_1"""
    assert books.tell(credit_note(eur(5950), HALF, before=5950, tax=950, number="C-1")) == expected


def test_a_credit_note_partly_before_payment_does_not_let_the_target_match_it_by_itself() -> None:
    books = world()
    books.decide(BILL)
    expected = """\
post_credit_note credit_note_stripe.cn_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 59.50 EUR, of which tax 9.50 EUR
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  "credits invoice A-17", tolerance 2
  2 of "Plan Pro" 50.00 EUR on revenue:plans as stripe:prod_pro, VAT 19 9.50 EUR on 50.00 EUR
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes credit_note/stripe:cn_1
match invoice/stripe:in_1 with credit_note/stripe:cn_1: 20.00 EUR (DE in odoo, for stripe:cus_A)
  makes match/invoice/stripe:in_1+credit_note/stripe:cn_1"""
    assert books.tell(credit_note(eur(5950), HALF, before=2000, tax=950)) == expected


def test_what_is_given_back_after_payment_goes_to_the_balance_out_of_band_and_by_refund() -> None:
    # 59.50: 20.00 to the balance, 9.50 by bank, 30.00 by refund.
    note = credit_note(eur(5950), HALF, tax=950, number="C-1", to_balance=eur(2000), out_of_band=eur(950), refund_ids=("stripe:re_1",))
    books = world()
    books.decide(BILL)
    books.decide(payment(eur(11900), ("stripe:in_1", 11900)))
    expected = """\
post_credit_note credit_note_stripe.cn_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 59.50 EUR, of which tax 9.50 EUR
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  C-1 "credits invoice A-17", tolerance 2
  2 of "Plan Pro" 50.00 EUR on revenue:plans as stripe:prod_pro, VAT 19 9.50 EUR on 50.00 EUR
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes credit_note/stripe:cn_1
post_entry credit_to_balance_stripe.cn_1 (DE in odoo, for stripe:cus_A)
  2026-03-11 in general "customer balance, credit note C-1"
  customer_credit -20.00 EUR stripe:cus_A
  receivable 20.00 EUR stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/credit_to_balance.stripe:cn_1
match entry/credit_to_balance.stripe:cn_1 with credit_note/stripe:cn_1: 20.00 EUR (DE in odoo, for stripe:cus_A)
post_payment out_of_band_stripe.cn_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 9.50 EUR out on 2026-03-11 by out_of_band
  "refunded out of band"
  needs customer/stripe:cus_A
  makes payment/out_of_band.stripe:cn_1
match payment/out_of_band.stripe:cn_1 with credit_note/stripe:cn_1: 9.50 EUR (DE in odoo, for stripe:cus_A)
waits for refund/stripe:re_1"""
    assert books.tell(note) == expected
    books.know(refund(eur(3000), credit_note_id="stripe:cn_1"))
    expected = """\
still post_credit_note credit_note_stripe.cn_1
still post_entry credit_to_balance_stripe.cn_1
still match entry/credit_to_balance.stripe:cn_1 with credit_note/stripe:cn_1: 20.00 EUR
still post_payment out_of_band_stripe.cn_1
still match payment/out_of_band.stripe:cn_1 with credit_note/stripe:cn_1: 9.50 EUR
match refund/stripe:re_1 with credit_note/stripe:cn_1: 30.00 EUR (DE in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+credit_note/stripe:cn_1"""
    assert books.tell(note) == expected


def test_a_voided_credit_note_is_taken_back_by_an_invoice_and_its_own_invoice_is_open_again() -> None:
    note = credit_note(eur(5950), HALF, before=5950, tax=950, number="C-1")
    books = world()
    books.decide(BILL)
    books.decide(note)
    expected = """\
still post_credit_note credit_note_stripe.cn_1
still match invoice/stripe:in_1 with credit_note/stripe:cn_1: 59.50 EUR
post_invoice credit_note_void_stripe.cn_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 59.50 EUR, of which tax 9.50 EUR
  issued 2026-04-20, booked 2026-04-20, due 2026-04-20
  "void of credit note C-1", tolerance 2
  2 of "Plan Pro" 50.00 EUR on revenue:plans as stripe:prod_pro, VAT 19 9.50 EUR on 50.00 EUR
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/void.stripe:cn_1
unmatch invoice/stripe:in_1 from credit_note/stripe:cn_1 (DE in odoo, for stripe:cus_A)
  needs match/invoice/stripe:in_1+credit_note/stripe:cn_1
  makes unmatch/invoice/stripe:in_1+credit_note/stripe:cn_1
match invoice/void.stripe:cn_1 with credit_note/stripe:cn_1: 59.50 EUR (DE in odoo, for stripe:cus_A)
  needs unmatch/invoice/stripe:in_1+credit_note/stripe:cn_1"""
    assert books.tell(replace(note, state=CreditNoteState.VOID, voided_at=APRIL)) == expected


def test_a_voided_credit_note_takes_its_credit_back_from_the_balance() -> None:
    note = credit_note(usd(5000), to_balance=usd(2000))
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(note)
    expected = """\
still post_credit_note credit_note_stripe.cn_1
still post_entry credit_to_balance_stripe.cn_1
still match entry/credit_to_balance.stripe:cn_1 with credit_note/stripe:cn_1: 20.00 USD
post_invoice credit_note_void_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD, of which tax 0.00 USD
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  "void of credit note stripe:cn_1", tolerance 2
  "Plan Pro" 50.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/void.stripe:cn_1
post_entry credit_to_balance_return_stripe.cn_1 (US in odoo, for stripe:cus_A)
  2026-03-11 in general "void of credit note stripe:cn_1"
  customer_credit 20.00 USD stripe:cus_A
  receivable -20.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/credit_to_balance_return.stripe:cn_1
match invoice/void.stripe:cn_1 with entry/credit_to_balance_return.stripe:cn_1: 20.00 USD (US in odoo, for stripe:cus_A)
match invoice/void.stripe:cn_1 with credit_note/stripe:cn_1: 30.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(replace(note, state=CreditNoteState.VOID)) == expected


def test_a_credit_note_first_seen_when_it_was_void_was_never_matched() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    expected = """\
post_credit_note credit_note_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD, of which tax 0.00 USD
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  "credits invoice stripe:in_1" reverses invoice/stripe:in_1, tolerance 2
  "Plan Pro" 50.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/stripe:cn_1
post_invoice credit_note_void_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD, of which tax 0.00 USD
  issued 2026-04-20, booked 2026-04-20, due 2026-04-20
  "void of credit note stripe:cn_1", tolerance 2
  "Plan Pro" 50.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/void.stripe:cn_1
match invoice/void.stripe:cn_1 with credit_note/stripe:cn_1: 50.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(credit_note(usd(5000), before=5000, state=CreditNoteState.VOID, voided_at=APRIL)) == expected


def test_a_credit_note_of_no_invoice_stands_for_itself() -> None:
    expected = """\
post_credit_note credit_note_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD, of which tax 0.00 USD
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  C-9, tolerance 2
  "Plan Pro" 50.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes credit_note/stripe:cn_1"""
    assert world().tell(credit_note(usd(5000), invoice_id="", number="C-9")) == expected


def test_a_credit_note_waits_for_its_invoice_its_customer_and_its_refunds() -> None:
    books = world()
    assert books.tell(credit_note(usd(5000))) == "waits for invoice/stripe:in_1"
    books.decide(invoice(usd(9900)))
    expected = """\
post_credit_note credit_note_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD, of which tax 0.00 USD
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  "credits invoice stripe:in_1", tolerance 2
  "Plan Pro" 50.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes credit_note/stripe:cn_1
waits for refund/stripe:re_1"""
    assert books.tell(credit_note(usd(5000), refund_ids=("stripe:re_1",))) == expected
    assert books.tell(credit_note(usd(5000), id="stripe:cn_2", customer_id="stripe:cus_B")) == "waits for customer/stripe:cus_B"
    expected = """\
case missing_mandatory_field decide.customer_missing, 50.00 USD
  credit_note/stripe:cn_3 names no customer, and no document it belongs to does.
  Name a customer at the source. An invoice of an account without a customer is not supported: book it by hand, then waive this
    case."""
    assert books.tell(credit_note(usd(5000), id="stripe:cn_3", customer_id="")) == expected


def test_a_credit_note_whose_parts_are_not_its_total_is_refused() -> None:
    note = credit_note(usd(5000))
    books = world(invoice(usd(9900)))
    expected = """\
case amount_mismatch decide.parts_differ, 50.00 USD
  credit_note/stripe:cn_1 does not add up: credit note stripe:cn_1: the parts before and after payment are not its total of 50.00
    USD.
  Nothing of it was booked. Correct it at the source, or report the payload if the source is right."""
    assert books.tell(replace(note, before_payment=usd(100))) == expected
    expected = """\
case amount_mismatch decide.parts_differ, 50.00 USD
  credit_note/stripe:cn_1 does not add up: credit note stripe:cn_1: the parts before and after payment are not its total of 50.00
    USD.
  Nothing of it was booked. Correct it at the source, or report the payload if the source is right."""
    assert books.tell(replace(note, to_balance=usd(3000), out_of_band=usd(2001))) == expected
    assert books.decide(replace(note, id="stripe:cn_2", before_payment=None, after_payment=None)).problems == ()
    assert books.decide(replace(note, id="stripe:cn_3", before_payment=usd(5000), after_payment=None)).problems == ()
    assert books.decide(replace(note, id="stripe:cn_4", before_payment=None, to_balance=usd(5000))).problems == ()


def test_a_merged_customers_credit_note_is_the_survivors() -> None:
    books = world(Customer("stripe:cus_B", "Bob", merged_into=ANN.id), invoice(usd(9900), customer_id="stripe:cus_B"))
    expected = """\
post_credit_note credit_note_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD, of which tax 0.00 USD
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  "credits invoice stripe:in_1", tolerance 2
  "Plan Pro" 50.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes credit_note/stripe:cn_1
post_entry credit_to_balance_stripe.cn_1 (US in odoo, for stripe:cus_A)
  2026-03-11 in general "customer balance, credit note stripe:cn_1"
  customer_credit -50.00 USD stripe:cus_A
  receivable 50.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/credit_to_balance.stripe:cn_1
match entry/credit_to_balance.stripe:cn_1 with credit_note/stripe:cn_1: 50.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(credit_note(usd(5000), customer_id="stripe:cus_B", to_balance=usd(5000))) == expected


def test_a_refund_that_came_back_leaves_its_note_to_the_one_made_again() -> None:
    back = settled(usd(3000), id="stripe:txn_back", when=APRIL)
    first = refund(usd(3000), credit_note_id="stripe:cn_1")
    note = credit_note(usd(3000), refund_ids=("stripe:re_1", "stripe:re_2"))
    books = world()
    for state in (invoice(usd(9900)), payment(usd(9900), ("stripe:in_1", 9900)), first, note):
        books.decide(state)
    books.decide(replace(first, state=RefundState.FAILED, reversal=back))
    books.know(refund(usd(3000), id="stripe:re_2", credit_note_id="stripe:cn_1"))
    expected = """\
still post_credit_note credit_note_stripe.cn_1
still match refund/stripe:re_1 with credit_note/stripe:cn_1: 30.00 USD
still unmatch refund/stripe:re_1 from credit_note/stripe:cn_1
match refund/stripe:re_2 with credit_note/stripe:cn_1: 30.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+credit_note/stripe:cn_1
  makes match/refund/stripe:re_2+credit_note/stripe:cn_1"""
    assert books.tell(note) == expected


def test_a_credit_note_stays_in_the_books_it_was_booked_in_and_so_does_what_pays_it_out() -> None:
    books = world()
    free = credit_note(usd(5000), invoice_id="")
    books.decide(free)
    books.decide(invoice(usd(9900)))
    books.decide(credit_note(usd(1000), id="stripe:cn_2"))
    books.rules = replace(RULES, routes=(Route("DE"),))
    assert books.tell(free) == "still post_credit_note credit_note_stripe.cn_1"
    assert books.tell(credit_note(usd(1000), id="stripe:cn_2")) == "still post_credit_note credit_note_stripe.cn_2"
    books.rules = replace(RULES, routes=())
    expected = """\
case unmapped_account decide.no_route, 7.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country 'US', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert books.tell(credit_note(usd(700), invoice_id="", id="stripe:cn_3")) == expected


def test_a_credit_note_of_no_invoice_goes_where_its_customers_country_is_sent() -> None:
    rules = replace(RULES, routes=(Route("DE", "stripe", country="US"), Route("US", "stripe")))
    books = world(refund(usd(5000), credit_note_id="stripe:cn_1"), payment(usd(5000)), rules=rules)
    free = credit_note(usd(5000), invoice_id="", refund_ids=("stripe:re_1",))
    books.decide(free)
    owners = {command.external_key.partition("_stripe")[0]: command.entity for command in books.decide(free).commands}
    assert (owners["credit_note"], owners["intercompany_payer"], owners["intercompany_owner"]) == ("DE", "US", "DE")

"""Invoices in whole: everything one is booked by, how its credit, its void and its write-off are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.core.builders import RULES, at, credit_note, eur, invoice, line, payment, tax, usd, with_entity, world

from counterfoil.core.kinds.invoice import InvoiceState

MAY, JUNE = at("2026-05-01 12:00"), at("2026-06-01 12:00")
SEATS = line(
    eur(12000),
    discount=2000,
    taxes=[tax(eur(1900), eur(10000), "19")],
    quantity=Decimal(4),
    description="Seats",
    period_start=at("2026-03-09 23:30"),
    period_end=at("2026-04-09 23:30"),
)
SETUP = line(eur(11900), taxes=[tax(eur(1900), eur(10000), "19", inclusive=True)], product="", id="il_2", description="Set-up")
GERMAN = invoice(eur(23800), SEATS, SETUP, tax=3800, number="A-17", due_at=at("2026-04-08 22:30"))
CREDIT_USED = invoice(usd(9900), number="A-1", starting_balance=usd(-4000), ending_balance=usd(0), amount_remaining=usd(5900))
LOST = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, amount_remaining=usd(6000), uncollectible_at=MAY)


def test_an_invoice_says_whose_it_is_what_it_needs_and_each_line_with_its_taxes_and_days_in_the_entitys_zone() -> None:
    # 120.00 less 20.00 and 19.00 of tax on it; 119.00 with 19.00 of tax in it: 238.00, of which 38.00 are tax.
    expected = """\
post_invoice invoice_stripe.in_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 238.00 EUR, of which tax 38.00 EUR
  issued 2026-03-10, booked 2026-03-10, due 2026-04-09
  A-17, tolerance 2
  4 of "Seats" 100.00 EUR on revenue:plans as stripe:prod_pro, VAT 19 19.00 EUR on 100.00 EUR, 2026-03-10 to 2026-04-10
  "Set-up" 119.00 EUR on revenue, VAT 19 incl 19.00 EUR in 100.00 EUR
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/stripe:in_1"""
    assert world().tell(GERMAN) == expected


def test_an_invoice_of_a_negative_total_is_a_credit_note_and_its_credit_the_customers() -> None:
    given = invoice(eur(-11900), line(eur(-10000), taxes=[tax(eur(-1900), eur(-10000), "19")]), tax=-1900, number="A-2")
    expected = """\
post_credit_note invoice_stripe.in_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 119.00 EUR, of which tax 19.00 EUR
  issued 2026-03-10, booked 2026-03-10, due 2026-03-10
  A-2, tolerance 2
  "Plan Pro" 100.00 EUR on revenue:plans as stripe:prod_pro, VAT 19 19.00 EUR on 100.00 EUR
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/stripe:in_1
post_entry balance_stripe.in_1 (DE in odoo, for stripe:cus_A)
  2026-03-10 in general "customer balance, invoice A-2"
  customer_credit -119.00 EUR stripe:cus_A
  receivable 119.00 EUR stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/balance.stripe:in_1
match entry/balance.stripe:in_1 with invoice/stripe:in_1: 119.00 EUR (DE in odoo, for stripe:cus_A)"""
    assert world().tell(replace(given, starting_balance=eur(0), ending_balance=eur(-11900))) == expected


def test_customer_credit_that_is_used_is_an_entry_matched_with_the_invoice() -> None:
    expected = """\
post_invoice invoice_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD, of which tax 0.00 USD
  issued 2026-03-10, booked 2026-03-10, due 2026-03-10
  A-1, tolerance 2
  "Plan Pro" 99.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/stripe:in_1
post_entry balance_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "customer balance, invoice A-1"
  customer_credit 40.00 USD stripe:cus_A
  receivable -40.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/balance.stripe:in_1
match invoice/stripe:in_1 with entry/balance.stripe:in_1: 40.00 USD (US in odoo, for stripe:cus_A)"""
    assert world().tell(CREDIT_USED) == expected


def test_credit_beyond_the_invoice_is_matched_for_no_more_than_the_invoice() -> None:
    expected = """\
post_invoice invoice_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD, of which tax 0.00 USD
  issued 2026-03-10, booked 2026-03-10, due 2026-03-10
  no number, tolerance 2
  "Plan Pro" 99.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/stripe:in_1
post_entry balance_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "customer balance, invoice stripe:in_1"
  customer_credit 120.00 USD stripe:cus_A
  receivable -120.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/balance.stripe:in_1
match invoice/stripe:in_1 with entry/balance.stripe:in_1: 99.00 USD (US in odoo, for stripe:cus_A)"""
    assert world().tell(replace(CREDIT_USED, number="", starting_balance=usd(-12000))) == expected


def test_a_void_gives_used_credit_back_and_reverses_the_rest_on_its_own_day() -> None:
    books = world()
    books.decide(CREDIT_USED)
    expected = """\
still post_invoice invoice_stripe.in_1
still post_entry balance_stripe.in_1
still match invoice/stripe:in_1 with entry/balance.stripe:in_1: 40.00 USD
post_credit_note invoice_void_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD, of which tax 0.00 USD
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of A-1", tolerance 2
  "Plan Pro" 99.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/void.stripe:in_1
post_entry balance_return_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-05-01 in general "customer balance, void of A-1"
  customer_credit -40.00 USD stripe:cus_A
  receivable 40.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/balance_return.stripe:in_1
match invoice/stripe:in_1 with credit_note/void.stripe:in_1: 59.00 USD (US in odoo, for stripe:cus_A)
match entry/balance_return.stripe:in_1 with credit_note/void.stripe:in_1: 40.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(replace(CREDIT_USED, state=InvoiceState.VOID, voided_at=MAY)) == expected


def test_the_void_of_a_negative_invoice_is_an_invoice() -> None:
    bill = invoice(usd(-5000), starting_balance=usd(0), ending_balance=usd(-5000))
    books = world()
    books.decide(bill)
    expected = """\
still post_credit_note invoice_stripe.in_1
still post_entry balance_stripe.in_1
still match entry/balance.stripe:in_1 with invoice/stripe:in_1: 50.00 USD
post_invoice invoice_void_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD, of which tax 0.00 USD
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of stripe:in_1", tolerance 2
  "Plan Pro" 50.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes invoice/void.stripe:in_1
post_entry balance_return_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-05-01 in general "customer balance, void of stripe:in_1"
  customer_credit 50.00 USD stripe:cus_A
  receivable -50.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/balance_return.stripe:in_1
match invoice/void.stripe:in_1 with entry/balance_return.stripe:in_1: 50.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(replace(bill, state=InvoiceState.VOID, voided_at=MAY)) == expected


def test_the_void_of_a_negative_invoice_that_was_not_all_credited_is_matched_with_both() -> None:
    # 50.00 owed to the customer, 30.00 of it given as credit: the void owes 30.00 less, and 20.00 of the document.
    bill = invoice(usd(-5000), starting_balance=usd(0), ending_balance=usd(-3000))
    books = world()
    books.decide(bill)
    expected = """\
still post_credit_note invoice_stripe.in_1
still post_entry balance_stripe.in_1
still match entry/balance.stripe:in_1 with invoice/stripe:in_1: 30.00 USD
post_invoice invoice_void_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD, of which tax 0.00 USD
  issued 2026-03-10, booked 2026-03-10, due 2026-03-10
  "void of stripe:in_1", tolerance 2
  "Plan Pro" 50.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes invoice/void.stripe:in_1
post_entry balance_return_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "customer balance, void of stripe:in_1"
  customer_credit 30.00 USD stripe:cus_A
  receivable -30.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/balance_return.stripe:in_1
match invoice/void.stripe:in_1 with entry/balance_return.stripe:in_1: 30.00 USD (US in odoo, for stripe:cus_A)
match invoice/void.stripe:in_1 with invoice/stripe:in_1: 20.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(replace(bill, state=InvoiceState.VOID)) == expected


def test_a_void_after_a_credit_note_reverses_what_the_note_left() -> None:
    # 238.00, of it one of four seats credited with 29.75 (25.00 + 4.75): 75.00 + 14.25 and 119.00 are left, 208.25.
    part = replace(SEATS, amount=eur(2500), discount=eur(0), quantity=Decimal(1), taxes=(tax(eur(475), eur(2500), "19"),))
    note = credit_note(eur(2975), replace(part, of_line_id="il_1"), before=2975, tax=475)
    books = world()
    books.decide(GERMAN)
    books.decide(note)
    gone = replace(GERMAN, state=InvoiceState.VOID, voided_at=MAY, credited_before_payment=eur(2975), credit_note_ids=(note.id,))
    expected = """\
still post_invoice invoice_stripe.in_1
post_credit_note invoice_void_stripe.in_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 208.25 EUR, of which tax 33.25 EUR
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of A-17" reverses invoice/stripe:in_1, tolerance 2
  "Seats" 75.00 EUR on revenue:plans as stripe:prod_pro, VAT 19 14.25 EUR on 75.00 EUR, 2026-03-10 to 2026-04-10
  "Set-up" 119.00 EUR on revenue, VAT 19 incl 19.00 EUR in 100.00 EUR
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/void.stripe:in_1
match invoice/stripe:in_1 with credit_note/void.stripe:in_1: 208.25 EUR (DE in odoo, for stripe:cus_A)"""
    assert books.tell(gone) == expected


def test_a_void_of_an_invoice_credited_whole_has_nothing_left_to_reverse() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(credit_note(usd(9900), before=9900))
    gone = invoice(usd(9900), state=InvoiceState.VOID, voided_at=MAY, credited_before_payment=usd(9900), credit_note_ids=("stripe:cn_1",))
    assert books.tell(gone) == "still post_invoice invoice_stripe.in_1"


def test_an_uncollectible_invoice_is_written_off_for_what_is_open_and_anew_when_that_changes() -> None:
    books = world()
    books.decide(payment(usd(3900), ("stripe:in_1", 3900)))
    expected = """\
post_invoice invoice_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD, of which tax 0.00 USD
  issued 2026-03-10, booked 2026-03-10, due 2026-03-10
  no number, tolerance 2
  "Plan Pro" 99.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/stripe:in_1
post_entry bad_debt_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-05-01 in general "uncollectible, invoice stripe:in_1"
  bad_debt 60.00 USD
  receivable -60.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/bad_debt.stripe:in_1
match invoice/stripe:in_1 with entry/bad_debt.stripe:in_1: 60.00 USD (US in odoo, for stripe:cus_A)
  makes match/invoice/stripe:in_1+entry/bad_debt.stripe:in_1"""
    assert books.tell(LOST) == expected
    part = replace(LOST, amount_remaining=usd(2000), number="A-1")
    expected = """\
still post_invoice invoice_stripe.in_1
still post_entry bad_debt_stripe.in_1
unmatch invoice/stripe:in_1 from entry/bad_debt.stripe:in_1 (US in odoo, for stripe:cus_A)
  needs match/invoice/stripe:in_1+entry/bad_debt.stripe:in_1
  makes unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1
post_entry recovery_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-06-01 in general "uncollectible, invoice A-1"
  bad_debt -60.00 USD
  receivable 60.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/recovery.stripe:in_1
match entry/recovery.stripe:in_1 with entry/bad_debt.stripe:in_1: 60.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1
post_entry bad_debt_stripe.in_1.2 (US in odoo, for stripe:cus_A)
  2026-06-01 in general "uncollectible, invoice A-1"
  bad_debt 20.00 USD
  receivable -20.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/bad_debt.stripe:in_1.2
match invoice/stripe:in_1 with entry/bad_debt.stripe:in_1.2: 20.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1
  makes match/invoice/stripe:in_1+entry/bad_debt.stripe:in_1.2"""
    assert books.tell(part, when=JUNE) == expected


def test_a_second_write_off_is_taken_back_by_its_own_number() -> None:
    books = world()
    books.decide(payment(usd(3900), ("stripe:in_1", 3900)))
    books.decide(LOST)
    books.decide(replace(LOST, amount_remaining=usd(2000), number="A-1"), when=JUNE)
    paid = replace(LOST, state=InvoiceState.PAID, amount_remaining=usd(0), paid_at=at("2026-07-01 12:00"))
    expected = """\
still post_invoice invoice_stripe.in_1
still post_entry bad_debt_stripe.in_1
still unmatch invoice/stripe:in_1 from entry/bad_debt.stripe:in_1
still post_entry recovery_stripe.in_1
still match entry/recovery.stripe:in_1 with entry/bad_debt.stripe:in_1: 60.00 USD
still post_entry bad_debt_stripe.in_1.2
unmatch invoice/stripe:in_1 from entry/bad_debt.stripe:in_1.2 (US in odoo, for stripe:cus_A)
  needs match/invoice/stripe:in_1+entry/bad_debt.stripe:in_1.2
  makes unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1.2
post_entry recovery_stripe.in_1.2 (US in odoo, for stripe:cus_A)
  2026-07-01 in general "uncollectible, invoice stripe:in_1"
  bad_debt -20.00 USD
  receivable 20.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/recovery.stripe:in_1.2
match entry/recovery.stripe:in_1.2 with entry/bad_debt.stripe:in_1.2: 20.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1.2"""
    assert books.tell(paid) == expected


def test_a_payment_of_a_written_off_invoice_waits_until_the_invoice_tells_what_is_left() -> None:
    books = world()
    books.decide(replace(LOST, amount_remaining=usd(9900)))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 39.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
waits for invoice/stripe:in_1"""
    assert books.tell(payment(usd(3900), ("stripe:in_1", 3900))) == expected
    books.decide(LOST, when=JUNE)
    expected = """\
still post_payment payment_stripe.ch_1
still unmatch invoice/stripe:in_1 from entry/bad_debt.stripe:in_1
match invoice/stripe:in_1 with payment/stripe:ch_1: 39.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1"""
    assert books.tell(payment(usd(3900), ("stripe:in_1", 3900))) == expected


def test_a_credit_note_on_a_written_off_invoice_takes_the_place_of_the_write_off() -> None:
    books = world()
    books.decide(replace(LOST, amount_remaining=usd(9900)))
    note = credit_note(usd(3900), before=3900)
    expected = """\
post_credit_note credit_note_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 39.00 USD, of which tax 0.00 USD
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  "credits invoice stripe:in_1" reverses invoice/stripe:in_1, tolerance 2
  "Plan Pro" 39.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/stripe:cn_1
waits for invoice/stripe:in_1"""
    assert books.tell(note) == expected
    books.decide(replace(LOST, credited_before_payment=usd(3900)), when=JUNE)
    expected = """\
still post_credit_note credit_note_stripe.cn_1
still unmatch invoice/stripe:in_1 from entry/bad_debt.stripe:in_1
match invoice/stripe:in_1 with credit_note/stripe:cn_1: 39.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1
  makes match/invoice/stripe:in_1+credit_note/stripe:cn_1"""
    assert books.tell(note) == expected


def test_an_invoice_of_nothing_is_posted_or_skipped_as_declared() -> None:
    free = invoice(usd(0), line(usd(5000), discount=5000))
    expected = """\
post_invoice invoice_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 0.00 USD, of which tax 0.00 USD
  issued 2026-03-10, booked 2026-03-10, due 2026-03-10
  no number, tolerance 2
  "Plan Pro" 0.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/stripe:in_1"""
    assert world().tell(free) == expected
    skipping = with_entity(RULES, "US", zero_invoice_policy="skip")
    assert world(rules=skipping).tell(free) == "ignored: invoice_of_zero_skipped"
    moved = replace(free, starting_balance=usd(0), ending_balance=usd(-500))
    assert len(world(rules=skipping).decide(moved).commands) == 2
    both_ways = invoice(usd(0), line(usd(5000)), line(usd(-5000), id="il_2"))
    assert len(world(rules=skipping).decide(both_ways).commands) == 1

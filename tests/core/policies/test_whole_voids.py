"""Voids after credit notes, in whole: as the notes were posted, or would be, each for what it took off the open invoice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.core.builders import RULES, TAXES, World, at, credit_note, eur, invoice, line, tax, usd, world

from counterfoil.core.kinds.credit_note import CreditNoteState
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.invoice import Invoice, InvoiceState
from counterfoil.core.policies.rules import MappingKey, MappingKind

MAY = at("2026-05-01 12:00")
ACCOUNT = MappingKey(MappingKind.ACCOUNT, "DE", "group/plans")
PLAN = line(eur(10000), taxes=[tax(eur(1900), eur(10000), "19")])
OTHER = line(eur(5000), product="", id="il_2", description="Set-up")
BILL = invoice(eur(16900), PLAN, OTHER, tax=1900, number="A-17")
HALF = line(eur(5000), taxes=[tax(eur(950), eur(5000), "19")], of_line_id="il_1")


def voided(credited: int, *notes: str, **more: Any) -> Invoice:
    """Return the invoice voided in May after credit notes."""
    return replace(BILL, state=InvoiceState.VOID, voided_at=MAY, credited_before_payment=eur(credited), credit_note_ids=notes, **more)


def remapped() -> World:
    """Return a world in which the invoice was posted to 400100; plans are mapped to 400200 since."""
    books = world(rules=replace(RULES, mappings={**TAXES, ACCOUNT: "400100"}))
    books.decide(BILL)
    books.rules = replace(books.rules, mappings={**TAXES, ACCOUNT: "400200"})
    return books


def test_a_note_that_is_known_but_not_posted_is_left_out_as_it_will_be_posted() -> None:
    # 100.00 + 19.00 and 50.00; of the first line 59.50 are credited: 50.00 + 9.50 and 50.00 are left, 109.50.
    books = remapped()
    books.know(credit_note(eur(5950), HALF, before=5950, tax=950))
    expected = """\
still post_invoice invoice_stripe.in_1
post_credit_note invoice_void_stripe.in_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 109.50 EUR, of which tax 9.50 EUR
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of A-17" reverses invoice/stripe:in_1, tolerance 2
  "Plan Pro" 50.00 EUR on explicit:400100 as stripe:prod_pro, VAT 19 9.50 EUR on 50.00 EUR
  "Set-up" 50.00 EUR on revenue
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/void.stripe:in_1
match invoice/stripe:in_1 with credit_note/void.stripe:in_1: 109.50 EUR (DE in odoo, for stripe:cus_A)"""
    assert books.tell(voided(5950, "stripe:cn_1")) == expected


def test_a_note_is_left_out_as_it_was_posted_and_only_for_its_part_before_payment() -> None:
    # A note of 59.50 of which 11.90 were before payment: 90.00 + 17.10 and 50.00 are left, 157.10.
    books = world(rules=replace(RULES, mappings={**TAXES, ACCOUNT: "400100"}))
    books.decide(BILL)
    books.decide(credit_note(eur(5950), HALF, before=1190, tax=950))
    books.rules = replace(books.rules, mappings={})
    expected = """\
still post_invoice invoice_stripe.in_1
post_credit_note invoice_void_stripe.in_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 157.10 EUR, of which tax 17.10 EUR
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of A-17" reverses invoice/stripe:in_1, tolerance 2
  "Plan Pro" 90.00 EUR on explicit:400100 as stripe:prod_pro, VAT 19 17.10 EUR on 90.00 EUR
  "Set-up" 50.00 EUR on revenue
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/void.stripe:in_1
match invoice/stripe:in_1 with credit_note/void.stripe:in_1: 157.10 EUR (DE in odoo, for stripe:cus_A)"""
    assert books.tell(voided(1190, "stripe:cn_1")) == expected


def test_notes_that_are_void_or_took_nothing_off_the_open_invoice_are_not_left_out() -> None:
    books = world(rules=replace(RULES, mappings={**TAXES, ACCOUNT: "400100"}))
    books.decide(BILL)
    books.know(
        credit_note(eur(5950), HALF, before=5950, tax=950, state=CreditNoteState.VOID),
        credit_note(eur(1000), id="stripe:cn_2"),
        credit_note(eur(1000), id="stripe:cn_3", before_payment=None, after_payment=None),
        credit_note(eur(1000), OTHER, before=1000, id="stripe:cn_4"),
    )
    books.know(credit_note(eur(1000), replace(OTHER, amount=eur(1000)), before=1000, id="stripe:cn_4"))
    expected = """\
still post_invoice invoice_stripe.in_1
post_credit_note invoice_void_stripe.in_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 159.00 EUR, of which tax 19.00 EUR
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of A-17" reverses invoice/stripe:in_1, tolerance 2
  "Plan Pro" 100.00 EUR on explicit:400100 as stripe:prod_pro, VAT 19 19.00 EUR on 100.00 EUR
  "Set-up" 40.00 EUR on revenue
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/void.stripe:in_1
match invoice/stripe:in_1 with credit_note/void.stripe:in_1: 159.00 EUR (DE in odoo, for stripe:cus_A)"""
    assert books.tell(voided(1000, "stripe:cn_1", "stripe:cn_2", "stripe:cn_3", "stripe:cn_4")) == expected


def test_where_the_notes_come_to_another_sum_the_rest_is_reversed_in_proportion() -> None:
    # 59.50 credited, as the invoice says; the note that is known took 10.00: 109.50 of 169.00 are left of each line.
    books = world()
    books.decide(BILL)
    books.decide(credit_note(eur(1000), replace(OTHER, amount=eur(1000)), before=1000))
    expected = """\
still post_invoice invoice_stripe.in_1
post_credit_note invoice_void_stripe.in_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 109.50 EUR, of which tax 12.31 EUR
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of A-17" reverses invoice/stripe:in_1, tolerance 2
  "Plan Pro" 64.79 EUR on revenue:plans as stripe:prod_pro, VAT 19 12.31 EUR on 64.79 EUR
  "Set-up" 32.40 EUR on revenue
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/void.stripe:in_1
match invoice/stripe:in_1 with credit_note/void.stripe:in_1: 109.50 EUR (DE in odoo, for stripe:cus_A)"""
    assert books.tell(voided(5950, "stripe:cn_1")) == expected


def test_a_note_that_cannot_be_made_holds_up_the_void() -> None:
    books = world()
    books.decide(BILL)
    books.know(credit_note(eur(1000), line(eur(1000), product="stripe:prod_9"), before=1000))
    expected = """\
still post_invoice invoice_stripe.in_1
waits for product/stripe:prod_9"""
    assert books.tell(voided(1000, "stripe:cn_1")) == expected


def test_an_invoice_credited_for_more_than_it_was_has_nothing_to_reverse() -> None:
    books = world()
    books.decide(BILL)
    assert books.tell(voided(17000, "stripe:cn_1")) == "still post_invoice invoice_stripe.in_1"


def test_the_void_of_a_credit_note_of_nothing_is_of_who_that_was_booked_for_whoever_he_was_merged_into() -> None:
    note = credit_note(usd(5000), invoice_id="", number="C-1")
    books = world()
    books.decide(note)
    books.know(replace(Customer("stripe:cus_A", "Ann"), merged_into="stripe:cus_B"), Customer("stripe:cus_B", "Bob"))
    expected = """\
still post_credit_note credit_note_stripe.cn_1
post_invoice credit_note_void_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 50.00 USD, of which tax 0.00 USD
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of credit note C-1", tolerance 2
  "Plan Pro" 50.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/void.stripe:cn_1
match invoice/void.stripe:cn_1 with credit_note/stripe:cn_1: 50.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(replace(note, state=CreditNoteState.VOID, voided_at=MAY)) == expected


def test_the_void_of_an_invoice_is_of_who_that_was_booked_for_whoever_he_was_merged_into() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.know(replace(Customer("stripe:cus_A", "Ann"), merged_into="stripe:cus_B"), Customer("stripe:cus_B", "Bob"))
    expected = """\
still post_invoice invoice_stripe.in_1
post_credit_note invoice_void_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD, of which tax 0.00 USD
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of stripe:in_1" reverses invoice/stripe:in_1, tolerance 2
  "Plan Pro" 99.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/void.stripe:in_1
match invoice/stripe:in_1 with credit_note/void.stripe:in_1: 99.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(invoice(usd(9900), state=InvoiceState.VOID, voided_at=MAY, customer_country="US")) == expected


def test_the_void_of_an_invoice_of_nothing_is_a_credit_note_of_nothing() -> None:
    books = world()
    free = invoice(usd(0), line(usd(5000), discount=5000))
    books.decide(free)
    expected = """\
still post_invoice invoice_stripe.in_1
post_credit_note invoice_void_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 0.00 USD, of which tax 0.00 USD
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of stripe:in_1" reverses invoice/stripe:in_1, tolerance 2
  "Plan Pro" 0.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/void.stripe:in_1"""
    assert books.tell(replace(free, state=InvoiceState.VOID, voided_at=MAY)) == expected


def test_a_write_off_of_which_nobody_knows_the_day_is_of_the_invoices() -> None:
    lost = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, amount_remaining=None)
    books = world()
    books.decide(invoice(usd(9900)))
    assert books.tell(lost) == "still post_invoice invoice_stripe.in_1"
    expected = """\
still post_invoice invoice_stripe.in_1
post_entry bad_debt_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "uncollectible, invoice stripe:in_1"
  bad_debt 99.00 USD
  receivable -99.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/bad_debt.stripe:in_1
match invoice/stripe:in_1 with entry/bad_debt.stripe:in_1: 99.00 USD (US in odoo, for stripe:cus_A)
  makes match/invoice/stripe:in_1+entry/bad_debt.stripe:in_1"""
    assert books.tell(replace(lost, amount_remaining=usd(9900))) == expected
    expected = """\
still post_invoice invoice_stripe.in_1
still post_entry bad_debt_stripe.in_1
still match invoice/stripe:in_1 with entry/bad_debt.stripe:in_1: 99.00 USD"""
    assert books.tell(lost) == expected

"""Voids take back exactly what was booked and is still there: the lines as posted, without what was credited, beside what was paid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.builders import PRO, RULES, TAXES, World, at, credit_note, invoice, line, payment, tax, texts, usd, with_entity, world
from tests.core.ledger import Ledger

from counterfoil.core.kinds.credit_note import CREDIT_NOTE, CreditNoteState
from counterfoil.core.kinds.invoice import Invoice, InvoiceLine, InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Application, Payment
from counterfoil.core.policies.rules import MappingKey, MappingKind

MAPPINGS = {
    **TAXES,
    MappingKey(MappingKind.TAX, "US", "19|exclusive"): "VAT 19",
    MappingKey(MappingKind.ACCOUNT, "US", "group/plans"): "400100",
}
VAT = tax(usd(1900), usd(10000), "19")
TAXED, UNTAXED = line(usd(10000), taxes=[VAT]), line(usd(10000), id="il_2", product="")
BOTH = invoice(usd(21900), TAXED, UNTAXED, tax=1900)
VOID: dict[str, Any] = {"state": InvoiceState.VOID, "voided_at": at("2026-04-20 12:00")}


def mapped() -> World:
    """Return a world that maps the tax and the group."""
    return world(rules=replace(RULES, mappings=MAPPINGS))


def left(books: World) -> tuple[dict[str, int], dict[str, int]]:
    """Return the accounts that are not back at zero, and what is open."""
    ledger = Ledger().take(books.sent)
    return {account: minor for (_, account, _), minor in ledger.balances.items() if minor}, ledger.left_open()


@pytest.mark.parametrize("credited", [TAXED, UNTAXED], ids=["the taxed line", "the untaxed line"])
def test_a_void_after_a_credit_note_for_one_line_reverses_the_other_line_and_its_own_tax(credited: InvoiceLine) -> None:
    # Lines of 100.00 + 19.00 and of 100.00: one is credited, the void takes the other back, to the cent and the account.
    taxes = sum(one.amount.minor for one in credited.taxes)
    note = credit_note(usd(10000 + taxes), credited, before=10000 + taxes, tax=taxes)
    books = mapped()
    books.decide(BOTH)
    books.decide(note)
    books.decide(replace(BOTH, **VOID, credited_before_payment=note.total, amount_remaining=usd(0), credit_note_ids=(note.id,)))
    assert left(books) == ({}, {})


def test_a_void_after_a_credit_note_for_a_part_of_a_line_leaves_nothing() -> None:
    # 47.60 of the taxed line (40.00 + 7.60) and 10.00 that name no product are credited, as two notes.
    part = line(usd(4000), taxes=[tax(usd(760), usd(4000), "19")])
    notes = (
        credit_note(usd(4760), part, before=4760, tax=760),
        credit_note(usd(1000), line(usd(1000), product="", id="il_9"), id="stripe:cn_2", before=1000),
    )
    books = mapped()
    for state in (BOTH, *notes):
        books.decide(state)
    books.decide(replace(BOTH, **VOID, credited_before_payment=usd(5760), credit_note_ids=("stripe:cn_1", "stripe:cn_2")))
    assert left(books) == ({}, {})


def test_a_void_waits_for_the_credit_notes_it_has_to_leave_out() -> None:
    books = mapped()
    books.decide(BOTH)
    state = replace(BOTH, **VOID, credited_before_payment=usd(11900), credit_note_ids=("stripe:cn_1",))
    decision = books.decide(state)
    assert decision.waits == (CREDIT_NOTE.ref("stripe:cn_1"),)
    assert not any("void" in text for text in texts(decision.commands))
    books.decide(credit_note(usd(11900), TAXED, before=11900, tax=1900))
    books.redecide(state)
    assert left(books) == ({}, {})


def test_a_voided_credit_note_is_not_left_out() -> None:
    note = credit_note(usd(11900), TAXED, before=11900, tax=1900)
    books = mapped()
    for state in (BOTH, note, replace(note, state=CreditNoteState.VOID, voided_at=at("2026-04-01 12:00"))):
        books.decide(state)
    books.decide(replace(BOTH, **VOID, credited_before_payment=usd(0), credit_note_ids=("stripe:cn_1",)))
    assert left(books) == ({}, {})


def test_a_source_that_does_not_say_which_notes_there_were_has_the_rest_reversed_in_proportion() -> None:
    books = mapped()
    books.decide(BOTH)
    books.decide(credit_note(usd(11900), TAXED, before=11900, tax=1900))
    books.decide(replace(BOTH, **VOID, credited_before_payment=usd(11900)))
    # 100.00 of 219.00: 45.66 of each line and 8.68 of tax are taken back, where 100.00 of the second line were left.
    assert left(books) == ({"explicit:400100": 4566, "revenue": -5434, "tax:VAT 19": 868}, {})


@pytest.mark.parametrize("amount", [4000, 11900])
def test_a_void_after_a_payment_matches_what_is_open_and_leaves_the_payment_to_the_customer(amount: int) -> None:
    # 119.00, 40.00 of it paid: the reversal takes 79.00 off the invoice, and owes the customer his 40.00.
    bill = invoice(usd(11900), TAXED, tax=1900)
    paid = replace(bill, amount_paid=usd(amount), paid_parts=(PaidPart("stripe:inpay_1", usd(amount)),))
    books = mapped()
    books.decide(bill)
    books.decide(payment(usd(amount), applications=(Application(bill.id, usd(amount), "stripe:inpay_1"),)))
    books.decide(replace(paid, **VOID))
    assert left(books) == ({"receivable": -amount, "clearing:stripe": amount}, {"credit_note/void.stripe:in_1": -amount})


def test_a_void_reverses_the_accounts_and_taxes_that_were_posted_whatever_is_mapped_by_now() -> None:
    books = mapped()
    bill = invoice(usd(11900), TAXED, tax=1900)
    books.decide(bill)
    key = MappingKey(MappingKind.TAX, "US", "19|exclusive")
    changed = {**MAPPINGS, MappingKey(MappingKind.ACCOUNT, "US", "group/plans"): "400200", key: "VAT 19 new"}
    books.rules = replace(books.rules, version=9, mappings=changed)
    books.decide(replace(bill, **VOID))
    assert left(books) == ({}, {})


def test_a_void_needs_no_mapping_that_was_taken_away_since() -> None:
    books = mapped()
    bill = invoice(usd(11900), TAXED, tax=1900)
    books.decide(bill)
    books.rules = replace(books.rules, mappings={})
    assert books.decide(replace(bill, **VOID)).problems == ()
    assert left(books) == ({}, {})


def test_a_void_of_a_deferred_line_takes_the_deferral_back_though_its_product_left_the_group() -> None:
    books = world(rules=with_entity(RULES, "US", deferred_product_groups=("plans",)))
    bill = invoice(usd(10000), line(usd(10000), period_start=at("2026-03-10 12:00"), period_end=at("2027-03-10 12:00")))
    books.decide(bill)
    books.know(replace(PRO, group="services"))
    books.decide(replace(bill, **VOID))
    assert left(books) == ({}, {})


def test_the_void_of_a_credit_note_takes_back_what_the_note_booked() -> None:
    note = credit_note(usd(11900), TAXED, before=11900, tax=1900)
    books = mapped()
    bill = invoice(usd(11900), TAXED, tax=1900)
    books.decide(bill)
    books.decide(note)
    books.rules = replace(books.rules, mappings={**MAPPINGS, MappingKey(MappingKind.ACCOUNT, "US", "group/plans"): "400200"})
    books.decide(replace(note, state=CreditNoteState.VOID, voided_at=at("2026-04-20 12:00")))
    balances, open_now = left(books)
    assert balances == {"receivable": 11900, "explicit:400100": -10000, "tax:VAT 19": -1900}
    assert open_now == {"invoice/stripe:in_1": 11900}


def carried(*amounts: int, **more: Any) -> Invoice:
    """Return an invoice of 100.00 that collects 50.00 the customer owed, paid in parts."""
    parts = tuple(PaidPart(f"stripe:inpay_{n}", usd(a), None, f"stripe:ch_{n}") for n, a in enumerate(amounts))
    bill = invoice(usd(10000), starting_balance=usd(5000), ending_balance=usd(0), paid_parts=parts)
    return replace(bill, **more)


def instalment(number: int, amount: int) -> Payment:
    """Return one of these parts."""
    applied = Application("stripe:in_1", usd(amount), f"stripe:inpay_{number}")
    return payment(usd(amount), id=f"stripe:ch_{number}", applications=(applied,))


@pytest.mark.parametrize("amounts", [(5000, 5000, 5000), (3333, 6667, 5000), (15000,), (1, 14999)])
def test_a_carried_debt_paid_in_instalments_leaves_not_a_cent(amounts: tuple[int, ...]) -> None:
    books = world()
    for number, amount in enumerate(amounts):
        books.decide(carried(*amounts[: number + 1]))
        books.decide(instalment(number, amount))
    assert Ledger().take(books.sent).left_open() == {}


def test_a_credit_note_between_instalments_leaves_not_a_cent_either() -> None:
    # 150.00 due, 65.00 paid, 20.00 credited, the last 65.00 paid: the older debt of 50.00 is paid first.
    books = world()
    books.decide(carried(6500))
    books.decide(instalment(0, 6500))
    books.decide(credit_note(usd(2000), before=2000))
    books.decide(carried(6500, 6500, credited_before_payment=usd(2000)))
    books.decide(instalment(1, 6500))
    first = [text for text in texts(books.sent) if text.startswith("allocate") and text.split()[2] == "payment/stripe:ch_0"]
    assert [text.split()[1::2] for text in first] == [["invoice/stripe:in_1", "15.00"], ["entry/balance.stripe:in_1", "50.00"]]
    assert Ledger().take(books.sent).left_open() == {}


def test_a_carried_debt_of_which_a_part_was_paid_is_voided_for_the_rest() -> None:
    bill = carried(6500, amount_paid=usd(6500))
    books = world()
    books.decide(bill)
    books.decide(instalment(0, 6500))
    books.decide(replace(bill, **VOID))
    ledger = Ledger().take(books.sent)
    assert min(ledger.open.values()) >= -6500
    assert ledger.balance("revenue:plans") == 0

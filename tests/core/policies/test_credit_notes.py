"""Credit notes: before payment, to the balance, out of band, void."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import at, credit_note, eur, invoice, line, payment, refund, tax, texts, usd, world
from tests.core.ledger import Ledger

from counterfoil.core.commands.books import PostDocument
from counterfoil.core.kinds.credit_note import CreditNoteState
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.policies.decision import OutboxCommand


def test_a_credit_note_before_payment_reverses_its_invoice() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    commands = books.decide(credit_note(usd(2500), before=2500)).commands
    assert texts(commands) == [
        "post_credit_note credit_note_stripe.cn_1 2026-03-11 25.00 USD reverses invoice/stripe:in_1",
        "allocate invoice/stripe:in_1 credit_note/stripe:cn_1 25.00 USD",
    ]
    assert "invoice/stripe:in_1" in commands[0].needs
    assert Ledger().take(books.sent).left_open() == {"invoice/stripe:in_1": 7400}


def test_a_credit_note_partly_before_payment_matches_only_that_part_with_its_invoice() -> None:
    # Of 50.00, 30.00 lower the open invoice and 20.00 are given back.
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(6900), ("stripe:in_1", 6900)))
    books.decide(credit_note(usd(5000), before=3000))
    books.decide(refund(usd(2000), credit_note_id="stripe:cn_1"))
    assert "allocate invoice/stripe:in_1 credit_note/stripe:cn_1 30.00 USD" in texts(books.sent)
    assert Ledger().take(books.sent).left_open() == {}


def test_a_credit_note_to_the_balance_becomes_the_customers_credit() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    decision = books.decide(credit_note(usd(2500), to_balance=usd(2500)))
    assert texts(decision.commands)[1:] == [
        "post_entry credit_to_balance_stripe.cn_1 2026-03-11 customer_credit -25.00 USD, receivable 25.00 USD",
        "allocate entry/credit_to_balance.stripe:cn_1 credit_note/stripe:cn_1 25.00 USD",
    ]
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("customer_credit")) == ({}, -2500)


def test_a_credit_note_paid_out_of_band_never_touches_clearing() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    decision = books.decide(credit_note(usd(2500), out_of_band=usd(2500)))
    assert texts(decision.commands)[1:] == [
        "post_payment out_of_band_stripe.cn_1 2026-03-11 out 25.00 USD via out_of_band",
        "allocate payment/out_of_band.stripe:cn_1 credit_note/stripe:cn_1 25.00 USD",
    ]
    assert Ledger().take(books.sent).left_open() == {}


def test_a_refund_that_names_no_credit_note_is_matched_by_the_credit_note_that_names_it() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    books.decide(refund(usd(2500)))
    assert Ledger().take(books.sent).left_open() == {"refund/stripe:re_1": 2500}
    books.decide(credit_note(usd(2500), refund_ids=("stripe:re_1",)))
    assert Ledger().take(books.sent).left_open() == {}


def test_a_void_credit_note_is_reversed_and_its_invoice_open_again() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    state = credit_note(usd(2500), before=2500)
    books.decide(state)
    decision = books.decide(replace(state, state=CreditNoteState.VOID, voided_at=at("2026-03-20 12:00")))
    assert texts(decision.commands)[2:] == [
        "post_invoice credit_note_void_stripe.cn_1 2026-03-20 25.00 USD",
        "unmatch invoice/stripe:in_1 credit_note/stripe:cn_1",
        "allocate invoice/void.stripe:cn_1 credit_note/stripe:cn_1 25.00 USD",
    ]
    assert Ledger().take(books.sent).left_open() == {"invoice/stripe:in_1": 9900}


def test_voiding_a_credit_note_to_the_balance_takes_the_credit_back() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    books.decide(credit_note(usd(2500), to_balance=usd(2500), state=CreditNoteState.VOID, voided_at=at("2026-03-20 12:00")))
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("customer_credit"), ledger.balance("revenue:plans")) == ({}, 0, -9900)


def test_a_credit_note_belongs_to_its_invoices_entity_and_waits_for_it() -> None:
    decision = world().decide(credit_note(eur(100)))
    assert (decision.commands, decision.waits) == ((), (INVOICE.ref("stripe:in_1"),))
    assert world(invoice(eur(9900))).decide(credit_note(eur(100))).commands[0].entity == "DE"


def test_parts_of_a_credit_note_that_are_not_its_total_are_a_case() -> None:
    decision = world(invoice(usd(9900))).decide(credit_note(usd(2500), after_payment=usd(2400)))
    assert (decision.commands, decision.problems[0].case_class) == ((), CaseClass.AMOUNT_MISMATCH)


def test_a_credit_note_carries_its_taxes_as_positive_reductions() -> None:
    # 23.80 credited: 20.00 and 19 % VAT.
    vat = tax(eur(380), eur(2000), "19")
    decision = world(invoice(eur(11900))).decide(credit_note(eur(2380), line(eur(2000), taxes=[vat]), before=2380, tax=380))
    arguments = decision.commands[0].arguments
    assert isinstance(arguments, PostDocument)
    assert (arguments.total, arguments.tax, arguments.lines[0].taxes[0].amount) == (eur(2380), eur(380), eur(380))


def test_a_credit_note_voided_before_its_match_was_made_is_matched_with_its_reversal_only() -> None:
    # The match with the invoice was wished but not sent: the invoice's payment may have taken its place. It is not wished again
    # (and so canceled), and there is nothing to release.
    books = world()
    books.decide(invoice(usd(9900)))
    state = credit_note(usd(2500), before=2500)
    waiting = next(command for command in books.decide(state).commands if command.kind.value == "allocate")
    books.wishes[waiting.target, waiting.external_key] = OutboxCommand(waiting, is_open=True)
    decision = books.decide(replace(state, state=CreditNoteState.VOID, voided_at=at("2026-03-20 12:00")))
    assert texts(decision.commands)[1:] == [
        "post_invoice credit_note_void_stripe.cn_1 2026-03-20 25.00 USD",
        "allocate invoice/void.stripe:cn_1 credit_note/stripe:cn_1 25.00 USD",
    ]
    assert waiting.id not in {command.id for command in decision.commands}

"""Summary posting in whole: what is summed up of each fact, what crosses a change of the posting mode, and how a day is closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.core.builders import (
    NOON,
    RULES,
    World,
    at,
    credit_note,
    eur,
    invoice,
    line,
    payment,
    refund,
    settled,
    tax,
    usd,
    with_entity,
    world,
)
from tests.core.told import told

from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.core.finance.summary import SummaryItem, close_day
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.payment import Application, Payment
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.policies.closing import close
from counterfoil.core.policies.rules import PostingMode

SUMMARY = with_entity(with_entity(RULES, "US", posting_mode="summary"), "DE", posting_mode="summary")
APRIL, LATER = date(2026, 4, 1), at("2026-04-03 12:00")
GERMAN = invoice(eur(11900), line(eur(10000), taxes=[tax(eur(1900), eur(10000), "19")]), tax=1900)


def test_an_invoice_and_its_payment_are_summed_up_with_their_days() -> None:
    books = world(rules=SUMMARY)
    expected = """\
summed up: invoice_stripe.in_1 2026-03-10 receivable 119.00 EUR
summed up: invoice_stripe.in_1 2026-03-10 revenue:plans -100.00 EUR VAT 19
summed up: invoice_stripe.in_1 2026-03-10 tax:VAT 19 -19.00 EUR VAT 19"""
    assert books.tell(GERMAN) == expected
    expected = """\
summed up: payment_stripe.ch_1 2026-03-10 clearing:stripe 119.00 EUR
summed up: payment_stripe.ch_1 2026-03-10 receivable -119.00 EUR
summed up: fee_stripe.txn_1 2026-03-10 fees 3.17 EUR
summed up: fee_stripe.txn_1 2026-03-10 clearing:stripe -3.17 EUR"""
    assert books.tell(payment(eur(11900), ("stripe:in_1", 11900), fee=317)) == expected
    expected = """\
summed up: invoice_stripe.in_1 2026-03-10 receivable 119.00 EUR
summed up: invoice_stripe.in_1 2026-03-10 revenue:plans -100.00 EUR VAT 19
summed up: invoice_stripe.in_1 2026-03-10 tax:VAT 19 -19.00 EUR VAT 19
summed up: invoice_void_stripe.in_1 2026-04-03 receivable -119.00 EUR
summed up: invoice_void_stripe.in_1 2026-04-03 revenue:plans 100.00 EUR VAT 19
summed up: invoice_void_stripe.in_1 2026-04-03 tax:VAT 19 19.00 EUR VAT 19"""
    assert books.tell(replace(GERMAN, state=InvoiceState.VOID, voided_at=LATER)) == expected


def test_what_was_summed_up_and_changed_at_the_source_is_a_case() -> None:
    books = world(rules=SUMMARY)
    books.decide(GERMAN)
    expected = """\
case amount_mismatch decide.changed_after_posting, DE 119.00 EUR
  invoice/stripe:in_1 was changed at the source after invoice_stripe.in_1 had been summed up with 2026-03-10 in the books of DE.
  Correct it at the source by a credit note, or correct the document in the target and waive this case."""
    assert books.tell(invoice(eur(11900), line(eur(11900)))) == expected
    books.decide(payment(eur(10000)))
    expected = """\
case amount_mismatch decide.changed_after_posting, DE 101.00 EUR
  payment/stripe:ch_1 was changed at the source after payment_stripe.ch_1 had been summed up with 2026-03-10 in the books of DE.
  Correct it at the source by a credit note, or correct the document in the target and waive this case."""
    assert books.tell(payment(eur(10100))) == expected
    books.documents.clear()  # as it was before contents were kept: what the customer owes by it tells a change
    expected = """\
case amount_mismatch decide.changed_after_posting, DE 102.00 EUR
  payment/stripe:ch_1 was changed at the source after payment_stripe.ch_1 had been summed up with 2026-03-10 in the books of DE.
  Correct it at the source by a credit note, or correct the document in the target and waive this case."""
    assert books.tell(payment(eur(10200))) == expected
    assert books.decide(payment(eur(10000))).problems == ()
    assert books.decide(GERMAN).problems == ()


def test_a_write_off_and_a_credit_note_are_summed_up_too() -> None:
    books = world(rules=SUMMARY)
    books.decide(invoice(usd(9900)))
    lost = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, amount_remaining=usd(9900), uncollectible_at=LATER)
    expected = """\
summed up: invoice_stripe.in_1 2026-03-10 receivable 99.00 USD
summed up: invoice_stripe.in_1 2026-03-10 revenue:plans -99.00 USD
summed up: bad_debt_stripe.in_1 2026-04-03 bad_debt 99.00 USD
summed up: bad_debt_stripe.in_1 2026-04-03 receivable -99.00 USD"""
    assert books.tell(lost) == expected
    noted = replace(lost, amount_remaining=usd(5900), credited_before_payment=usd(4000))
    expected = """\
summed up: invoice_stripe.in_1 2026-03-10 receivable 99.00 USD
summed up: invoice_stripe.in_1 2026-03-10 revenue:plans -99.00 USD
summed up: bad_debt_stripe.in_1 2026-04-03 bad_debt 99.00 USD
summed up: bad_debt_stripe.in_1 2026-04-03 receivable -99.00 USD
summed up: recovery_stripe.in_1 2026-05-01 bad_debt -99.00 USD
summed up: recovery_stripe.in_1 2026-05-01 receivable 99.00 USD
summed up: bad_debt_stripe.in_1.2 2026-05-01 bad_debt 59.00 USD
summed up: bad_debt_stripe.in_1.2 2026-05-01 receivable -59.00 USD"""
    assert books.tell(noted, when=at("2026-05-01 12:00")) == expected
    expected = """\
summed up: credit_note_stripe.cn_1 2026-03-11 receivable -40.00 USD
summed up: credit_note_stripe.cn_1 2026-03-11 revenue:plans 40.00 USD"""
    assert books.tell(credit_note(usd(4000), before=4000)) == expected


def switched(mode: PostingMode) -> World:
    """Return a world whose US entity books in this mode from 1 April on, and in the other one before."""
    return world(rules=with_entity(RULES, "US", posting_mode=mode, posting_mode_from=APRIL))


def paid_later(minor: int, *applied: tuple[str, int]) -> Payment:
    """Return a payment of 3 April."""
    return payment(usd(minor), *applied, occurred_at=LATER, settlement=settled(usd(minor), when=LATER))


def test_one_payment_of_a_sum_and_of_a_document_takes_its_part_out_of_the_sum() -> None:
    books = switched(PostingMode.DETAILED)
    books.decide(invoice(usd(6000)))
    books.decide(invoice(usd(4000), id="stripe:in_2", issued_at=at("2026-04-02 12:00")))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 USD in on 2026-04-03 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
post_entry mode_switch_invoice-stripe.in_1-payment-stripe.ch_1-941ae47e (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between invoice/stripe:in_1 and payment/stripe:ch_1"
  receivable 60.00 USD stripe:cus_A
  receivable -60.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch.invoice/stripe:in_1+payment/stripe:ch_1
match entry/mode_switch.invoice/stripe:in_1+payment/stripe:ch_1 with payment/stripe:ch_1: 60.00 USD (US in odoo, for stripe:cus_A)
match invoice/stripe:in_2 with payment/stripe:ch_1: 40.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(paid_later(10000, ("stripe:in_1", 6000), ("stripe:in_2", 4000))) == expected


def test_a_payment_from_before_pays_a_sum_from_after_through_an_entry() -> None:
    books = switched(PostingMode.SUMMARY)
    early = payment(usd(10000))
    books.decide(early)
    books.decide(invoice(usd(10000), issued_at=at("2026-04-02 12:00")))
    expected = """\
still post_payment payment_stripe.ch_1
post_entry mode_switch_invoice-stripe.in_1-payment-stripe.ch_1-941ae47e (US in odoo, for stripe:cus_A)
  2026-04-02 in general "posting mode changed between invoice/stripe:in_1 and payment/stripe:ch_1"
  receivable 100.00 USD stripe:cus_A
  receivable -100.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch.invoice/stripe:in_1+payment/stripe:ch_1
match entry/mode_switch.invoice/stripe:in_1+payment/stripe:ch_1 with payment/stripe:ch_1: 100.00 USD (US in odoo, for
    stripe:cus_A)"""
    assert books.tell(replace(early, applications=(Application("stripe:in_1", usd(10000)),))) == expected


def test_a_match_across_the_change_is_undone_with_its_entry() -> None:
    books = world()
    books.decide(credit_note(usd(10000), invoice_id=""))
    books.rules = with_entity(RULES, "US", posting_mode=PostingMode.SUMMARY, posting_mode_from=APRIL)
    books.decide(paid_later(10000))
    given = refund(usd(10000), settlement=settled(usd(-10000), id="stripe:txn_re_1", when=LATER))
    books.decide(given)
    noted = replace(given, credit_note_id="stripe:cn_1")
    expected = """\
post_entry mode_switch_refund-stripe.re_1-credit_note-stripe.cn_1-8a56d51b (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between refund/stripe:re_1 and credit_note/stripe:cn_1"
  receivable 100.00 USD stripe:cus_A
  receivable -100.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1
match entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1 with credit_note/stripe:cn_1: 100.00 USD (US in odoo, for
    stripe:cus_A)
  makes match/entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1+credit_note/stripe:cn_1
summed up: refund_stripe.re_1 2026-04-03 clearing:stripe -100.00 USD
summed up: refund_stripe.re_1 2026-04-03 receivable 100.00 USD"""
    assert books.tell(noted) == expected
    back = settled(usd(10000), id="stripe:txn_back", when=at("2026-04-15 12:00"))
    expected = """\
still post_entry mode_switch_refund-stripe.re_1-credit_note-stripe.cn_1-8a56d51b
still match entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1 with credit_note/stripe:cn_1: 100.00 USD
unmatch entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1 from credit_note/stripe:cn_1 (US in odoo, for stripe:cus_A)
  needs match/entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1+credit_note/stripe:cn_1
  makes unmatch/entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1+credit_note/stripe:cn_1
post_entry mode_switch_back_refund-stripe.re_1-credit_note-stripe.cn_1-8a56d51b (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between refund/stripe:re_1 and credit_note/stripe:cn_1"
  receivable -100.00 USD stripe:cus_A
  receivable 100.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch_back.refund/stripe:re_1+credit_note/stripe:cn_1
match entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1 with
    entry/mode_switch_back.refund/stripe:re_1+credit_note/stripe:cn_1: 100.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1+credit_note/stripe:cn_1
summed up: refund_stripe.re_1 2026-04-03 clearing:stripe -100.00 USD
summed up: refund_stripe.re_1 2026-04-03 receivable 100.00 USD
summed up: refund_reversal_stripe.re_1 2026-04-15 clearing:stripe 100.00 USD
summed up: refund_reversal_stripe.re_1 2026-04-15 receivable -100.00 USD"""
    assert books.tell(replace(noted, state=RefundState.FAILED, reversal=back)) == expected


def test_a_document_from_before_is_matched_with_a_sum_that_gives_it_back() -> None:
    # The invoice is a document of March; its write-off of April follows it, whatever the mode is by then.
    books = switched(PostingMode.SUMMARY)
    books.decide(invoice(usd(9900)))
    lost = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, amount_remaining=usd(9900), uncollectible_at=LATER)
    expected = """\
still post_invoice invoice_stripe.in_1
post_entry bad_debt_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-04-03 in general "uncollectible, invoice stripe:in_1"
  bad_debt 99.00 USD
  receivable -99.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/bad_debt.stripe:in_1
match invoice/stripe:in_1 with entry/bad_debt.stripe:in_1: 99.00 USD (US in odoo, for stripe:cus_A)
  makes match/invoice/stripe:in_1+entry/bad_debt.stripe:in_1"""
    assert books.tell(lost) == expected


def test_a_closed_day_is_one_entry_of_the_batch_lane_by_its_own_key() -> None:
    books = world(rules=SUMMARY)
    books.decide(GERMAN)
    day = close_day(("DE", date(2026, 3, 10), "EUR"), books.items.values())
    decision = close(day, books.view(), SUMMARY, NOON)
    expected = """\
post_entry summary_DE.2026-03-10.EUR.1 (DE in odoo, for DE, batch)
  2026-03-10 in general "summary DE 2026-03-10 EUR"
  receivable 119.00 EUR
  revenue:plans -100.00 EUR "plans VAT 19"
  tax:VAT 19 -19.00 EUR "VAT 19"
  makes entry/summary.DE:2026-03-10.EUR.1"""
    assert told(decision) == expected
    command = decision.commands[0]
    assert (command.subject.key, command.rules_version) == ("journal_entry/DE:2026-03-10.EUR.1", 7)


def test_a_day_that_is_parked_says_what_is_at_stake() -> None:
    books = world(rules=SUMMARY)
    books.decide(GERMAN)
    parked = with_entity(SUMMARY, "DE", taxed_locked_until=date(2026, 3, 31), locked_period_policy="park")
    day = close_day(("DE", date(2026, 3, 10), "EUR"), books.items.values())
    expected = """\
case period_locked decide.period_locked, DE 119.00 EUR
  The books of DE are locked until 2026-03-31; what is dated 2026-03-10 is not posted.
  Reopen the period: what waits goes by itself within a minute. Or book late facts on the first open day: `locked_period =
    "first_open_day"` of the entity.
  goes on with period/DE/2026-03-10"""
    assert told(close(day, books.view(), parked, NOON)) == expected


def test_what_was_summed_up_before_lines_were_kept_is_voided_by_its_items() -> None:
    books = world(rules=SUMMARY)
    books.decide(GERMAN)
    books.documents.clear()
    expected = """\
summed up: invoice_stripe.in_1 2026-03-10 receivable 119.00 EUR
summed up: invoice_stripe.in_1 2026-03-10 revenue:plans -100.00 EUR VAT 19
summed up: invoice_stripe.in_1 2026-03-10 tax:VAT 19 -19.00 EUR VAT 19
summed up: invoice_void_stripe.in_1 2026-04-03 receivable -119.00 EUR
summed up: invoice_void_stripe.in_1 2026-04-03 revenue:plans 100.00 EUR VAT 19
summed up: invoice_void_stripe.in_1 2026-04-03 tax:VAT 19 19.00 EUR VAT 19"""
    assert books.tell(replace(GERMAN, state=InvoiceState.VOID, voided_at=LATER)) == expected


def test_an_item_is_known_by_its_entity_document_account_currency_group_and_tax() -> None:
    one = SummaryItem("DE", APRIL, "EUR", "plans", "VAT 19", Account(AccountRole.REVENUE, "plans"), eur(100), "invoice_a")
    assert replace(one, amount=eur(5), day=date(2026, 5, 1)).key == one.key
    others = (
        replace(one, entity="US"),
        replace(one, currency="USD"),
        replace(one, product_group=""),
        replace(one, tax=""),
        replace(one, account=Account(AccountRole.REVENUE)),
        replace(one, document_id="invoice_b"),
    )
    assert len({one.key, *(other.key for other in others)}) == 7


def test_a_payment_that_was_summed_up_pays_a_document_from_before_through_an_entry() -> None:
    books = switched(PostingMode.SUMMARY)
    on_account = paid_later(9900)
    books.decide(on_account)
    books.decide(invoice(usd(9900)))
    expected = """\
post_entry mode_switch_invoice-stripe.in_1-payment-stripe.ch_1-941ae47e (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between invoice/stripe:in_1 and payment/stripe:ch_1"
  receivable -99.00 USD stripe:cus_A
  receivable 99.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch.invoice/stripe:in_1+payment/stripe:ch_1
match invoice/stripe:in_1 with entry/mode_switch.invoice/stripe:in_1+payment/stripe:ch_1: 99.00 USD (US in odoo, for stripe:cus_A)
summed up: payment_stripe.ch_1 2026-04-03 clearing:stripe 99.00 USD
summed up: payment_stripe.ch_1 2026-04-03 receivable -99.00 USD"""
    assert books.tell(replace(on_account, applications=(Application("stripe:in_1", usd(9900)),))) == expected


def test_a_write_off_lets_go_before_a_summed_up_payment_takes_its_place() -> None:
    books = switched(PostingMode.SUMMARY)
    on_account = paid_later(9900)
    books.decide(on_account)
    books.decide(invoice(usd(9900)))
    lost = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, amount_remaining=usd(9900), uncollectible_at=LATER)
    books.decide(lost)
    books.decide(replace(lost, state=InvoiceState.PAID, amount_remaining=usd(0), paid_at=LATER))
    expected = """\
still unmatch invoice/stripe:in_1 from entry/bad_debt.stripe:in_1
post_entry mode_switch_invoice-stripe.in_1-payment-stripe.ch_1-941ae47e (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between invoice/stripe:in_1 and payment/stripe:ch_1"
  receivable -99.00 USD stripe:cus_A
  receivable 99.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch.invoice/stripe:in_1+payment/stripe:ch_1
match invoice/stripe:in_1 with entry/mode_switch.invoice/stripe:in_1+payment/stripe:ch_1: 99.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1
summed up: payment_stripe.ch_1 2026-04-03 clearing:stripe 99.00 USD
summed up: payment_stripe.ch_1 2026-04-03 receivable -99.00 USD"""
    assert books.tell(replace(on_account, applications=(Application("stripe:in_1", usd(9900)),))) == expected


def test_a_refund_from_before_and_a_note_that_was_summed_up_are_let_go_of_with_the_entry_between() -> None:
    # The refund is a document of March; the note it pays out, of April, is summed up. Then the money comes back.
    books = switched(PostingMode.SUMMARY)
    books.decide(payment(usd(9900)))
    given = refund(usd(3000))
    books.decide(given)
    books.decide(credit_note(usd(3000), invoice_id="", issued_at=LATER))
    noted = replace(given, credit_note_id="stripe:cn_1")
    expected = """\
still post_payment refund_stripe.re_1
still match refund/stripe:re_1 with payment/stripe:ch_1: 30.00 USD
unmatch refund/stripe:re_1 from payment/stripe:ch_1 (US in odoo, for stripe:cus_A)
  needs match/refund/stripe:re_1+payment/stripe:ch_1
  makes unmatch/refund/stripe:re_1+payment/stripe:ch_1
post_entry mode_switch_refund-stripe.re_1-credit_note-stripe.cn_1-8a56d51b (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between refund/stripe:re_1 and credit_note/stripe:cn_1"
  receivable -30.00 USD stripe:cus_A
  receivable 30.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1
match refund/stripe:re_1 with entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1: 30.00 USD (US in odoo, for
    stripe:cus_A)
  needs unmatch/refund/stripe:re_1+payment/stripe:ch_1
  makes match/refund/stripe:re_1+entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1"""
    assert books.tell(noted) == expected
    back = settled(usd(3000), id="stripe:txn_back", when=at("2026-04-15 12:00"))
    expected = """\
still post_payment refund_stripe.re_1
post_payment refund_reversal_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD in on 2026-04-15 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/reversal.stripe:re_1
still match refund/stripe:re_1 with payment/stripe:ch_1: 30.00 USD
still unmatch refund/stripe:re_1 from payment/stripe:ch_1
still post_entry mode_switch_refund-stripe.re_1-credit_note-stripe.cn_1-8a56d51b
still match refund/stripe:re_1 with entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1: 30.00 USD
unmatch refund/stripe:re_1 from entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1 (US in odoo, for stripe:cus_A)
  needs match/refund/stripe:re_1+entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1
  makes unmatch/refund/stripe:re_1+entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1
post_entry mode_switch_back_refund-stripe.re_1-credit_note-stripe.cn_1-8a56d51b (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between refund/stripe:re_1 and credit_note/stripe:cn_1"
  receivable 30.00 USD stripe:cus_A
  receivable -30.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch_back.refund/stripe:re_1+credit_note/stripe:cn_1
match entry/mode_switch_back.refund/stripe:re_1+credit_note/stripe:cn_1 with
    entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1: 30.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1
match refund/stripe:re_1 with payment/reversal.stripe:re_1: 30.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+payment/stripe:ch_1,
    unmatch/refund/stripe:re_1+entry/mode_switch.refund/stripe:re_1+credit_note/stripe:cn_1"""
    assert books.tell(replace(noted, state=RefundState.FAILED, reversal=back)) == expected

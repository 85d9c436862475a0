"""What was wished, not sent and is not called for any more is withdrawn, in whole: matches and entries in whose place others come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.core.builders import RULES, World, at, credit_note, invoice, payment, refund, settled, usd, with_entity, world

from counterfoil.core.kinds.payment import Payment
from counterfoil.core.kinds.refund import RefundState

APRIL, MAY, LATER = date(2026, 4, 1), at("2026-05-01 12:00"), at("2026-04-03 12:00")
ACCOUNT = with_entity(RULES, "US", uncredited_refund_policy="account")
REFUND = refund(usd(10000))
NOTE = credit_note(usd(10000), refund_ids=("stripe:re_1",))
CREDITED = replace(REFUND, credit_note_id="stripe:cn_1")


def unsent(books: World, *names: str) -> None:
    """Say that what was wished under these names certainly took no effect."""
    for key, wish in books.wishes.items():
        if key[1].startswith(names):
            books.wishes[key] = replace(wish, is_open=True)


def refunded() -> World:
    """Return a world in which 100.00 were sold, paid and given back without a credit note, to the refunds account."""
    books = world(rules=ACCOUNT)
    books.decide(invoice(usd(10000)))
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    books.decide(REFUND)
    return books


def test_an_entry_to_the_refunds_account_that_was_not_sent_gives_way_to_the_credit_note_with_its_match() -> None:
    books = refunded()
    unsent(books, "refund_uncredited", "alloc_refund")
    books.know(NOTE)
    expected = """\
still post_payment refund_stripe.re_1
match refund/stripe:re_1 with credit_note/stripe:cn_1: 100.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+credit_note/stripe:cn_1
no longer refund_uncredited_stripe.re_1
no longer alloc_refund-stripe.re_1-entry-refund_uncredited.stripe.re_1-6c5ebe33"""
    assert books.tell(CREDITED) == expected


def test_an_entry_to_the_refunds_account_that_was_not_sent_is_not_wished_once_the_money_came_back() -> None:
    books = refunded()
    unsent(books, "refund_uncredited", "alloc_refund")
    expected = """\
still post_payment refund_stripe.re_1
post_payment refund_reversal_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 USD in on 2026-05-01 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/reversal.stripe:re_1
match refund/stripe:re_1 with payment/reversal.stripe:re_1: 100.00 USD (US in odoo, for stripe:cus_A)
no longer refund_uncredited_stripe.re_1
no longer alloc_refund-stripe.re_1-entry-refund_uncredited.stripe.re_1-6c5ebe33"""
    back = settled(usd(10000), id="stripe:txn_b", when=MAY)
    assert books.tell(replace(REFUND, state=RefundState.FAILED, reversal=back)) == expected


def test_what_was_to_be_taken_back_from_the_refunds_account_is_withdrawn_when_an_invoice_takes_the_money() -> None:
    # 30.00 of the payment were open for a while, and the refund gave them back; then the invoice takes all 100.00 of it.
    books = refunded()
    books.decide(payment(usd(10000), ("stripe:in_1", 7000)))
    expected = """\
still post_payment refund_stripe.re_1
still post_entry refund_uncredited_stripe.re_1
post_entry refund_uncredited_return_stripe.re_1 (US in odoo, for stripe:cus_A)
  2026-03-12 in general "refund stripe:re_1: its payment had that much open"
  receivable 30.00 USD stripe:cus_A
  refunds -30.00 USD
  needs customer/stripe:cus_A
  makes entry/refund_uncredited_return.stripe:re_1
still match refund/stripe:re_1 with entry/refund_uncredited.stripe:re_1: 100.00 USD
match entry/refund_uncredited_return.stripe:re_1 with payment/stripe:ch_1: 30.00 USD (US in odoo, for stripe:cus_A)
  makes match/entry/refund_uncredited_return.stripe:re_1+payment/stripe:ch_1"""
    assert books.tell(REFUND) == expected
    unsent(books, "refund_uncredited_return", "alloc_entry-refund_uncredited_return")
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    expected = """\
still post_payment refund_stripe.re_1
still post_entry refund_uncredited_stripe.re_1
still match refund/stripe:re_1 with entry/refund_uncredited.stripe:re_1: 100.00 USD
no longer refund_uncredited_return_stripe.re_1
no longer alloc_entry-refund_uncredited_return.stripe.re_1-payment-stripe.ch_1-1cd351af"""
    assert books.tell(REFUND) == expected


def test_a_match_that_was_not_made_is_wished_for_the_amount_of_now() -> None:
    # 60.00 of 100.00 paid on account are given back; before they are matched 70.00 go to an invoice: 30.00 are left for the refund.
    books, given = world(), refund(usd(6000))
    books.decide(payment(usd(10000)))
    books.decide(given)
    unsent(books, "alloc")
    books.know(invoice(usd(7000)))
    expected = """\
still post_payment payment_stripe.ch_1
match invoice/stripe:in_1 with payment/stripe:ch_1: 70.00 USD (US in odoo, for stripe:cus_A)
no longer alloc_refund-stripe.re_1-payment-stripe.ch_1-84b595de"""
    assert books.tell(payment(usd(10000), ("stripe:in_1", 7000))) == expected
    expected = """\
still post_payment refund_stripe.re_1
match refund/stripe:re_1 with payment/stripe:ch_1: 30.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+payment/stripe:ch_1
case reconciliation_break decide.refund_without_credit_note, US 30.00 USD"""
    assert books.tell(given).startswith(expected)


def test_a_match_that_was_to_be_made_anew_is_withdrawn_and_not_the_one_before() -> None:
    # Matched for 60.00, to be matched anew for 30.00, and then nothing is left for the refund.
    books, given = world(), refund(usd(6000))
    books.decide(payment(usd(10000)))
    books.decide(given)
    for applied in (7000, 10000):
        books.decide(invoice(usd(applied), id=f"stripe:in_{applied}"))
    books.decide(payment(usd(10000), ("stripe:in_7000", 7000)))
    books.decide(given)
    unsent(books, "alloc_refund-stripe.re_1-payment-stripe.ch_1-2")
    told = books.tell(payment(usd(10000), ("stripe:in_10000", 10000)))
    assert told.splitlines()[1:3] == [
        "still match refund/stripe:re_1 with payment/stripe:ch_1: 60.00 USD",
        "still unmatch refund/stripe:re_1 from payment/stripe:ch_1",
    ]
    assert told.splitlines()[-1] == "no longer alloc_refund-stripe.re_1-payment-stripe.ch_1-2-29f0779f"


def across() -> World:
    """Return a world in which 100.00 were paid within a day's sum, and 30.00 refunded by a document: 10.00 by a note, 20.00 left open."""
    books = world(rules=with_entity(RULES, "US", posting_mode="detailed", posting_mode_from=APRIL))
    books.decide(payment(usd(10000)))
    books.decide(invoice(usd(4000), issued_at=LATER))
    books.decide(credit_note(usd(1000), issued_at=LATER, refund_ids=("stripe:re_1",)))
    return books


GIVEN = refund(usd(3000), credit_note_id="stripe:cn_1", occurred_at=LATER, settlement=settled(usd(-3000), id="stripe:txn_re_1", when=LATER))


def applied(books: World, minor: int) -> Payment:
    """Return the payment as it is once an invoice takes so much of it."""
    books.decide(invoice(usd(minor), id=f"stripe:in_{minor}"))
    return payment(usd(10000), (f"stripe:in_{minor}", minor))


def test_a_refund_that_is_a_document_takes_what_it_gives_back_out_of_the_sum_its_payment_is_in() -> None:
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD out on 2026-04-03 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
match refund/stripe:re_1 with credit_note/stripe:cn_1: 10.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+credit_note/stripe:cn_1
post_entry mode_switch_refund-stripe.re_1-payment-stripe.ch_1-84b595de (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between refund/stripe:re_1 and payment/stripe:ch_1"
  receivable -20.00 USD stripe:cus_A
  receivable 20.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch.refund/stripe:re_1+payment/stripe:ch_1
match refund/stripe:re_1 with entry/mode_switch.refund/stripe:re_1+payment/stripe:ch_1: 20.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+entry/mode_switch.refund/stripe:re_1+payment/stripe:ch_1"""
    assert across().tell(GIVEN) == expected


def test_what_a_refund_took_out_of_a_sum_goes_back_into_it_each_time_by_its_own_number() -> None:
    # An invoice takes 90.00 of the payment: 20.00 go back into the sum, 10.00 out of it again. One of 95.00: 10.00 back, 5.00 out.
    books = across()
    books.decide(GIVEN)
    books.decide(applied(books, 9000))
    books.decide(GIVEN)
    switch = "refund/stripe:re_1+payment/stripe:ch_1"
    expected = f"""\
still post_entry mode_switch_refund-stripe.re_1-payment-stripe.ch_1-84b595de
still match refund/stripe:re_1 with entry/mode_switch.{switch}: 20.00 USD
still unmatch refund/stripe:re_1 from entry/mode_switch.{switch}
still post_entry mode_switch_back_refund-stripe.re_1-payment-stripe.ch_1-84b595de
still match entry/mode_switch_back.{switch} with entry/mode_switch.{switch}: 20.00 USD
still post_entry mode_switch_refund-stripe.re_1-payment-stripe.ch_1-2-29f0779f
still match refund/stripe:re_1 with entry/mode_switch.{switch}+2: 10.00 USD
unmatch refund/stripe:re_1 from entry/mode_switch.{switch}+2 (US in odoo, for stripe:cus_A)
  needs match/refund/stripe:re_1+entry/mode_switch.{switch}+2
  makes unmatch/refund/stripe:re_1+entry/mode_switch.{switch}+2
post_entry mode_switch_back_refund-stripe.re_1-payment-stripe.ch_1-2-29f0779f (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between refund/stripe:re_1 and payment/stripe:ch_1"
  receivable 10.00 USD stripe:cus_A
  receivable -10.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch_back.{switch}+2
match entry/mode_switch_back.{switch}+2 with
    entry/mode_switch.{switch}+2: 10.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+entry/mode_switch.{switch}+2
summed up: payment_stripe.ch_1 2026-03-10 clearing:stripe 100.00 USD
summed up: payment_stripe.ch_1 2026-03-10 receivable -100.00 USD"""
    assert books.tell(applied(books, 9500)) == expected
    expected = f"""\
post_entry mode_switch_refund-stripe.re_1-payment-stripe.ch_1-3-0ee72cf3 (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between refund/stripe:re_1 and payment/stripe:ch_1"
  receivable -5.00 USD stripe:cus_A
  receivable 5.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch.{switch}+3
match refund/stripe:re_1 with entry/mode_switch.{switch}+3: 5.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+entry/mode_switch.{switch},
    unmatch/refund/stripe:re_1+entry/mode_switch.{switch}+2
  makes match/refund/stripe:re_1+entry/mode_switch.{switch}+3
case reconciliation_break"""
    assert expected in books.tell(GIVEN)


def test_an_entry_out_of_a_sum_whose_match_was_not_made_goes_back_without_it() -> None:
    books = across()
    books.decide(GIVEN)
    unsent(books, "alloc_refund")
    expected = """\
still post_entry mode_switch_refund-stripe.re_1-payment-stripe.ch_1-84b595de
post_entry mode_switch_back_refund-stripe.re_1-payment-stripe.ch_1-84b595de (US in odoo, for stripe:cus_A)
  2026-04-03 in general "posting mode changed between refund/stripe:re_1 and payment/stripe:ch_1"
  receivable 20.00 USD stripe:cus_A
  receivable -20.00 USD
  needs customer/stripe:cus_A
  makes entry/mode_switch_back.refund/stripe:re_1+payment/stripe:ch_1
match entry/mode_switch_back.refund/stripe:re_1+payment/stripe:ch_1 with entry/mode_switch.refund/stripe:re_1+payment/stripe:ch_1:
    20.00 USD (US in odoo, for stripe:cus_A)
no longer alloc_refund-stripe.re_1-entry-mode_switch.refund-stripe.re_1-payment-stripe.ch_1-ba9fbe65
summed up: payment_stripe.ch_1 2026-03-10 clearing:stripe 100.00 USD
summed up: payment_stripe.ch_1 2026-03-10 receivable -100.00 USD"""
    assert books.tell(applied(books, 9000)) == expected


def test_an_entry_out_of_a_sum_that_was_not_sent_is_withdrawn_with_its_match() -> None:
    books = across()
    books.decide(GIVEN)
    unsent(books, "alloc_refund", "mode_switch")
    expected = """\
no longer mode_switch_refund-stripe.re_1-payment-stripe.ch_1-84b595de
no longer alloc_refund-stripe.re_1-entry-mode_switch.refund-stripe.re_1-payment-stripe.ch_1-ba9fbe65
summed up: payment_stripe.ch_1 2026-03-10 clearing:stripe 100.00 USD
summed up: payment_stripe.ch_1 2026-03-10 receivable -100.00 USD"""
    assert books.tell(applied(books, 9000)) == expected

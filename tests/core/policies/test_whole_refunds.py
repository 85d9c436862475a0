"""Refunds in whole: money out and its fee, with and without a credit note, from another entity, and back again."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import RULES, World, at, credit_note, invoice, payment, refund, settled, usd, with_entity, world

from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.policies.rules import Route

APRIL, MAY, JUNE = at("2026-04-01 12:00"), at("2026-05-02 12:00"), at("2026-06-03 12:00")
ACCOUNT = with_entity(RULES, "US", uncredited_refund_policy="account")


def test_a_refund_is_money_out_with_its_fee_and_without_a_credit_note_a_case() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    out = settled(usd(-2500), fee=40, id="stripe:txn_re_1", when=APRIL)
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 25.00 USD out on 2026-04-01 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
post_entry fee_stripe.txn_re_1 (US in odoo, for stripe:cus_A, batch)
  2026-04-01 in stripe "fee of stripe:txn_re_1"
  fees 0.40 USD "fee"
  clearing:stripe -0.40 USD "stripe:txn_re_1"
  makes entry/fee.stripe:txn_re_1
case reconciliation_break decide.refund_without_credit_note, US 25.00 USD
  refund/stripe:re_1 gave 25.00 USD back, and no credit note accounts for it: the customer seems to owe it.
  Issue a credit note at the source that names this refund; or, if refunds are made without credit notes, set uncredited_refunds =
    "account" under [entities.US] and start again: it is booked to the refunds account.
  goes on with entity/US/uncredited_refunds"""
    assert books.tell(refund(usd(2500), settlement=out)) == expected


def test_a_refund_of_what_no_invoice_took_is_matched_with_the_rest_of_its_payment() -> None:
    # 124.00 paid on 99.00: the 25.00 refunded are the rest; and all of a payment that was never applied.
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(12400), ("stripe:in_1", 9900)))
    books.decide(payment(usd(1000), id="stripe:ch_2"))
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 25.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
match refund/stripe:re_1 with payment/stripe:ch_1: 25.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+payment/stripe:ch_1"""
    assert books.tell(refund(usd(2500))) == expected
    expected = """\
post_payment refund_stripe.re_2 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 6.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_2
match refund/stripe:re_2 with payment/stripe:ch_2: 6.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_2+payment/stripe:ch_2"""
    assert books.tell(refund(usd(600), id="stripe:re_2", payment_id="stripe:ch_2")) == expected
    back = replace(refund(usd(2500)), state=RefundState.FAILED, reversal=settled(usd(2500), id="stripe:txn_b", when=MAY))
    expected = """\
still post_payment refund_stripe.re_1
post_payment refund_reversal_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 25.00 USD in on 2026-05-02 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/reversal.stripe:re_1
still match refund/stripe:re_1 with payment/stripe:ch_1: 25.00 USD
unmatch refund/stripe:re_1 from payment/stripe:ch_1 (US in odoo, for stripe:cus_A)
  needs match/refund/stripe:re_1+payment/stripe:ch_1
  makes unmatch/refund/stripe:re_1+payment/stripe:ch_1
match refund/stripe:re_1 with payment/reversal.stripe:re_1: 25.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+payment/stripe:ch_1"""
    assert books.tell(back) == expected


LATE = credit_note(usd(4000), refund_ids=("stripe:re_1",), issued_at=MAY, number="C-1")
CREDITED = refund(usd(10000), credit_note_id="stripe:cn_1")


def uncredited() -> World:
    """Return a world in which 100.00 were sold and paid, and refunds without a credit note go to their account."""
    books = world(rules=ACCOUNT)
    books.decide(invoice(usd(10000)))
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    return books


def test_a_refund_booked_to_the_refunds_account_is_taken_back_by_a_later_note() -> None:
    # 100.00 refunded; a note of 40.00 comes later.
    books = uncredited()
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
post_entry refund_uncredited_stripe.re_1 (US in odoo, for stripe:cus_A)
  2026-03-12 in general "refund stripe:re_1 without a credit note"
  refunds 100.00 USD
  receivable -100.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/refund_uncredited.stripe:re_1
match refund/stripe:re_1 with entry/refund_uncredited.stripe:re_1: 100.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+entry/refund_uncredited.stripe:re_1"""
    assert books.tell(refund(usd(10000))) == expected
    expected = """\
post_credit_note credit_note_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 40.00 USD, of which tax 0.00 USD
  issued 2026-05-02, booked 2026-05-02, due 2026-05-02
  C-1 "credits invoice stripe:in_1", tolerance 2
  "Plan Pro" 40.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes credit_note/stripe:cn_1
still post_entry refund_uncredited_stripe.re_1
post_entry refund_credited_later_stripe.re_1-stripe.cn_1-39d24691 (US in odoo, for stripe:cus_A)
  2026-05-02 in general "refund stripe:re_1: credit note C-1 came later"
  receivable 40.00 USD stripe:cus_A
  refunds -40.00 USD
  needs customer/stripe:cus_A
  makes entry/refund_credited_later.stripe:re_1+stripe:cn_1
match entry/refund_credited_later.stripe:re_1+stripe:cn_1 with credit_note/stripe:cn_1: 40.00 USD (US in odoo, for stripe:cus_A)
  makes match/entry/refund_credited_later.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1
still match refund/stripe:re_1 with entry/refund_uncredited.stripe:re_1: 100.00 USD"""
    assert books.tell(LATE) == expected
    expected = """\
still post_payment refund_stripe.re_1
still post_entry refund_uncredited_stripe.re_1
still post_entry refund_credited_later_stripe.re_1-stripe.cn_1-39d24691
still match entry/refund_credited_later.stripe:re_1+stripe:cn_1 with credit_note/stripe:cn_1: 40.00 USD
still match refund/stripe:re_1 with entry/refund_uncredited.stripe:re_1: 100.00 USD"""
    assert books.tell(CREDITED) == expected


def test_a_refund_booked_to_the_refunds_account_that_comes_back_leaves_nothing_there() -> None:
    # 40.00 of 100.00 were credited later; then all of it comes back: 40.00 by the note's entry, 60.00 by one of its own.
    books = uncredited()
    for state in (refund(usd(10000)), LATE, CREDITED):
        books.decide(state)
    back = settled(usd(10000), id="stripe:txn_b", when=JUNE)
    expected = """\
still post_payment refund_stripe.re_1
post_payment refund_reversal_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 USD in on 2026-06-03 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/reversal.stripe:re_1
still post_entry refund_uncredited_stripe.re_1
still post_entry refund_credited_later_stripe.re_1-stripe.cn_1-39d24691
post_entry refund_uncredited_return_stripe.re_1 (US in odoo, for stripe:cus_A)
  2026-06-03 in general "refund stripe:re_1 came back"
  receivable 60.00 USD stripe:cus_A
  refunds -60.00 USD
  needs customer/stripe:cus_A
  makes entry/refund_uncredited_return.stripe:re_1
still match refund/stripe:re_1 with entry/refund_uncredited.stripe:re_1: 100.00 USD
unmatch refund/stripe:re_1 from entry/refund_uncredited.stripe:re_1 (US in odoo, for stripe:cus_A)
  needs match/refund/stripe:re_1+entry/refund_uncredited.stripe:re_1
  makes unmatch/refund/stripe:re_1+entry/refund_uncredited.stripe:re_1
still match entry/refund_credited_later.stripe:re_1+stripe:cn_1 with credit_note/stripe:cn_1: 40.00 USD
unmatch entry/refund_credited_later.stripe:re_1+stripe:cn_1 from credit_note/stripe:cn_1 (US in odoo, for stripe:cus_A)
  needs match/entry/refund_credited_later.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1
  makes unmatch/entry/refund_credited_later.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1
match entry/refund_credited_later.stripe:re_1+stripe:cn_1 with entry/refund_uncredited.stripe:re_1: 40.00 USD (US in odoo, for
    stripe:cus_A)
  needs unmatch/refund/stripe:re_1+entry/refund_uncredited.stripe:re_1,
    unmatch/entry/refund_credited_later.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1
  makes match/entry/refund_credited_later.stripe:re_1+stripe:cn_1+entry/refund_uncredited.stripe:re_1
match entry/refund_uncredited_return.stripe:re_1 with entry/refund_uncredited.stripe:re_1: 60.00 USD (US in odoo, for
    stripe:cus_A)
  needs unmatch/refund/stripe:re_1+entry/refund_uncredited.stripe:re_1,
    unmatch/entry/refund_credited_later.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1
  makes match/entry/refund_uncredited_return.stripe:re_1+entry/refund_uncredited.stripe:re_1
match refund/stripe:re_1 with payment/reversal.stripe:re_1: 100.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+entry/refund_uncredited.stripe:re_1,
    unmatch/entry/refund_credited_later.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1"""
    assert books.tell(replace(CREDITED, state=RefundState.FAILED, reversal=back)) == expected


def of_two_entities() -> World:
    """Return a world in which Germany credits 30.00 USD that the dollar balance of the US received."""
    rules = replace(RULES, routes=(Route("DE", "stripe", country="US"), Route("US", "stripe")))
    books = world(rules=rules)
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    books.decide(credit_note(usd(3000), refund_ids=("stripe:re_1",)))
    return books


GIVEN = refund(usd(3000), credit_note_id="stripe:cn_1")


def test_a_refund_for_anothers_credit_note_goes_through_both_books() -> None:
    books = of_two_entities()
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
post_entry intercompany_payer_stripe.re_1-stripe.cn_1-39d24691 (US in odoo, for stripe:cus_A)
  2026-03-12 in general "between US and DE: stripe:re_1+stripe:cn_1"
  receivable -30.00 USD stripe:cus_A
  intercompany:DE 30.00 USD
  needs customer/stripe:cus_A
  makes entry/intercompany_payer.stripe:re_1+stripe:cn_1
post_entry intercompany_owner_stripe.re_1-stripe.cn_1-39d24691 (DE in odoo, for stripe:cus_A)
  2026-03-12 in general "between US and DE: stripe:re_1+stripe:cn_1"
  intercompany:US -30.00 USD
  receivable 30.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/intercompany_owner.stripe:re_1+stripe:cn_1
match refund/stripe:re_1 with entry/intercompany_payer.stripe:re_1+stripe:cn_1: 30.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+entry/intercompany_payer.stripe:re_1+stripe:cn_1
match entry/intercompany_owner.stripe:re_1+stripe:cn_1 with credit_note/stripe:cn_1: 30.00 USD (DE in odoo, for stripe:cus_A)
  makes match/entry/intercompany_owner.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1"""
    assert books.tell(GIVEN) == expected


def test_a_refund_for_anothers_credit_note_that_comes_back_does_so_in_both_books() -> None:
    books = of_two_entities()
    books.decide(GIVEN)
    back = settled(usd(3000), fee=10, id="stripe:txn_b", when=MAY)
    expected = """\
still post_payment refund_stripe.re_1
post_payment refund_reversal_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD in on 2026-05-02 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/reversal.stripe:re_1
post_entry fee_stripe.txn_b (US in odoo, for stripe:cus_A, batch)
  2026-05-02 in stripe "fee of stripe:txn_b"
  fees 0.10 USD "fee"
  clearing:stripe -0.10 USD "stripe:txn_b"
  makes entry/fee.stripe:txn_b
still post_entry intercompany_payer_stripe.re_1-stripe.cn_1-39d24691
still post_entry intercompany_owner_stripe.re_1-stripe.cn_1-39d24691
still match refund/stripe:re_1 with entry/intercompany_payer.stripe:re_1+stripe:cn_1: 30.00 USD
still match entry/intercompany_owner.stripe:re_1+stripe:cn_1 with credit_note/stripe:cn_1: 30.00 USD
unmatch refund/stripe:re_1 from entry/intercompany_payer.stripe:re_1+stripe:cn_1 (US in odoo, for stripe:cus_A)
  needs match/refund/stripe:re_1+entry/intercompany_payer.stripe:re_1+stripe:cn_1
  makes unmatch/refund/stripe:re_1+entry/intercompany_payer.stripe:re_1+stripe:cn_1
unmatch entry/intercompany_owner.stripe:re_1+stripe:cn_1 from credit_note/stripe:cn_1 (DE in odoo, for stripe:cus_A)
  needs match/entry/intercompany_owner.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1
  makes unmatch/entry/intercompany_owner.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1
post_entry intercompany_return_payer_stripe.re_1-stripe.cn_1-39d24691 (US in odoo, for stripe:cus_A)
  2026-05-02 in general "between US and DE: stripe:re_1+stripe:cn_1"
  receivable 30.00 USD stripe:cus_A
  intercompany:DE -30.00 USD
  needs customer/stripe:cus_A
  makes entry/intercompany_return_payer.stripe:re_1+stripe:cn_1
post_entry intercompany_return_owner_stripe.re_1-stripe.cn_1-39d24691 (DE in odoo, for stripe:cus_A)
  2026-05-02 in general "between US and DE: stripe:re_1+stripe:cn_1"
  intercompany:US 30.00 USD
  receivable -30.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/intercompany_return_owner.stripe:re_1+stripe:cn_1
match entry/intercompany_return_payer.stripe:re_1+stripe:cn_1 with entry/intercompany_payer.stripe:re_1+stripe:cn_1: 30.00 USD (US
    in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+entry/intercompany_payer.stripe:re_1+stripe:cn_1
match entry/intercompany_owner.stripe:re_1+stripe:cn_1 with entry/intercompany_return_owner.stripe:re_1+stripe:cn_1: 30.00 USD (DE
    in odoo, for stripe:cus_A)
  needs unmatch/entry/intercompany_owner.stripe:re_1+stripe:cn_1+credit_note/stripe:cn_1
match refund/stripe:re_1 with payment/reversal.stripe:re_1: 30.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+entry/intercompany_payer.stripe:re_1+stripe:cn_1"""
    assert books.tell(replace(GIVEN, state=RefundState.FAILED, reversal=back)) == expected


def test_a_refund_waits_for_what_it_needs_to_know() -> None:
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 25.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
waits for payment/stripe:ch_1"""
    assert world().tell(refund(usd(2500))) == expected
    books = world(payment(usd(2500)))
    assert books.tell(refund(usd(2500), settlement=None)) == "waits for refund/stripe:re_1"
    assert books.tell(refund(usd(2500), settlement=None, state=RefundState.PENDING)) == "ignored: refund_pending"
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 25.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
waits for credit_note/stripe:cn_1"""
    assert books.tell(refund(usd(2500), credit_note_id="stripe:cn_1")) == expected
    assert books.tell(refund(usd(2500), payment_id="stripe:ch_9", customer_id="")) == "waits for payment/stripe:ch_9"
    expected = """\
case missing_mandatory_field decide.customer_missing, US 25.00 USD
  refund/stripe:re_1 names no customer, and no document it belongs to does.
  Make a customer for such money at the source (for example one named Guests), set collecting_customer = "<source>:<its id>" under
    [entities.US] (for example "billing:cus_123"), and start again.
  goes on with entity/US/collecting_customer"""
    assert books.tell(refund(usd(2500), payment_id="", customer_id="")) == expected
    failed = refund(usd(2500), state=RefundState.FAILED)
    expected = """\
still post_payment refund_stripe.re_1
match refund/stripe:re_1 with payment/stripe:ch_1: 25.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+payment/stripe:ch_1
waits for refund/stripe:re_1"""
    assert books.tell(failed) == expected

"""Facts that come late, in parts or in an order of their own, in whole."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import ANN, NOON, RULES, World, at, credit_note, eur, invoice, payment, refund, settled, usd, with_entity, world

from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.invoice import InvoiceState, PaidPart
from counterfoil.core.kinds.payment import PAYMENT, Application, Payment, PaymentState
from counterfoil.core.kinds.refund import REFUND, RefundState
from counterfoil.core.policies.decide import decided_after
from counterfoil.core.policies.refund_draws import draws
from counterfoil.core.policies.rules import Route

APRIL, MAY, JUNE = at("2026-04-01 12:00"), at("2026-05-01 12:00"), at("2026-06-01 12:00")
LOST = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, amount_remaining=usd(6900), uncollectible_at=MAY)
POSTED = """\
post_invoice invoice_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD, of which tax 0.00 USD
  issued 2026-03-10, booked 2026-03-10, due 2026-03-10
  no number, tolerance 2
  "Plan Pro" 99.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/stripe:in_1
"""


def part(number: int, minor: int = 3000) -> Payment:
    """Return one of several payments of the invoice, told apart by the id of what it is applied by."""
    applied = Application("stripe:in_1", usd(minor), f"inpay_{number}")
    return payment(usd(minor), id=f"stripe:ch_{number}", applications=(applied,))


def test_an_uncollectible_invoice_that_tells_of_one_payment_waits_when_two_are_known() -> None:
    # 99.00 less 30.00 are 69.00: each of the two payments could be that one, both together cannot.
    assert world(part(1), part(2)).tell(LOST) == POSTED + "waits for invoice/stripe:in_1"
    expected = """\
post_entry bad_debt_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-05-01 in general "uncollectible, invoice stripe:in_1"
  bad_debt 69.00 USD
  receivable -69.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/bad_debt.stripe:in_1
match invoice/stripe:in_1 with entry/bad_debt.stripe:in_1: 69.00 USD (US in odoo, for stripe:cus_A)
  makes match/invoice/stripe:in_1+entry/bad_debt.stripe:in_1"""
    assert world(part(1)).tell(LOST) == POSTED + expected


def test_a_payment_of_an_uncollectible_invoice_that_tells_of_another_one_waits_for_it() -> None:
    books = world(part(1))
    books.decide(LOST)
    expected = """\
post_payment payment_stripe.ch_2 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_2
waits for invoice/stripe:in_1"""
    assert books.tell(part(2)) == expected


def test_a_payment_that_does_not_say_which_part_it_is_is_not_taken_to_be_too_much() -> None:
    # 60.00 and 39.00 are all of the 99.00; the one of 39.00 names neither.
    books, parts = world(), (PaidPart("inpay_1", usd(6000)), PaidPart("inpay_2", usd(3900)))
    books.decide(invoice(usd(9900), state=InvoiceState.PAID, amount_remaining=usd(0), paid_parts=parts))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 39.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
match invoice/stripe:in_1 with payment/stripe:ch_1: 39.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(payment(usd(3900), ("stripe:in_1", 3900))) == expected


def test_a_payment_outside_the_processor_waits_for_its_invoice_which_says_whose_it_is() -> None:
    by_hand = payment(usd(9900), ("stripe:in_1", 9900), settlement=None, is_out_of_band=True)
    assert world().tell(by_hand) == "waits for invoice/stripe:in_1"
    expected = """\
case unmapped_account decide.no_route, 99.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country 'US', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert world(invoice(usd(9900)), rules=replace(RULES, routes=())).tell(by_hand) == expected


def test_a_refund_first_seen_when_it_came_back_holds_its_note_and_lets_go_of_it() -> None:
    books = world()
    books.decide(invoice(usd(3000)))
    books.decide(payment(usd(3000), ("stripe:in_1", 3000)))
    books.decide(credit_note(usd(3000), refund_ids=("stripe:re_1",)))
    back = settled(usd(3000), id="stripe:txn_b", when=MAY)
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
post_payment refund_reversal_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD in on 2026-05-01 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/reversal.stripe:re_1
match refund/stripe:re_1 with credit_note/stripe:cn_1: 30.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+credit_note/stripe:cn_1
unmatch refund/stripe:re_1 from credit_note/stripe:cn_1 (US in odoo, for stripe:cus_A)
  needs match/refund/stripe:re_1+credit_note/stripe:cn_1
  makes unmatch/refund/stripe:re_1+credit_note/stripe:cn_1
match refund/stripe:re_1 with payment/reversal.stripe:re_1: 30.00 USD (US in odoo, for stripe:cus_A)
  needs unmatch/refund/stripe:re_1+credit_note/stripe:cn_1"""
    assert books.tell(refund(usd(3000), credit_note_id="stripe:cn_1", state=RefundState.FAILED, reversal=back)) == expected


def test_a_refund_takes_what_is_open_of_its_payment_once_the_invoice_tells_of_that_payment() -> None:
    # 100.00 paid, of which the invoice took 70.00 and has 30.00 left to be paid: 30.00 are open, and given back.
    bill = invoice(usd(10000), amount_remaining=usd(3000), paid_parts=(PaidPart("inpay_1", usd(7000)),))
    paid = payment(usd(10000), applications=(Application("stripe:in_1", usd(7000), "inpay_1"),))
    books = world(bill)
    books.decide(paid)
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
match refund/stripe:re_1 with payment/stripe:ch_1: 30.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+payment/stripe:ch_1"""
    assert books.tell(refund(usd(3000))) == expected
    untold = world(replace(bill, amount_remaining=usd(10000), paid_parts=()))
    untold.decide(paid)
    assert untold.tell(refund(usd(3000))).splitlines()[-1] == "waits for invoice/stripe:in_1"


def test_what_a_credit_note_accounts_for_of_a_refund_leaves_the_rest_of_the_open_money_to_the_next_one() -> None:
    # 50.00 are open. The first refund, of 30.00, pays 10.00 of a note out: 20.00 come of the open money. 30.00 are left for the second.
    paid, first = payment(usd(10000), ("stripe:in_1", 5000)), refund(usd(3000), credit_note_id="stripe:cn_1")
    second = refund(usd(3000), id="stripe:re_2", occurred_at=at("2026-03-13 12:00"))
    books = world(invoice(usd(5000)), paid, first, second, credit_note(usd(1000), refund_ids=("stripe:re_1",)))
    assert draws(books.view(), paid) == {"stripe:re_1": usd(2000), "stripe:re_2": usd(3000)}
    # As long as the note is not known, all of the first refund may be what it gives back.
    unknown = world(invoice(usd(5000)), paid, first, second)
    assert draws(unknown.view(), paid) == {"stripe:re_1": usd(0), "stripe:re_2": usd(3000)}


def test_the_return_of_a_payment_that_failed_takes_nothing_of_it() -> None:
    failed = payment(usd(10000), state=PaymentState.FAILED)
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1"""
    assert world(failed).tell(refund(usd(10000), reason="payment_failed")) == expected


def test_after_a_credit_note_its_refunds_and_their_payments_are_decided_again() -> None:
    note = credit_note(usd(2000), refund_ids=("stripe:re_1", "stripe:re_2"))
    books = world(note, refund(usd(1000)), refund(usd(1000), id="stripe:re_2"))
    refs = (PAYMENT.ref("stripe:ch_1"), *(REFUND.ref(f"stripe:re_{number}") for number in (1, 2)))
    assert decided_after(books.view(), note) == refs
    books.know(payment(usd(2000)))
    assert decided_after(books.view(), payment(usd(2000))) == refs[1:]
    assert decided_after(books.view(), refund(usd(1000))) == ()
    assert ref_of(note) not in refs


def test_a_dispute_won_before_its_money_came_back_was_never_a_loss() -> None:
    out, back = settled(usd(-9900), id="stripe:txn_out", when=APRIL), settled(usd(9900), id="stripe:txn_back", when=JUNE)
    won = Dispute(
        "stripe:dp_1", "", DisputeState.WON, usd(9900), NOON, withdrawals=(out,), reinstatements=(back,), closed_at=MAY
    )  # closed in May, the money came in June
    expected = """\
post_entry dispute_stripe.txn_out (US in odoo, for stripe:txn_out)
  2026-04-01 in stripe "dispute stripe:dp_1"
  disputed_funds 99.00 USD "stripe:txn_out"
  clearing:stripe -99.00 USD "stripe:txn_out"
  makes entry/dispute.stripe:txn_out
post_entry dispute_return_stripe.txn_back (US in odoo, for stripe:txn_back)
  2026-06-01 in stripe "dispute stripe:dp_1, reinstated"
  disputed_funds -99.00 USD "stripe:txn_back"
  clearing:stripe 99.00 USD "stripe:txn_back"
  makes entry/dispute_return.stripe:txn_back"""
    assert world().tell(won) == expected


def test_a_document_that_waits_to_be_sent_stays_one_though_its_entity_sums_up_by_now() -> None:
    books, bill = world(), invoice(usd(9900))
    books.decide(bill)
    books.wishes = {key: replace(wish, is_open=True) for key, wish in books.wishes.items()}
    books.rules = with_entity(RULES, "US", posting_mode="summary")
    assert books.tell(bill) == "still post_invoice invoice_stripe.in_1"


def test_a_customer_that_did_not_change_is_still_wished_of_every_target() -> None:
    books = World(with_entity(RULES, "DE", target="odoo_eu"))
    books.decide(ANN)
    expected = """\
still upsert_customer customer_stripe.cus_A of odoo_eu
still upsert_customer customer_stripe.cus_A of odoo"""
    assert books.tell(ANN) == expected


def test_a_credit_of_nothing_is_ignored_by_its_rule() -> None:
    assert world().tell(CustomerCredit("stripe:cb_1", ANN.id, usd(0), NOON)) == "ignored: customer_credit_moved_no_money"


def test_a_payment_through_another_entity_comes_after_the_write_off_has_let_go_of_the_invoice() -> None:
    books = world(rules=replace(RULES, routes=(Route("DE", "stripe", country="US"), Route("US", "stripe"))))
    books.decide(replace(LOST, amount_remaining=usd(9900)))
    books.decide(LOST, when=JUNE)
    expected = """\
match entry/intercompany_payer.stripe:ch_1+stripe:in_1 with payment/stripe:ch_1: 30.00 USD (US in odoo, for stripe:cus_A)
match invoice/stripe:in_1 with entry/intercompany_owner.stripe:ch_1+stripe:in_1: 30.00 USD (DE in odoo, for stripe:cus_A)
  needs unmatch/invoice/stripe:in_1+entry/bad_debt.stripe:in_1"""
    assert books.tell(payment(usd(3000), ("stripe:in_1", 3000))).endswith(expected)


def test_a_payment_outside_the_processor_is_not_of_the_owner_of_a_balance_it_moved_by_mistake() -> None:
    by_hand = payment(usd(9900), is_out_of_band=True, settlement=settled(eur(9000)))
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD in on 2026-03-10 by out_of_band
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1"""
    assert world().tell(by_hand) == expected

"""Whose books a credit note, its refund and a movement on the balance belong to, in whole: where it was booked, else as routed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from tests.core.builders import ANN, DE, NOON, PRO, RULES, World, at, credit_note, invoice, payment, refund, settled, usd, world

from counterfoil.core.kinds.balance_entry import BalanceEntry
from counterfoil.core.kinds.credit_note import CreditNoteState
from counterfoil.core.kinds.customer import Address
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.payout import Payout, PayoutState
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.language.records import Record
from counterfoil.core.policies.decision import OutboxCommand
from counterfoil.core.policies.related import is_looked_back_from
from counterfoil.core.policies.rules import Route

MAY = at("2026-05-01 12:00")
HANS = replace(ANN, address=Address(country="DE"))
BY_COUNTRY = replace(RULES, routes=(Route("DE", "stripe", country="DE", currency="USD"), Route("US", "stripe", currency="USD")))
TO_GERMANY, NOWHERE = replace(RULES, routes=(Route("DE"),)), replace(RULES, routes=())
ALONE = credit_note(usd(3000), invoice_id="", refund_ids=("stripe:re_1",))
NOTE = replace(ALONE, invoice_id="stripe:in_1")
REFUND = refund(usd(3000), credit_note_id="stripe:cn_1")
THROUGH_BOTH = """\
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


def test_a_refund_of_a_note_without_an_invoice_pays_the_entity_its_customers_country_is_routed_to() -> None:
    # Neither is booked yet: the note will be Germany's, the dollars are of the US.
    assert World(BY_COUNTRY).know(HANS, PRO, payment(usd(3000)), ALONE).tell(REFUND) == THROUGH_BOTH


def test_a_refund_of_a_note_that_credits_an_invoice_pays_the_entity_of_the_invoice() -> None:
    # The customer is of the US; the invoice, which is not booked yet, says Germany.
    paid, bill = payment(usd(3000), ("stripe:in_1", 3000)), invoice(usd(3000), customer_country="DE")
    assert world(paid, bill, NOTE, rules=BY_COUNTRY).tell(REFUND) == THROUGH_BOTH


def test_a_credit_note_of_an_invoice_that_is_not_booked_goes_where_that_is_routed() -> None:
    expected = """\
post_credit_note credit_note_stripe.cn_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD, of which tax 0.00 USD
  issued 2026-03-11, booked 2026-03-11, due 2026-03-11
  "credits invoice stripe:in_1", tolerance 2
  "Plan Pro" 30.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes credit_note/stripe:cn_1
waits for refund/stripe:re_1"""
    assert world(invoice(usd(3000), customer_country="DE"), rules=BY_COUNTRY).tell(NOTE) == expected


def test_a_credit_note_stays_where_it_was_booked_though_its_invoice_went_elsewhere_since() -> None:
    # Booked in the US before its invoice, which new routes send to Germany: its void and its refund stay in the US.
    books = world(invoice(usd(3000)))
    books.decide(NOTE)
    books.decide(payment(usd(3000), ("stripe:in_1", 3000)))
    books.rules = TO_GERMANY
    books.decide(invoice(usd(3000)))
    expected = """\
post_payment refund_stripe.re_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_1
match refund/stripe:re_1 with credit_note/stripe:cn_1: 30.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_1+credit_note/stripe:cn_1"""
    assert books.tell(REFUND) == expected
    expected = """\
still post_credit_note credit_note_stripe.cn_1
still match refund/stripe:re_1 with credit_note/stripe:cn_1: 30.00 USD
post_invoice credit_note_void_stripe.cn_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD, of which tax 0.00 USD
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of credit note stripe:cn_1", tolerance 2
  "Plan Pro" 30.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/void.stripe:cn_1
match invoice/void.stripe:cn_1 with credit_note/stripe:cn_1: 30.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(replace(NOTE, state=CreditNoteState.VOID, voided_at=MAY)) == expected


def test_a_credit_note_without_an_invoice_stays_where_it_was_booked_though_no_route_leads_there_any_more() -> None:
    books = world()
    alone = replace(ALONE, refund_ids=())
    books.decide(alone)
    books.rules = NOWHERE
    assert books.tell(alone) == "still post_credit_note credit_note_stripe.cn_1"
    expected = """\
case unmapped_account decide.no_route, 30.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country 'US', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert world(rules=NOWHERE).tell(alone) == expected


LEFT = settled(usd(-5000), id="stripe:txn_out")
CAME_BACK = settled(usd(5000), id="stripe:txn_back", when=MAY)
RETURNED = Dispute("stripe:dp_1", "", DisputeState.OPEN, usd(5000), NOON, reinstatements=(CAME_BACK,))
PAYOUT = Payout("stripe:po_1", PayoutState.FAILED, usd(5000), NOON, date(2026, 3, 12), settlement=LEFT, reversal=CAME_BACK)
FEE = BalanceEntry("stripe:txn_9", "fee", settled(usd(-300), id="stripe:txn_9"))


def test_a_movement_stays_where_it_was_booked_though_no_route_leads_there_any_more() -> None:
    books = world()
    books.decide(FEE)
    books.decide(RETURNED)
    books.rules = NOWHERE
    assert books.tell(FEE) == "still post_entry balance_entry_stripe.txn_9"
    assert books.tell(RETURNED) == "still post_entry dispute_return_stripe.txn_back\nwaits for dispute/stripe:dp_1"


def test_a_payout_that_came_back_stays_where_that_was_booked_though_its_leaving_was_refused() -> None:
    books = world()
    books.decide(PAYOUT)
    key = ("odoo", "payout_stripe.txn_out")
    books.wishes[key] = OutboxCommand(books.wishes[key].command, is_open=True)
    books.rules = NOWHERE
    expected = """\
still post_entry payout_return_stripe.txn_back
case unmapped_account decide.no_route, -50.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country '', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert books.tell(PAYOUT) == expected


def test_a_movement_booked_in_an_entity_that_is_declared_no_longer_is_a_case_with_its_money() -> None:
    books = world()
    books.decide(FEE)
    books.rules = replace(TO_GERMANY, entities={"DE": DE})
    expected = """\
case unmapped_account decide.entity_gone, US -3.00 USD
  balance_entry/stripe:txn_9 was booked in the books of entity 'US', which the configuration does not declare any more.
  Declare entity 'US' again, with its books, until nothing of it is open; new facts go where the routes send them.
  goes on with entity/US"""
    assert books.tell(FEE) == expected


@pytest.mark.parametrize(
    ("state", "is_looked_back"),
    [
        (invoice(usd(100)), False),
        (invoice(usd(100), state=InvoiceState.PAID), False),
        (invoice(usd(100), state=InvoiceState.UNCOLLECTIBLE), True),
        (payment(usd(100)), True),
        (REFUND, True),
        (NOTE, False),
        (ANN, False),
    ],
)
def test_what_names_a_payment_a_refund_or_an_uncollectible_invoice_is_looked_at_with_it(state: Record, is_looked_back: bool) -> None:
    assert is_looked_back_from(state) is is_looked_back


def test_a_refund_matched_for_a_third_amount_goes_on_undoing_both_matches_before() -> None:
    # 100.00 paid on account, 60.00 given back: matched for 60.00. Then 70.00 are applied, and 90.00: 30.00 are left for it, then 10.00.
    books, given = world(), refund(usd(6000))
    books.decide(payment(usd(10000)))
    books.decide(given)
    for applied in (7000, 9000):
        books.know(invoice(usd(applied)))
        books.decide(payment(usd(10000), ("stripe:in_1", applied)))
        books.decide(given)
    assert [line for line in books.tell(given).splitlines() if line.startswith("still")] == [
        "still post_payment refund_stripe.re_1",
        "still match refund/stripe:re_1 with payment/stripe:ch_1: 60.00 USD",
        "still unmatch refund/stripe:re_1 from payment/stripe:ch_1",
        "still match refund/stripe:re_1 with payment/stripe:ch_1: 30.00 USD",
        "still unmatch refund/stripe:re_1 from payment/stripe:ch_1",
        "still match refund/stripe:re_1 with payment/stripe:ch_1: 10.00 USD",
    ]


def test_a_refund_needs_no_release_of_another_one_that_was_never_matched_with_their_note() -> None:
    # The first refund came back before the note was known: it never held it, and nothing lets go of it.
    books = world()
    books.decide(payment(usd(3000), ("stripe:in_1", 3000)))
    books.decide(invoice(usd(3000)))
    first = refund(usd(3000), state=RefundState.FAILED, reversal=settled(usd(3000), id="stripe:txn_b", when=MAY))
    books.decide(first)
    books.know(replace(NOTE, refund_ids=("stripe:re_1", "stripe:re_2")))
    expected = """\
post_payment refund_stripe.re_2 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_2
match refund/stripe:re_2 with credit_note/stripe:cn_1: 30.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_2+credit_note/stripe:cn_1"""
    assert books.tell(replace(refund(usd(3000), id="stripe:re_2"), credit_note_id="stripe:cn_1")) == expected


def test_money_that_came_in_or_went_out_of_a_balance_nobody_owns_is_a_case_without_a_country() -> None:
    expected = """\
case unmapped_account decide.no_route, 30.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country '', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert world(rules=NOWHERE).tell(payment(usd(3000))) == expected
    assert world(payment(usd(5000)), rules=NOWHERE).tell(refund(usd(3000))) == expected

"""Disputes, payouts, a processor's own movements, credit by hand and imported entries, in whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.core.builders import ANN, NOON, RULES, at, eur, payment, settled, usd, world

from counterfoil.core.kinds.balance_entry import BalanceEntry
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.journal_entry import ImportedEntry, OpeningEntryLine
from counterfoil.core.kinds.payout import Payout, PayoutState
from counterfoil.core.policies.rules import Route

APRIL, MAY, JUNE = at("2026-04-01 12:00"), at("2026-05-02 12:00"), at("2026-06-03 12:00")
OUT = settled(usd(-9900), fee=1500, fee_tax=285, id="stripe:txn_out", when=APRIL)
BACK = settled(usd(9900), id="stripe:txn_back", when=JUNE)
DISPUTE = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.OPEN, usd(9900), NOON, ANN.id, withdrawals=(OUT,))
LOST = replace(DISPUTE, state=DisputeState.LOST, closed_at=MAY)


def test_a_dispute_takes_its_money_and_fee_out_of_clearing_and_is_a_loss_on_the_day_it_is_lost() -> None:
    books = world()
    expected = """\
post_entry dispute_stripe.txn_out (US in odoo, for stripe:txn_out)
  2026-04-01 in stripe "dispute stripe:dp_1"
  disputed_funds 99.00 USD "stripe:txn_out"
  fees 12.15 USD "fee"
  fee_tax 2.85 USD "tax on fee"
  clearing:stripe -114.00 USD "stripe:txn_out"
  makes entry/dispute.stripe:txn_out"""
    assert books.tell(DISPUTE) == expected
    expected = """\
still post_entry dispute_stripe.txn_out
post_entry dispute_loss_stripe.dp_1 (US in odoo, for stripe:dp_1)
  2026-05-02 in general "dispute stripe:dp_1 lost"
  bad_debt 99.00 USD
  disputed_funds -99.00 USD
  makes entry/dispute_loss.stripe:dp_1"""
    assert books.tell(LOST) == expected


def test_a_lost_dispute_won_after_all_takes_the_loss_back() -> None:
    books = world()
    books.decide(LOST)
    won = replace(LOST, state=DisputeState.WON, reinstatements=(BACK,), closed_at=JUNE)
    expected = """\
still post_entry dispute_stripe.txn_out
post_entry dispute_return_stripe.txn_back (US in odoo, for stripe:txn_back)
  2026-06-03 in stripe "dispute stripe:dp_1, reinstated"
  disputed_funds -99.00 USD "stripe:txn_back"
  clearing:stripe 99.00 USD "stripe:txn_back"
  makes entry/dispute_return.stripe:txn_back
still post_entry dispute_loss_stripe.dp_1
post_entry dispute_loss_change_stripe.txn_back (US in odoo, for stripe:txn_back)
  2026-06-03 in general "dispute stripe:dp_1, moved after it was lost"
  bad_debt -99.00 USD
  disputed_funds 99.00 USD
  makes entry/dispute_loss_change.stripe:txn_back"""
    assert books.tell(won) == expected


def test_a_second_withdrawal_and_a_part_that_comes_back_move_the_loss_each_on_its_day() -> None:
    # 99.00 lost; 20.00 come back in June, 5.00 are taken in July: 84.00 stay lost.
    books = world()
    books.decide(LOST)
    part = settled(usd(2000), id="stripe:txn_part", when=JUNE)
    more = settled(usd(-500), id="stripe:txn_more", when=at("2026-07-01 12:00"))
    expected = """\
still post_entry dispute_stripe.txn_out
post_entry dispute_stripe.txn_more (US in odoo, for stripe:txn_more)
  2026-07-01 in stripe "dispute stripe:dp_1"
  disputed_funds 5.00 USD "stripe:txn_more"
  clearing:stripe -5.00 USD "stripe:txn_more"
  makes entry/dispute.stripe:txn_more
post_entry dispute_return_stripe.txn_part (US in odoo, for stripe:txn_part)
  2026-06-03 in stripe "dispute stripe:dp_1, reinstated"
  disputed_funds -20.00 USD "stripe:txn_part"
  clearing:stripe 20.00 USD "stripe:txn_part"
  makes entry/dispute_return.stripe:txn_part
still post_entry dispute_loss_stripe.dp_1
post_entry dispute_loss_change_stripe.txn_part (US in odoo, for stripe:txn_part)
  2026-06-03 in general "dispute stripe:dp_1, moved after it was lost"
  bad_debt -20.00 USD
  disputed_funds 20.00 USD
  makes entry/dispute_loss_change.stripe:txn_part
post_entry dispute_loss_change_stripe.txn_more (US in odoo, for stripe:txn_more)
  2026-07-01 in general "dispute stripe:dp_1, moved after it was lost"
  bad_debt 5.00 USD
  disputed_funds -5.00 USD
  makes entry/dispute_loss_change.stripe:txn_more"""
    assert books.tell(replace(LOST, withdrawals=(OUT, more), reinstatements=(part,))) == expected


def test_a_dispute_won_at_another_rate_leaves_an_exchange_difference() -> None:
    # 90.00 EUR disputed out of a dollar balance: 99.00 out, 97.00 back.
    won = replace(DISPUTE, state=DisputeState.WON, amount=eur(9000), closed_at=JUNE)
    back = settled(usd(9700), id="stripe:txn_back", when=JUNE)
    expected = """\
post_entry dispute_stripe.txn_out (US in odoo, for stripe:txn_out)
  2026-04-01 in stripe "dispute stripe:dp_1"
  disputed_funds 99.00 USD "stripe:txn_out"
  fees 12.15 USD "fee"
  fee_tax 2.85 USD "tax on fee"
  clearing:stripe -114.00 USD "stripe:txn_out"
  makes entry/dispute.stripe:txn_out
post_entry dispute_return_stripe.txn_back (US in odoo, for stripe:txn_back)
  2026-06-03 in stripe "dispute stripe:dp_1, reinstated"
  disputed_funds -97.00 USD "stripe:txn_back"
  clearing:stripe 97.00 USD "stripe:txn_back"
  makes entry/dispute_return.stripe:txn_back
post_entry dispute_exchange_stripe.dp_1 (US in odoo, for stripe:dp_1)
  2026-06-03 in general "dispute stripe:dp_1 won at another exchange rate"
  exchange_difference 2.00 USD
  disputed_funds -2.00 USD
  makes entry/dispute_exchange.stripe:dp_1"""
    assert world().tell(replace(won, reinstatements=(back,))) == expected


def test_a_dispute_of_two_balances_is_lost_in_each() -> None:
    euros = settled(eur(-1000), id="stripe:txn_eur", when=APRIL)
    expected = """\
post_entry dispute_stripe.txn_out (US in odoo, for stripe:txn_out)
  2026-04-01 in stripe "dispute stripe:dp_1"
  disputed_funds 99.00 USD "stripe:txn_out"
  fees 12.15 USD "fee"
  fee_tax 2.85 USD "tax on fee"
  clearing:stripe -114.00 USD "stripe:txn_out"
  makes entry/dispute.stripe:txn_out
post_entry dispute_stripe.txn_eur (DE in odoo, for stripe:txn_eur)
  2026-04-01 in stripe "dispute stripe:dp_1"
  disputed_funds 10.00 EUR "stripe:txn_eur"
  clearing:stripe -10.00 EUR "stripe:txn_eur"
  makes entry/dispute.stripe:txn_eur
post_entry dispute_loss_stripe.dp_1 (US in odoo, for stripe:dp_1)
  2026-05-02 in general "dispute stripe:dp_1 lost"
  bad_debt 99.00 USD
  disputed_funds -99.00 USD
  makes entry/dispute_loss.stripe:dp_1
post_entry dispute_loss_stripe.dp_1.EUR (DE in odoo, for stripe:dp_1.EUR)
  2026-05-02 in general "dispute stripe:dp_1 lost"
  bad_debt 10.00 EUR
  disputed_funds -10.00 EUR
  makes entry/dispute_loss.stripe:dp_1.EUR"""
    assert world().tell(replace(LOST, withdrawals=(OUT, euros))) == expected


def test_a_dispute_waits_for_money_that_must_have_moved() -> None:
    assert world().tell(replace(LOST, withdrawals=())) == "waits for dispute/stripe:dp_1"
    expected = """\
post_entry dispute_stripe.txn_out (US in odoo, for stripe:txn_out)
  2026-04-01 in stripe "dispute stripe:dp_1"
  disputed_funds 99.00 USD "stripe:txn_out"
  fees 12.15 USD "fee"
  fee_tax 2.85 USD "tax on fee"
  clearing:stripe -114.00 USD "stripe:txn_out"
  makes entry/dispute.stripe:txn_out
waits for dispute/stripe:dp_1"""
    assert world().tell(replace(DISPUTE, state=DisputeState.WON)) == expected
    assert world().tell(replace(DISPUTE, withdrawals=())) == "ignored: dispute_moved_no_money"
    expected = """\
post_entry dispute_return_stripe.txn_back (US in odoo, for stripe:txn_back)
  2026-06-03 in stripe "dispute stripe:dp_1, reinstated"
  disputed_funds -99.00 USD "stripe:txn_back"
  clearing:stripe 99.00 USD "stripe:txn_back"
  makes entry/dispute_return.stripe:txn_back
waits for dispute/stripe:dp_1"""
    assert world().tell(replace(DISPUTE, state=DisputeState.WON, withdrawals=(), reinstatements=(BACK,))) == expected


PAYOUT = Payout("stripe:po_1", PayoutState.PAID, usd(5000), NOON, NOON.date(), settled(usd(-5000), fee=25, id="stripe:txn_po", when=APRIL))


def test_a_payout_goes_to_the_bank_in_transit_and_comes_back_when_it_failed() -> None:
    books = world()
    expected = """\
post_entry payout_stripe.txn_po (US in odoo, for stripe:txn_po, batch)
  2026-04-01 in stripe "payout stripe:po_1"
  bank_in_transit 50.00 USD "stripe:txn_po"
  fees 0.25 USD "fee"
  clearing:stripe -50.25 USD "stripe:txn_po"
  makes entry/payout.stripe:txn_po"""
    assert books.tell(PAYOUT) == expected
    failed = replace(PAYOUT, state=PayoutState.FAILED)
    expected = """\
still post_entry payout_stripe.txn_po
waits for payout/stripe:po_1"""
    assert books.tell(failed) == expected
    back = settled(usd(5000), id="stripe:txn_pf", when=MAY)
    expected = """\
still post_entry payout_stripe.txn_po
post_entry payout_return_stripe.txn_pf (US in odoo, for stripe:txn_pf, batch)
  2026-05-02 in stripe "payout stripe:po_1 came back: account_closed"
  bank_in_transit -50.00 USD "stripe:txn_pf"
  clearing:stripe 50.00 USD "stripe:txn_pf"
  makes entry/payout_return.stripe:txn_pf"""
    assert books.tell(replace(failed, reversal=back, failure_code="account_closed")) == expected
    expected = """\
post_entry payout_stripe.txn_pf (US in odoo, for stripe:txn_pf, batch)
  2026-05-02 in stripe "payout stripe:po_2"
  bank_in_transit 50.00 USD "stripe:txn_pf"
  clearing:stripe -50.00 USD "stripe:txn_pf"
  makes entry/payout.stripe:txn_pf
post_entry payout_return_stripe.txn_back (US in odoo, for stripe:txn_back, batch)
  2026-06-03 in stripe "payout stripe:po_2 came back: failed"
  bank_in_transit -99.00 USD "stripe:txn_back"
  clearing:stripe 99.00 USD "stripe:txn_back"
  makes entry/payout_return.stripe:txn_back"""
    assert (
        books.tell(replace(failed, id="stripe:po_2", settlement=replace(back, gross=usd(-5000), net=usd(-5000)), reversal=BACK)) == expected
    )


def test_a_payout_without_a_movement_waits_or_moved_nothing() -> None:
    assert world().tell(replace(PAYOUT, settlement=None)) == "waits for payout/stripe:po_1"
    assert world().tell(replace(PAYOUT, settlement=None, state=PayoutState.CANCELED)) == "ignored: payout_moved_no_money"


def test_a_movement_of_the_processors_own_goes_by_its_category_and_says_what_it_was() -> None:
    books = world()
    expected = """\
post_entry balance_entry_stripe.txn_9 (US in odoo, for stripe:txn_9, batch)
  2026-03-10 in stripe "Radar"
  fees 3.00 USD "stripe:txn_9"
  clearing:stripe -3.00 USD "stripe:txn_9"
  makes entry/balance_entry.stripe:txn_9"""
    assert books.tell(BalanceEntry("stripe:txn_9", "fee", settled(usd(-300), id="stripe:txn_9"), "Radar")) == expected
    expected = """\
post_entry balance_entry_stripe.txn_8 (US in odoo, for stripe:txn_8, batch)
  2026-03-10 in stripe "reserve stripe:txn_8"
  reserve 5.00 USD "stripe:txn_8"
  clearing:stripe -5.00 USD "stripe:txn_8"
  makes entry/balance_entry.stripe:txn_8"""
    assert books.tell(BalanceEntry("stripe:txn_8", "reserve", settled(usd(-500), id="stripe:txn_8"))) == expected
    expected = """\
case schema_drift decide.balance_category_unknown, -7.10 USD
  stripe:txn_7 is a balance movement of the unknown category 'lottery'.
  Update the connector: it must name one of the known categories."""
    assert books.tell(BalanceEntry("stripe:txn_7", "lottery", settled(usd(-700), fee=10, id="stripe:txn_7"))) == expected


def test_a_movement_of_a_balance_nobody_owns_is_a_case() -> None:
    rules = replace(RULES, routes=(Route("DE", "stripe", currency="EUR"),))
    expected = """\
case unmapped_account decide.no_route, -3.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country '', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert world(rules=rules).tell(BalanceEntry("stripe:txn_9", "fee", settled(usd(-300), id="stripe:txn_9"))) == expected
    expected = """\
case unmapped_account decide.no_route, -99.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country '', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert world(rules=rules).tell(LOST) == expected
    euros = settled(eur(-1000), id="stripe:txn_eur", when=APRIL)
    expected = """\
post_entry dispute_stripe.txn_eur (DE in odoo, for stripe:txn_eur)
  2026-04-01 in stripe "dispute stripe:dp_1"
  disputed_funds 10.00 EUR "stripe:txn_eur"
  clearing:stripe -10.00 EUR "stripe:txn_eur"
  makes entry/dispute.stripe:txn_eur
post_entry dispute_loss_stripe.dp_1.EUR (DE in odoo, for stripe:dp_1.EUR)
  2026-05-02 in general "dispute stripe:dp_1 lost"
  bad_debt 10.00 EUR
  disputed_funds -10.00 EUR
  makes entry/dispute_loss.stripe:dp_1.EUR
case unmapped_account decide.no_route, -99.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country '', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert world(rules=rules).tell(replace(LOST, withdrawals=(OUT, euros))) == expected


def test_a_dispute_follows_its_payment_out_of_the_same_balance_and_all_of_it_the_first_movement() -> None:
    books = world()
    books.decide(payment(usd(9900)))
    books.rules = replace(RULES, routes=(Route("DE"),))
    expected = """\
post_entry dispute_stripe.txn_out (US in odoo, for stripe:txn_out)
  2026-04-01 in stripe "dispute stripe:dp_1"
  disputed_funds 99.00 USD "stripe:txn_out"
  fees 12.15 USD "fee"
  fee_tax 2.85 USD "tax on fee"
  clearing:stripe -114.00 USD "stripe:txn_out"
  makes entry/dispute.stripe:txn_out"""
    assert books.tell(DISPUTE) == expected
    expected = """\
still post_entry dispute_stripe.txn_out
post_entry dispute_loss_stripe.dp_1 (US in odoo, for stripe:dp_1)
  2026-05-02 in general "dispute stripe:dp_1 lost"
  bad_debt 99.00 USD
  disputed_funds -99.00 USD
  makes entry/dispute_loss.stripe:dp_1"""
    assert books.tell(LOST) == expected
    expected = """\
post_entry dispute_stripe.txn_e (DE in odoo, for stripe:txn_e)
  2026-04-01 in stripe "dispute stripe:dp_2"
  disputed_funds 1.00 EUR "stripe:txn_e"
  clearing:stripe -1.00 EUR "stripe:txn_e"
  makes entry/dispute.stripe:txn_e
post_entry dispute_loss_stripe.dp_2 (DE in odoo, for stripe:dp_2)
  2026-05-02 in general "dispute stripe:dp_2 lost"
  bad_debt 1.00 EUR
  disputed_funds -1.00 EUR
  makes entry/dispute_loss.stripe:dp_2"""
    assert books.tell(replace(LOST, id="stripe:dp_2", withdrawals=(settled(eur(-100), id="stripe:txn_e", when=APRIL),))) == expected


def test_what_belongs_to_a_movement_goes_where_that_was_booked_whatever_the_routes_say_by_now() -> None:
    books = world()
    books.decide(DISPUTE)
    books.decide(PAYOUT)
    books.rules = replace(RULES, routes=(Route("DE"),))
    more = settled(usd(-500), id="stripe:txn_more", when=MAY)
    owners = {command.external_key: command.entity for command in books.decide(replace(LOST, withdrawals=(OUT, more))).commands}
    assert (len(owners), set(owners.values())) == (3, {"US"})
    failed = replace(PAYOUT, state=PayoutState.FAILED, reversal=BACK)
    assert {command.entity for command in books.decide(failed).commands} == {"US"}


def test_a_dispute_that_gave_all_back_leaves_nothing_to_book() -> None:
    all_of_it = settled(usd(9900), id="stripe:txn_back", when=APRIL)
    won = replace(DISPUTE, state=DisputeState.WON, reinstatements=(all_of_it,), closed_at=MAY)
    keys = [command.external_key for command in world().decide(won).commands]
    assert keys == ["dispute_stripe.txn_out", "dispute_return_stripe.txn_back"]


def test_credit_granted_or_taken_by_hand_is_an_adjustment() -> None:
    given = CustomerCredit("stripe:cb_1", ANN.id, usd(-500), NOON, "goodwill")
    books = world()
    expected = """\
post_entry customer_credit_stripe.cb_1 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "goodwill"
  customer_credit -5.00 USD stripe:cus_A
  adjustment 5.00 USD
  needs customer/stripe:cus_A
  makes entry/customer_credit.stripe:cb_1"""
    assert books.tell(given) == expected
    expected = """\
post_entry customer_credit_stripe.cb_2 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "customer balance"
  customer_credit 2.00 USD stripe:cus_A
  adjustment -2.00 USD
  needs customer/stripe:cus_A
  makes entry/customer_credit.stripe:cb_2"""
    assert books.tell(replace(given, id="stripe:cb_2", amount=usd(200), description="")) == expected
    expected = """\
case missing_mandatory_field decide.customer_missing, -5.00 USD
  customer_credit/stripe:cb_3 names no customer, and no document it belongs to does.
  Name a customer at the source. An invoice of an account without a customer is not supported: book it by hand, then waive this
    case."""
    assert books.tell(replace(given, id="stripe:cb_3", customer_id="")) == expected
    assert books.tell(replace(given, id="stripe:cb_4", customer_id="stripe:cus_B")) == "waits for customer/stripe:cus_B"
    books.rules = replace(RULES, routes=())
    expected = """\
case unmapped_account decide.no_route, -5.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country 'US', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert books.tell(replace(given, id="stripe:cb_5")) == expected


def test_an_imported_entry_is_posted_as_it_is_in_the_entity_it_names() -> None:
    lines = (
        OpeningEntryLine("receivable", eur(10000), "open item", ANN.id),
        OpeningEntryLine("clearing:stripe", eur(500), "balance"),
        OpeningEntryLine("400100", eur(-10500)),
    )
    entry = ImportedEntry("files:opening", "DE", date(2026, 1, 1), lines, "Opening balances")
    books = world()
    expected = """\
post_entry imported_files.opening (DE in odoo, for files:opening, batch)
  2026-01-01 in general "Opening balances"
  receivable 100.00 EUR "open item" stripe:cus_A
  clearing:stripe 5.00 EUR "balance"
  explicit:400100 -105.00 EUR
  needs customer/stripe:cus_A
  makes entry/imported.files:opening"""
    assert books.tell(entry) == expected
    expected = """\
case unmapped_account decide.entity_unknown, without money
  files:other is an entry of the entity 'XX', which is not declared.
  Declare the entity, or correct its name in the imported file.
  goes on with entity/XX"""
    assert books.tell(replace(entry, id="files:other", entity="XX")) == expected
    unknown = replace(lines[0], customer_id="stripe:cus_B")
    assert books.tell(replace(entry, id="files:third", lines=(unknown, *lines[1:]))) == "waits for customer/stripe:cus_B"
    expected = """\
case amount_mismatch decide.parts_differ, without money
  journal_entry/files:fourth does not add up: debits differ from credits by 105.00 EUR.
  Nothing of it was booked. Correct it at the source, or report the payload if the source is right."""
    assert books.tell(replace(entry, id="files:fourth", lines=lines[:2])) == expected

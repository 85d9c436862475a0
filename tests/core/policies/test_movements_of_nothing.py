"""A movement of exactly nothing is a fact with nothing to book, under a named rule; what was booked before is never let go of silently."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, NOON, RULES, at, eur, settled, usd, world

from counterfoil.core.kinds.balance_entry import BalanceEntry
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.journal_entry import ImportedEntry, OpeningEntryLine
from counterfoil.core.kinds.payout import Payout, PayoutState
from counterfoil.core.language.records import Record
from counterfoil.core.policies.rules import Route

MAY = at("2026-05-02 12:00")
NOTHING = settled(usd(0), id="stripe:txn_0")
ADJUSTMENT = BalanceEntry("stripe:txn_0", "adjustment", NOTHING)
CREDIT = CustomerCredit("stripe:cbtxn_1", ANN.id, usd(0), NOON)
DISPUTE = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.LOST, usd(0), NOON, ANN.id, withdrawals=(NOTHING,), closed_at=MAY)
IMPORTED = ImportedEntry(
    "files:opening", "DE", MAY.date(), (OpeningEntryLine("receivable", eur(0), "", ANN.id), OpeningEntryLine("1", eur(0)))
)
PAYOUT = Payout("stripe:po_1", PayoutState.PAID, usd(0), NOON, NOON.date(), NOTHING)


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        (ADJUSTMENT, "balance_entry_moved_no_money"),
        (CREDIT, "customer_credit_moved_no_money"),
        (replace(CREDIT, is_paid=True), "customer_credit_moved_no_money"),
        (replace(CREDIT, customer_id=""), "customer_credit_moved_no_money"),
        (DISPUTE, "dispute_moved_no_money"),
        (replace(DISPUTE, state=DisputeState.WON), "dispute_moved_no_money"),
        (IMPORTED, "journal_entry_moved_no_money"),
        (PAYOUT, "payout_moved_no_money"),
        (replace(PAYOUT, state=PayoutState.FAILED, reversal=replace(NOTHING, id="stripe:txn_1")), "payout_moved_no_money"),
    ],
)
def test_what_moved_nothing_has_nothing_to_book(state: Record, rule: str) -> None:
    assert world().tell(state) == f"ignored: {rule}"


def test_nobody_has_to_own_a_balance_on_which_nothing_moves() -> None:
    nobodys = replace(RULES, routes=(Route("DE", "stripe", currency="EUR"),))
    assert world(rules=nobodys).tell(ADJUSTMENT) == "ignored: balance_entry_moved_no_money"


def test_a_fee_alone_is_booked_though_nothing_else_moved() -> None:
    # 15.00 of fee on a movement of 0.00: clearing goes down by 15.00.
    expected = """\
post_entry dispute_stripe.txn_0 (US in odoo, for stripe:txn_0)
  2026-03-10 in stripe "dispute stripe:dp_1"
  fees 15.00 USD "fee"
  clearing:stripe -15.00 USD "stripe:txn_0"
  makes entry/dispute.stripe:txn_0"""
    assert world().tell(replace(DISPUTE, withdrawals=(settled(usd(0), fee=1500, id="stripe:txn_0"),))) == expected


def test_a_part_of_nothing_does_not_hold_up_the_others() -> None:
    # 99.00 came back and nothing before: what the payout sent is nothing, its return is 99.00.
    back = settled(usd(9900), id="stripe:txn_1", when=MAY)
    expected = """\
post_entry payout_return_stripe.txn_1 (US in odoo, for stripe:txn_1, batch)
  2026-05-02 in stripe "payout stripe:po_1 came back: failed"
  bank_in_transit -99.00 USD "stripe:txn_1"
  clearing:stripe 99.00 USD "stripe:txn_1"
  makes entry/payout_return.stripe:txn_1"""
    assert world().tell(replace(PAYOUT, state=PayoutState.FAILED, reversal=back)) == expected


def test_what_was_booked_and_is_nothing_by_now_is_a_case() -> None:
    books = world()
    books.decide(replace(ADJUSTMENT, settlement=settled(usd(500), id="stripe:txn_0")))
    assert [problem.code for problem in books.decide(ADJUSTMENT).problems] == ["decide.nothing_called_for"]

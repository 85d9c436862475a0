"""Payments, refunds, disputes, payouts, fees: the processor's clearing account always equals its balance."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, NOON, RULES, at, credit_note, invoice, payment, refund, settled, texts, usd, with_entity, world
from tests.core.ledger import Ledger

from counterfoil.core.commands.books import BookCommand
from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.balance_entry import BalanceEntry
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PaymentState
from counterfoil.core.kinds.payout import Payout, PayoutState
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command, Lane
from counterfoil.core.language.settlement import Settlement
from counterfoil.core.policies.decision import Decision
from counterfoil.core.policies.rules import Route

OUT = settled(usd(-9900), fee=1500, id="stripe:txn_out", when=at("2026-04-01 12:00"))
BACK = settled(usd(9900), id="stripe:txn_back", when=at("2026-05-01 12:00"))
DISPUTE = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.OPEN, usd(9900), NOON, ANN.id)
PAYOUT = Payout(
    "stripe:po_1", PayoutState.PAID, usd(5000), NOON, NOON.date(), settled(usd(-5000), id="stripe:txn_po", when=at("2026-03-20 12:00"))
)


def both(decision: Decision) -> tuple[list[Command], list[str]]:
    """Return the bookings of a decision, and what they say."""
    booked = [command for command in decision.commands if command.kind is not BookCommand.ALLOCATE]
    return booked, texts(booked)


@pytest.mark.parametrize("state", [state for state in PaymentState if state is not PaymentState.SUCCEEDED])
def test_a_payment_that_did_not_succeed_is_ignored(state: PaymentState) -> None:
    assert world().decide(payment(usd(100), state=state)).ignored == f"payment_{state.value}"


def test_a_payment_waits_for_its_settlement_since_clearing_follows_the_processors_balance() -> None:
    state = payment(usd(100), settlement=None)
    decision = world().decide(state)
    assert (decision.commands, decision.waits) == ((), (ref_of(state),))


def test_a_fee_with_input_tax_is_split_and_booked_from_clearing() -> None:
    # 3.17 of fee, 0.50 of it tax.
    state = payment(usd(9900), settlement=settled(usd(9900), fee=317, fee_tax=50))
    command = world().decide(state).commands[1]
    assert texts([command]) == ["post_entry fee_stripe.txn_1 2026-03-10 fees 2.67 USD, fee_tax 0.50 USD, clearing:stripe -3.17 USD"]
    assert command.lane is Lane.BATCH


def test_a_payment_captured_later_is_of_the_day_its_money_moved_as_is_its_match_between_entities() -> None:
    # Authorized on 30 January, captured on 2 February, available on 6 February: all of it is February's, on the 2nd.
    moved = replace(settled(usd(9900), fee=317, when=at("2026-02-02 12:00")), available_at=at("2026-02-06 12:00"))
    state = payment(usd(9900), ("stripe:in_1", 9900), occurred_at=at("2026-01-30 12:00"), settlement=moved)
    books = world(invoice(usd(9900)), rules=replace(RULES, routes=(Route("DE", country="US"), Route("US"))))
    days = {command.external_key.partition("_stripe")[0]: text.split()[2] for command, text in zip(*both(books.decide(state)), strict=True)}
    assert days == dict.fromkeys(("payment", "fee", "intercompany_payer", "intercompany_owner"), "2026-02-02")


def test_a_payment_outside_the_processor_is_of_its_own_day() -> None:
    state = payment(usd(9900), occurred_at=at("2026-01-30 12:00"), settlement=None, is_out_of_band=True)
    assert texts(world().decide(state).commands)[0].startswith("post_payment payment_stripe.ch_1 2026-01-30 ")


def test_the_fee_of_a_refunds_return_is_booked_on_the_day_the_money_came_back() -> None:
    # 99.00 paid in, 25.00 sent back without a fee; their return costs 4.00: 95.00 are left.
    back = settled(usd(2500), fee=400, id="stripe:txn_back", when=at("2026-03-15 12:00"))
    books = world()
    books.decide(payment(usd(9900)))
    decision = books.decide(refund(usd(2500), state=RefundState.FAILED, reversal=back))
    assert "post_entry fee_stripe.txn_back 2026-03-15 fees 4.00 USD, clearing:stripe -4.00 USD" in texts(decision.commands)
    assert Ledger().take(books.sent).balance("clearing:stripe") == 9500


def test_a_payment_of_more_than_its_invoices_leaves_the_rest_as_the_customers_credit() -> None:
    books = world(invoice(usd(9900)))
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(10000), ("stripe:in_1", 9900)))
    assert Ledger().take(books.sent).left_open() == {"payment/stripe:ch_1": -100}


def test_one_payment_pays_several_invoices() -> None:
    books = world()
    books.decide(invoice(usd(3000)))
    books.decide(invoice(usd(4000), id="stripe:in_2"))
    books.decide(payment(usd(7000), ("stripe:in_1", 3000), ("stripe:in_2", 4000)))
    assert Ledger().take(books.sent).left_open() == {}


def test_a_payment_applied_for_more_than_it_is_is_a_case() -> None:
    decision = world(invoice(usd(9900))).decide(payment(usd(5000), ("stripe:in_1", 9900)))
    assert (decision.commands, decision.problems[0].case_class) == ((), CaseClass.AMOUNT_MISMATCH)


@pytest.mark.parametrize(
    "wrong",
    [replace(settled(usd(9900)), net=usd(9000)), settled(usd(9800))],
    ids=["gross less fee is not net", "another amount in the same currency"],
)
def test_a_settlement_that_does_not_add_up_is_a_case(wrong: Settlement) -> None:
    decision = world().decide(payment(usd(9900), settlement=wrong))
    assert (decision.commands, decision.problems[0].case_class) == ((), CaseClass.AMOUNT_MISMATCH)


def test_a_payment_that_names_no_customer_is_its_invoices_customers() -> None:
    books = world()
    state = payment(usd(9900), ("stripe:in_1", 9900), customer_id="")
    assert books.decide(state).waits == (INVOICE.ref("stripe:in_1"),)
    books.decide(invoice(usd(9900)))
    assert len(books.redecide(state).commands) == 2


def test_a_payment_of_nobody_is_a_case() -> None:
    assert world().decide(payment(usd(9900), customer_id="")).problems[0].code == "decide.customer_missing"


def test_a_refund_is_booked_when_its_money_moves_even_while_it_is_called_pending() -> None:
    decision = world(payment(usd(9900))).decide(refund(usd(2500), state=RefundState.PENDING))
    assert texts(decision.commands)[0] == "post_payment refund_stripe.re_1 2026-03-12 out 25.00 USD via clearing:stripe"
    assert world().decide(refund(usd(2500), state=RefundState.PENDING, settlement=None)).ignored == "refund_pending"


def test_a_refund_of_an_invoiced_payment_without_a_credit_note_stays_open_on_the_receivable() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    books.decide(refund(usd(2500)))
    assert Ledger().take(books.sent).left_open() == {"refund/stripe:re_1": 2500}


def test_a_refund_of_exactly_what_was_paid_too_much_uses_that_credit() -> None:
    books = world(invoice(usd(9900)))
    books.decide(payment(usd(10000), ("stripe:in_1", 9900)))
    assert texts(books.decide(refund(usd(100))).commands)[-1] == "allocate refund/stripe:re_1 payment/stripe:ch_1 1.00 USD"


def test_a_refund_that_fails_after_all_comes_back_and_leaves_its_credit_note_open() -> None:
    books = world(invoice(usd(9900)))
    books.decide(credit_note(usd(2500)))
    given = refund(usd(2500), credit_note_id="stripe:cn_1")
    books.decide(given)
    back = settled(usd(2500), id="stripe:txn_back", when=at("2026-03-15 12:00"))
    decision = books.decide(replace(given, state=RefundState.FAILED, reversal=back))
    assert texts(decision.commands) == [
        "post_payment refund_stripe.re_1 2026-03-12 out 25.00 USD via clearing:stripe",
        "post_payment refund_reversal_stripe.re_1 2026-03-15 in 25.00 USD via clearing:stripe",
        "allocate refund/stripe:re_1 credit_note/stripe:cn_1 25.00 USD",
        "unmatch refund/stripe:re_1 credit_note/stripe:cn_1",
        "allocate refund/stripe:re_1 payment/reversal.stripe:re_1 25.00 USD",
    ]
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("clearing:stripe")) == ({"credit_note/stripe:cn_1": -2500}, 0)


def test_a_failed_refund_waits_for_its_money_to_come_back() -> None:
    state = refund(usd(2500), state=RefundState.FAILED)
    assert world(payment(usd(9900))).decide(state).waits == (ref_of(state),)


def test_an_inquiry_moves_no_money_and_is_ignored() -> None:
    assert world().decide(replace(DISPUTE, state=DisputeState.WARNING)).ignored == "dispute_moved_no_money"


def test_a_dispute_takes_the_money_and_its_fee_out_of_clearing() -> None:
    decision = world().decide(replace(DISPUTE, withdrawals=(OUT,)))
    assert texts(decision.commands) == [
        "post_entry dispute_stripe.txn_out 2026-04-01 disputed_funds 99.00 USD, fees 15.00 USD, clearing:stripe -114.00 USD"
    ]


def test_a_dispute_won_gives_the_money_back() -> None:
    books = world()
    books.decide(replace(DISPUTE, state=DisputeState.WON, withdrawals=(OUT,), reinstatements=(BACK,)))
    ledger = Ledger().take(books.sent)
    assert [ledger.balance(account) for account in ("disputed_funds", "fees", "clearing:stripe")] == [0, 1500, -1500]


def test_a_dispute_won_waits_for_the_money_to_come_back() -> None:
    state = replace(DISPUTE, state=DisputeState.WON, withdrawals=(OUT,))
    assert world().decide(state).waits == (ref_of(state),)


@pytest.mark.parametrize("account", ["bad_debt", "adjustment"])
def test_a_dispute_lost_is_a_loss_on_the_account_of_the_entitys_policy(account: str) -> None:
    books = world(rules=with_entity(RULES, "US", dispute_lost_account=account))
    books.decide(replace(DISPUTE, state=DisputeState.LOST, withdrawals=(OUT,), closed_at=at("2026-05-02 12:00")))
    assert texts(books.sent)[1] == f"post_entry dispute_loss_stripe.dp_1 2026-05-02 {account} 99.00 USD, disputed_funds -99.00 USD"
    assert Ledger().take(books.sent).balance("disputed_funds") == 0


def test_a_payout_moves_clearing_to_the_bank_in_transit_on_the_day_the_balance_moved() -> None:
    assert texts(world().decide(PAYOUT).commands) == [
        "post_entry payout_stripe.txn_po 2026-03-20 bank_in_transit 50.00 USD, clearing:stripe -50.00 USD"
    ]


def test_a_payout_that_moved_nothing_yet_is_ignored_and_a_paid_one_waits() -> None:
    pending = replace(PAYOUT, state=PayoutState.PENDING, settlement=None)
    assert world().decide(pending).ignored == "payout_moved_no_money"
    paid = replace(PAYOUT, settlement=None)
    assert world().decide(paid).waits == (ref_of(paid),)


def test_a_payout_that_failed_comes_back() -> None:
    failed = replace(PAYOUT, state=PayoutState.FAILED)
    assert world().decide(failed).waits == (ref_of(failed),)
    books = world()
    books.decide(replace(failed, reversal=settled(usd(5000), id="stripe:txn_pf")))
    ledger = Ledger().take(books.sent)
    assert (ledger.balance("clearing:stripe"), ledger.balance("bank_in_transit")) == (0, 0)


def test_a_payout_that_debits_our_bank_goes_the_other_way() -> None:
    negative = replace(PAYOUT, amount=usd(-700), settlement=settled(usd(700), id="stripe:txn_po"))
    assert texts(world().decide(negative).commands)[0].endswith("bank_in_transit -7.00 USD, clearing:stripe 7.00 USD")


@pytest.mark.parametrize(
    ("category", "account"),
    [
        ("fee", "fees"),
        ("fee_tax", "fee_tax"),
        ("adjustment", "adjustment"),
        ("topup", "bank_in_transit"),
        ("reserve", "reserve"),
        ("transfer", "adjustment"),
        ("other", "adjustment"),
    ],
)
def test_a_movement_of_the_processors_own_is_booked_by_its_category(category: str, account: str) -> None:
    decision = world().decide(BalanceEntry("stripe:txn_9", category, settled(usd(-300), id="stripe:txn_9")))
    assert texts(decision.commands) == [f"post_entry balance_entry_stripe.txn_9 2026-03-10 {account} 3.00 USD, clearing:stripe -3.00 USD"]


def test_a_movement_of_an_unknown_category_is_schema_drift() -> None:
    decision = world().decide(BalanceEntry("stripe:txn_9", "lottery", settled(usd(-300))))
    assert decision.problems[0].case_class is CaseClass.SCHEMA_DRIFT


def test_credit_granted_by_hand_is_an_adjustment_in_favor_of_the_customer() -> None:
    decision = world().decide(CustomerCredit("stripe:cb_1", ANN.id, usd(-500), NOON))
    assert texts(decision.commands) == ["post_entry customer_credit_stripe.cb_1 2026-03-10 customer_credit -5.00 USD, adjustment 5.00 USD"]


def test_clearing_equals_the_processors_balance_after_a_whole_story() -> None:
    # 99.00 charged (fee 3.17), 25.00 refunded, 99.00 disputed and lost (fee 15.00), 50.00 paid out, 2.00 of fees: -95.17 left.
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900), fee=317))
    books.decide(refund(usd(2500)))
    books.decide(replace(DISPUTE, state=DisputeState.LOST, withdrawals=(OUT,), closed_at=NOON))
    books.decide(PAYOUT)
    books.decide(BalanceEntry("stripe:txn_9", "fee", settled(usd(-200), id="stripe:txn_9")))
    assert Ledger().take(books.sent).balance("clearing:stripe") == -9517

"""Disputes that are over: disputed funds end at zero, bad debt is what stays lost, and what comes later is booked on its own day."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tests.core.builders import ANN, NOON, RULES, World, at, eur, settled, texts, usd, with_entity, world
from tests.core.ledger import Ledger

from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.language.money import Money
from counterfoil.core.language.settlement import Settlement
from counterfoil.core.policies.decision import OutboxCommand
from counterfoil.core.policies.rules import PostingMode

LOST_AT = at("2026-05-02 12:00")
OPEN = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.OPEN, usd(10000), NOON, ANN.id)


def moved(amount: Money, number: int, when: datetime) -> Settlement:
    """Return one movement of the dispute."""
    return settled(amount, id=f"stripe:txn_{number}", when=when)


OUT = moved(usd(-10000), 1, at("2026-03-11 12:00"))
LOST = replace(OPEN, state=DisputeState.LOST, withdrawals=(OUT,), closed_at=LOST_AT)


def balances(books: World, *accounts: str, currency: str = "USD", entity: str = "US") -> list[int]:
    """Return the balances of accounts."""
    ledger = Ledger().take(books.sent)
    return [ledger.balance(account, currency, entity) for account in accounts]


def test_a_loss_is_of_the_day_of_the_decision_and_not_of_the_day_the_dispute_was_opened() -> None:
    decision = world().decide(LOST)
    assert texts(decision.commands)[1] == "post_entry dispute_loss_stripe.dp_1 2026-05-02 bad_debt 100.00 USD, disputed_funds -100.00 USD"


def test_a_loss_of_which_nobody_knows_the_day_is_of_the_day_it_was_opened() -> None:
    decision = world().decide(replace(LOST, closed_at=None))
    assert texts(decision.commands)[1].startswith("post_entry dispute_loss_stripe.dp_1 2026-03-10 ")


def test_a_lost_dispute_that_is_won_after_all_takes_the_loss_back_on_the_day_of_the_win() -> None:
    # 100.00 withdrawn, lost in May, all of it back in June.
    books = world()
    books.decide(LOST)
    back = moved(usd(10000), 2, at("2026-06-03 12:00"))
    won = replace(LOST, state=DisputeState.WON, reinstatements=(back,), closed_at=back.occurred_at)
    decision = books.decide(won)
    assert texts(decision.commands)[2:] == [
        "post_entry dispute_loss_stripe.dp_1 2026-05-02 bad_debt 100.00 USD, disputed_funds -100.00 USD",
        "post_entry dispute_loss_change_stripe.txn_2 2026-06-03 bad_debt -100.00 USD, disputed_funds 100.00 USD",
    ]
    assert balances(books, "bad_debt", "disputed_funds", "clearing:stripe") == [0, 0, 0]
    assert books.redecide(won).commands == decision.commands


def test_a_dispute_won_before_its_loss_was_sent_never_was_a_loss() -> None:
    books = world()
    books.decide(LOST)
    key = ("odoo", "dispute_loss_stripe.dp_1")
    books.wishes[key] = OutboxCommand(books.wishes[key].command, is_open=True)
    back = moved(usd(10000), 2, at("2026-06-03 12:00"))
    decision = books.decide(replace(LOST, state=DisputeState.WON, reinstatements=(back,), closed_at=back.occurred_at))
    assert [command.external_key for command in decision.commands] == ["dispute_stripe.txn_1", "dispute_return_stripe.txn_2"]


def test_of_a_lost_dispute_that_is_partly_returned_what_stays_lost_is_bad_debt() -> None:
    # 100.00 lost, 40.00 back later: 60.00 stay lost.
    books = world()
    books.decide(LOST)
    decision = books.decide(replace(LOST, reinstatements=(moved(usd(4000), 2, at("2026-06-03 12:00")),)))
    assert texts(decision.commands)[-1].startswith("post_entry dispute_loss_change_stripe.txn_2 2026-06-03 bad_debt -40.00 USD")
    assert balances(books, "bad_debt", "disputed_funds") == [6000, 0]


def test_what_came_back_before_the_dispute_was_lost_is_no_part_of_the_loss() -> None:
    books = world()
    books.decide(replace(LOST, reinstatements=(moved(usd(4000), 2, at("2026-04-03 12:00")),)))
    assert texts(books.sent)[-1] == "post_entry dispute_loss_stripe.dp_1 2026-05-02 bad_debt 60.00 USD, disputed_funds -60.00 USD"


def test_a_second_withdrawal_of_a_lost_dispute_is_lost_as_well() -> None:
    # 100.00 in March, 50.00 more in June.
    books = world()
    books.decide(LOST)
    state = replace(LOST, withdrawals=(OUT, moved(usd(-5000), 2, at("2026-06-03 12:00"))))
    books.decide(state)
    assert texts(books.sent)[-1] == ("post_entry dispute_loss_change_stripe.txn_2 2026-06-03 bad_debt 50.00 USD, disputed_funds -50.00 USD")
    assert balances(books, "bad_debt", "disputed_funds") == [15000, 0]


def test_movements_that_come_together_are_booked_as_those_that_come_one_by_one() -> None:
    # Lost over 100.00 in May; 40.00 back in June, 30.00 withdrawn again in July: 90.00 stay lost.
    back, again = moved(usd(4000), 2, at("2026-06-03 12:00")), moved(usd(-3000), 3, at("2026-07-03 12:00"))
    last = replace(LOST, withdrawals=(OUT, again), reinstatements=(back,))
    step_by_step, at_once = world(), world()
    for state in (LOST, replace(LOST, reinstatements=(back,)), last):
        step_by_step.decide(state)
    at_once.decide(last)
    assert sorted(texts(step_by_step.sent)) == sorted(texts(at_once.sent))
    assert balances(at_once, "bad_debt", "disputed_funds") == [9000, 0]


def test_a_loss_that_was_booked_with_all_that_was_known_is_kept_and_only_what_comes_later_is_added() -> None:
    # The day of the loss was not known when it was booked: 60.00 of 100.00 less 40.00. It is told later, and 10.00 more come back.
    back = moved(usd(4000), 2, at("2026-06-03 12:00"))
    books = world()
    books.decide(replace(LOST, reinstatements=(back,), closed_at=None))
    books.decide(replace(LOST, reinstatements=(back, moved(usd(1000), 3, at("2026-07-03 12:00")))))
    losses = [text for text in texts(books.sent) if "dispute_loss" in text]
    assert losses == [
        "post_entry dispute_loss_stripe.dp_1 2026-03-10 bad_debt 60.00 USD, disputed_funds -60.00 USD",
        "post_entry dispute_loss_change_stripe.txn_3 2026-07-03 bad_debt -10.00 USD, disputed_funds 10.00 USD",
    ]


def in_euros(*amounts: int) -> tuple[Settlement, ...]:
    """Return movements in euros of a dispute over dollars, one a month from March on."""
    return tuple(moved(eur(amount), number, at(f"2026-{number + 2:02}-11 12:00")) for number, amount in enumerate(amounts, start=1))


def test_a_dispute_won_at_another_exchange_rate_leaves_the_difference_and_nothing_on_disputed_funds() -> None:
    # 100.00 USD: 85.73 EUR withdrawn, 86.10 EUR back: a gain of 0.37.
    out, back = in_euros(-8573, 8610)
    books = world()
    books.decide(replace(OPEN, state=DisputeState.WON, withdrawals=(out,), reinstatements=(back,), closed_at=back.occurred_at))
    assert texts(books.sent)[-1] == (
        "post_entry dispute_exchange_stripe.dp_1 2026-04-11 exchange_difference -0.37 EUR, disputed_funds 0.37 EUR"
    )
    assert balances(books, "disputed_funds", "bad_debt", currency="EUR", entity="DE") == [0, 0]


def test_a_dispute_lost_and_then_won_at_another_rate_leaves_only_the_exchange_difference() -> None:
    # Lost over 85.73 EUR; 85.13 EUR come back: no loss, 0.60 EUR of exchange difference.
    out, back = in_euros(-8573, 8513)
    books = world()
    books.decide(replace(OPEN, state=DisputeState.LOST, withdrawals=(out,), closed_at=at("2026-03-20 12:00")))
    books.decide(replace(OPEN, state=DisputeState.WON, withdrawals=(out,), reinstatements=(back,), closed_at=back.occurred_at))
    accounts = ("disputed_funds", "bad_debt", "exchange_difference")
    assert balances(books, *accounts, currency="EUR", entity="DE") == [0, 0, 60]


def test_a_dispute_won_at_another_rate_and_then_lost_is_a_loss_of_what_was_withdrawn_last() -> None:
    # 85.73 EUR out, 86.10 EUR back (won, a gain of 0.37), 86.50 EUR out again (lost): 86.13 EUR are gone, 86.50 of them as a loss.
    out, back, again = in_euros(-8573, 8610, -8650)
    books = world()
    won = replace(OPEN, state=DisputeState.WON, withdrawals=(out,), reinstatements=(back,), closed_at=back.occurred_at)
    books.decide(won)
    books.decide(replace(won, state=DisputeState.LOST, withdrawals=(out, again), closed_at=at("2026-05-20 12:00")))
    accounts = ("disputed_funds", "bad_debt", "exchange_difference")
    assert balances(books, *accounts, currency="EUR", entity="DE") == [0, 8650, -37]


def test_money_that_a_prevented_dispute_took_for_good_is_a_loss() -> None:
    books = world()
    books.decide(replace(LOST, state=DisputeState.PREVENTED))
    assert balances(books, "bad_debt", "disputed_funds") == [10000, 0]


def test_a_loss_that_was_summed_up_with_its_day_is_taken_back_as_one_that_was_posted() -> None:
    books = world(rules=with_entity(RULES, "US", posting_mode=PostingMode.SUMMARY))
    back = moved(usd(10000), 2, at("2026-06-03 12:00"))
    books.decide(LOST)
    books.decide(replace(LOST, state=DisputeState.WON, reinstatements=(back,), closed_at=back.occurred_at))
    lost = [(item.day.isoformat(), item.amount.minor) for item in books.items.values() if str(item.account) == "bad_debt"]
    assert lost == [("2026-05-02", 10000), ("2026-06-03", -10000)]

"""Merging facts into current states: late and repeated facts, ties, final states, gaps."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import ANN, NOON, at, invoice, payment, refund, settled, usd

from counterfoil.core.facts.events import Fact
from counterfoil.core.facts.merge import Current, MergeOutcome, merge
from counterfoil.core.kinds.customer import Address, Customer
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.invoice import InvoiceEvent, InvoiceState, PaidPart
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.language.records import Record


def fact(state: Record, sequence: int) -> Fact:
    """Return a fact of a state; merging does not look at the type."""
    return Fact(InvoiceEvent.UPDATED, NOON, sequence, state)


def after(*facts: Fact) -> Current:
    """Return the current state after facts in this order."""
    current: Current | None = None
    for one in facts:
        current = merge(current, one).current
    assert current is not None
    return current


PAID = invoice(usd(100), state=InvoiceState.PAID)


def test_the_first_fact_is_applied() -> None:
    result = merge(None, fact(PAID, 5))
    assert (result.outcome, result.current) == (MergeOutcome.APPLIED, Current(PAID, 5))


def test_the_larger_sequence_wins_and_a_smaller_one_is_stale() -> None:
    opened = Current(invoice(usd(100)), 5)
    assert merge(opened, fact(PAID, 6)).current == Current(PAID, 6)
    result = merge(Current(PAID, 6), fact(invoice(usd(100)), 5))
    assert (result.outcome, result.current) == (MergeOutcome.STALE, Current(PAID, 6))


def test_the_same_state_again_is_unchanged_but_moves_the_sequence_on() -> None:
    result = merge(Current(PAID, 6), fact(PAID, 9))
    assert (result.outcome, result.current) == (MergeOutcome.UNCHANGED, Current(PAID, 9))
    assert merge(Current(PAID, 6), fact(PAID, 6)).outcome is MergeOutcome.UNCHANGED


def test_an_equal_sequence_with_other_content_is_a_tie_and_changes_nothing() -> None:
    current = Current(invoice(usd(100)), 5)
    result = merge(current, fact(PAID, 5))
    assert (result.outcome, result.current) == (MergeOutcome.TIE, current)


def test_a_late_fact_cannot_resurrect_what_is_final_whatever_its_sequence() -> None:
    void = Current(invoice(usd(100), state=InvoiceState.VOID), 5)
    assert merge(void, fact(PAID, 6)).outcome is MergeOutcome.STALE
    gone = Current(replace(ANN, is_deleted=True), 5)
    assert merge(gone, fact(ANN, 6)).outcome is MergeOutcome.STALE


def test_a_succeeded_refund_may_fail() -> None:
    failed = replace(refund(usd(5)), state=RefundState.FAILED)
    assert merge(Current(refund(usd(5)), 5), fact(failed, 6)).current.record == failed


def test_a_fact_of_another_object_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot merge"):
        merge(Current(PAID, 5), fact(invoice(usd(100), id="stripe:in_2"), 6))


def test_what_cannot_be_unsaid_is_kept_when_a_newer_snapshot_leaves_it_out() -> None:
    full = payment(usd(100), ("stripe:in_1", 100))
    bare = replace(full, settlement=None, applications=(), method="card")
    merged = merge(Current(full, 5), fact(bare, 6)).current
    assert merged == Current(replace(full, method="card"), 6)


def test_an_older_fact_still_fills_gaps() -> None:
    full = payment(usd(100))
    bare = replace(full, settlement=None)
    result = merge(Current(bare, 6), fact(full, 5))
    assert (result.outcome, result.current) == (MergeOutcome.APPLIED, Current(full, 6))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_dispute_ends_in_the_same_state_in_any_order(order: tuple[int, int, int]) -> None:
    opened = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.OPEN, usd(100), NOON)
    out = settled(usd(-100), fee=15, id="stripe:txn_out")
    back = settled(usd(100), id="stripe:txn_back", when=at("2026-04-01 12:00"))
    facts = [
        fact(opened, 1),
        fact(replace(opened, withdrawals=(out,)), 2),
        fact(replace(opened, state=DisputeState.WON, reinstatements=(back,)), 3),
    ]
    won = replace(opened, state=DisputeState.WON, withdrawals=(out,), reinstatements=(back,))
    assert after(*(facts[i] for i in order)) == Current(won, 3)


STEPS = [InvoiceState.DRAFT, InvoiceState.ISSUED, InvoiceState.PARTIALLY_PAID, InvoiceState.PAID]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3), max_size=6), st.permutations(range(4)))
def test_shuffled_and_repeated_facts_end_in_the_same_state(repeats: list[int], order: list[int]) -> None:
    facts = [fact(invoice(usd(100), state=state), number) for number, state in enumerate(STEPS, start=1)]
    shuffled = [facts[i] for i in order] + [facts[i] for i in repeats]
    assert after(*shuffled) == after(*facts)


def test_a_deleted_customer_keeps_what_was_known_of_it_whatever_comes_first() -> None:
    known = Customer("stripe:cus_A", "Ann Ltd", email="ann@example.com", address=Address(country="DE"))
    gone = Customer("stripe:cus_A", "cus_A", phone="1", is_deleted=True)
    kept = replace(known, phone="1", is_deleted=True)
    for order in ((fact(known, 1), fact(gone, 2)), (fact(gone, 2), fact(known, 1))):
        assert after(*order).record == kept


def test_what_an_older_state_named_of_an_invoices_payments_stays_named() -> None:
    part = PaidPart("stripe:inpay_1", usd(100), None, "stripe:ch_1")
    older = invoice(usd(100), paid_parts=(part,), credit_note_ids=("stripe:cn_1",))
    newer = replace(older, paid_parts=(replace(part, payment_id=""),), credit_note_ids=None, number="7")
    merged = merge(Current(older, 1), fact(newer, 2)).current.record
    assert merged == replace(newer, paid_parts=(part,), credit_note_ids=("stripe:cn_1",))

"""State maps and transitions."""

from __future__ import annotations

import pytest

from counterfoil.core.canonical.entities import (
    CreditNoteState,
    DisputeState,
    InvoiceState,
    PaymentState,
    PayoutState,
    RefundState,
    SubscriptionState,
)
from counterfoil.core.canonical.states import FOLLOWERS, StateMap, UnknownStateError, is_final, may_follow

INVOICES = StateMap("invoice.status", {"open": InvoiceState.ISSUED, "paid": InvoiceState.PAID})


def test_a_native_state_has_one_canonical_state() -> None:
    assert INVOICES.canonical("open") is InvoiceState.ISSUED


def test_a_native_state_that_is_in_no_map_is_an_error_that_names_field_and_value() -> None:
    with pytest.raises(UnknownStateError) as caught:
        INVOICES.canonical("frozen")
    assert (caught.value.field, caught.value.value) == ("invoice.status", "frozen")


def test_every_canonical_state_says_what_may_follow() -> None:
    kinds = (CreditNoteState, DisputeState, InvoiceState, PaymentState, PayoutState, RefundState, SubscriptionState)
    assert {kind: set(kind) for kind in kinds} == {kind: set(states) for kind, states in FOLLOWERS.items()}


def test_states_of_different_objects_are_different_even_where_their_names_are_alike() -> None:
    assert not may_follow(PayoutState.PAID, InvoiceState.PAID)
    assert is_final(InvoiceState.PAID)
    assert not is_final(PayoutState.PAID)


def test_states_in_between_need_not_have_been_seen() -> None:
    assert may_follow(InvoiceState.DRAFT, InvoiceState.PAID)
    assert may_follow(InvoiceState.PAID, InvoiceState.PAID)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (RefundState.SUCCEEDED, RefundState.FAILED),
        (PayoutState.PAID, PayoutState.FAILED),
        (InvoiceState.UNCOLLECTIBLE, InvoiceState.PAID),
        (InvoiceState.UNCOLLECTIBLE, InvoiceState.VOID),
        (DisputeState.LOST, DisputeState.WON),
        (DisputeState.WON, DisputeState.LOST),
        (PaymentState.FAILED, PaymentState.SUCCEEDED),
    ],
)
def test_the_world_takes_some_endings_back(before: RefundState, after: RefundState) -> None:
    assert may_follow(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (InvoiceState.PAID, InvoiceState.ISSUED),
        (InvoiceState.VOID, InvoiceState.PAID),
        (InvoiceState.DELETED, InvoiceState.ISSUED),
        (PaymentState.SUCCEEDED, PaymentState.PENDING),
        (RefundState.FAILED, RefundState.SUCCEEDED),
        (PayoutState.FAILED, PayoutState.PAID),
        (CreditNoteState.VOID, CreditNoteState.ISSUED),
        (SubscriptionState.CANCELED, SubscriptionState.ACTIVE),
    ],
)
def test_a_final_state_is_never_left(before: InvoiceState, after: InvoiceState) -> None:
    assert not may_follow(before, after)
    assert is_final(before)

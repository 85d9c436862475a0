"""State maps and transitions."""

from __future__ import annotations

from enum import StrEnum

import pytest

from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.credit_note import CreditNoteState
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.dispute import DisputeState
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.payment import PaymentState
from counterfoil.core.kinds.payout import PayoutState
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.kinds.subscription import SubscriptionState
from counterfoil.core.language.states import States


def states_of(state: StrEnum) -> States[StrEnum]:
    """Return the states of the kind whose records may be in one."""
    lives = (kind.lifecycle for kind in KINDS.values())
    return next(life for life in lives if isinstance(life, States) and type(state) in {type(one) for one in life.followers})


def test_a_state_that_does_not_say_what_may_follow_it_is_named() -> None:
    with pytest.raises(TypeError, match="CreditNoteState does not say what may follow void"):
        States(CreditNoteState, {CreditNoteState.ISSUED: (CreditNoteState.VOID,)})


def test_states_in_between_need_not_have_been_seen() -> None:
    states = states_of(InvoiceState.DRAFT)
    assert states.may_follow(InvoiceState.DRAFT, InvoiceState.PAID)
    assert states.may_follow(InvoiceState.PAID, InvoiceState.PAID)


def test_only_states_after_which_nothing_comes_are_final() -> None:
    assert not states_of(InvoiceState.PAID).followers[InvoiceState.PAID]
    assert states_of(PayoutState.PAID).followers[PayoutState.PAID]


def test_who_was_deleted_stays_so() -> None:
    gone, back = Customer("acme:1", "Ann", is_deleted=True), Customer("acme:1", "Ann")
    assert CUSTOMER.lifecycle.allows(back, gone)
    assert CUSTOMER.lifecycle.allows(gone, gone)
    assert not CUSTOMER.lifecycle.allows(gone, back)


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
    ids=lambda state: f"{type(state).__name__}-{state}",
)
def test_the_world_takes_some_endings_back(before: StrEnum, after: StrEnum) -> None:
    assert states_of(before).may_follow(before, after)


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
    ids=lambda state: f"{type(state).__name__}-{state}",
)
def test_a_final_state_is_never_left(before: StrEnum, after: StrEnum) -> None:
    states = states_of(before)
    assert not states.may_follow(before, after)
    assert not states.followers[before]

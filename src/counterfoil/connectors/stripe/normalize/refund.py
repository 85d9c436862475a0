"""Refunds: money given back on one payment, and the money's return when a refund fails."""

from __future__ import annotations

import msgspec

from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire import id_of
from counterfoil.connectors.stripe.wire.money import ChargeRef
from counterfoil.connectors.stripe.wire.money import Refund as WireRefund
from counterfoil.core.canonical.entities import Refund, RefundState
from counterfoil.core.canonical.events import EventType, Fact
from counterfoil.kit.connector import Ignored, Normalized

from .amounts import instant, money
from .charge import settlement_of
from .reading import Notice, Told, decode, gone, look_up

_REFUND = msgspec.json.Decoder(WireRefund)

STATES = {
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.CANCELED,
}
"""https://docs.stripe.com/api/refunds/object#refund_object-status"""

TYPES = {
    RefundState.PENDING: EventType.REFUND_CREATED,
    RefundState.SUCCEEDED: EventType.REFUND_SUCCEEDED,
    RefundState.FAILED: EventType.REFUND_FAILED,
    RefundState.CANCELED: EventType.REFUND_FAILED,
}

RELEASED = "expired_uncaptured_charge"
"""The reason of refunds that only end an authorization: no money was ever taken."""


def needs(notice: Notice) -> tuple[str, ...]:
    """A refund is always fetched."""
    return (notice.ref("refund", notice.object_id),)


def facts(told: Told) -> Normalized:
    """Return the refund."""
    state = told.own("refund")
    if state.is_gone:
        raise gone("refund", told.notice.object_id)
    seen = decode(_REFUND, state.body)
    if _is_release(seen):
        return Ignored("authorization_released")
    refund = refund_of(seen)
    return (told.fact(TYPES[refund.state], refund, state, refund.occurred_at, refund.payment_id),)


def one_refund(told: Told, refund_id: str, *, credit_note_id: str) -> tuple[Fact, ...]:
    """Return the fetched refund of a credit note; none if it was not fetched."""
    state = told.other("refund", refund_id)
    if state is None:
        return ()
    refund = refund_of(decode(_REFUND, state.body), credit_note_id=credit_note_id)
    return (told.side_fact(TYPES[refund.state], refund, state, refund.occurred_at, refund.payment_id),)


def refund_of(seen: WireRefund, *, credit_note_id: str = "") -> Refund:
    """Return the canonical refund. Raises DriftError for an unknown status."""
    state = look_up(STATES, seen.status, "refund.status")
    customer = id_of(seen.customer) or (id_of(seen.charge.customer) if isinstance(seen.charge, ChargeRef) else "")
    return Refund(
        id=canonical(seen.id),
        payment_id=canonical(id_of(seen.charge)),
        state=state,
        amount=money(seen.amount, seen.currency),
        occurred_at=instant(seen.created),
        customer_id=canonical(customer),
        credit_note_id=credit_note_id or canonical(seen.counterfoil.credit_note),
        settlement=settlement_of(seen.balance_transaction),
        reversal=settlement_of(seen.failure_balance_transaction),
        reason=seen.reason or "",
    )


def _is_release(seen: WireRefund) -> bool:
    is_uncaptured = isinstance(seen.charge, ChargeRef) and not seen.charge.captured
    return seen.balance_transaction is None and (seen.reason == RELEASED or is_uncaptured)

"""Disputes: what was withdrawn when one opened and reinstated when it was won."""

from __future__ import annotations

import msgspec

from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire import id_of
from counterfoil.connectors.stripe.wire.money import ChargeRef
from counterfoil.connectors.stripe.wire.money import Dispute as WireDispute
from counterfoil.core.canonical.entities import Dispute, DisputeState
from counterfoil.core.canonical.events import EventType
from counterfoil.kit.connector import Normalized

from .amounts import instant, money
from .charge import settled
from .reading import Notice, Told, decode, gone, look_up

_DISPUTE = msgspec.json.Decoder(WireDispute)

STATES = {
    "warning_needs_response": DisputeState.WARNING,
    "warning_under_review": DisputeState.WARNING,
    "warning_closed": DisputeState.PREVENTED,
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "appeal_needs_response": DisputeState.OPEN,
    "appeal_under_review": DisputeState.OPEN,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
    "prevented": DisputeState.PREVENTED,
}
"""https://docs.stripe.com/disputes/how-disputes-work - an inquiry that was closed never became a chargeback: it was prevented."""

TYPES = {
    DisputeState.WARNING: EventType.DISPUTE_UPDATED,
    DisputeState.OPEN: EventType.DISPUTE_OPENED,
    DisputeState.WON: EventType.DISPUTE_WON,
    DisputeState.LOST: EventType.DISPUTE_LOST,
    DisputeState.PREVENTED: EventType.DISPUTE_UPDATED,
}


def needs(notice: Notice) -> tuple[str, ...]:
    """A dispute is always fetched."""
    return (notice.ref("dispute", notice.object_id),)


def facts(told: Told) -> Normalized:
    """Return the dispute with its movements. They, not its state, say what money moved."""
    state = told.own("dispute")
    if state.is_gone:
        raise gone("dispute", told.notice.object_id)
    seen = decode(_DISPUTE, state.body)
    dispute = dispute_of(seen)
    kind = TYPES[dispute.state]
    if kind is EventType.DISPUTE_OPENED and told.kind == "charge.dispute.updated":
        kind = EventType.DISPUTE_UPDATED
    own_time = dispute.closed_at or dispute.opened_at
    return (told.fact(kind, dispute, state, own_time, dispute.payment_id),)


def dispute_of(seen: WireDispute) -> Dispute:
    """Return the canonical dispute. ``closed_at`` is known where money came back; Stripe keeps no time of a loss on the object."""
    state = look_up(STATES, seen.status, "dispute.status")
    movements = [settled(movement) for movement in seen.balance_transactions]
    back = tuple(m for m in movements if m.gross.minor > 0)
    return Dispute(
        id=canonical(seen.id),
        payment_id=canonical(id_of(seen.charge)),
        state=state,
        amount=money(seen.amount, seen.currency),
        opened_at=instant(seen.created),
        customer_id=canonical(id_of(seen.charge.customer)) if isinstance(seen.charge, ChargeRef) else "",
        reason=seen.reason or "",
        withdrawals=tuple(m for m in movements if m.gross.minor <= 0),
        reinstatements=back,
        closed_at=max((m.occurred_at for m in back), default=None) if state is DisputeState.WON else None,
    )

"""Disputes: what was withdrawn when one opened and reinstated when it was won."""

from __future__ import annotations

from datetime import datetime

import msgspec

from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire import id_of
from counterfoil.connectors.stripe.wire.money import ChargeRef
from counterfoil.connectors.stripe.wire.money import Dispute as WireDispute
from counterfoil.core.kinds.dispute import Dispute, DisputeEvent, DisputeState
from counterfoil.kit.connector import Normalized

from .amounts import instant, money, optional_instant
from .charge import settled
from .reading import DeliveryNotice, FetchedNotice, decode, gone, look_up

_DISPUTE = msgspec.json.Decoder(WireDispute)

CLOSED = "charge.dispute.closed"
"""The event that tells of a decision; its time is the day of it."""

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
    DisputeState.WARNING: DisputeEvent.UPDATED,
    DisputeState.OPEN: DisputeEvent.OPENED,
    DisputeState.WON: DisputeEvent.WON,
    DisputeState.LOST: DisputeEvent.LOST,
    DisputeState.PREVENTED: DisputeEvent.UPDATED,
}


def needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """A dispute is always fetched."""
    return (notice.ref("dispute", notice.object_id),)


def facts(fetched: FetchedNotice) -> Normalized:
    """Return the dispute with its movements. They, not its state, say what money moved."""
    state = fetched.own("dispute")
    if state.is_gone:
        raise gone("dispute", fetched.notice.object_id)
    dispute = dispute_of(decode(_DISPUTE, state.body), fetched.notice.occurred_at if fetched.kind == CLOSED else None)
    kind = TYPES[dispute.state]
    if kind is DisputeEvent.OPENED and fetched.kind == "charge.dispute.updated":
        kind = DisputeEvent.UPDATED
    own_time = dispute.closed_at or dispute.opened_at
    return (fetched.fact(kind, dispute, state, own_time, dispute.payment_id),)


def dispute_of(seen: WireDispute, closed_at: datetime | None = None) -> Dispute:
    """Return the canonical dispute.

    Money that came back tells when it was won. The object keeps no time of a loss: ``closed_at`` is that of the event, else what fetching
    found in the list of events; unknown where it is too long ago for that.
    """
    state = look_up(STATES, seen.status, "dispute.status")
    movements = [settled(movement) for movement in seen.balance_transactions]
    back = tuple(m for m in movements if m.gross.minor > 0)
    if state is DisputeState.WON:
        closed_at = max((m.occurred_at for m in back), default=None)
    elif state in (DisputeState.LOST, DisputeState.PREVENTED):
        closed_at = closed_at or optional_instant(seen.counterfoil.closed_at)
    else:
        closed_at = None
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
        closed_at=closed_at,
    )

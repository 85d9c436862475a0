"""Refunds: money given back on one payment, and the money's return when a refund fails."""

from __future__ import annotations

import msgspec

from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire import id_of
from counterfoil.connectors.stripe.wire.money import ChargeRef, ChargeRefunds
from counterfoil.connectors.stripe.wire.money import Refund as WireRefund
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.refund import CreditNotePart, Refund, RefundEvent, RefundState
from counterfoil.kit.connector import Ignored, Normalized

from . import charge
from .amounts import instant, money
from .charge import settlement_of
from .reading import DeliveryNotice, FetchedNotice, decode, gone, look_up

_REFUND = msgspec.json.Decoder(WireRefund)
_REFUNDS = msgspec.json.Decoder(ChargeRefunds)

REFUNDED = "charge.refunded"
"""The event of a charge that may be the only one to tell of a refund: not every endpoint is sent ``refund.*``."""

STATES = {
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.CANCELED,
}
"""https://docs.stripe.com/api/refunds/object#refund_object-status"""

TYPES = {
    RefundState.PENDING: RefundEvent.CREATED,
    RefundState.SUCCEEDED: RefundEvent.SUCCEEDED,
    RefundState.FAILED: RefundEvent.FAILED,
    RefundState.CANCELED: RefundEvent.FAILED,
}

RELEASED = "expired_uncaptured_charge"
"""The reason of refunds that only end an authorization: no money was ever taken."""


def needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """A refund is always fetched."""
    return (notice.ref("refund", notice.object_id),)


def facts(fetched: FetchedNotice) -> Normalized:
    """Return the refund."""
    state = fetched.own("refund")
    if state.is_gone:
        raise gone("refund", fetched.notice.object_id)
    seen = decode(_REFUND, state.body)
    if _is_release(seen):
        return Ignored("authorization_released")
    refund = refund_of(seen)
    return (fetched.fact(TYPES[refund.state], refund, state, refund.occurred_at, refund.payment_id),)


def charge_needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """A charge is fetched; one of which something was given back with its refunds."""
    refunds = (notice.ref("charge_refunds", notice.object_id),) if notice.kind == REFUNDED else ()
    return (*charge.needs(notice), *refunds)


def charge_facts(fetched: FetchedNotice) -> Normalized:
    """Return the payment of one charge, and its refunds where they were fetched with it."""
    found = charge.facts(fetched)
    state = fetched.other("charge_refunds", fetched.notice.object_id)
    if state is None or isinstance(found, Ignored):
        return found
    seen = [one for one in decode(_REFUNDS, state.body).data if not _is_release(one)]
    refunds = [refund_of(one) for one in seen]
    return (*found, *(fetched.side_fact(TYPES[one.state], one, state, one.occurred_at, one.payment_id) for one in refunds))


def one_refund(fetched: FetchedNotice, refund_id: str, *, note: CreditNotePart) -> tuple[Fact, ...]:
    """Return the fetched refund of a credit note; none if it was not fetched."""
    state = fetched.other("refund", refund_id)
    if state is None:
        return ()
    refund = refund_of(decode(_REFUND, state.body), note=note)
    return (fetched.side_fact(TYPES[refund.state], refund, state, refund.occurred_at, refund.payment_id),)


def refund_of(seen: WireRefund, *, note: CreditNotePart | None = None) -> Refund:
    """Return the canonical refund; ``note``: a credit note that says it is paid out by it. Raises DriftError for an unknown status."""
    fetched = {canonical(one.id): money(one.amount, seen.currency) for one in seen.counterfoil.credit_notes}
    if note is not None:
        fetched.setdefault(note.credit_note_id, note.amount)
    parts = tuple(CreditNotePart(note_id, fetched[note_id]) for note_id in sorted(fetched))
    state = look_up(STATES, seen.status, "refund.status")
    customer = id_of(seen.customer) or (id_of(seen.charge.customer) if isinstance(seen.charge, ChargeRef) else "")
    return Refund(
        id=canonical(seen.id),
        payment_id=canonical(id_of(seen.charge)),
        state=state,
        amount=money(seen.amount, seen.currency),
        occurred_at=instant(seen.created),
        customer_id=canonical(customer),
        credit_note_id=note.credit_note_id if note else canonical(seen.counterfoil.credit_note) or next(iter(fetched), ""),
        credit_notes=parts,
        settlement=settlement_of(seen.balance_transaction),
        reversal=settlement_of(seen.failure_balance_transaction),
        reason=seen.reason or "",
    )


def _is_release(seen: WireRefund) -> bool:
    """Whether a refund only gives up what was authorized and never taken: all of a charge, or the part that was not captured."""
    if seen.balance_transaction is not None:
        return False
    charge = seen.charge if isinstance(seen.charge, ChargeRef) else None
    is_uncaptured = charge is not None and not charge.captured
    left = charge.amount - charge.amount_captured if charge is not None and charge.amount_captured is not None else 0
    is_rest = seen.status == "succeeded" and 0 < seen.amount <= left
    return seen.reason == RELEASED or is_uncaptured or is_rest

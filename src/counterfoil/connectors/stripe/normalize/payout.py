"""Payouts: the movement to the bank, its return when it failed, and what an automatic one settles."""

from __future__ import annotations

from datetime import date

import msgspec

from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire.money import Payout as WirePayout
from counterfoil.core.kinds.payout import Payout, PayoutEvent, PayoutState
from counterfoil.kit.connector import Normalized

from .amounts import instant, money
from .balance import entry_fact, rule_of
from .charge import settlement_of
from .reading import DeliveryNotice, FetchedNotice, decode, gone, look_up

_PAYOUT = msgspec.json.Decoder(WirePayout)

STATES = {
    "pending": PayoutState.PENDING,
    "in_transit": PayoutState.IN_TRANSIT,
    "paid": PayoutState.PAID,
    "failed": PayoutState.FAILED,
    "canceled": PayoutState.CANCELED,
}
"""https://docs.stripe.com/api/payouts/object#payout_object-status"""

TYPES = {
    PayoutState.PENDING: PayoutEvent.CREATED,
    PayoutState.IN_TRANSIT: PayoutEvent.CREATED,
    PayoutState.PAID: PayoutEvent.PAID,
    PayoutState.FAILED: PayoutEvent.FAILED,
    PayoutState.CANCELED: PayoutEvent.FAILED,
}


def needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """A payout is always fetched."""
    return (notice.ref("payout", notice.object_id),)


def facts(fetched: FetchedNotice) -> Normalized:
    """Return the payout, and of what it settles the movements that no other object explains (fees, reserves, adjustments)."""
    state = fetched.own("payout")
    if state.is_gone:
        raise gone("payout", fetched.notice.object_id)
    seen = decode(_PAYOUT, state.body)
    payout = payout_of(seen)
    entries = tuple(entry_fact(fetched, movement, state) for movement in seen.counterfoil.balance_transactions if not rule_of(movement))
    return (*entries, fetched.fact(TYPES[payout.state], payout, state, payout.created_at, payout.id))


def payout_of(seen: WirePayout) -> Payout:
    """Return the canonical payout. Raises DriftError for an unknown status.

    ``items`` leave out the payout's own movement, which Stripe lists among what it settles.
    """
    own = settlement_of(seen.balance_transaction)
    items = (canonical(movement.id) for movement in seen.counterfoil.balance_transactions if movement.type != "payout")
    return Payout(
        id=canonical(seen.id),
        state=look_up(STATES, seen.status, "payout.status"),
        amount=money(seen.amount, seen.currency),
        created_at=instant(seen.created),
        arrives_on=_day(seen.arrival_date),
        settlement=own,
        reversal=settlement_of(seen.failure_balance_transaction),
        is_automatic=seen.automatic,
        items=tuple(items),
        failure_code=seen.failure_code or "",
    )


def _day(seconds: int) -> date:
    return instant(seconds).date()

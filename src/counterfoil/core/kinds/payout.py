"""Payouts: money the processor sent to our bank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Record, Survivorship, never, nothing, of_nobody
from counterfoil.core.language.settlement import Settlement, amounts_of
from counterfoil.core.language.states import States


class PayoutState(StrEnum):
    """Canonical payout states; a paid payout may later fail."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Payout(Record):
    """Money the processor sent to our bank; negative when it debited it.

    ``settlement`` is its own movement on the balance; ``reversal`` the movement back when it failed or was canceled. ``items`` are
    the canonical ids of the balance entries it pays out (automatic payouts only).
    """

    id: str
    state: PayoutState
    amount: Money
    created_at: datetime
    arrives_on: date
    settlement: Settlement | None = None
    reversal: Settlement | None = None
    is_automatic: bool = True
    items: tuple[str, ...] = ()
    failure_code: str = ""


class PayoutEvent(EventType):
    """What happens to a payout."""

    CREATED = "payout.created"
    PAID = "payout.paid"
    FAILED = "payout.failed"


_O = PayoutState


def _keeps(newer: Payout, older: Payout) -> Payout:
    """Keep both movements of the balance and what is paid out; snapshots differ in whether they carry them."""
    return replace(
        newer,
        settlement=newer.settlement or older.settlement,
        reversal=newer.reversal or older.reversal,
        items=newer.items or older.items,
    )


PAYOUT = Kind(
    name="payout",
    record=Payout,
    noun="payout",
    events=PayoutEvent,
    lifecycle=States(
        PayoutState,
        {
            _O.PENDING: (_O.IN_TRANSIT, _O.PAID, _O.FAILED, _O.CANCELED),
            _O.IN_TRANSIT: (_O.PAID, _O.FAILED, _O.CANCELED),
            _O.PAID: (_O.FAILED,),  # the bank refused it afterwards
            _O.FAILED: (),
            _O.CANCELED: (),
        },
    ),
    survivorship=Survivorship.WHOLE,
    keeps=_keeps,
    refers_to=(),
    affects=(),
    is_looked_back_from=never,
    total=lambda payout: payout.amount,
    amounts=lambda payout: amounts_of(payout.settlement, payout.reversal),
    customer_of=of_nobody,
    found_by=nothing,
    wait_limit=timedelta(days=1),
    service_level=timedelta(days=1),
    is_made_again=False,
    ignored={},
)

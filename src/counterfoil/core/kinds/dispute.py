"""Disputes: chargebacks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Record, Reference, Survivorship, never, nothing
from counterfoil.core.language.settlement import Settlement, amounts_of
from counterfoil.core.language.states import States


class DisputeState(StrEnum):
    """Canonical dispute states."""

    WARNING = "warning"  # an inquiry: no money has moved
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"


@dataclass(frozen=True, slots=True)
class Dispute(Record):
    """A chargeback. The money moves by its settlements: withdrawn at opening (with a fee), reinstated when won."""

    id: str
    payment_id: str
    state: DisputeState
    amount: Money
    opened_at: datetime
    customer_id: str = ""
    reason: str = ""
    withdrawals: tuple[Settlement, ...] = ()
    reinstatements: tuple[Settlement, ...] = ()
    closed_at: datetime | None = None


class DisputeEvent(EventType):
    """What happens to a dispute."""

    OPENED = "dispute.opened"
    UPDATED = "dispute.updated"
    WON = "dispute.won"
    LOST = "dispute.lost"


_D = DisputeState


def _union(one: tuple[Settlement, ...], other: tuple[Settlement, ...]) -> tuple[Settlement, ...]:
    by_id = {settlement.id: settlement for settlement in (*other, *one)}
    return tuple(sorted(by_id.values(), key=lambda settlement: (settlement.occurred_at, settlement.id)))


def _keeps(newer: Dispute, older: Dispute) -> Dispute:
    """Keep every movement of the balance, and when it was decided as it still is."""
    return replace(
        newer,
        withdrawals=_union(newer.withdrawals, older.withdrawals),
        reinstatements=_union(newer.reinstatements, older.reinstatements),
        closed_at=newer.closed_at or (older.closed_at if older.state is newer.state else None),
    )


DISPUTE = Kind(
    name="dispute",
    record=Dispute,
    noun="dispute",
    events=DisputeEvent,
    lifecycle=States(
        DisputeState,
        {
            _D.WARNING: (_D.OPEN, _D.WON, _D.LOST, _D.PREVENTED),
            _D.OPEN: (_D.WON, _D.LOST, _D.PREVENTED),
            _D.WON: (_D.LOST,),  # arbitration may overturn a decision, either way
            _D.LOST: (_D.WON,),
            _D.PREVENTED: (),
        },
    ),
    survivorship=Survivorship.WHOLE,
    keeps=_keeps,
    refers_to=(Reference("payment", lambda dispute: (dispute.payment_id,), is_link=True),),
    affects=(Reference("customer", lambda dispute: (dispute.customer_id,)),),
    is_looked_back_from=never,
    total=lambda dispute: dispute.amount,
    amounts=lambda dispute: amounts_of(*dispute.withdrawals, *dispute.reinstatements),
    customer_of=lambda dispute: dispute.customer_id,
    found_by=nothing,
    wait_limit=timedelta(days=3),  # what was won comes back days after the decision
    service_level=timedelta(seconds=60),
    is_made_again=False,
    ignored={},
)

"""Dunning: the process of an invoice that is not paid in time. Its steps are in ``core/processes/dunning``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Purpose, Record, Reference, Survivorship, newest, nothing
from counterfoil.core.language.states import States


class DunningState(StrEnum):
    """Where the dunning of an invoice stands."""

    RUNNING = "running"
    ASKING = "asking"  # a person is asked whether the next stage begins
    HELD = "held"  # no further stage begins: disputed, all of it under way, or held by a person
    ENDED = "ended"


class Block(StrEnum):
    """What a stage of dunning blocks for the customer."""

    RENEWALS = "renewals"
    UPGRADES = "upgrades"
    ORDERS = "orders"
    ACCESS = "access"
    SUPPORT = "support"


@dataclass(frozen=True, slots=True)
class Dunning(Record):
    """The dunning of one invoice; it has the invoice's id.

    Attributes:
        stage: the declared stage it is in; empty: none yet.
        since: when that stage began.
        asked: the stage a person is asked about.
        blocks: what is blocked for the customer by the stage it is in.
        open_amount: what is still to be paid.
        due_on: the day the invoice was due, in its legal entity's time zone.
        reason: why it is held (``dispute``, ``payment``, ``person``) or ended (``paid``, ``void``, ``uncollectible``, ``waived``,
            ``undeclared``; the invoice has another id by now, and is dunned by that: ``told_by_another``).
    """

    id: str
    customer_id: str
    state: DunningState
    open_amount: Money
    entity: str = ""
    stage: str = ""
    since: datetime | None = None
    asked: str = ""
    blocks: tuple[Block, ...] = ()
    due_on: date | None = None
    reason: str = ""


class DunningEvent(EventType):
    """What happens to a dunning."""

    BEGUN = "dunning.begun"
    MOVED = "dunning.moved"
    ENDED = "dunning.ended"


_ANY = tuple(DunningState)

DUNNING = Kind(
    name="dunning",
    record=Dunning,
    noun="dunning",
    events=DunningEvent,
    lifecycle=States(DunningState, dict.fromkeys(_ANY, _ANY)),  # what is ended begins again if the invoice is open again
    survivorship=Survivorship.WHOLE,
    keeps=newest,
    refers_to=(Reference("invoice", lambda dunning: (dunning.id,)), Reference("customer", lambda dunning: (dunning.customer_id,))),
    affects=(Reference("customer", lambda dunning: (dunning.customer_id,)),),
    is_looked_back_from=lambda _dunning: True,  # what people decided on it
    total=lambda dunning: dunning.open_amount,
    amounts=nothing,
    customer_of=lambda dunning: dunning.customer_id,
    found_by=nothing,
    wait_limit=None,
    service_level=None,
    is_made_again=False,
    ignored={Purpose.BOOKS: "dunning_is_not_booked"},
)

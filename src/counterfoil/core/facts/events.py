"""Past facts: what a normalizer returns (Fact) and what the event log keeps (Event), with the registry of types and versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.kinds import kind_of
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import EventType, Record


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact as a normalizer read it; it has no hub identity yet.

    Attributes:
        sequence: the source's own order of states of this subject; a state with a smaller one never wins over a larger one.
            Microseconds since the epoch of the moment the state was true.
        account: the source's account the fact belongs to (``acct_...``), used for routing; empty when the connection has only one.
        correlation_id: one business process, e.g. the subscription or the invoice it belongs to.
        is_apart: the source says that the subject is merged into nothing (any more). An empty ``merged_into`` alone says nothing.
        same_as: the canonical id, of the same kind, under which another system tells of the same; empty: the source says that it is the
            same as none (any more); None: it says nothing of that.
    """

    type: EventType
    occurred_at: datetime
    sequence: int
    data: Record
    account: str = ""
    correlation_id: str = ""
    is_apart: bool = False
    same_as: str | None = None

    @property
    def subject(self) -> ObjectRef:
        """The object this fact is about."""
        return ref_of(self.data)


@dataclass(frozen=True, slots=True)
class Event:
    """A canonical event of the log: a fact with its identity, its source connection and its causation.

    ``id`` derives from the receipt and the fact's index in it, so normalizing twice writes nothing new.
    """

    id: str
    type: EventType
    version: int
    connection: str
    subject: ObjectRef
    occurred_at: datetime
    received_at: datetime
    sequence: int
    data: Record
    account: str = ""
    correlation_id: str = ""
    causation_id: str = ""


EVENT_VERSION = 1
"""Version of every event's data schema; raised per type when a schema changes incompatibly."""


def ref_of(record: Record) -> ObjectRef:
    """Return the reference of the object a record is of."""
    return kind_of(record).ref(record.id)

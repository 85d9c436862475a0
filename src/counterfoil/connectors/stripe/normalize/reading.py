"""One delivery, read: what it is about, the state to believe (fetched, else as delivered), and how facts are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from counterfoil.connectors.stripe.config import StripeConfig
from counterfoil.connectors.stripe.refs import ANY_ACCOUNT, Ref
from counterfoil.core.facts.events import Fact
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.records import EventType, Record
from counterfoil.kit.connector import Fetched
from counterfoil.kit.errors import DriftError, RejectedError

from .amounts import microseconds

T = TypeVar("T")

_RANKS = {"created": 0, "deleted": 2}
"""Order within one second, all that event times can tell: made first, deleted last."""


class Gone(Exception):
    """The object a delivery is about no longer exists and the delivery does not carry its state."""


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One object's state: its JSON and the instant it was true (sequence). ``is_gone``: the source says that it is no more."""

    body: bytes
    sequence: int
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryNotice:
    """One delivery as it was read, before anything is fetched for it.

    Attributes:
        kind: the event type (thin events without their ``v1.``), or ``<object>.listed`` / ``<object>.fetched``.
        object: the kind of object it is about, in Stripe's words.
        snapshot: the object as delivered; empty for thin events.
        previous: former values of what changed, as JSON; empty when not told.
    """

    kind: str
    account: str
    occurred_at: datetime
    object: str
    object_id: str
    snapshot: bytes
    previous: Mapping[str, bytes]
    is_event: bool

    def ref(self, kind: str, object_id: str) -> str:
        """Return the fetch reference of an object in the delivery's account."""
        return str(Ref(self.account, kind, object_id))

    @property
    def sequence(self) -> int:
        """The instant the delivered state was true, in microseconds, with the order within one second that event names tell."""
        rank = _RANKS.get(self.kind.rpartition(".")[2], 1) if self.is_event else 0
        return microseconds(self.occurred_at) + rank


@dataclass(frozen=True, slots=True)
class FetchedNotice:
    """A notice with what was fetched for it."""

    notice: DeliveryNotice
    settings: StripeConfig
    fetched: Mapping[str, Fetched]

    @property
    def kind(self) -> str:
        """See :class:`DeliveryNotice`."""
        return self.notice.kind

    def found(self, kind: str, object_id: str) -> Fetched | None:
        """Return the answer for an object: asked for by account, or by id alone (the hub does so to settle a tie)."""
        return self.fetched.get(self.notice.ref(kind, object_id)) or self.fetched.get(str(Ref(ANY_ACCOUNT, kind, object_id)))

    def own(self, kind: str) -> ObjectState:
        """Return the state of the object the delivery is about: as fetched, else as delivered. Raises Gone if nobody has it any more."""
        found = self.found(kind, self.notice.object_id)
        if found is not None and found.body is not None:
            return ObjectState(found.body, self._sequence(found))
        if self.notice.snapshot:
            if found is not None:
                return ObjectState(self.notice.snapshot, self._sequence(found), is_gone=True)
            return ObjectState(self.notice.snapshot, self.notice.sequence)
        if found is None:
            raise RejectedError(f"{kind} {self.notice.object_id} was not fetched", code="stripe.not_fetched")
        raise Gone(self.notice.object_id)

    def other(self, kind: str, object_id: str) -> ObjectState | None:
        """Return the fetched state of another object, None if there is none."""
        found = self.found(kind, object_id) if object_id else None
        if found is None or found.body is None:
            return None
        return ObjectState(found.body, self._sequence(found))

    def _sequence(self, found: Fetched) -> int:
        """Return when a fetched state was true. Fetched because of an event it is at least as new, should our clock be behind Stripe's."""
        at = microseconds(found.fetched_at)
        return max(at, self.notice.sequence) if self.notice.is_event else at

    def needed(self, kind: str, object_id: str) -> ObjectState | None:
        """Return the fetched state of an object the facts need, None if it is gone. Raises RejectedError if it was not fetched."""
        if self.found(kind, object_id) is None:
            raise RejectedError(f"{kind} {object_id} was not fetched", code="stripe.not_fetched")
        return self.other(kind, object_id)

    def fact(self, event_type: EventType, data: Record, state: ObjectState, own_time: datetime, correlation_id: str = "") -> Fact:
        """Return a fact of the delivery's main object: it happened when the event says; for listed objects, when the object says."""
        occurred_at = self.notice.occurred_at if self.notice.is_event else own_time
        return Fact(event_type, occurred_at, state.sequence, data, self.notice.account, correlation_id)

    def side_fact(self, event_type: EventType, data: Record, state: ObjectState, own_time: datetime, correlation_id: str = "") -> Fact:
        """Return a fact of another object than the delivery's own: it happened when that object says."""
        return Fact(event_type, own_time, state.sequence, data, self.notice.account, correlation_id)


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return the decoded wire object. Raises RejectedError if a field that is read is missing or of another type."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        words = f"a Stripe object has another shape than any known version: {error}"
        # The same fault of an object that stands alone or is put together with others by fetching.
        cause = words.replace("`$.data[...]", "`$")
        raise RejectedError(words, code="stripe.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT, cause=cause) from error


def look_up(table: Mapping[str, T], value: str | None, what: str) -> T:
    """Return the table's entry. Raises DriftError for a value that is not in it: an unknown state is never guessed."""
    found = table.get(value) if value is not None else None
    if found is None:
        raise drift(what, value or "null")
    return found


def drift(what: str, value: str) -> DriftError:
    """Return the drift of one field (``invoice.status``) to one unknown value."""
    value = value[:60]
    return DriftError(
        f"Stripe says {what} = {value!r}, for which there is no map; it waits for a release that has one",
        code="stripe.unknown_value",
        drift_key=f"{what}:{value}",
    )


def gone(what: str, object_id: str) -> RejectedError:
    """Return the refusal of a money object that its source no longer knows."""
    return RejectedError(
        f"Stripe told of {what} {object_id} and now says that it does not exist; look it up in the dashboard of the account",
        code="stripe.object_gone",
        case_class=CaseClass.RECONCILIATION_BREAK,
    )

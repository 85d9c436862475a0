"""Events as they are delivered: the head read at the door, the whole read when normalizing; snapshot and thin."""

from __future__ import annotations

from msgspec import Raw, Struct

from . import Expandable


class HeadObject(Struct, frozen=True):
    """What sharding needs of the object an event carries."""

    id: str | None = None
    object: str | None = None
    customer: Expandable = None


class HeadData(Struct, frozen=True):
    """The envelope around the object."""

    object: HeadObject


class RelatedObject(Struct, frozen=True):
    """What a thin event is about: https://docs.stripe.com/api/v2/core/events/object."""

    id: str
    type: str


class Head(Struct, frozen=True):
    """The few fields that intake reads; ``created`` is Unix seconds, or RFC 3339 text on thin events."""

    id: str
    type: str
    created: int | str
    object: str = "event"
    account: str | None = None
    context: str | None = None
    livemode: bool = False
    api_version: str | None = None
    data: HeadData | None = None
    related_object: RelatedObject | None = None


class EventData(Struct, frozen=True):
    """The object as it was when the event was made, and the former values of what changed."""

    object: Raw
    previous_attributes: dict[str, Raw] | None = None


class Event(Struct, frozen=True):
    """https://docs.stripe.com/api/events/object."""

    id: str
    type: str
    created: int | str
    data: EventData | None = None
    related_object: RelatedObject | None = None


class Extra(Struct, frozen=True):
    """What the connector adds to a fetched or listed object under the key ``counterfoil``: the account it was found in."""

    account: str = ""


class Listed(Struct, frozen=True):
    """The head of a fetched or listed object."""

    id: str
    object: str
    customer: Expandable = None
    created: int = 0
    counterfoil: Extra = Extra()

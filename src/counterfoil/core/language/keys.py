"""Keys by which work waits: what a command needs in a target, and what a subject waits for. Made here alone, and taken apart here alone.

Both are texts in tables, messages and cases; their types keep one from being taken for the other, and any other text for either. What
comes from outside (a row, a person's words) becomes one at the edge, by the constructors ``NeedKey`` and ``WaitKey`` themselves.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

from .ids import ObjectRef

NeedKey = NewType("NeedKey", str)
"""What must be bound in a target before a command is sent, and what being done binds (the binding key): ``<document kind>/<canonical id>``,
``entry/<name>.<id>``, ``match/<pair>`` or ``unmatch/<pair>``. Empty, of what a command produces: it binds nothing.
"""

WaitKey = NewType("WaitKey", str)
"""What a subject waits for: an object (``<kind>/<id>``), or what people declare (``<what>/...``, see ``Declared``). Empty, of a problem:
nothing that comes later ends it by itself.
"""

BINDS_NOTHING = NeedKey("")
WAITS_FOR_NOTHING = WaitKey("")
_ENTRY = "entry"


class Declared(StrEnum):
    """What people declare and subjects wait for: no source can be asked for it."""

    MAPPING = "mapping"
    ROUTE = "route"
    PERIOD = "period"
    ENTITY = "entity"
    OWNERSHIP = "ownership"
    SAME_FACT = "same_fact"
    DESTINATION = "destination"

    @property
    def prefix(self) -> WaitKey:
        """What the keys of all waits for it begin with."""
        return WaitKey(f"{self.value}/")


DECLARED_PREFIXES = tuple(one.prefix for one in Declared)
RULED_PREFIXES = tuple(one.prefix for one in Declared if one is not Declared.PERIOD)
"""Those of what the rules declare; a period is opened in the books."""


def need_of(ref: ObjectRef) -> NeedKey:
    """Return the key by which a target's record of an object is bound."""
    return NeedKey(ref.key)


def entry_need(name: str, object_id: str) -> NeedKey:
    """Return the key of a journal entry that is booked under a name for an object."""
    return NeedKey(f"{_ENTRY}/{name}.{object_id}")


def is_entry(key: NeedKey) -> bool:
    """Tell whether a key is a journal entry's."""
    return key.startswith(f"{_ENTRY}/")


def match_need(pair: str) -> NeedKey:
    """Return the key of a match of two documents; ``pair`` names them."""
    return NeedKey(f"match/{pair}")


def unmatch_need(pair: str) -> NeedKey:
    """Return the key of what releases a match."""
    return NeedKey(f"unmatch/{pair}")


def wait_for(ref: ObjectRef) -> WaitKey:
    """Return the key by which a subject waits for an object."""
    return WaitKey(ref.key)


def wait_for_mapping(kind: str, entity: str, key: str) -> WaitKey:
    """Return the key by which a subject waits for a mapping, e.g. ``mapping/tax/DE/19|exclusive``."""
    return WaitKey(f"{Declared.MAPPING.prefix}{kind}/{entity}/{key}")


def wait_for_route(connection: str) -> WaitKey:
    """Return the key by which a subject waits for a route of what a connection tells."""
    return WaitKey(f"{Declared.ROUTE.prefix}{connection}")


def wait_for_entity(entity: str, *settings: str) -> WaitKey:
    """Return the key by which a subject waits for a legal entity to be declared, or for a setting of it."""
    return WaitKey(Declared.ENTITY.prefix + "/".join((entity, *settings)))


def wait_for_period(entity: str, day: str = "") -> WaitKey:
    """Return the key by which a subject waits for an entity's books to be opened: on a day, or (empty) at all."""
    return WaitKey(f"{Declared.PERIOD.prefix}{entity}/{day}" if day else f"{Declared.PERIOD.prefix}{entity}")


def wait_for_owner(kind: str, field: str, connection: str) -> WaitKey:
    """Return the key by which a subject waits for another owner of a field that a connection tells otherwise."""
    return WaitKey(f"{Declared.OWNERSHIP.prefix}{kind}/{field}/{connection}")


def wait_for_any_owner(kind: str, field: str) -> WaitKey:
    """Return the key by which a subject waits for another owner of a field, whoever tells it."""
    return WaitKey(f"{Declared.OWNERSHIP.prefix}{kind}/{field}")


def wait_for_destination(connection: str, purpose: str) -> WaitKey:
    """Return the key by which a subject waits for a purpose to go to another connection."""
    return WaitKey(f"{Declared.DESTINATION.prefix}{connection}/{purpose}")


def wait_for_same_fact(ref: ObjectRef) -> WaitKey:
    """Return the key by which several objects that are said to be one fact wait for who says so."""
    return WaitKey(Declared.SAME_FACT.prefix + ref.key)


def wait_for_open(document: NeedKey) -> WaitKey:
    """Return the key by which a match that found too little open on a document waits for a release of another of its matches."""
    return WaitKey(f"open/{document}")


def is_of(key: WaitKey, declared: Declared) -> bool:
    """Tell whether a wait is for something that is declared."""
    return key.startswith(declared.prefix)


def mapping_of(key: WaitKey) -> tuple[str, str, str] | None:
    """Return the kind, entity and key of the mapping that is waited for; None if it is none."""
    if not is_of(key, Declared.MAPPING):
        return None
    _, kind, entity, mapped = key.split("/", 3)
    return kind, entity, mapped


def object_of(key: NeedKey | WaitKey) -> ObjectRef:
    """Return a key as the object it names; what it names need not be the name of a kind."""
    kind, _, id = key.partition("/")
    return ObjectRef(kind, id)

"""Every kind of record the hub keeps a current state of, one file each. There is no other list of them anywhere.

``KINDS`` is made of the files of this folder and checked total: what a kind leaves out, names wrongly or says twice raises ``KindError`` at
import.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, KindError, Record, Survivorship


def _kind_in(name: str) -> Kind[Any]:
    """Return the kind that stands in one file: under the file's name in capitals."""
    kind = getattr(import_module(f"{__name__}.{name}"), name.upper(), None)
    if not isinstance(kind, Kind):
        raise KindError(f"core/kinds/{name}.py has no kind of the name {name.upper()}")
    if kind.name != name:
        raise KindError(f"core/kinds/{name}.py holds the kind {kind.name!r}: a file has the name of its kind")
    return kind


def _checked(kinds: Mapping[str, Kind[Any]]) -> Mapping[str, Kind[Any]]:
    types: dict[type, str] = {}
    for kind in kinds.values():
        if types.setdefault(kind.record, kind.name) != kind.name:
            raise KindError(f"kinds {types[kind.record]} and {kind.name} have the same record {kind.record.__name__}")
        erased = kind.lifecycle.erased
        if erased is not None and f"{kind.name}.{erased.value}" not in [one.value for one in kind.events]:
            raise KindError(f"kind {kind.name} can be {erased.value} and has no event type {kind.name}.{erased.value}")
        if erased is not None and kind.survivorship is not Survivorship.WHOLE:
            raise KindError(f"kind {kind.name} can be {erased.value}, and what each of several sources says of it is kept apart")
        for verb, references in (("refers to", kind.refers_to), ("affects", kind.affects)):
            unknown = sorted({reference.kind for reference in references} - kinds.keys())
            if unknown:
                raise KindError(f"kind {kind.name} {verb} {', '.join(unknown)}, of which there is no file in core/kinds")
    return kinds


KINDS: Mapping[str, Kind[Any]] = _checked({name: _kind_in(name) for name in sorted(module.name for module in iter_modules(__path__))})
"""Every kind by its name."""

KIND_OF_RECORD: Mapping[type[Record], Kind[Any]] = {kind.record: kind for kind in KINDS.values()}


def _event_types() -> Mapping[str, tuple[EventType, Kind[Any]]]:
    found: dict[str, tuple[EventType, Kind[Any]]] = {}
    for kind in KINDS.values():
        if not list(kind.events):
            raise KindError(f"kind {kind.name} has no event types")
        for event_type in kind.events:
            if event_type.value in found:
                raise KindError(f"kinds {found[event_type.value][1].name} and {kind.name} both have the event type {event_type.value}")
            found[event_type.value] = (event_type, kind)
    return found


_EVENT_TYPES = _event_types()

EVENT_TYPES: tuple[EventType, ...] = tuple(event_type for event_type, _ in _EVENT_TYPES.values())
"""Every event type, those of a kind together."""


def kind_of(record: Record) -> Kind[Any]:
    """Return the kind of a record."""
    return KIND_OF_RECORD[type(record)]


def event_type(name: str) -> EventType:
    """Return the event type of that name. Raises ValueError if there is none."""
    return _event(name)[0]


def kind_of_event(name: str) -> Kind[Any]:
    """Return the kind an event type belongs to. Raises ValueError if there is no such type."""
    return _event(name)[1]


def _event(name: str) -> tuple[EventType, Kind[Any]]:
    try:
        return _EVENT_TYPES[name]
    except KeyError:
        raise ValueError(f"{name!r} is no type of event") from None


def total_of(record: Record) -> Money | None:
    """Return what a record is about as one amount; None for what is about no one amount."""
    return kind_of(record).total(record)

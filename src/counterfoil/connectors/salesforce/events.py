"""Events of a stream taken apart: Avro by the schema it names, and bitmaps as the names of fields. Pure.

Of ``changedFields`` and the like, ``0x...`` has a bit for each field of the schema by its place, ``3-0x...`` a bit for each part of the
compound field at place 3: https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-deserialization-considerations.html
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

import fastavro

Obj = dict[str, Any]

BITS_MAX = 20_000
"""Characters of one bitmap."""


class EventSchema:
    """The schema of one kind of event."""

    def __init__(self, text: str) -> None:
        """Read a schema. Raises ValueError if it is none."""
        try:
            self.fields: list[Obj] = list(json.loads(text)["fields"])
            self._parsed = fastavro.parse_schema(json.loads(text))
        except Exception as error:  # whatever a library makes of text that is no schema
            raise ValueError(f"the schema cannot be read: {type(error).__name__}") from None

    def decode(self, payload: bytes) -> Obj:
        """Return an event. Raises ValueError if it is none of this schema."""
        try:
            found = fastavro.schemaless_reader(io.BytesIO(payload), self._parsed, None)
        except Exception as error:  # whatever a library makes of bytes that are no event
            raise ValueError(f"the event cannot be read: {type(error).__name__}") from None
        if not isinstance(found, dict):
            raise ValueError("the event is no record")
        return found

    def names(self, bitmaps: Iterable[str]) -> tuple[str, ...]:
        """Return the fields that bitmaps stand for, in the order of the schema. Raises ValueError for what is no bitmap of this schema."""
        found: dict[str, None] = {}
        for bitmap in bitmaps:
            place, dash, bits = bitmap.rpartition("-")
            if not dash:
                found |= dict.fromkeys(_set(self.fields, bits))
                continue
            parent = self.fields[int(place)] if place.isdecimal() and int(place) < len(self.fields) else None
            parts = None if parent is None else _parts(parent["type"])
            if parent is None or parts is None:
                raise ValueError(f"{bitmap[:40]!r} is of no compound field of the schema")
            found |= dict.fromkeys(f"{parent['name']}.{name}" for name in _set(parts, bits))
        return tuple(found)


def _set(fields: list[Obj], bits: str) -> list[str]:
    """Return the names of the fields whose bit is set."""
    if not bits.startswith("0x") or len(bits) > BITS_MAX:
        raise ValueError(f"{bits[:40]!r} is no bitmap")
    number = int(bits, 16)
    if number >> len(fields):
        raise ValueError("a bitmap has a bit for a field that the schema does not have")
    return [str(one["name"]) for place, one in enumerate(fields) if number >> place & 1]


def _parts(type_: Any) -> list[Obj] | None:
    """Return the parts of a compound field: the record among what its value may be."""
    options = type_ if isinstance(type_, list) else [type_]
    return next((list(one["fields"]) for one in options if isinstance(one, Mapping) and one.get("type") == "record"), None)

"""The canonical text of values: what command ids and content digests are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any


def decimal_text(value: Decimal) -> str:
    """Return a decimal without trailing zeros or exponent: 19, 8.875, 0.1."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def canonical_text(value: object) -> str:
    """Return one text per value: equal values (1 and 1.0 as decimals, too) have equal texts, different ones different texts.

    Takes what canonical dataclasses are made of: None, bool, int, str, Decimal, date, aware datetime, enums, tuples and dataclasses.
    Field names are in the text and fields at their defaults too, so a text changes only with the value or the shape of its type.
    """
    return _WRITER[type(value)](value)


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"instants are aware: {value!r}")
    return f"t{value.astimezone(UTC).isoformat()}"


def _tuple(value: tuple[object, ...]) -> str:
    return "[" + ",".join([_WRITER[type(item)](item) for item in value]) + "]"


def _fields_of(kind: type) -> Callable[[Any], str]:
    """Return what writes the records of a class: the names once for all of them."""
    named = [(f"{field.name}:", attrgetter(field.name)) for field in fields(kind)]

    def write(value: object) -> str:
        parts = []
        for name, get in named:
            part = get(value)
            parts.append(name + _WRITER[type(part)](part))
        return f"{kind.__name__}{{{','.join(parts)}}}"

    return write


_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (type(None), lambda _: "null"),
    (Enum, lambda value: canonical_text(value.value)),
    (str, _text),
    (bool, lambda value: "true" if value else "false"),
    (int, str),
    (Decimal, lambda value: f"d{decimal_text(value)}"),
    (datetime, _instant),
    (date, date.isoformat),
    (tuple, _tuple),
)
"""By class, the first that fits: an enum of texts is an enum, an instant also is a day."""


class _Writers(dict[type, Callable[[Any], str]]):
    """What writes the values of a class, found once for each."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        write = next((write for known, write in _WRITERS if issubclass(kind, known)), None) or _fields_of(kind)
        self[kind] = write
        return write


_WRITER = _Writers()

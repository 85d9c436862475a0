"""The canonical text of values: what command ids and content digests are made from."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache

_QUOTE = str.maketrans({"\\": "\\\\", '"': '\\"'})


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


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
    if value is None:
        return "null"
    if isinstance(value, Enum):
        return canonical_text(value.value)
    if isinstance(value, str):
        return f'"{value.translate(_QUOTE)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"d{decimal_text(value)}"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"instants are aware: {value!r}")
        return f"t{value.astimezone(UTC).isoformat()}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return "[" + ",".join([canonical_text(item) for item in value]) + "]"
    kind: type = type(value)
    body = ",".join([f"{name}:{canonical_text(getattr(value, name))}" for name in _names(kind)])
    return f"{kind.__name__}{{{body}}}"

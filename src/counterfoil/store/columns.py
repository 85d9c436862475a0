"""From rows to columns: the arrays that ``unnest`` takes, so that a set of any size is one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

SEPARATOR = "\n"
"""Joins lists of keys inside one array element; no key contains it (checked by ``joined``)."""


def columns(rows: Sequence[object], names: Iterable[str]) -> dict[str, list[Any]]:
    """Return one list per named attribute, in the order of the rows."""
    return {name: [getattr(row, name) for row in rows] for name in names}


def joined(keys: Sequence[str]) -> str:
    """Return the keys as one text for ``string_to_array`` at line breaks. Raises ValueError if a key holds a line break."""
    if any(SEPARATOR in key for key in keys):
        raise ValueError(f"a key must not contain a line break: {keys!r}")
    return SEPARATOR.join(keys)

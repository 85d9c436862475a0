"""Lists as PostgreSQL's array literals: every set statement takes its rows as columns, and the driver's own way of writing them was a tenth
of a worker's processor time.

A literal has no type of its own: the statement says it (``%(ids)s::text[]``), or what it is compared with.
Source: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from psycopg import DataError
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format


def array_literal(values: Sequence[object]) -> str:
    """Return the literal of a list of texts, numbers, booleans, instants, days, ids or bytes, any of them None; lists may be nested.

    Raises:
        psycopg.DataError: a text holds a NUL, which PostgreSQL cannot keep.
    """
    literal = "{" + ",".join([_element(value) for value in values]) + "}"
    if "\0" in literal:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return literal


def _element(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if value is None:
        return "NULL"
    if kind is bool:
        return "t" if value else "f"
    if kind is int:
        return str(value)
    if isinstance(value, Enum):
        return _element(value.value)
    if isinstance(value, list | tuple):
        return array_literal(value)
    if isinstance(value, bytes):
        return _quoted("\\x" + value.hex())
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class ArrayDumper(Dumper):
    """Writes lists for a connection on which it is registered."""

    format = Format.TEXT
    oid = 0

    def dump(self, obj: Sequence[object]) -> Buffer:
        """Return the literal as it is sent."""
        return array_literal(obj).encode()

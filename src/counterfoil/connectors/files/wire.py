"""The body of a delivery: one row, or the rows of one document, as texts with their lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec


class RowOfFile(msgspec.Struct, frozen=True):
    """One row: its line in the file and its non-empty fields by column."""

    line: int
    values: dict[str, str]


class Document(msgspec.Struct, frozen=True):
    """What one delivery holds. ``modified_us``: when the file was last modified, in microseconds since the epoch."""

    layout: str
    file: str
    modified_us: int
    rows: tuple[RowOfFile, ...]


def from_micros(micros: int) -> datetime:
    """Return the instant of microseconds since the epoch; aware UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def to_micros(instant: datetime) -> int:
    """Return the microseconds since the epoch of an aware instant."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

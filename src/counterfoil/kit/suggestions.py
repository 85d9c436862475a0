"""What a target suggests to `counterfoil init`: the books found in it, as values; how they are written is the file's matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Processors = Mapping[str, str]
"""The connections whose money stands on a balance of theirs, and their connectors: books have a clearing account for each."""


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting: its value, and what people should know of it. ``value`` empty: none was found, and the line is for them to fill in.

    ``is_meant`` False: it is only needed in some cases, and is written as a comment.
    """

    key: str
    value: str | int
    note: str = ""
    is_meant: bool = True


@dataclass(frozen=True, slots=True)
class SettingTable:
    """A table of a connection's settings: its place below the connection, its lines, and what it is for."""

    path: tuple[str, ...]
    lines: tuple[SettingLine, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class SuggestedTax:
    """A sales tax: its name in the books, its percentage as text, and whether prices include it."""

    name: str
    percentage: str
    is_inclusive: bool


@dataclass(frozen=True, slots=True)
class SuggestedBooks:
    """One legal entity's books: a key that names it, what people call it, its currency (ISO 4217), its settings, its sales taxes."""

    key: str
    name: str
    currency: str
    tables: tuple[SettingTable, ...] = ()
    taxes: tuple[SuggestedTax, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """All that was found, with notes for people about the whole."""

    notes: tuple[str, ...] = ()
    books: tuple[SuggestedBooks, ...] = ()

"""How the program speaks: rich for people, one JSON object for programs, exit codes 0 fine, 1 found something, 2 misuse, 3 try later."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from counterfoil.core.language.money import CurrencyError, Money, format_money

FINE, FOUND, MISUSE, LATER = 0, 1, 2, 3

if sys.stdout is None:  # closed by who called the program: nobody reads it
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the program runs

_STEERING = ("Cc", "Cs", "Zl", "Zp")
_TURNING = frozenset(chr(sign) for sign in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Signs that turn the direction of writing for all that follows."""


def shown(text: str) -> str:
    """Return a text with what steers terminals, or turns the direction of writing, made visible: names of customers come from anywhere."""
    return text if text.isprintable() else "".join(map(_shown_sign, text))


def _shown_sign(sign: str) -> str:
    is_plain = sign in "\n\t" or not (sign in _TURNING or unicodedata.category(sign) in _STEERING)
    return sign if is_plain else sign.encode("unicode_escape").decode()


class _Terminal(Console):
    """A console on which nothing that is printed steers the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as it is printed: by itself, or in a table."""
        return super().render_str(shown(text), **options)


words = _Terminal(stderr=True, highlight=False, soft_wrap=True)
data = _Terminal(highlight=False, width=None if sys.stdout.isatty() else 140)


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | bytes):
        return str(value) if isinstance(value, Decimal) else value.hex()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def print_json(value: Any) -> None:
    """Write one JSON value to stdout."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[int] = (), whole: Sequence[int] = ()
) -> None:
    """Write a table to stdout; ``right`` lists the columns that are aligned to the right (figures), ``whole`` those never broken (ids)."""
    table = Table(title=escape(title), title_justify="left", title_style="bold", header_style="bold", expand=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position in right else "left", overflow="fold", no_wrap=position in whole)
    for row in rows:
        table.add_row(*["" if cell is None else escape(str(cell)) for cell in row])
    data.print(table)


def when(instant: datetime | None) -> str:
    """Return an instant as people read it."""
    return "" if instant is None else instant.strftime("%Y-%m-%d %H:%M:%S")


def money(minor: int | None, currency: str) -> str:
    """Return an amount with the decimals of its currency and thousands separators; empty if there is none."""
    if minor is None or not currency:
        return ""
    try:
        return format_money(Money(minor, currency))
    except CurrencyError:
        return f"{minor:,} minor units {currency}"


def count(value: int) -> str:
    """Return a number as people read it; a dash for nothing, so that what is there stands out."""
    return f"{value:,}" if value else "-"


def span(seconds: float) -> str:
    """Return a length of time in its largest sensible unit: ``340 ms``, ``4.2 s``, ``12 min``, ``3.5 h``, ``29 d``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 90:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"

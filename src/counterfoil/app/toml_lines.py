"""Where a setting stands in a TOML text: dotted path -> line number, so that an error can name the line."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*((?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")


def _parts(text: str) -> tuple[str, ...]:
    return tuple(a or b or c for a, b, c in _PART.findall(text))


def line_index(text: str) -> dict[tuple[str, ...], int]:
    """Return the 1-based line of every table header and key. Tables of an array carry their index as a path part (``routes``, ``0``)."""
    index: dict[tuple[str, ...], int] = {}
    counts: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            table = _parts(header.group(2))
            if header.group(1) == "[[":
                position = counts.get(table, 0)
                counts[table] = position + 1
                index.setdefault(table, number)
                table = (*table, str(position))
            index.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key:
            index.setdefault((*table, *_parts(key.group(1))), number)
    return index


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """Return the line of the setting at path, of the first within it, or of the nearest table around it; None if none of it is there."""
    index = line_index(text)
    parts = tuple(str(part) for part in path)
    while parts:
        if parts in index:
            return index[parts]
        within = [line for place, line in index.items() if place[: len(parts)] == parts]
        if within:
            return min(within)
        parts = parts[:-1]
    return None

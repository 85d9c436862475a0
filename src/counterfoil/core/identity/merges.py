"""Merges: which thing was merged into which, as its source says it, and who is left of it. Pure.

Of all that one source says of a thing's merging the newest counts, also that it is merged into nothing (any more); facts that do not speak
of it change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from counterfoil.core.language.records import Record

R = TypeVar("R", bound=Record)

_FIELD = "merged_into"


def can_merge(record: Record) -> bool:
    """Tell whether records of its kind can be merged into others."""
    return hasattr(record, _FIELD)


def merged_into(record: Record) -> str:
    """Return the id of what a record was merged into; empty: it stands for itself."""
    return str(getattr(record, _FIELD, ""))


def with_merge(record: R, into: str) -> R:
    """Return the record as merged into another one, or into none."""
    if merged_into(record) == into:
        return record
    merged: R = replace(record, **{_FIELD: into})  # type: ignore[type-var]
    return merged


@dataclass(frozen=True, slots=True)
class Chain:
    """The things that were merged into one another, from the one asked for on: who is left is the last one, unless it is a circle."""

    ids: tuple[str, ...]
    is_circle: bool = False

    @property
    def survivor(self) -> str:
        """The id of who is left; empty if none is."""
        return "" if self.is_circle else self.ids[-1]


def chain(id: str, into: Callable[[str], str]) -> Chain:
    """Return the merges from a thing on. ``into``: by id, what that was merged into; empty: nothing, or it is not known.

    Of a circle only the things in it are returned: into itself, or two systems merging the same two in opposite directions.
    """
    ids = [id]
    while following := into(ids[-1]):
        if following in ids:
            return Chain(tuple(ids[ids.index(following) :]), is_circle=True)
        ids.append(following)
    return Chain(tuple(ids))

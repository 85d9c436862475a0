"""Knowing that a write may still take effect although its batch ended well: one that got no answer was sent again, and that was answered.

A client notes every write without an answer here; whoever sends a batch looks at the count at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Doubts:
    """How many writes were sent and not answered."""

    count: int = 0


_noting: ContextVar[Doubts | None] = ContextVar("doubts", default=None)


@contextmanager
def counting_doubts() -> Iterator[Doubts]:
    """Count the doubts of the calls made within, also in tasks begun within."""
    doubts = Doubts()
    token = _noting.set(doubts)
    try:
        yield doubts
    finally:
        _noting.reset(token)


def note_doubt() -> None:
    """Note that a write was sent and may take effect later than anybody waits for it."""
    doubts = _noting.get()
    if doubts is not None:
        doubts.count += 1

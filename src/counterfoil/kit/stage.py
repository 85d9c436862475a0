"""What every stage's turn gives back to the engine that runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of a stage says: is there more to do now, or should the partition be woken in some seconds (None: by new work)."""

    has_more: bool
    wake_in_s: float | None = None


Stage = Callable[[str], Awaitable[Turn]]
"""Works one partition (by its key) once: bounded, idempotent, safe to run twice."""


def backoff_s(attempts: int, *, base_s: float = 1.0, wait_max_s: float = 300.0) -> float:
    """Return the wait before the next try, doubling with every attempt that failed (1 or more)."""
    return float(min(wait_max_s, base_s * 2 ** max(0, attempts - 1)))

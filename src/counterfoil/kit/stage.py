"""What the engine gives a stage's turn, and what the turn gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

TRIES_MAX = 5
"""How often a piece of work may be in hand while its worker dies or its turn fails, before it is parked as a case."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of a stage says: is there more to do now, or should the partition be woken in some seconds (None: by new work)."""

    has_more: bool
    wake_in_s: float | None = None


class TurnContext(Protocol):
    """How a turn is to be taken; given by the engine to every turn."""

    @property
    def limit(self) -> int | None:
        """At most so many items at once; None: as many as usual. 1 after turns of this partition died or failed."""
        ...

    @property
    def is_ending(self) -> bool:
        """Whether the process is about to end: begin nothing new, finish what is under way, return ``has_more=True``."""
        ...

    async def hold(self, items: Sequence[str]) -> frozenset[str]:
        """Note, committed, that these items are now in hand; return those to be parked instead of tried (TRIES_MAX failed tries).

        To be called after claiming and before anything else. Costs nothing while the partition has no failed turn behind it.
        """
        ...


@dataclass(frozen=True, slots=True)
class PlainContext:
    """The context of a turn on a partition that nothing happened to."""

    limit: int | None = None
    is_ending: bool = False

    async def hold(self, items: Sequence[str]) -> frozenset[str]:
        """Return nothing: no item is suspect."""
        del items
        return frozenset()


PLAIN = PlainContext()

Stage = Callable[[str, TurnContext], Awaitable[Turn]]
"""Works one partition (by its key) once: bounded, idempotent, safe to run twice."""


def backoff_s(attempts: int, *, base_s: float = 1.0, wait_max_s: float = 300.0) -> float:
    """Return the wait before the next try, doubling with every attempt that failed (1 or more)."""
    return float(min(wait_max_s, base_s * 2 ** max(0, attempts - 1)))

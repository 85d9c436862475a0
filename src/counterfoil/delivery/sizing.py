"""How large a batch is made: as large as the target takes well, and short while real-time work for it may come at any moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from counterfoil.kit.limits import AdaptiveBatch

ORDINARY_S = 30.0
"""A batch, of which several are under way at once, is to take no longer than this; its calls are shorter, as the connector cuts it."""
YIELDING_S = 0.5
"""Nor a batch of bulk work than this, while there is real-time work for the same target."""

YIELDING_MIN = 4
"""But so many commands it has: most of a small batch's time is its calls waiting for their turn, which fewer commands do not shorten."""

SizeKey = tuple[str, str, str]
"""Target, batch key and kind of command."""


@dataclass(slots=True)
class LearnedSizes:
    """The sizes this process has learned, by place, one for each of the two paces. Losing them is harmless."""

    _known: dict[tuple[SizeKey, bool], AdaptiveBatch] = field(default_factory=dict)
    _record_s: dict[SizeKey, float] = field(default_factory=dict)

    def size(self, place: SizeKey, size_max: int, *, is_yielding: bool) -> int:
        """Return how many commands to send at once."""
        return min(size_max, self._of(place, size_max, is_yielding=is_yielding).size)

    def learn(self, place: SizeKey, size_max: int, sent: int, latency_s: float, *, is_yielding: bool, has_failed: bool) -> None:
        """Learn from a batch."""
        self._record_s[place] = latency_s / sent
        self._of(place, size_max, is_yielding=is_yielding).learn(sent, latency_s, has_failed=has_failed)

    def _of(self, place: SizeKey, size_max: int, *, is_yielding: bool) -> AdaptiveBatch:
        known = self._known.get((place, is_yielding))
        if known is None:
            size_min = min(YIELDING_MIN, size_max) if is_yielding else 1
            known = self._known[place, is_yielding] = AdaptiveBatch(size_min, size_max, YIELDING_S if is_yielding else ORDINARY_S)
            record_s = self._record_s.get(place)
            if is_yielding and record_s:  # what a record takes is known from the other pace
                known.size = max(size_min, min(size_max, int(YIELDING_S / record_s)))
        return known

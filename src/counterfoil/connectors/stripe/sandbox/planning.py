"""A plan of deliveries: what becomes of each event on its way, drawn from a seed and the event's own id and from nothing else.

Two runs that make the same events deliver them alike, however fast the machines are: delays are on the sandbox's clock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass
class Plan:
    """How deliveries behave by plan. Chances are per event; times are seconds of the sandbox's clock.

    Attributes:
        seed: with the event's id it decides everything.
        lose: chance that an event is never delivered.
        duplicate: chance that it is delivered a second time, at most ``again_max_s`` after the first.
        shuffle: chance that it comes up to ``shuffle_max_s`` later than it happened, so that others overtake it.
        late: chance that its first attempt fails on the way and it comes ``late_min_s`` to ``late_max_s`` later.
    """

    seed: int = 0
    lose: float = 0.0
    duplicate: float = 0.0
    shuffle: float = 0.0
    late: float = 0.0
    again_max_s: int = 7_200
    shuffle_max_s: int = 900
    late_min_s: int = 3_600
    late_max_s: int = 259_200

    def delays_of(self, event_id: str) -> tuple[int, ...]:
        """Return how long after the event each of its deliveries is made, the first one first; nothing: it is lost."""
        chance = random.Random(f"{self.seed}/{event_id}")
        if chance.random() < self.lose:
            return ()
        roll = chance.random()
        first = 0
        if roll < self.late:
            first = chance.randint(self.late_min_s, max(self.late_min_s, self.late_max_s))
        elif roll < self.late + self.shuffle:
            first = chance.randint(1, max(1, self.shuffle_max_s))
        if chance.random() < self.duplicate:
            return first, first + chance.randint(0, self.again_max_s)
        return (first,)

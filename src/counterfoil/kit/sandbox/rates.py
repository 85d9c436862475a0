"""How many calls there were lately, for vendors that refuse more than so many in so many seconds: a window that rolls on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class RollingWindow:
    """The calls of the last seconds, by the machine's clock."""

    def __init__(self, seconds: float = 1.0, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._now = now
        self._calls: deque[float] = deque()

    @property
    def count(self) -> int:
        """How many calls there were."""
        oldest = self._now() - self.seconds
        while self._calls and self._calls[0] <= oldest:
            self._calls.popleft()
        return len(self._calls)

    def note(self) -> None:
        """Count a call."""
        self._calls.append(self._now())

    def take(self, most: float) -> bool:
        """Count a call unless there were as many as there may be; tell whether it was counted."""
        if self.count + 1 > most:
            return False
        self.note()
        return True

"""A vendor's clock in milliseconds: it stands still but for what happens and for time that is let pass, or shows the time of day."""

from __future__ import annotations

import time
from datetime import datetime


class MillisecondClock:
    """What a sandbox's world stands on whose vendor dates things to the millisecond. ``now_ms``: what it shows."""

    def __init__(self, start_ms: int) -> None:
        self.now_ms = start_ms
        self.runs_since: tuple[int, float] | None = None

    def tick(self) -> int:
        """Return the instant of something that happens: a millisecond after the last one, or the time of day where the clock runs."""
        if self.runs_since is not None:
            started_ms, at = self.runs_since
            self.now_ms = max(self.now_ms + 1, started_ms + int((time.monotonic() - at) * 1000))
        else:
            self.now_ms += 1
        return self.now_ms

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ms += int(seconds * 1000)

    def show(self, instant: datetime) -> None:
        """Show an instant, earlier or later than now."""
        self.now_ms = int(instant.timestamp() * 1000)

    def run(self) -> None:
        """Let the clock show the time of day, and go on with it."""
        self.now_ms = int(time.time() * 1000)
        self.runs_since = (self.now_ms, time.monotonic())

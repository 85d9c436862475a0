"""The one clock the hub decides by; virtual in simulations."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Gives the current instant."""

    def now(self) -> datetime:
        """Return now, aware UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return now, aware UTC."""
        return datetime.now(UTC)


class SettableClock:
    """A clock that stands still until it is moved; it never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the set instant."""
        return self._now

    def advance_to(self, instant: datetime) -> None:
        """Move to instant. Raises ValueError if that lies in the past."""
        if instant < self._now:
            raise ValueError(f"a clock does not go back: {instant} < {self._now}")
        self._now = instant


class FollowingClock:
    """A clock that runs at the machine's speed from a given instant and can be moved ahead: follows a simulated world's clock."""

    def __init__(self, start: datetime) -> None:
        self._base = start
        self._since = time.monotonic()

    def now(self) -> datetime:
        """Return the base plus what has passed since it was set."""
        return self._base + timedelta(seconds=time.monotonic() - self._since)

    def follow(self, instant: datetime) -> None:
        """Move ahead to instant; one that has passed already changes nothing."""
        if instant > self.now():
            self._base = instant
            self._since = time.monotonic()

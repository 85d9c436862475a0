"""The one clock the hub decides by; virtual in simulations."""

from __future__ import annotations

import time
from collections.abc import Callable
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


def machine_now() -> datetime:
    """Return the machine's instant, aware UTC."""
    return datetime.now(UTC)


class SharedClock:
    """The machine's clock, set by one that all machines share: what several of them order by must be told by one clock.

    ``machine``: the machine's own. Before it is set it goes by that alone.
    """

    def __init__(self, machine: Callable[[], datetime] = machine_now) -> None:
        self._machine = machine
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """Return now by the shared clock, as it was last heard of."""
        return self._machine() + self._ahead

    def machine(self) -> datetime:
        """Return now by the machine's own clock: what ``set_by`` takes."""
        return self._machine()

    def set_by(self, shared: datetime, asked_at: datetime) -> None:
        """Take over what the shared clock said, asked at an instant of the machine's and answered now: halfway between the two."""
        answered_at = self._machine()
        self._ahead = shared - (asked_at + (answered_at - asked_at) / 2)


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

"""Simulated time: a clock with the things that are due on it."""

from __future__ import annotations

import calendar
import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

DAY = 86_400
HOUR = 3_600


class Timeline:
    """A clock in Unix seconds that stands still until moved; moving it fires what is due, in order, each at its own instant."""

    def __init__(self, now: int, settle: Callable[[], None]) -> None:
        self.now = now
        self._settle = settle  # does what an action left for after it
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = count()

    def at(self, due: int, action: Callable[[], None]) -> None:
        """Have action called when the clock reaches ``due`` (at the next move if that has passed)."""
        heapq.heappush(self._due, (due, next(self._count), action))

    def advance(self, to: int) -> int:
        """Move to an instant, firing what is due, and return how many things fired. Raises ValueError if it lies in the past."""
        if to < self.now:
            raise ValueError(f"a clock does not go back: {to} < {self.now}")
        fired = 0
        while self._due and self._due[0][0] <= to:
            due, _, action = heapq.heappop(self._due)
            self.now = max(self.now, due)
            action()
            self._settle()
            fired += 1
        self.now = to
        return fired

    def next_due(self) -> int | None:
        """Return when the next thing is due, or None."""
        return self._due[0][0] if self._due else None


def add_interval(start: int, interval: str, amount: int, anchor: int | None = None) -> int:
    """Return start plus a number of days, weeks, months or years; months keep the anchor's day, clamped to the month's last.

    Source: https://docs.stripe.com/billing/subscriptions/billing-cycle (a subscription anchored on the 31st bills on the last day).
    """
    if interval == "day":
        return start + amount * DAY
    if interval == "week":
        return start + amount * 7 * DAY
    moment = datetime.fromtimestamp(start, UTC)
    day = datetime.fromtimestamp(anchor, UTC).day if anchor is not None else moment.day
    months = moment.year * 12 + moment.month - 1 + amount * (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return int(moment.replace(year=year, month=month + 1, day=min(day, last)).timestamp())


def midnight(instant: int) -> int:
    """Return the start of the UTC day."""
    return instant - instant % DAY


def iso(instant: int) -> str:
    """Return an instant as Stripe's v2 API writes it."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

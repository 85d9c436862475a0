"""Declared maintenance windows: weekly or dated, in local time. Pure.

A window that a change of the clocks makes ambiguous is taken as its longer reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Weekly:
    """On these days of the week (0: Monday) from ``starts`` to ``ends`` (exclusive; at or before ``starts``: on the day after)."""

    days: frozenset[int]
    starts: time
    ends: time
    zone: ZoneInfo

    def ends_at(self, now: datetime) -> datetime | None:
        """Return when the window that ``now`` lies in ends, None outside."""
        today = now.astimezone(self.zone).date()
        found = [self._until(day, now) for day in (today - timedelta(days=1), today) if day.weekday() in self.days]
        return max((end for end in found if end is not None), default=None)

    def _until(self, day: date, now: datetime) -> datetime | None:
        begun = datetime.combine(day, self.starts, self.zone).astimezone(UTC)
        last = day if self.ends > self.starts else day + timedelta(days=1)
        end = datetime.combine(last, self.ends.replace(fold=1), self.zone).astimezone(UTC)
        return end if begun <= now < end else None


@dataclass(frozen=True, slots=True)
class Dated:
    """Once, from ``starts_at`` to ``ends_at`` (exclusive), both aware."""

    starts_at: datetime
    ends_at_: datetime

    def ends_at(self, now: datetime) -> datetime | None:
        """Return when the window ends if ``now`` lies in it, None outside."""
        return self.ends_at_ if self.starts_at <= now < self.ends_at_ else None


Window = Weekly | Dated


def closed_until(windows: Iterable[Window], now: datetime) -> datetime | None:
    """Return until when ``now`` is within declared windows, None outside; windows that follow each other without a gap count as one."""
    known = tuple(windows)
    until: datetime | None = None
    for _ in range(len(known) * 8):
        ends = [end for end in (window.ends_at(until or now) for window in known) if end is not None]
        if not ends:
            break
        until = max(ends)
    return until

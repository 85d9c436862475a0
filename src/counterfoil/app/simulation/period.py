"""The stretch of virtual time that is played."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

DAYS_MIN, DAYS_MAX = 1, 400
_SHORT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SimulatedPeriod:
    """So many days from a first day on, in UTC. ``end`` is ten minutes early: what begins at the first midnight renews at the last."""

    first_day: date
    days: int

    def __post_init__(self) -> None:
        if not DAYS_MIN <= self.days <= DAYS_MAX:
            raise ValueError(f"{DAYS_MIN} to {DAYS_MAX} days can be played, not {self.days}")

    @property
    def start(self) -> datetime:
        """The first instant."""
        return datetime(self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The last instant."""
        return self.start + timedelta(days=self.days) - _SHORT

    @property
    def midnights(self) -> tuple[datetime, ...]:
        """The midnights within."""
        return tuple(self.start + timedelta(days=number) for number in range(1, self.days))

    @property
    def month_starts(self) -> tuple[datetime, ...]:
        """The first instants of its months, the first one's being its own start."""
        return (self.start, *(instant for instant in self.midnights if instant.day == 1))

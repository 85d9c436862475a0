"""The coverage statement: until when no gap is possible, and how long until a change nobody has seen could no longer be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from counterfoil.store.cursors import Cursor

_STREAMS = ("listen", "poll")
RISK_BELOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is proven of one source.

    Attributes:
        no_gap_until: every change made before it was received; None: no round of polling has ended yet.
        read_at: when it was last polled.
        hours_left: until a change made right after ``no_gap_until``, if unseen, can no longer be had from the source; None: the source
            keeps everything, or nothing is known yet. Negative: some may be lost already.
    """

    connection: str
    no_gap_until: datetime | None
    read_at: datetime | None
    hours_left: float | None

    @property
    def is_at_risk(self) -> bool:
        """Whether less than a day is left."""
        return self.hours_left is not None and self.hours_left < RISK_BELOW.total_seconds() / 3600


def coverage(cursors: Sequence[Cursor], now: datetime) -> list[Coverage]:
    """Return the coverage of every source that is polled or listened to.

    How long a source keeps changes is taken from its last answer: the time of reading less the oldest instant it could still show.
    """
    return [_of(cursor, now) for cursor in read_cursors(cursors)]


def read_cursors(cursors: Sequence[Cursor]) -> list[Cursor]:
    """Return how far each source was read: by its polls, or where it has none by its stream."""
    found = {cursor.connection: cursor for stream in _STREAMS for cursor in cursors if cursor.stream == stream}
    return [found[name] for name in sorted(found)]


def _of(cursor: Cursor, now: datetime) -> Coverage:
    hours_left = None
    if cursor.covers_until and cursor.recoverable_since and cursor.updated_at:
        kept_for = cursor.updated_at - cursor.recoverable_since
        hours_left = (cursor.covers_until + kept_for - now).total_seconds() / 3600
    return Coverage(cursor.connection, cursor.covers_until, cursor.updated_at, hours_left)

"""The coverage statement: until when no gap is possible, and how long until a change nobody has seen could no longer be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from counterfoil.store.cursors import LISTEN, POLL, Cursor

RISK_BELOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is proven of one source.

    Attributes:
        no_gap_until: every change made before it was received; None: no round of polling has ended yet.
        read_at: when it was last polled.
        hours_left: until a change made right after ``no_gap_until``, if unseen, can no longer be had from the source; None: the source
            keeps everything, or nothing is known yet. Negative: some may be lost already.
        stream_hours_left: of a source that is polled and streams as well, until what it streamed after the last that was kept is kept no
            more; then polling alone has seen it. None: it does not stream, or is not polled.
    """

    connection: str
    no_gap_until: datetime | None
    read_at: datetime | None
    hours_left: float | None
    stream_hours_left: float | None = None

    @property
    def is_at_risk(self) -> bool:
        """Whether less than a day is left."""
        return self.hours_left is not None and self.hours_left < RISK_BELOW.total_seconds() / 3600


def coverage(cursors: Sequence[Cursor], now: datetime) -> list[Coverage]:
    """Return the coverage of every source that is polled or listened to: what holds for every list of its changes.

    How long a source keeps changes is taken from its last answer: the time of reading less the oldest instant it could still show.
    """
    streams = {one.connection: one for one in cursors if one.stream == LISTEN}
    return [_of(name, lists, streams.get(name), now) for name, lists in lists_read(cursors).items()]


def _of(name: str, lists: Sequence[Cursor], stream: Cursor | None, now: datetime) -> Coverage:
    until = [one.covers_until for one in lists if one.covers_until is not None]
    read_at = [one.updated_at for one in lists if one.updated_at is not None]
    left = [hours for one in lists if (hours := _hours_left(one, now)) is not None]
    return Coverage(
        name,
        no_gap_until=min(until) if len(until) == len(lists) else None,
        read_at=max(read_at, default=None),
        hours_left=min(left, default=None),
        stream_hours_left=None if stream is None or stream in lists else _hours_left(stream, now),
    )


def lists_read(cursors: Sequence[Cursor]) -> dict[str, list[Cursor]]:
    """Return how far each source was read, by its name: every list it is polled by, or where it has none its stream."""
    polled: dict[str, list[Cursor]] = {}
    streamed: dict[str, list[Cursor]] = {}
    for one in cursors:
        if one.is_read and (one.stream == POLL or one.stream.startswith(f"{POLL}/")):
            polled.setdefault(one.connection, []).append(one)
        elif one.stream == LISTEN:
            streamed[one.connection] = [one]
    found = streamed | polled
    return {name: found[name] for name in sorted(found)}


def _hours_left(cursor: Cursor, now: datetime) -> float | None:
    if not (cursor.covers_until and cursor.recoverable_since and cursor.updated_at):
        return None
    kept_for = cursor.updated_at - cursor.recoverable_since
    return (cursor.covers_until + kept_for - now).total_seconds() / 3600

"""The stage ``poll``: one partition per source, which wakes itself. Each list of a source's changes is read and fails by itself.

A list that cannot be read waits, longer and longer, while the others of its source are read, and becomes a case. Where none can be read
one of them is tried, each time another; with it the others come back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from counterfoil.core.language.commands import Lane
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Polls
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import cursors, reading
from counterfoil.store.cipher import Cipher
from counterfoil.store.cursors import LISTEN, Cursor
from counterfoil.store.pool import Pool, single_statements
from counterfoil.store.reading import Missed, Unread
from counterfoil.store.work import Arm

from .poller import BrokenListError, Poller, begun, stream_of
from .unread import WAIT_MAX_S, ClosedUntil, missed, note_read, note_unread

log = structlog.get_logger()

PAGES_A_TURN = 10
"""Of each list."""
FIRST_WAIT_S = 15.0
"""Before a list that could not be read is tried again, each time where nothing of its source can be; less where it is read more often."""
SOON_S = 1.0


@dataclass(slots=True)
class _Round:
    """What one turn found, by the names of the lists.

    ``more``: there is more of them now; ``cut``: not come to; ``failed``: could not be read, by stream; ``is_all``: nothing could be.
    """

    known: Sequence[Unread]
    places: Mapping[str, Cursor]
    read: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    failed: dict[str, HubError] = field(default_factory=dict)
    missed: list[Missed] = field(default_factory=list)
    is_all: bool = False
    broken: list[Exception] = field(default_factory=list)

    @property
    def good(self) -> set[str]:
        """The streams that could be read."""
        return {stream_of(name) for name in (*self.read, *self.more)}

    def again_at(self, name: str) -> datetime:
        """Return when a list that could not be read is tried again."""
        return next(one.again_at for one in self.known if one.stream == stream_of(name))


@dataclass(frozen=True, slots=True)
class Polling:
    """Polls every source: its lists of changes, by name. ``every_s``: how often each, by its name, in seconds.

    ``lanes``: of what each brings; real time if not named. ``closed_s``: how long each stays in declared maintenance, in which nobody is
    told that it cannot be read.
    """

    pool: Pool
    cipher: Cipher
    sources: Mapping[str, tuple[Mapping[str, Polls], Context]]
    clock: Clock
    arm: Arm
    every_s: Mapping[str, float]
    lanes: Mapping[str, Lane] = field(default_factory=dict)
    closed_s: ClosedUntil = field(default_factory=dict)
    _fine: set[tuple[str, str]] = field(default_factory=set)
    """Lists of which this process knows that nothing is noted."""
    _left: dict[str, list[str]] = field(default_factory=dict)
    """Lists of which a turn left some, by source: those alone are read by the next."""

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Read what is new in the lists of one source. Raises what reading one of them raised that its connector does not know."""
        found = await self._begin(key)
        await self._read(key, found, context)
        await self._note(key, found)
        if found.broken:
            raise found.broken[0]
        if found.more or found.cut:
            self._left[key] = [*found.more, *found.cut]
            return Turn(has_more=True)
        return Turn(has_more=False, wake_in_s=self._wait_s(key, found))

    async def _begin(self, key: str) -> _Round:
        """Return what is known of a source's lists; those that are new are begun, all at once, and others are waited for no longer."""
        names = [*self.sources[key][0]]
        streams = [stream_of(name) for name in names]
        async with single_statements(self.pool) as conn:
            unread, places = await reading.of(conn, key), await begun(conn, key, names, self.clock.now())
            used = {one.stream for one in unread} | {stream for stream, one in places.items() if one.is_read}
            if used - {*streams, LISTEN}:
                async with conn.transaction():
                    await reading.settle(conn, key, streams, self.clock.now())
                    await cursors.settle(conn, key, streams)
        return _Round([one for one in unread if one.stream in streams], places)

    async def _read(self, key: str, found: _Round, context: TurnContext) -> None:
        """Read the lists whose turn it is; of a source of which none could be read, one, and the others if that one can be."""
        due, waiting = self._due(key, found)
        for name in due:
            await self._list(key, name, found, context)
        if waiting and not due:
            await self._list(key, waiting[0], found, context)
            for name in waiting[1:] if found.good else ():
                await self._list(key, name, found, context)

    def _due(self, key: str, found: _Round) -> tuple[list[str], list[str]]:
        """Return the lists to be read now, and those that wait as they could not be read, the one tried longest ago first.

        Where none could be read, all of them wait for one of them.
        """
        left = self._left.pop(key, None)
        now = self.clock.now()
        names = [name for name in self.sources[key][0] if left is None or name in left]
        order = [one.stream for one in found.known]
        failing = sorted((name for name in names if stream_of(name) in order), key=lambda name: order.index(stream_of(name)))
        if len(failing) == len(names):
            return [], failing
        waiting = [name for name in failing if found.again_at(name) > now]
        again = [name for name in failing if name not in waiting]  # last: a target that fails is left alone, for all that would follow
        return [*(name for name in names if name not in failing), *again], waiting

    async def _list(self, key: str, name: str, found: _Round, context: TurnContext) -> None:
        if context.is_ending:
            found.cut.append(name)
            return
        streams, ctx = self.sources[key]
        poller = Poller(streams[name], ctx, self.pool, self.cipher, self.arm, self.lanes.get(key, Lane.REAL_TIME), name)
        try:
            polled = await poller.poll(found.places, pages_max=PAGES_A_TURN)
        except HubError as error:
            log.warning("poll failed", connection=key, stream=name, code=error.code)
            found.failed[stream_of(name)] = error
        except BrokenListError as error:
            log.warning("poll failed", connection=key, stream=name, error=type(error.__cause__).__name__)
            found.broken.append(error.__cause__ if isinstance(error.__cause__, Exception) else error)
        else:
            (found.more if polled.has_more else found.read).append(name)

    async def _note(self, key: str, found: _Round) -> None:
        """Note which lists could be read and which could not, and when those are tried again."""
        now = self.clock.now()
        noted = {one.stream for one in found.known}
        await note_read(self.pool, key, {one for one in found.good if one in noted or (key, one) not in self._fine}, now)
        failing = {*found.failed, *(noted - found.good)}
        found.is_all = failing >= {stream_of(name) for name in self.sources[key][0]}
        wait_max_s = self._base_s(key) if found.is_all else WAIT_MAX_S
        for stream, error in found.failed.items():
            found.missed.append(missed(stream, error, found.known, now, self._base_s(key), wait_max_s))
        await note_unread(self.pool, key, found.missed, now, self.closed_s, is_all=found.is_all)
        self._fine.update((key, one) for one in found.good)
        self._fine.difference_update((key, one) for one in found.failed)

    def _base_s(self, key: str) -> float:
        return min(self.every_s[key], FIRST_WAIT_S)

    def _wait_s(self, key: str, found: _Round) -> float:
        """Return when the source is polled next: as often as it is to be, or sooner where a list that could not be read is tried again."""
        waiting = [one for one in found.known if one.stream not in found.good and one.stream not in found.failed]
        again = [one.again_at for one in found.missed]
        if not found.is_all:
            again += [one.again_at for one in waiting]
        if not again:
            return self.every_s[key]
        until_s: float = max((min(again) - self.clock.now()).total_seconds(), min(SOON_S, self._base_s(key)))
        return until_s if found.is_all else min(self.every_s[key], until_s)

"""History: every object of a kind since a date, page by page, resumable at any page, in the lane that delays nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from counterfoil.core.language.commands import Lane
from counterfoil.kit.connector import Backfills
from counterfoil.kit.context import Context
from counterfoil.store import cursors
from counterfoil.store.cipher import Cipher
from counterfoil.store.cursors import Cursor
from counterfoil.store.pool import Pool
from counterfoil.store.work import Arm

from .keeping import incoming_of, keep

DONE = "done"


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """Where a backfill stands: objects read of a kind so far (also by former runs of it), how many were new in this run."""

    kind: str
    read: int
    new: int
    is_done: bool


def stream_of(kind: str, since: datetime) -> str:
    """Return the name of the stream a backfill's cursor is kept under."""
    return f"backfill/{kind}/{since.astimezone(UTC).isoformat()}"


@dataclass(frozen=True, slots=True)
class Backfill:
    """Fetches a source's history. ``progress`` is called after every page."""

    source: Backfills
    context: Context
    pool: Pool
    cipher: Cipher
    arm: Arm
    progress: Callable[[BackfillProgress], None] = lambda _: None

    async def run(self, since: datetime, kinds: tuple[str, ...] = (), *, again: bool = False) -> tuple[BackfillProgress, ...]:
        """Fetch kinds (none: all, in the source's order of dependency) created at or after ``since``; return where each ended.

        A kind that was interrupted goes on after its last committed page; one that was finished is not read again, unless ``again``.

        Raises:
            ValueError: a kind the source does not know.
            TransientError, SetupError: of the source; run again to go on.
        """
        known = self.source.backfill_kinds()
        unknown = sorted(set(kinds) - set(known))
        if unknown:
            raise ValueError(f"cannot backfill {', '.join(unknown)}; {self.context.connection} has {', '.join(known)}")
        return tuple([await self._kind(kind, since, again) for kind in known if not kinds or kind in kinds])

    async def _kind(self, kind: str, since: datetime, again: bool) -> BackfillProgress:
        connection, stream = self.context.connection, stream_of(kind, since)
        async with self.pool.connection() as conn:
            cursor = await cursors.load(conn, connection, stream)
        if cursor is None or (again and cursor.state == DONE):
            cursor = Cursor(connection, stream, "")
        new = 0
        while cursor.state != DONE:
            page = await self.source.backfill(self.context, kind, since, cursor.cursor)
            state = "" if page.has_more else DONE
            cursor = replace(cursor, cursor=page.cursor, state=state, read_count=cursor.read_count + len(page.deliveries))
            now = self.context.clock.now()
            async with self.pool.connection() as conn:
                appended = await keep(conn, self.cipher, self.arm, incoming_of(connection, page.deliveries, Lane.REPLAY), now)
                await cursors.save(conn, cursor, now)
            new += len(page.deliveries) - appended.duplicates
            self.progress(BackfillProgress(kind, cursor.read_count, new, state == DONE))
        return BackfillProgress(kind, cursor.read_count, new, True)

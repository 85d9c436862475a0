"""The net under the webhooks: a list of a source's changes, read page by page; each page and its cursor commit together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from counterfoil.core.language.commands import Lane
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Page, Polls
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError
from counterfoil.store import cursors
from counterfoil.store.cipher import Cipher
from counterfoil.store.cursors import POLL, Cursor
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.work import Arm

from .keeping import incoming_of, keep

PAGES_MAX = 20
"""Pages of one call; more are left to the next."""
REAL_TIME_MAX = 50
"""A page with more deliveries is a heap: it lets pass what a webhook brings. Books at work give hundreds a minute, mostly our own doing."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What one call read. ``new`` counts deliveries no webhook had brought. ``has_more``: call again at once."""

    pages: int
    received: int
    new: int
    has_more: bool
    covers_until: datetime | None


class BrokenListError(Exception):
    """Reading a list failed in a way its connector does not know, which is the cause: keeping what was read did not."""


def stream_of(name: str) -> str:
    """Return the name a list's cursor is kept under; the only list of a source has no name."""
    return f"{POLL}/{name}" if name else POLL


async def begun(conn: Conn, connection: str, names: Iterable[str], now: datetime) -> dict[str, Cursor]:
    """Return the cursors of all that was ever polled of a connection, by stream, and begin the lists that have none yet.

    One of several begins where all were read together before, if they were: the connector reads the place of then.
    """
    known = await cursors.polled(conn, connection)
    former = known[POLL].cursor if POLL in known else ""
    new = [Cursor(connection, stream, former, state=now.isoformat()) for stream in map(stream_of, names) if stream not in known]
    if new:
        async with conn.transaction():
            for one in new:
                await cursors.save(conn, one, now)
    return known | {one.stream: one for one in new}


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls one list of a connection's changes. Not for two callers at once: the second would read the same pages.

    ``name``: of the list, empty where it is the only one.
    """

    source: Polls
    context: Context
    pool: Pool
    cipher: Cipher
    arm: Arm
    lane: Lane = Lane.REAL_TIME
    name: str = ""

    async def poll(self, known: Mapping[str, Cursor] | None = None, *, pages_max: int = PAGES_MAX) -> Polled:
        """Read up to ``pages_max`` pages after the cursor.

        ``known``: the cursors of the connection, by stream, where they were read already.

        Raises:
            TransientError, SetupError: of the source; what was read before is kept, and the next call goes on from there.
            BrokenListError: anything else that reading raised; the same holds.
        """
        cursor = await self._begin(known)
        ctx = self._context(cursor)
        pages = received = new = 0
        has_more = True
        while has_more and pages < pages_max:
            page = await self._page(ctx, cursor.cursor)
            ctx = self.context
            cursor, appended = await self._keep(cursor, page)
            pages += 1
            received += len(page.deliveries)
            new += appended
            has_more = page.has_more
        return Polled(pages, received, new, has_more, cursor.covers_until)

    async def _begin(self, known: Mapping[str, Cursor] | None) -> Cursor:
        """Return where the list goes on."""
        stream = stream_of(self.name)
        if known is None or stream not in known:
            async with self.pool.connection() as conn:
                known = await begun(conn, self.context.connection, [self.name], self.context.clock.now())
        return known[stream]

    async def _page(self, ctx: Context, cursor: str) -> Page:
        try:
            return await self.source.poll(ctx, cursor)
        except HubError:
            raise
        except Exception as error:  # whatever it is, other lists are read all the same
            raise BrokenListError(f"{self.context.connection} {self.name}".rstrip()) from error

    async def _keep(self, before: Cursor, page: Page) -> tuple[Cursor, int]:
        """Keep a page with the place behind it; return that and how many deliveries were new. What says nothing at all is not kept."""
        now = self.context.clock.now()
        cursor = replace(
            before,
            cursor=page.cursor,
            covers_until=page.covers_until or before.covers_until,
            recoverable_since=page.recoverable_since or before.recoverable_since,
            read_count=before.read_count + len(page.deliveries),
            is_read=True,
        )
        if cursor == before and page.covers_until is None and page.recoverable_since is None:
            return cursor, 0
        async with self.pool.connection() as conn:
            incoming = incoming_of(self.context.connection, page.deliveries, self._lane(page))
            appended = await keep(conn, self.cipher, self.arm, incoming, now)
            await cursors.save(conn, cursor, now)
        return cursor, len(page.deliveries) - appended.duplicates

    def _lane(self, page: Page) -> Lane:
        return max(self.lane, Lane.MICRO_BATCH) if len(page.deliveries) > REAL_TIME_MAX else self.lane

    def _context(self, cursor: Cursor) -> Context:
        """Return the context of the next call. The very first poll begins where it was first tried, however often it failed since."""
        if cursor.cursor or not cursor.state:
            return self.context
        return replace(self.context, clock=SettableClock(datetime.fromisoformat(cursor.state)))

"""The net under the webhooks: a source's stream of changes, read page by page; each page and its cursor commit together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from counterfoil.core.language.commands import Lane
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Context, Page, Polls
from counterfoil.store import cursors
from counterfoil.store.cipher import Cipher
from counterfoil.store.cursors import Cursor
from counterfoil.store.pool import Pool
from counterfoil.store.work import Arm

from .keeping import incoming_of, keep

STREAM = "poll"
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


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls a connection's source. Not for two callers at once per connection: the second would read the same pages."""

    source: Polls
    context: Context
    pool: Pool
    cipher: Cipher
    arm: Arm
    lane: Lane = Lane.REAL_TIME

    async def poll(self, *, pages_max: int = PAGES_MAX) -> Polled:
        """Read up to ``pages_max`` pages after the cursor.

        Raises TransientError and SetupError of the source; what was read before is kept, and the next call goes on from there.
        """
        connection = self.context.connection
        async with self.pool.connection() as conn:
            cursor = await cursors.load(conn, connection, STREAM)
            if cursor is None:
                cursor = Cursor(connection, STREAM, "", state=self.context.clock.now().isoformat())
                await cursors.save(conn, cursor, self.context.clock.now())
        ctx = self._context(cursor)
        pages = received = new = 0
        has_more = True
        while has_more and pages < pages_max:
            page = await self.source.poll(ctx, cursor.cursor)
            ctx = self.context
            now = self.context.clock.now()
            cursor = replace(
                cursor,
                cursor=page.cursor,
                covers_until=page.covers_until or cursor.covers_until,
                recoverable_since=page.recoverable_since or cursor.recoverable_since,
                read_count=cursor.read_count + len(page.deliveries),
            )
            async with self.pool.connection() as conn:
                appended = await keep(conn, self.cipher, self.arm, incoming_of(connection, page.deliveries, self._lane(page)), now)
                await cursors.save(conn, cursor, now)
            pages += 1
            received += len(page.deliveries)
            new += len(page.deliveries) - appended.duplicates
            has_more = page.has_more
        return Polled(pages, received, new, has_more, cursor.covers_until)

    def _lane(self, page: Page) -> Lane:
        return max(self.lane, Lane.MICRO_BATCH) if len(page.deliveries) > REAL_TIME_MAX else self.lane

    def _context(self, cursor: Cursor) -> Context:
        """Return the context of the next call. The very first poll begins where it was first tried, however often it failed since."""
        if cursor.cursor or not cursor.state:
            return self.context
        return replace(self.context, clock=SettableClock(datetime.fromisoformat(cursor.state)))

"""The stage ``listen``: one partition per source that streams; what comes is kept, and how far it came, in one transaction.

The engine lets one worker at a time work a partition, and gives it to another when that one dies. A listener that does not know yet that it
was replaced keeps nothing: the position moves only from where it stood when the stream was opened, or was moved to since.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from counterfoil.core.language.commands import Lane
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Delivery, Listens, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import cursors
from counterfoil.store.cipher import Cipher
from counterfoil.store.cursors import LISTEN, Cursor
from counterfoil.store.pool import Pool
from counterfoil.store.work import Arm

from .keeping import incoming_of, keep
from .unread import ClosedUntil, missed, note_read, note_unread

log = structlog.get_logger()

STAGE = "listen"
TURN_S = 300.0
"""So long a stream is held by one turn; then it is opened anew, where others may take it over."""
LOOK_S = 0.5
"""How often a listener that hears nothing looks whether it must end."""
STANDS_AFTER_S = 30.0
"""A stream that said nothing, and did not fail, for longer than any connection takes to be made."""
AHEAD_MAX = 16
"""Pages read ahead of what is kept: the stream is held up beyond, which its source notices."""
TOGETHER_MAX = 500
"""Deliveries kept in one transaction."""
AGAIN_S, AGAIN_MAX_S = 1.0, 15.0


@dataclass(slots=True)
class _Stream:
    """One open stream: its pages as they come, None at its end, or the error it ended with. ``is_left``: nobody reads them any more."""

    pages: asyncio.Queue[Page | Exception | None] = field(default_factory=lambda: asyncio.Queue(AHEAD_MAX))
    is_left: bool = False

    async def read(self, source: AsyncGenerator[Page, None]) -> None:
        """Fill the queue until the stream ends, and close it."""
        try:
            async with aclosing(source):
                async for page in source:
                    await self.pages.put(page)
            await self.pages.put(None)
        except Exception as error:  # handed to the listener, who raises it
            if not self.is_left:
                await self.pages.put(error)

    async def next(self) -> tuple[list[Page], Exception | None, bool]:
        """Return what has come within a moment: pages that are kept together, the error after them, and whether the stream is over."""
        found: list[Page] = []
        try:
            async with asyncio.timeout(LOOK_S):
                got = await self.pages.get()
        except TimeoutError:
            return found, None, False
        while isinstance(got, Page):
            found.append(got)
            if self.pages.empty() or sum(len(page.deliveries) for page in found) >= TOGETHER_MAX:
                return found, None, False
            got = self.pages.get_nowait()
        return found, got, True


@dataclass(frozen=True, slots=True)
class Listening:
    """Listens to every source that streams. ``lanes``: of what each brings; real time if not named. ``closed_s``: declared maintenance.

    ``polled``: the sources that are polled, too.
    """

    pool: Pool
    cipher: Cipher
    sources: Mapping[str, tuple[Listens, Context]]
    clock: Clock
    arm: Arm
    lanes: Mapping[str, Lane] = field(default_factory=dict)
    closed_s: ClosedUntil = field(default_factory=dict)
    polled: Collection[str] = ()

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Hold one source's stream and keep what comes, until it ends, fails, or this worker must."""
        try:
            is_over = await self._listen(key, context)
        except HubError as error:
            log.warning("stream failed", connection=key, code=error.code)
            now = self.clock.now()
            one = missed(LISTEN, error, (), now, AGAIN_MAX_S, AGAIN_MAX_S)
            await note_unread(self.pool, key, [one], now, self.closed_s, is_all=key not in self.polled)
            return Turn(has_more=False, wake_in_s=(one.again_at - now).total_seconds())
        return Turn(has_more=not is_over, wake_in_s=AGAIN_S if is_over else None)

    async def _listen(self, key: str, context: TurnContext) -> bool:
        """Return whether the stream ended by itself. Raises what it failed with, once what came before is kept."""
        cursor = await self._cursor(key)
        began, is_noted = time.monotonic(), False
        async with self._stream(key, cursor.cursor) as stream:
            while not (context.is_ending or time.monotonic() - began > TURN_S):
                pages, error, is_over = await stream.next()
                moved = await self._keep(key, cursor, pages) if pages else cursor
                if moved is None:
                    return False  # another worker listens: the engine says so to this one, too
                cursor = moved
                if not is_noted and (pages or time.monotonic() - began > STANDS_AFTER_S):
                    await note_read(self.pool, key, {LISTEN}, self.clock.now())
                    is_noted = True
                if error is not None:
                    raise error
                if is_over:
                    return True
        return False

    @asynccontextmanager
    async def _stream(self, key: str, position: str) -> AsyncIterator[_Stream]:
        """Open a source's stream and read it in a task of its own; both end with the context."""
        source, ctx = self.sources[key]
        stream = _Stream()
        task = asyncio.create_task(stream.read(source.listen(ctx, position)))
        try:
            yield stream
        finally:
            stream.is_left = True
            task.cancel()
            await asyncio.wait([task])

    async def _cursor(self, key: str) -> Cursor:
        """Return how far the stream was kept; one that never was begins now, whoever opens it first."""
        async with self.pool.connection() as conn, conn.transaction():
            found = await cursors.load(conn, key, LISTEN)
            if found is None:
                found = Cursor(key, LISTEN, "")
                await cursors.save(conn, found, self.clock.now())
        return found

    async def _keep(self, key: str, cursor: Cursor, pages: list[Page]) -> Cursor | None:
        """Keep what came and move the position behind it; None, and nothing kept, if the position is not where this listener left it."""
        deliveries: list[Delivery] = [one for page in pages for one in page.deliveries]
        now = self.clock.now()
        told = [page.covers_until for page in pages if page.covers_until is not None]
        moved = replace(
            cursor,
            cursor=pages[-1].cursor,
            covers_until=max(told, default=cursor.covers_until),
            recoverable_since=next((one.recoverable_since for one in reversed(pages) if one.recoverable_since), cursor.recoverable_since),
            read_count=cursor.read_count + len(deliveries),
        )
        async with self.pool.connection() as conn, conn.transaction():
            if not await cursors.advance(conn, moved, cursor.cursor, now):
                return None
            if deliveries:
                lane = self.lanes.get(key, Lane.REAL_TIME)
                await keep(conn, self.cipher, self.arm, incoming_of(key, deliveries, lane), now)
        return moved

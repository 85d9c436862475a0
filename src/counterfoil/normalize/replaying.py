"""The stage ``replay``: receipts that were through are read again where they lie, page by page, and only what differs is written.

Nothing is put back to pending: a replay without an effect writes its place once a page. What changes goes its usual way from the objects
on, in the lane of replays. One partition per replay, so that its pages follow each other, whoever works them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from counterfoil.core.identity.ownership import NOBODYS, Ownership
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.records import Purpose
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Source
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, TransientError
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.normalize.batch import given_up, normalize, unreadable
from counterfoil.normalize.fetching import Prepared, prepare
from counterfoil.normalize.stage import settle_ties
from counterfoil.normalize.writing import Writer
from counterfoil.store import receipts, replays
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import Receipt
from counterfoil.store.replays import Replay, ReplayState
from counterfoil.store.work import Arm

log = structlog.get_logger()

PAGE = 500
PAGES_A_TURN = 4
AT_ONCE = 1
"""Replays a process works at the same time."""
SOURCE_AWAY_S = 15.0


class _SourceAway(Exception):
    """Nothing of a page could be fetched; carries why and how long to wait."""

    def __init__(self, error: HubError) -> None:
        super().__init__(error.code)
        self.wait_s = (error.retry_after_s if isinstance(error, TransientError) else None) or SOURCE_AWAY_S


@dataclass(frozen=True, slots=True)
class Replayer:
    """The shell of a replay; its partitions are the replays' ids. ``purposes``: what is written for."""

    pool: Pool
    cipher: Cipher
    sources: Mapping[str, tuple[Source, Context]]
    clock: Clock
    arm: Arm
    purposes: Collection[Purpose]
    ownership: Ownership = NOBODYS
    echoing: Collection[str] = ()
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Read a few pages of a replay, at its rate, unless it was stopped."""
        async with self._gate:
            turn = Turn(has_more=True)
            for _ in range(PAGES_A_TURN):
                if context.is_ending or not turn.has_more:
                    break
                turn = await self._page(int(key), context)
            return turn

    async def _page(self, id: int, context: TurnContext) -> Turn:
        now = self.clock.now()
        async with self.pool.connection() as conn:
            replay = await replays.load(conn, id)
            if replay is None or replay.state is not ReplayState.RUNNING:
                return Turn(has_more=False)
            if replay.next_at is not None and replay.next_at > now:
                return Turn(has_more=False, wake_in_s=(replay.next_at - now).total_seconds())
            batch = await replays.page(conn, self.cipher, replay, page_size(replay, context))
        if not batch:
            async with self.pool.connection() as conn:
                await replays.advance(conn, replay, replay.place, now)
            log.info("replay done", replay=id, receipts=replay.read_count, changed=replay.changed_count)
            return Turn(has_more=False)
        poisoned = await context.hold([str(receipt.id) for receipt in batch])
        try:
            changed = await self._read(replay, batch, poisoned, now)
        except _SourceAway as away:
            log.warning("replay waits for its source", replay=id, code=str(away), wait_s=away.wait_s)
            return Turn(has_more=False, wake_in_s=away.wait_s)
        next_at = paced(replay, len(batch), now)
        async with self.pool.connection() as conn:
            await replays.advance(conn, replay, batch[-1].id, now, read=len(batch), changed=changed, next_at=next_at)
        wait_s = 0.0 if next_at is None else (next_at - self.clock.now()).total_seconds()
        return Turn(has_more=True) if wait_s <= 0 else Turn(has_more=False, wake_in_s=wait_s)

    async def _read(self, replay: Replay, batch: Sequence[Receipt], poisoned: frozenset[str], now: datetime) -> int:
        """Read a page's receipts again, connection by connection; return how many objects changed."""
        writer = Writer(self.pool, self.cipher, self.arm, self.purposes, self.ownership, self.echoing)
        if poisoned:
            result = given_up([receipt for receipt in batch if str(receipt.id) in poisoned], now)
            result.again = {receipt.id: receipt for receipt in batch}
            await writer.write(result, now)
        damaged = [receipt for receipt in batch if receipt.damage is not None and str(receipt.id) not in poisoned]
        if damaged:
            result = unreadable(damaged, now)
            result.again = {receipt.id: receipt for receipt in damaged}
            await writer.write(result, now)
        left_out = poisoned | {str(receipt.id) for receipt in damaged}
        changed = 0
        for connection in sorted({receipt.connection for receipt in batch}):
            several = [receipt for receipt in batch if receipt.connection == connection and str(receipt.id) not in left_out]
            if connection not in self.sources:
                log.warning("replay passes over receipts of a connection that is not configured", replay=replay.id, connection=connection)
                continue
            changed += await self._read_some(writer, *self.sources[connection], several, replay.order.must_fetch, now)
        return changed

    async def _read_some(
        self, writer: Writer, source: Source, ctx: Context, batch: Sequence[Receipt], must_fetch: bool, now: datetime
    ) -> int:
        asked = [replace(receipt, lane=Lane.REPLAY, must_fetch=must_fetch) for receipt in batch]
        prepared = await prepare(source, ctx, asked, {})
        if asked and len(prepared.failed) == len(asked):
            raise _SourceAway(next(iter(prepared.failed.values())))
        await self._put_off(prepared, asked, must_fetch)
        ready = [receipt for receipt in asked if receipt.id not in prepared.failed]
        result = await normalize(source, ctx, ready, prepared, now)
        result.again = {receipt.id: receipt for receipt in ready}
        merged = await writer.write(result, now)
        if merged.ties:
            await settle_ties(writer, source, ctx, ready, merged.ties, now, again=result.again)
        return len(merged.changed)

    async def _put_off(self, prepared: Prepared, batch: Sequence[Receipt], must_fetch: bool) -> None:
        """Leave what could not be fetched, while other objects could, to the normalizing stage: it tries again by itself."""
        if prepared.failed:
            async with self.pool.connection() as conn, conn.transaction():
                ids = sorted(receipt.id for receipt in batch if receipt.id in prepared.failed)
                await self.arm(conn, await receipts.requeue(conn, ids, lane=Lane.REPLAY, must_fetch=must_fetch))


def page_size(replay: Replay, context: TurnContext) -> int:
    """Return how many receipts to read at once: never more than the rate allows in a second."""
    limits = [PAGE, *([max(1, replay.order.rate)] if replay.order.rate else []), *([] if context.limit is None else [context.limit])]
    return min(limits)


def paced(replay: Replay, read: int, began: datetime) -> datetime | None:
    """Return when the next page may be read, so that no stretch of the replay is faster than its rate; None without one.

    Each page is followed by the time its receipts take at the rate, counted from its beginning: after a stop or without a worker nothing is
    caught up by a burst.
    """
    return began + timedelta(seconds=read / replay.order.rate) if replay.order.rate else None

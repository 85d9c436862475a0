"""The normalizing turn: claim receipts, fetch what they need, normalize purely, merge, and write everything in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from counterfoil.core.identity.ownership import NOBODYS, Ownership
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Purpose
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Source
from counterfoil.kit.context import Context
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.normalize.batch import given_up, normalize, unreadable
from counterfoil.normalize.fetching import prepare
from counterfoil.normalize.writing import Writer
from counterfoil.store import receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool, single_statements
from counterfoil.store.receipts import Receipt
from counterfoil.store.work import BULK, ORDINARY, Arm, shards_in, split_key

BATCH_MAX = 120
"""Of all shards of a connection that are worked together. With 400 the books stood idle while a backlog was begun: a tenth of the rate."""
AT_ONCE = 4
"""Batches of one connection under way at once: they bound a worker's memory, and the first ones are written sooner than all would be."""
BULK_BATCH_MAX = 200
BULK_AT_ONCE = 2
"""The same for what came in bulk, of all connections together: its transactions are short, and most of the process is left to real time."""


@dataclass(frozen=True, slots=True)
class Normalizer:
    """The shell of stage 2.

    ``sources`` holds each configured source with its context; ``arm`` enqueues drains in our transaction; ``purposes``: what is written
    for.
    """

    pool: Pool
    cipher: Cipher
    sources: Mapping[str, tuple[Source, Context]]
    clock: Clock
    arm: Arm
    purposes: Collection[Purpose]
    ownership: Ownership = NOBODYS
    echoing: Collection[str] = ()
    _gates: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _bulk_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BULK_AT_ONCE))

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Work partitions of a connection (``connection/shard``, joined) of what came in real time once."""
        connection, shard = split_key(key)
        async with self._gates.setdefault(connection, asyncio.Semaphore(AT_ONCE)):
            return await self._work(connection, shards_in(shard), ORDINARY, BATCH_MAX, context)

    async def bulk_turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Work partitions of a connection of what came in bulk once; it never waits with, or holds up, :meth:`turn`."""
        connection, shard = split_key(key)
        async with self._bulk_gate:
            return await self._work(connection, shards_in(shard), BULK, BULK_BATCH_MAX, context)

    async def _work(self, connection: str, shards: Sequence[int], lanes: range, batch_max: int, context: TurnContext) -> Turn:
        if context.is_ending:
            return Turn(has_more=True)
        now = self.clock.now()
        limit = batch_max if context.limit is None else min(batch_max, context.limit)
        async with single_statements(self.pool) as conn:
            batch = await receipts.claim(conn, self.cipher, connection, shards, now, limit, lanes=lanes)
        if not batch:
            return await self._rest(connection, shards, lanes)
        poisoned = await context.hold([str(receipt.id) for receipt in batch])
        await self._read(connection, batch, poisoned, now)
        # Less than a full batch: all there was. What came meanwhile has armed the partition, which the engine sees.
        return Turn(has_more=True) if len(batch) == limit else await self._rest(connection, shards, lanes)

    async def _read(self, connection: str, batch: Sequence[Receipt], poisoned: frozenset[str], now: datetime) -> None:
        writer = Writer(self.pool, self.cipher, self.arm, self.purposes, self.ownership, self.echoing)
        if poisoned:
            await writer.write(given_up([receipt for receipt in batch if str(receipt.id) in poisoned], now), now)
            batch = [receipt for receipt in batch if str(receipt.id) not in poisoned]
        damaged = [receipt for receipt in batch if receipt.damage is not None]
        if damaged:
            await writer.write(unreadable(damaged, now), now)
            batch = [receipt for receipt in batch if receipt.damage is None]
        source, ctx = self.sources[connection]
        prepared = await prepare(source, ctx, batch, {})
        merged = await writer.write(await normalize(source, ctx, batch, prepared, now), now)
        if merged.ties:
            await settle_ties(writer, source, ctx, batch, merged.ties, now)

    async def _rest(self, connection: str, shards: Sequence[int], lanes: range) -> Turn:
        """Return that nothing is left for now, and when the next delayed receipt is due."""
        async with single_statements(self.pool) as conn:
            due = await receipts.next_due(conn, connection, shards, lanes=lanes)
        wait_s = None if due is None else max(0.2, (due - self.clock.now()).total_seconds())
        return Turn(has_more=False, wake_in_s=wait_s)


async def settle_ties(
    writer: Writer,
    source: Source,
    ctx: Context,
    batch: Sequence[Receipt],
    ties: Mapping[int, tuple[ObjectRef, ...]],
    now: datetime,
    *,
    again: Mapping[int, Receipt] | None = None,
) -> None:
    """Two states of the same moment: the source's answer now decides which one is right. ``again``: receipts that were through before."""
    tied = [receipt for receipt in batch if receipt.id in ties]
    prepared = await prepare(source, ctx, tied, ties)
    result = await normalize(source, ctx, tied, prepared, now)
    result.refetched.update(receipt.id for receipt in tied)
    result.again = dict(again or {})
    await writer.write(result, now)

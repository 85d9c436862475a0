"""The normalizing turn: claim receipts, fetch what they need, normalize purely, merge, and write everything in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from counterfoil.core.canonical.events import Fact
from counterfoil.core.canonical.ids import ObjectRef
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Context, Fetched, Ignored, Source
from counterfoil.kit.errors import DriftError, HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.stage import CALM, Care, Turn, backoff_s
from counterfoil.normalize.fetching import WANTED, Prepared, delivery_of, fetched_delivery, pack, prepare
from counterfoil.normalize.merging import Merged, Merger
from counterfoil.store import agenda, cases, events, objects, receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn, Key, Pool
from counterfoil.store.receipts import FetchedFor, Receipt, ReceiptState, Settlement
from counterfoil.store.work import split_key

log = structlog.get_logger()

BATCH_MAX = 400
AT_ONCE = 4
"""Batches of one connection under way at once: they bound a worker's memory, and the first ones are written sooner than all would be."""
MERGE_TRIES_MAX = 12
"""Tries of writing a batch while others change the same objects (a tax rate told by many invoices at once)."""

Arm = Callable[[Conn, Sequence[Key]], Awaitable[None]]


@dataclass(slots=True)
class Normalized:
    """What a batch came to, before it is written."""

    facts: list[tuple[Receipt, tuple[Fact, ...]]] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    cases: list[cases.Opening] = field(default_factory=list)
    fetched: list[FetchedFor] = field(default_factory=list)
    refetched: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Normalizer:
    """The shell of stage 2. ``sources`` holds each configured source with its context; ``arm`` enqueues drains in our transaction."""

    pool: Pool
    cipher: Cipher
    sources: Mapping[str, tuple[Source, Context]]
    clock: Clock
    arm: Arm
    _gates: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    async def turn(self, key: str, care: Care = CALM) -> Turn:
        """Work one partition (``connection/shard``) once."""
        del care
        connection, shard = split_key(key)
        async with self._gates.setdefault(connection, asyncio.Semaphore(AT_ONCE)):
            return await self._work(connection, shard)

    async def _work(self, connection: str, shard: str) -> Turn:
        now = self.clock.now()
        async with self.pool.connection() as conn:
            batch = await receipts.claim(conn, self.cipher, connection, int(shard), now, BATCH_MAX)
        if not batch:
            return await self._rest(connection, int(shard))
        source, ctx = self.sources[connection]
        prepared = await prepare(source, ctx, batch, {})
        result = self._normalize(source, ctx, batch, prepared, now)
        merged = await self._write(result, now)
        if merged.ties:
            await self._settle_ties(source, ctx, batch, merged.ties, now)
        # Less than a full batch: all there was. What came meanwhile has armed the partition, which the engine sees.
        return Turn(has_more=True) if len(batch) == BATCH_MAX else await self._rest(connection, int(shard))

    async def _rest(self, connection: str, shard: int) -> Turn:
        """Return that nothing is left for now, and when the next delayed receipt is due."""
        async with self.pool.connection() as conn:
            due = await receipts.next_due(conn, connection, shard)
        wait_s = None if due is None else max(0.2, (due - self.clock.now()).total_seconds())
        return Turn(has_more=False, wake_in_s=wait_s)

    async def _settle_ties(
        self, source: Source, ctx: Context, batch: Sequence[Receipt], ties: Mapping[int, tuple[ObjectRef, ...]], now: datetime
    ) -> None:
        """Two states of the same moment: the source's answer now decides which one is right."""
        tied = [receipt for receipt in batch if receipt.id in ties]
        prepared = await prepare(source, ctx, tied, ties)
        result = self._normalize(source, ctx, tied, prepared, now)
        result.refetched.update(receipt.id for receipt in tied)
        await self._write(result, now)

    def _normalize(self, source: Source, ctx: Context, batch: Sequence[Receipt], prepared: Prepared, now: datetime) -> Normalized:
        result = Normalized()
        for receipt in batch:
            error = prepared.failed.get(receipt.id)
            if error is not None:
                self._postpone(result, receipt, error, now)
                continue
            fetched = prepared.fetched.get(receipt.id, {})
            if receipt.id in prepared.fresh:
                packed = pack(fetched.values())
                result.fetched.append(FetchedFor(receipt.id, receipt.received_at, receipt.connection, receipt.dedupe_key, packed))
            self._normalize_one(result, source, ctx.settings, receipt, fetched, now)
        return result

    def _normalize_one(
        self, result: Normalized, source: Source, settings: Any, receipt: Receipt, fetched: Mapping[str, Fetched], now: datetime
    ) -> None:
        delivery = delivery_of(receipt) if receipt.kind != WANTED else fetched_delivery(receipt, fetched)
        if delivery is None:
            result.settlements.append(_ended(receipt, ReceiptState.IGNORED, "wanted_object_does_not_exist"))
            return
        try:
            answer = source.normalize(settings, delivery, fetched)
        except RejectedError as error:
            self._park(result, receipt, error, now)
            return
        except Exception as error:  # a normalizer's own fault stops the receipt it cannot read, not its neighbors
            log.exception("normalizer failed", connection=receipt.connection, kind=receipt.kind, receipt=receipt.id)
            words = f"the connector failed on it ({type(error).__name__}); the log says where"
            self._park(result, receipt, RejectedError(words, code="normalize.failed", case_class="schema_drift"), now)
            return
        if isinstance(answer, Ignored):
            result.settlements.append(_ended(receipt, ReceiptState.IGNORED, answer.rule))
            return
        result.facts.append((receipt, answer))
        result.settlements.append(_ended(receipt, ReceiptState.NORMALIZED, ""))

    def _park(self, result: Normalized, receipt: Receipt, error: RejectedError, now: datetime) -> None:
        result.settlements.append(_ended(receipt, ReceiptState.PARKED, error.code))
        result.cases.append(_case(receipt, error, now))

    def _postpone(self, result: Normalized, receipt: Receipt, error: HubError, now: datetime) -> None:
        wait_s = backoff_s(receipt.attempts + 1)
        if isinstance(error, TransientError) and error.retry_after_s is not None:
            wait_s = max(0.2, error.retry_after_s)
        result.settlements.append(
            Settlement(receipt.id, receipt.received_at, ReceiptState.PENDING, next_try_at=now + timedelta(seconds=wait_s), is_attempt=True)
        )
        if isinstance(error, SetupError):
            result.cases.append(_connection_case(receipt, error, now))
        log.info("fetch postponed", connection=receipt.connection, kind=receipt.kind, code=error.code, wait_s=round(wait_s, 1))

    async def _write(self, result: Normalized, now: datetime) -> Merged:
        for tries in range(MERGE_TRIES_MAX):
            await asyncio.sleep(tries * 0.02)
            async with self.pool.connection() as conn, conn.transaction() as transaction:
                merged = await self._write_once(conn, result, now)
                if merged is not None:
                    return merged
                transaction.force_rollback = True
        raise TransientError("objects kept changing under a batch of receipts; it is tried again", code="normalize.contended")

    async def _write_once(self, conn: Conn, result: Normalized, now: datetime) -> Merged | None:
        refs = {fact.subject for _, facts in result.facts for fact in facts}
        current = await objects.load(conn, self.cipher, refs)
        merger = Merger(current, result.refetched, now)
        for receipt, facts in result.facts:
            merger.add(receipt, facts)
        merged = merger.finish()
        written = await objects.upsert(conn, self.cipher, list(merged.rows.values()))
        if written != set(merged.rows):
            return None  # somebody merged one of them meanwhile: start over from the new states
        await receipts.store_fetched(conn, self.cipher, result.fetched)
        await events.append(conn, self.cipher, merged.events)
        settlements = [one for one in result.settlements if one.id not in merged.ties]
        await receipts.settle(conn, settlements, now)
        touched = await agenda.release(conn, [ref.key for ref in merged.changed], now)
        lane = min((receipt.lane for receipt, _ in result.facts), default=10)
        touched += await agenda.add(conn, [agenda.Subject(ref, lane) for ref in sorted(merged.changed)], now)
        settled = [str(one.id) for one in settlements if one.state in (ReceiptState.NORMALIZED, ReceiptState.IGNORED)]
        await cases.release_subjects(conn, "normalize", settled, now)
        await cases.open_or_count(conn, result.cases, now)
        await self.arm(conn, touched)
        return merged


def _ended(receipt: Receipt, state: ReceiptState, rule: str) -> Settlement:
    return Settlement(receipt.id, receipt.received_at, state, rule=rule)


def _case(receipt: Receipt, error: RejectedError, now: datetime) -> cases.Opening:
    is_drift = isinstance(error, DriftError)
    cause = error.drift_key if isinstance(error, DriftError) else receipt.dedupe_key
    next_step = (
        "Teach the connector this value in a release; then retry this case: all deliveries kept with it are normalized again."
        if is_drift
        else "Correct the record at the source, or the connector's settings; then retry this case."
    )
    return opening(
        now=now,
        fingerprint=f"{error.code}|{receipt.connection}|{cause}",
        case_class=error.case_class,
        code=error.code,
        cause=f"{receipt.kind} from {receipt.connection}: {error}",
        next_step=next_step,
        stage="normalize",
        subject=str(receipt.id),
        label=receipt.dedupe_key,
        connection=receipt.connection,
    )


def _connection_case(receipt: Receipt, error: SetupError, now: datetime) -> cases.Opening:
    return opening(
        now=now,
        fingerprint=f"{error.code}|{receipt.connection}",
        case_class="authentication_refused",
        code=error.code,
        cause=f"{receipt.connection} refuses our requests: {error}",
        next_step="Renew the connection's key or its rights; what waits goes on by itself.",
        stage="poll",
        subject=receipt.connection,
        connection=receipt.connection,
    )

"""The durable engine: one short workflow (a drain) per partition of a stage, enqueued in the transaction that made the work.

Guarantees: a partition with work has exactly one drain enqueued or running; a drain that dies is resumed by the engine, or found by the
sweep; a stage's turn may run twice and must be idempotent. See docs/adr for the facts that shaped this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from counterfoil.kit.stage import CALM, Stage, Turn
from counterfoil.store import work
from counterfoil.workflows import arming
from counterfoil.workflows.arming import APPLICATION_VERSION, BULK_QUEUE, QUEUE, QUEUES

log = structlog.get_logger()

_TICK_S = 0.25
_SWEEP_EVERY = 60
_SILENT_S = 20.0
_AWAY_S = 3.0
"""How long a partition may be armed without a drain before a sweep sees to it: usually, and once the database is back."""
_RECOVERY_TICKS = 16
"""Good ticks after a failed one before a sweep looks for what the failure left behind."""
DEAD_AFTER_S = 60.0
"""A worker not heard of for so long is taken to be gone; should it be alive after all, its turns are idempotent."""
BULK_CONCURRENCY = 4
"""Drains of bulk work at once in one process."""
TURNS_MAX = 20
"""Turns of one drain before it hands over to a fresh workflow, so that no workflow's history grows without bound."""


Key = tuple[str, str]


class Engine:
    """Runs the stages' turns durably. One per process."""

    def __init__(
        self, pool: AsyncConnectionPool[Any], dsn: str, stages: Mapping[str, Stage], *, executor_id: str, concurrency: int = 32
    ) -> None:
        self._pool = pool
        self._dsn = dsn
        self._stages = stages
        self._executor_id = executor_id
        self._concurrency = concurrency
        self._ticker: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._running: set[str] = set()
        self.ticked_at = time.monotonic()
        """When the last tick began, by the monotonic clock; also one whose database was away."""

    async def start(self) -> None:
        """Launch the engine and resume what a former process of this executor left."""
        global _engine
        if _engine is not None:
            raise RuntimeError("one engine per process")
        _engine = self
        DBOS(config=_configuration(self._dsn, self._executor_id))
        DBOS.launch()  # in this thread: the engine then runs its workflows in this event loop, where pool and clients live
        await DBOS.register_queue_async(
            QUEUE, worker_concurrency=self._concurrency, partition_concurrency=1, polling_interval_sec=0.05, on_conflict="always_update"
        )
        await DBOS.register_queue_async(
            BULK_QUEUE, worker_concurrency=BULK_CONCURRENCY, partition_concurrency=1, polling_interval_sec=0.5, on_conflict="always_update"
        )
        await self.sweep(silent_s=0)
        self._ticker = asyncio.create_task(self._tick_forever())

    async def stop(self) -> None:
        """Finish running turns (bounded), then stop; what is not finished is resumed by the next start."""
        global _engine
        self._stopping.set()
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=5)
        # The engine gave the loop its own thread pool and has shut it down; whoever closes after us needs one that works.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=4, thread_name_prefix="after-engine"))
        _engine = None

    @property
    def executor_id(self) -> str:
        """The name of this process among the workers."""
        return self._executor_id

    @property
    def is_stopping(self) -> bool:
        """Whether turns should end early."""
        return self._stopping.is_set()

    async def arm(self, conn: AsyncConnection[Any], keys: Sequence[Key]) -> None:
        """Note work for partitions and enqueue a drain for each that has none, in the caller's transaction."""
        newly = await work.arm(conn, keys)
        if newly:
            await arming.enqueue(conn, newly)

    async def wake(self, keys: Sequence[Key]) -> None:
        """Arm partitions from outside a transaction."""
        async with self._pool.connection() as conn, conn.transaction():
            await self.arm(conn, keys)

    async def turn(self, stage: str, key: str) -> Turn:
        """Run one turn and finish the partition if nothing came meanwhile. Errors delay the partition; they never lose it."""
        async with self._pool.connection() as conn, conn.transaction():
            seq = await work.take(conn, stage, key)
        try:
            result = await self._stages[stage](key, CALM)
        except Exception as error:  # outer loop of all stages: whatever happened, the partition is tried again later
            log.exception("turn failed", stage=stage, key=key, error=type(error).__name__)
            result = Turn(has_more=False, wake_in_s=5.0)
        if result.has_more and not self.is_stopping:
            return result
        async with self._pool.connection() as conn, conn.transaction():
            is_finished = await work.finish(conn, stage, key, seq)
            if result.wake_in_s is not None:
                await work.wake_later(conn, stage, key, result.wake_in_s)
        return Turn(has_more=not is_finished)

    async def hand_over(self, stage: str, key: str) -> None:
        """Enqueue a fresh drain for a partition that still has work, keeping it armed."""
        async with self._pool.connection() as conn, conn.transaction():
            await arming.enqueue(conn, [(stage, key)])

    @contextmanager
    def drain(self, workflow_id: str) -> Iterator[None]:
        """Know that a drain runs in this process, for as long as the context lasts."""
        self._running.add(workflow_id)
        try:
            yield
        finally:
            self._running.discard(workflow_id)

    async def _tick_forever(self) -> None:
        ticks = 0
        recovering = 0
        while True:
            await asyncio.sleep(_TICK_S)
            ticks += 1
            self.ticked_at = time.monotonic()
            try:
                await self._wake_due()
                recovering -= 1
                if recovering == 0 or ticks % _SWEEP_EVERY == 0:
                    await self.sweep(_AWAY_S if recovering == 0 else _SILENT_S)
            except Exception as error:  # outer loop: the next tick comes
                recovering = _RECOVERY_TICKS
                log.warning("tick failed", error=type(error).__name__)

    async def _wake_due(self) -> None:
        async with self._pool.connection() as conn, conn.transaction():
            due = await work.take_due(conn)
            if due:
                await self.arm(conn, due)

    async def sweep(self, silent_s: float = _SILENT_S) -> int:
        """Take over drains of dead workers, enqueue one for every partition armed for so long that has none, and drop finished workflows.

        A drain whose end could not be written down, as the database was away just then, would stand as running here for ever: it is ended.

        Returns how many partitions had none.
        """
        await self._take_over()
        async with self._pool.connection() as conn, conn.transaction():
            if silent_s:
                before = int((time.time() - silent_s) * 1000)
                own = {"queues": list(QUEUES), "self": self._executor_id, "running": list(self._running), "before": before}
                await conn.execute(_UNRECORDED, own)
            rows = await (await conn.execute(_ORPHANS, {"queues": list(QUEUES), "silent_s": silent_s})).fetchall()
            orphans = [(row[0], row[1]) for row in rows]
            await arming.enqueue(conn, orphans)
            await conn.execute(_FORGET, {"before": int((time.time() - 600) * 1000)})
        if orphans and silent_s:
            log.warning("armed partitions had no drain", count=len(orphans))
        return len(orphans)

    async def _take_over(self) -> None:
        """Put the running drains of workers that are gone back into the queue: they would block their partitions for ever."""
        async with self._pool.connection() as conn:
            rows = await (
                await conn.execute(_LOST, {"queues": list(QUEUES), "self": self._executor_id, "silent_s": DEAD_AFTER_S})
            ).fetchall()
        gone = [row[0] for row in rows]
        if gone:
            log.warning("taking over from workers that are gone", workers=gone)
            await asyncio.to_thread(DBOS._recover_pending_workflows, gone)


_engine: Engine | None = None

# Taken by this process so long ago, and not running in it.
_UNRECORDED = """
update dbos.workflow_status set status = 'ERROR' where queue_name = any(%(queues)s) and name = 'drain' and status = 'PENDING'
    and executor_id = %(self)s and updated_at < %(before)s and workflow_uuid <> all(%(running)s)
"""

# A partition armed for a while whose drain is neither waiting nor running was lost with a process.
_ORPHANS = """
select w.stage, w.key from work w
where w.armed and w.armed_at <= clock_timestamp() - make_interval(secs => %(silent_s)s) and not exists (
    select 1 from dbos.workflow_status s
    where s.queue_name = any(%(queues)s) and s.queue_partition_key = w.stage || ':' || w.key
      and s.name = 'drain' and s.status in ('ENQUEUED', 'PENDING', 'DELAYED'))
limit 500
"""
_LOST = """
select distinct s.executor_id from dbos.workflow_status s
where s.queue_name = any(%(queues)s) and s.status = 'PENDING' and s.executor_id <> %(self)s and not exists (
    select 1 from worker w where w.id = s.executor_id and w.beat_at > clock_timestamp() - make_interval(secs => %(silent_s)s))
"""
_FORGET = """
delete from dbos.workflow_status where workflow_uuid in (
    select workflow_uuid from dbos.workflow_status where status in ('SUCCESS', 'ERROR', 'CANCELLED') and updated_at < %(before)s limit 5000)
"""


def _configuration(dsn: str, executor_id: str) -> DBOSConfig:
    return {
        "name": "counterfoil",
        "system_database_url": dsn,
        "application_version": APPLICATION_VERSION,
        "executor_id": executor_id,
        "log_level": "ERROR",
        "sys_db_pool_size": 6,
        "run_migrations": True,
    }


@DBOS.step(name="turn")
async def _turn(stage: str, key: str) -> bool:
    if _engine is None:
        raise RuntimeError("the engine is not running")
    return (await _engine.turn(stage, key)).has_more


@DBOS.step(name="hand_over")
async def _hand_over(stage: str, key: str) -> None:
    if _engine is not None:
        await _engine.hand_over(stage, key)


@DBOS.workflow(name="drain")
async def _drain(stage: str, key: str) -> int:
    """Work a partition down, one turn after the other."""
    with _engine.drain(str(DBOS.workflow_id)) if _engine is not None else nullcontext():
        for turns in range(1, TURNS_MAX + 1):
            if not await _turn(stage, key):
                return turns
        await _hand_over(stage, key)
        return TURNS_MAX

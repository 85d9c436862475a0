"""The durable engine: one short workflow (a drain) per partition of a stage, enqueued in the transaction that made the work.

Guarantees: a partition with work has exactly one drain enqueued or running; a drain whose worker dies or leaves is put back into its queue
by the others, one that was lost is found by the sweep; a stage's turn may run twice and must be idempotent. See docs/adr for the facts that
shaped this.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import structlog
from dbos import DBOS, DBOSConfig
from dbos._utils import GlobalParams
from psycopg_pool import PoolTimeout

from counterfoil.kit.clock import Clock, SystemClock
from counterfoil.kit.stage import Stage
from counterfoil.store import work, workers
from counterfoil.store.pool import Conn, Key, Pool
from counterfoil.store.workers import Worker
from counterfoil.workflows import arming, recovery
from counterfoil.workflows.arming import APPLICATION_VERSION, BULK_QUEUE, QUEUE
from counterfoil.workflows.draining import Drains
from counterfoil.workflows.membership import DEAD_AFTER_S, Membership
from counterfoil.workflows.taking import moderate

log = structlog.get_logger()

TICK_S = 0.25
SWEEP_EVERY_TICKS = 20
TICK_LATE_S = 120.0
"""An engine that has not begun a tick for so long hangs, and a restart would help: a tick without a database takes 30 s."""
_SILENT_S = 20.0
_AWAY_S = 3.0
"""How long a partition may be armed without a drain before a sweep sees to it: usually, and once the database is back."""
_RECOVERY_TICKS = 16
"""Good ticks after a failed one before a sweep looks for what the failure left behind."""
CONCURRENCY = 32
BULK_CONCURRENCY = 4
"""Drains of bulk work at once in one process."""
STOP_WAIT_S = 10.0
_DESTROY_WAIT_S = 5.0
_POLL_ENDS_S = 0.1


def _everything(stage: str, key: str) -> bool:
    del stage, key
    return True


class Engine:
    """Runs the stages' turns durably. One per process."""

    def __init__(
        self,
        pool: Pool,
        dsn: str,
        stages: Mapping[str, Stage],
        member: Membership,
        *,
        knows: Callable[[str, str], bool] = _everything,
        concurrency: int = CONCURRENCY,
        clock: Clock | None = None,
    ) -> None:
        """``knows``: whether this process can work a partition; others are left to other workers. ``clock``: what cases are dated by."""
        self._pool = pool
        self._dsn = dsn
        self._member = member
        self._concurrency = concurrency
        self._drains = Drains(pool, stages, member, knows, clock or SystemClock())
        self._ticker: asyncio.Task[None] | None = None
        self._ticked_at = time.monotonic()
        self._is_taking = True

    async def start(self) -> None:
        """Launch the engine and take over what workers that are gone have left."""
        global _engine
        if _engine is not None:
            raise RuntimeError("one engine per process")
        _engine = self
        self._member.drains = lambda: len(self._drains.running)
        self._member.ruled = lambda: self._drains.ruled
        self._member.renewed = _go_on_as
        library = DBOS(config=_configuration(self._dsn, self._member.id))
        DBOS.launch()  # in this thread: the engine then runs its workflows in this event loop, where pool and clients live
        moderate(library._sys_db, lambda: self._is_taking)
        await self._member.beat()  # on a fresh database that took seconds in which nothing else ran
        await DBOS.register_queue_async(
            QUEUE, worker_concurrency=self._concurrency, partition_concurrency=1, polling_interval_sec=0.05, on_conflict="always_update"
        )
        await DBOS.register_queue_async(
            BULK_QUEUE, worker_concurrency=BULK_CONCURRENCY, partition_concurrency=1, polling_interval_sec=0.5, on_conflict="always_update"
        )
        await self.sweep(silent_s=0)
        self._ticker = asyncio.create_task(self._tick_forever())

    async def stop(self, within_s: float = STOP_WAIT_S) -> None:
        """Take nothing more, let turns under way end for so long, cut the rest short, and hand all that is left to other workers.

        Bounded, whatever the database and the stages do: within_s and some seconds.
        """
        global _engine
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self._is_taking = False
        await asyncio.sleep(_POLL_ENDS_S)  # a poll under way may still have taken drains: they begin before the library ends
        logging.getLogger("dbos").setLevel(logging.CRITICAL)  # what it cannot write down any more is handed back below
        library = _destroy(within_s if self._drains.running else 0.0)
        await self._drains.end(within_s)
        await _join(library, _DESTROY_WAIT_S)
        # The library gave the loop its own thread pool and has shut it down; whoever closes after us needs one that works.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=4, thread_name_prefix="after-engine"))
        try:
            await asyncio.wait_for(self._hand_back(), _DESTROY_WAIT_S)
        except (psycopg.Error, PoolTimeout, TimeoutError) as error:
            log.warning("left without handing back", error=type(error).__name__)
        _engine = None

    async def _hand_back(self) -> None:
        """Put what this worker has taken and not ended back into the queue at once, without counting it as failed."""
        async with self._pool.connection() as conn, conn.transaction():
            await self._drains.forgive(conn)
            count = await recovery.put_back_of(conn, self._member.id)
            await workers.leave(conn, self._member.id)
        if count:
            log.info("handed back", drains=count)

    @property
    def is_ticking(self) -> bool:
        """Whether the ticks come, also those whose database is away."""
        return time.monotonic() - self._ticked_at < TICK_LATE_S

    async def arm(self, conn: Conn, keys: Sequence[Key]) -> None:
        """Note work for partitions and enqueue a drain for each that has none, in the caller's transaction."""
        newly = await work.arm(conn, keys)
        if newly:
            await arming.enqueue(conn, newly)

    async def wake(self, keys: Sequence[Key]) -> None:
        """Arm partitions from outside a transaction."""
        async with self._pool.connection() as conn, conn.transaction():
            await self.arm(conn, keys)

    async def drain(self, workflow_id: str, stage: str, key: str) -> int:
        """Work a partition down; return the number of turns."""
        return await self._drains.work(workflow_id, stage, key)

    async def _tick_forever(self) -> None:
        ticks = 0
        recovering = 0
        while True:
            await asyncio.sleep(TICK_S)
            ticks += 1
            self._ticked_at = time.monotonic()
            try:
                await self._wake_due()
                recovering -= 1
                if recovering == 0 or ticks % SWEEP_EVERY_TICKS == 0:
                    await self.sweep(_AWAY_S if recovering == 0 else _SILENT_S)
            except Exception as error:  # outer loop: the next tick comes
                recovering = _RECOVERY_TICKS
                log.warning("tick failed", error=type(error).__name__)

    async def _wake_due(self) -> None:
        async with self._pool.connection() as conn, conn.transaction():
            await arming.enqueue(conn, await work.take_paused(conn))
            due = await work.take_due(conn)
            if due:
                await self.arm(conn, due)

    async def sweep(self, silent_s: float = _SILENT_S) -> int:
        """Put back what dead workers had taken and what this one has lost sight of; enqueue a drain for every partition that has none.

        The looking after others is done by one worker at a time. Returns how many partitions had no drain.
        """
        async with self._pool.connection() as conn, conn.transaction():
            if silent_s:
                await recovery.put_back_unrecorded(conn, self._member.id, self._drains.running, silent_s)
            if not await workers.become_reaper(conn, waiting=not silent_s):
                return 0
            dead = await workers.take_dead(conn, DEAD_AFTER_S)
            gone = await recovery.put_back_of_the_gone(conn)
            orphans = await recovery.enqueue_orphans(conn, silent_s)
            await recovery.forget_finished(conn)
        if dead or gone:
            log.warning("took over from workers that are gone", dead=[worker.id for worker in dead], workers=gone)
        if orphans and silent_s:
            log.warning("armed partitions had no drain", count=len(orphans))
        return len(orphans)


_engine: Engine | None = None


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


def _go_on_as(worker: Worker) -> None:
    """Have the library take drains under a new incarnation; it reads this with every poll."""
    GlobalParams.executor_id = worker.id


def _destroy(wait_s: float) -> threading.Thread:
    """Have the library stop taking drains, wait for those it knows, and end; in a thread of its own that nobody has to wait for."""
    thread = threading.Thread(target=DBOS.destroy, kwargs={"workflow_completion_timeout_sec": int(wait_s)}, name="engine-end", daemon=True)
    thread.start()
    return thread


async def _join(thread: threading.Thread, within_s: float) -> None:
    until = time.monotonic() + within_s
    while thread.is_alive():
        if time.monotonic() > until:
            log.warning("the engine's library did not end in time")
            return
        await asyncio.sleep(0.02)


@DBOS.workflow(name="drain", max_recovery_attempts=None)
async def _drain(stage: str, key: str) -> int:
    """Work a partition down. Not in the library's steps: a turn is idempotent and fenced, and run again it finds what is left."""
    if _engine is None:
        raise RuntimeError("the engine is not running")
    return await _engine.drain(str(DBOS.workflow_id), stage, key)

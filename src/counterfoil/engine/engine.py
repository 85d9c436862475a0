"""The engine: claims partitions that have work and runs one drain for each. It hears of new ones, and looks in case it missed one.

Guarantees: a partition with work waits to be claimed, pauses until a moment, or is run by one drain; what a worker that died or left had
claimed is freed by the others; a stage's turn may run twice and must be idempotent. What is to be done, who does it and when it goes on
stands in the table ``work`` alone. See docs/adr for what was measured before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from counterfoil.engine.draining import Drains
from counterfoil.engine.membership import DEAD_AFTER_S, Membership
from counterfoil.kit.clock import Clock, SystemClock
from counterfoil.kit.stage import Stage
from counterfoil.store import work, work_freed, workers
from counterfoil.store.pool import Conn, PartitionKey, Pool, connect, single_statements
from counterfoil.store.work import BULK_STAGES, JOINT_STAGES, Taken

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
"""How often a worker that hears nothing looks for itself: words are lost with a connection, and older programs do not speak."""
SWEEP_EVERY_S = 5.0
TICK_LATE_S = 120.0
"""An engine that has not looked for so long hangs, and a restart would help: a look without a database takes 30 s."""
_SILENT_S = 20.0
_AWAY_S = 3.0
"""How long a claim may have no drain before it is given back: usually, and once the database is back."""
_RECOVERED_AFTER_S = 4.0
"""Good looks for so long after a failed one, then a sweep for what the failure left behind."""
CONCURRENCY = 32
BULK_CONCURRENCY = 4
"""Drains of bulk work at once in one process, beside those of other work: a month's import never delays a payment."""
CLAIM_MAX = 4
"""Partitions claimed at once where others work too: they hear the same word, and get theirs."""
_OTHERS_TURN_S = 0.05
"""So long they are left to claim."""
STOP_WAIT_S = 10.0
_HAND_BACK_WITHIN_S = 5.0
_DUE_AT_LEAST_S = 0.01
_FAR_S = 60.0


def _everything(stage: str, key: str) -> bool:
    del stage, key
    return True


def _grouped(claimed: Sequence[tuple[str, str, Taken]]) -> dict[tuple[str, str], dict[str, Taken]]:
    """Return drains by stage and place: partitions of one place that had no trouble are worked together, each other one alone."""
    drains: dict[tuple[str, str], dict[str, Taken]] = {}
    for stage, key, taken in claimed:
        is_sound = not taken.failures and taken.limit is None
        place = work.place_of(stage, key) if is_sound and stage in JOINT_STAGES else f"only {key}"
        drains.setdefault((stage, place), {})[key] = taken
    return drains


@dataclass(slots=True)
class _Pulse:
    """When to look next, by the monotonic clock, and whether somebody told that there is something to claim."""

    word: asyncio.Event = field(default_factory=asyncio.Event)
    is_told: bool = False
    due_at: float = 0.0

    def tell(self) -> None:
        """Say that a partition waits to be claimed."""
        self.is_told = True
        self.word.set()

    def wake_in(self, after_s: float) -> None:
        """Say that a pause or a wait ends in some seconds."""
        at = time.monotonic() + after_s
        if at < self.due_at:
            self.due_at = at
            self.word.set()

    async def until(self, at: float) -> None:
        """Wait for a word, until then at most."""
        try:
            async with asyncio.timeout(max(0.0, min(at, self.due_at) - time.monotonic())):
                await self.word.wait()
        except TimeoutError:
            pass
        self.word.clear()


class Engine:
    """Runs the stages' turns. All of it in one event loop."""

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
        self._pulse = _Pulse()
        self._drains = Drains(pool, stages, member, knows, clock or SystemClock(), waits=self._pulse.wake_in)
        self._tasks: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[int]] = set()
        self._bulk = 0
        self._is_short = False
        self._is_stopping = False
        self._ticked_at = time.monotonic()
        self._sweep_at = 0.0
        self._silent_s = _SILENT_S

    async def start(self) -> None:
        """Take over what workers that are gone have left, and work from now on."""
        self._member.drains = lambda: len(self._drains.running)
        self._member.ruled = lambda: self._drains.ruled
        await self._member.beat()
        await self.sweep(silent_s=0)
        self._sweep_at = time.monotonic() + SWEEP_EVERY_S
        self._tasks = [asyncio.create_task(self._listen_forever(), name="ear"), asyncio.create_task(self._look_forever(), name="engine")]

    async def stop(self, within_s: float = STOP_WAIT_S) -> None:
        """Claim nothing more, let turns under way end for so long, cut the rest short, and hand all that is left to other workers.

        Bounded, whatever the database and the stages do: within_s and some seconds.
        """
        self._is_stopping = True  # a cancellation may be swallowed: up to Python 3.11 by wait_for, which the pool uses
        self._pulse.word.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._drains.end(within_s)
        try:
            await asyncio.wait_for(self._hand_back(), _HAND_BACK_WITHIN_S)
        except (psycopg.Error, PoolTimeout, TimeoutError) as error:
            log.warning("left without handing back", error=type(error).__name__)

    async def _hand_back(self) -> None:
        """Free what this worker has claimed and not ended at once, without counting it as failed."""
        async with self._pool.connection() as conn, conn.transaction():
            await self._drains.forgive(conn)
            count = await work_freed.give_back(conn, self._member.id)
            await workers.leave(conn, self._member.id)
        if count:
            log.info("handed back", drains=count)

    @property
    def is_ticking(self) -> bool:
        """Whether it goes on looking, also while its database is away."""
        return time.monotonic() - self._ticked_at < TICK_LATE_S

    async def arm(self, conn: Conn, keys: Sequence[PartitionKey]) -> None:
        """Note work for partitions in the caller's transaction; with its commit a worker begins."""
        await work.arm(conn, keys)

    async def wake(self, keys: Sequence[PartitionKey]) -> None:
        """Arm partitions from outside a transaction."""
        async with self._pool.connection() as conn, conn.transaction():
            await self.arm(conn, keys)

    async def _listen_forever(self) -> None:
        """Hear what is armed anywhere, on a connection of its own."""
        while not self._is_stopping:
            try:
                conn = await connect(self._dsn)
                async with conn:
                    await conn.set_autocommit(True)
                    await conn.execute(f"listen {work.CHANNEL}")
                    self._pulse.tell()  # what was said before
                    async for _ in conn.notifies():
                        self._pulse.tell()
            except (psycopg.Error, OSError) as error:  # until it hears again it looks every second
                log.warning("hears nothing", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look_forever(self) -> None:
        look_at = 0.0
        while not self._is_stopping:
            await self._pulse.until(look_at)
            self._ticked_at = time.monotonic()
            is_told, self._pulse.is_told = self._pulse.is_told, False
            try:
                if self._ticked_at >= min(look_at, self._pulse.due_at):
                    look_at = self._ticked_at + LOOK_EVERY_S
                    is_told = await self._look() or is_told
                if is_told:
                    await self._claim()
                if self._ticked_at >= self._sweep_at:
                    self._sweep_at = time.monotonic() + SWEEP_EVERY_S
                    await self.sweep(self._silent_s)
                    self._silent_s = _SILENT_S
            except Exception as error:  # outer loop: the next look comes
                look_at = self._pulse.due_at = time.monotonic() + LOOK_EVERY_S
                self._sweep_at = look_at + _RECOVERED_AFTER_S
                self._silent_s = _AWAY_S
                log.warning("look failed", error=type(error).__name__)

    async def _look(self) -> bool:
        """End the pauses and waits that are over; return whether a partition waits to be claimed."""
        async with single_statements(self._pool) as conn:
            is_any, due_in_s = await work_freed.look(conn)
            self._pulse.due_at = time.monotonic() + (_FAR_S if due_in_s is None else max(_DUE_AT_LEAST_S, due_in_s))
            if due_in_s is None or due_in_s > 0:
                return is_any
            async with conn.transaction():
                paused = await work_freed.take_paused(conn)
                due = await work_freed.take_due(conn)
                await work.arm(conn, due)
        return is_any or bool(paused or due)

    async def _claim(self) -> None:
        """Claim as many partitions as there is room for, and begin their drains."""
        room = self._concurrency - (len(self._running) - self._bulk), BULK_CONCURRENCY - self._bulk
        if not self._member.is_valid:
            return
        most = CLAIM_MAX if self._member.has_others else max(room)
        ordinary, bulk = (min(most, max(0, free)) for free in room)
        if not ordinary + bulk:
            self._is_short = True
            return
        async with single_statements(self._pool) as conn:
            member = self._member
            claimed = await work.claim(conn, member.id, member.worker.incarnation, self._drains.stages, ordinary, bulk)
        for (stage, _), drain in _grouped(claimed).items():
            self._begin(stage, drain)
        of_bulk = sum(stage in BULK_STAGES for stage, _, _ in claimed)
        self._is_short = of_bulk == bulk or len(claimed) - of_bulk == ordinary
        if self._is_short and claimed and self._member.has_others:
            asyncio.get_running_loop().call_later(_OTHERS_TURN_S, self._pulse.tell)

    def _begin(self, stage: str, taken: Mapping[str, Taken]) -> None:
        key = work.join_keys(taken)
        task = asyncio.create_task(self._drains.work(stage, taken), name=f"drain {stage}:{key}")
        is_bulk = stage in BULK_STAGES
        self._running.add(task)
        self._bulk += is_bulk

        def ended(task: asyncio.Task[int]) -> None:
            self._running.discard(task)
            self._bulk -= is_bulk
            if self._is_short:  # others may wait for the room it leaves
                self._pulse.tell()
            if not task.cancelled() and (error := task.exception()) is not None:
                log.warning("drain cut", stage=stage, key=key, error=type(error).__name__)

        task.add_done_callback(ended)

    async def sweep(self, silent_s: float = _SILENT_S) -> int:
        """Free what dead workers had claimed, and what this one has claimed and lost sight of; return how many workers were gone.

        The looking after others is done by one worker at a time.
        """
        async with self._pool.connection() as conn, conn.transaction():
            lost = await work_freed.give_back(conn, self._member.id, self._drains.running, silent_s) if silent_s else 0
            if not await workers.become_reaper(conn, waiting=not silent_s):
                return 0
            dead = await workers.take_dead(conn, DEAD_AFTER_S)
            gone = await work_freed.give_back_of_the_gone(conn)
        if lost:
            log.warning("claimed partitions had no drain", count=lost)
        if dead or gone:
            log.warning("took over from workers that are gone", dead=[worker.id for worker in dead], workers=gone)
        return len(gone)

"""A drain: one partition worked down turn by turn, under this worker's incarnation and the partition's fence.

How a turn can end: well (go on, finish, or let it wait for another drain), failed (the partition pauses), stale (somebody else took the
partition: nothing is changed), cut short (this process ends: nothing is counted). A process that dies leaves the turn counted as begun.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from counterfoil.engine.failing import failing_case
from counterfoil.engine.membership import Membership
from counterfoil.kit.clock import Clock, SystemClock
from counterfoil.kit.stage import Stage, Turn, backoff_s
from counterfoil.store import case_subjects, cases, suspects, work
from counterfoil.store.pool import Conn, PartitionKey, Pool, single_statements
from counterfoil.store.work import CAREFUL_AFTER, Ended, Taken

log = structlog.get_logger()

DRAIN_MAX_S = 5.0
"""A drain hands its partition on after so long at most, so that waiting partitions and other workers get their share.

A turn that lasts longer is asked to end if this worker has more drains under way than others.
"""
TOLD_AFTER = CAREFUL_AFTER + 1
"""After so many failed turns in a row of a partition people are told, unless it is known which item they failed of."""
FAILED_WAIT_MAX_S = 60.0
"""Between failed turns of one partition at most."""
UNKNOWN_WAIT_MAX_S = 10.0
"""Between looks of this worker at a partition it cannot work at most; it begins with half a second."""
RULES_WAIT_S = 0.5
"""Before a partition is given out again that this worker must not work, as its rules are not those of another: that one may take it."""


class StaleTurnError(Exception):
    """Somebody else took the partition: what the turn still wants to do is no longer its own."""


@dataclass(slots=True)
class EngineContext:
    """What the engine tells a turn, and what the turn told it. ``taken``: the partitions it works, by key; of several none had trouble."""

    pool: Pool
    stage: str
    taken: Mapping[str, Taken]
    ending: Callable[[], bool]
    held: list[str] = field(default_factory=list)

    @property
    def limit(self) -> int | None:
        """At most so many items at once; None: as many as usual."""
        return next(iter(self.taken.values())).limit

    @property
    def is_ending(self) -> bool:
        """Whether to begin nothing new: the process ends, may be taken for dead, or has more to do than other workers."""
        return self.ending()

    async def hold(self, items: Sequence[str]) -> frozenset[str]:
        """Note that these items are in hand; return those to be parked. Costs nothing while nothing happened to the partition.

        Raises:
            StaleTurnError: somebody else took the partition; let it pass.
        """
        if self.limit is None:
            return frozenset()
        [(key, taken)] = self.taken.items()
        async with self.pool.connection() as conn, conn.transaction():
            parked = await suspects.hold(conn, self.stage, key, taken.fence, items)
        if parked is None:
            raise StaleTurnError(f"{self.stage}:{key}")
        self.held.extend(items)
        return parked


def _nothing_waits(after_s: float) -> None:
    del after_s


@dataclass(slots=True)
class Drains:
    """The drains of this process. ``waits``: told in how many seconds a partition is to be looked at again."""

    pool: Pool
    stages: Mapping[str, Stage]
    member: Membership
    knows: Callable[[str, str], bool]
    clock: Clock = field(default_factory=SystemClock)
    is_stopping: bool = False
    waits: Callable[[float], None] = _nothing_waits
    _running: dict[asyncio.Task[object], tuple[PartitionKey, ...]] = field(default_factory=dict)
    _cut: list[EngineContext] = field(default_factory=list)
    _careful: asyncio.Lock = field(default_factory=asyncio.Lock)
    _strange: dict[tuple[str, str], int] = field(default_factory=dict)
    _ruled: int = 0

    async def work(self, stage: str, taken: Mapping[str, Taken]) -> int:
        """Work partitions down that were claimed for this worker; return the number of turns.

        ``taken``: by key. Several are of one place (:func:`counterfoil.store.work.place_of`), and none of them has a failed turn behind it.
        """
        with self._noted(stage, taken):
            id = self.member.act()
            if not self.knows(stage, next(iter(taken))):
                await self._leave_for_others(stage, taken)
                return 0
            if not self._may_work(stage):
                await self._pause(stage, taken, _spread(RULES_WAIT_S))
                return 0
            return await self._turns(id, stage, taken)

    def _may_work(self, stage: str) -> bool:
        """Tell whether this worker's rules, where a stage depends on them, are those of the others."""
        return stage not in work.RULED_STAGES or self.member.is_agreed

    @property
    def ruled(self) -> int:
        """How many of the drains under way depend on the rules."""
        return self._ruled

    @property
    def running(self) -> list[PartitionKey]:
        """The partitions whose drains are under way; one that was taken over and came back here is there twice."""
        return [key for keys in self._running.values() for key in keys]

    @contextmanager
    def _noted(self, stage: str, keys: Iterable[str]) -> Iterator[None]:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a drain runs in a task")
        self._running[task] = tuple((stage, key) for key in keys)
        self._ruled += stage in work.RULED_STAGES
        try:
            yield
        finally:
            del self._running[task]
            self._ruled -= stage in work.RULED_STAGES

    async def _turns(self, id: str, stage: str, taken: Mapping[str, Taken]) -> int:
        until = time.monotonic() + DRAIN_MAX_S * random.uniform(0.2, 1.0)  # noqa: S311 - no secret; they must not all end at once
        turns = 0
        is_well = False
        if await self._must_rest(stage, taken):
            return 0
        while await self.member.until_valid(id, lambda: self.is_stopping):
            if turns:
                if time.monotonic() > until or not self._may_work(stage):
                    break
                taken = await self._take_again(id, stage, taken, is_well=is_well)
                if not taken:
                    return turns
            turns += 1
            result = await self._turn(stage, taken, until)
            if result is None:
                return turns
            is_well = result.has_more
            if not result.has_more:
                taken = await self._finish(stage, taken, result.wake_in_s)
                if not taken:
                    return turns
        if self.member.id == id:  # otherwise whatever is left belongs to others by now
            await (self._hand_on(stage, taken) if turns else self._pause(stage, taken, 0.0))
        return turns

    async def _must_rest(self, stage: str, taken: Mapping[str, Taken]) -> bool:
        """Set a partition back that must wait yet, as its former turns failed."""
        key, one = next(iter(taken.items()))
        if one.failures < CAREFUL_AFTER:
            return False
        left_s = _pause_s(one.failures) - one.away_s
        if left_s <= 0:
            return False
        async with self._transaction() as conn:
            await work.set_back(conn, stage, key, one.fence, left_s, is_counted=False)
        self.waits(left_s)
        return True

    async def _take_again(self, id: str, stage: str, taken: Mapping[str, Taken], *, is_well: bool) -> dict[str, Taken]:
        """Take the partitions for the next turn; what is left out is not ours any more."""
        async with single_statements(self.pool) as conn:
            return await work.take_again(conn, stage, taken, self.member.worker.incarnation, id, is_well=is_well)

    async def _turn(self, stage: str, taken: Mapping[str, Taken], until: float) -> Turn | None:
        """Run one turn; None: it failed or was stale, and the drain ends."""

        def is_ending() -> bool:
            if self.is_stopping or not self.member.may_act() or not self._may_work(stage):
                return True
            return time.monotonic() > until and self.member.has_too_much

        context = EngineContext(self.pool, stage, taken, is_ending)
        key = work.join_keys(taken)
        try:
            if context.limit is None:
                result = await self.stages[stage](key, context)
                await self._works_again(context)
                return result
            async with self._careful:  # one at a time, so that none is blamed for what another did to the process
                log.warning("careful turn", stage=stage, key=key, failures=taken[key].failures, limit=context.limit)
                result = await self.stages[stage](key, context)
                await self._clear(context)
                await self._works_again(context)
                return result
        except asyncio.CancelledError:
            self._cut.append(context)
            raise
        except Exception as error:  # outer loop of all stages: whatever happened, the partitions are tried again later
            await self._set_back_after(context, error)
        return None

    async def _clear(self, context: EngineContext) -> None:
        if context.held:
            async with self._transaction() as conn:
                await suspects.clear(conn, context.stage, context.held)

    async def _set_back_after(self, context: EngineContext, error: Exception) -> None:
        name, keys = type(error).__name__, [*context.taken]
        if _is_only(error, StaleTurnError):
            log.warning("partition taken by another", stage=context.stage, keys=keys)
        elif is_away(error):
            log.warning("turn cut by the database", stage=context.stage, keys=keys, error=name)
            await self._set_back(context, 1.0, is_counted=False)
        else:
            log.exception("turn failed", stage=context.stage, keys=keys, error=name)
            failures = max(one.failures for one in context.taken.values()) + 1
            await self._set_back(context, _pause_s(failures), is_counted=True)
            if failures >= TOLD_AFTER and not context.held:  # what was in hand is parked by itself
                await self._tell(context, error)

    async def _tell(self, context: EngineContext, error: Exception) -> None:
        now = self.clock.now()
        openings = [failing_case(context.stage, key, error, now) for key in context.taken]
        async with self._transaction() as conn:
            await cases.open_or_count(conn, openings, now)

    async def _works_again(self, context: EngineContext) -> None:
        told = [f"{context.stage}:{key}" for key, one in context.taken.items() if one.failures >= TOLD_AFTER]
        if told:
            async with self._transaction() as conn:
                await case_subjects.release_subjects(conn, work.TURN, told, self.clock.now())

    async def _set_back(self, context: EngineContext, after_s: float, *, is_counted: bool) -> None:
        async with self._transaction() as conn:
            for key, one in sorted(context.taken.items()):
                await work.set_back(conn, context.stage, key, one.fence, after_s, is_counted=is_counted)
            if not is_counted and context.held:
                await suspects.take_back(conn, context.stage, context.held)
        self.waits(after_s)

    async def _finish(self, stage: str, taken: Mapping[str, Taken], wake_in_s: float | None) -> dict[str, Taken]:
        """End a turn that ended well; return the partitions for which more came meanwhile."""
        async with single_statements(self.pool) as conn:
            ended = await work.finish_all(conn, stage, taken, wake_in_s)
        stale = [key for key, one in ended.items() if one is Ended.STALE]
        if stale:
            log.warning("partition taken by another", stage=stage, keys=stale)
        if wake_in_s is not None:
            self.waits(wake_in_s)
        return {key: taken[key] for key, one in ended.items() if one is Ended.MORE}

    async def _hand_on(self, stage: str, taken: Mapping[str, Taken]) -> None:
        """Let partitions that still have work wait for their next drain, here or elsewhere."""
        async with self._transaction() as conn:
            for key, one in sorted(taken.items()):
                await work.hand_on(conn, stage, key, one.fence)

    async def _leave_for_others(self, stage: str, taken: Mapping[str, Taken]) -> None:
        """Give back what only another version or configuration of the program knows, less and less often."""
        place = work.place_of(stage, next(iter(taken)))
        looks = self._strange[stage, place] = self._strange.get((stage, place), 0) + 1
        if looks == 1:
            log.warning("not known here, left for other workers", stage=stage, keys=[*taken])
        await self._pause(stage, taken, _spread(min(UNKNOWN_WAIT_MAX_S, 0.5 * looks)))

    async def _pause(self, stage: str, taken: Mapping[str, Taken], wait_s: float) -> None:
        async with self._transaction() as conn:
            for key, one in sorted(taken.items()):
                await work.leave_for_others(conn, stage, key, one, wait_s)
        self.waits(wait_s)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Conn]:
        async with self.pool.connection() as conn, conn.transaction():
            yield conn

    async def end(self, within_s: float) -> None:
        """Let turns under way end, for so long; then cut them short."""
        self.is_stopping = True
        self.member.wake()
        tasks = self._tasks()
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        late = self._tasks()
        for task in late:
            task.cancel()
        if late:
            log.warning("turns cut short", count=len(late))
            await asyncio.wait(late, timeout=2.0)

    def _tasks(self) -> list[asyncio.Task[object]]:
        return [task for task in self._running if not task.done()]

    async def forgive(self, conn: Conn) -> None:
        """Have turns that were cut short count as not begun."""
        await work.uncount(conn, [(context.stage, key, one.fence) for context in self._cut for key, one in context.taken.items()])
        for context in self._cut:
            if context.held:
                await suspects.take_back(conn, context.stage, context.held)
        self._cut.clear()


_ITEMS_OWN_FAULT = ("22", "54")
"""SQLSTATE classes of what the item itself brings about (data exception, program limit exceeded), though the driver files the latter under
operational errors: https://www.postgresql.org/docs/current/errcodes-appendix.html."""


def is_away(error: Exception) -> bool:
    """Tell whether the database was away or out of means, whatever was in hand: the same again may go through."""
    if isinstance(error, ExceptionGroup):
        return all(is_away(one) for one in error.exceptions)
    if isinstance(error, psycopg.OperationalError):
        return (error.sqlstate or "")[:2] not in _ITEMS_OWN_FAULT
    return isinstance(error, PoolTimeout)


def _is_only(error: Exception, *kinds: type[Exception]) -> bool:
    """Tell whether an error, or everything in a group of them, is of these kinds."""
    if isinstance(error, ExceptionGroup):
        return all(_is_only(one, *kinds) for one in error.exceptions)
    return isinstance(error, kinds)


def _pause_s(failures: int) -> float:
    """Return the wait after so many failed turns in a row, spread so that what fails together is not tried together."""
    return _spread(backoff_s(failures, wait_max_s=FAILED_WAIT_MAX_S))


def _spread(wait_s: float) -> float:
    return wait_s * random.uniform(0.75, 1.25)  # noqa: S311 - no secret

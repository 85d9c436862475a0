"""Leaving a target alone while it cannot be used, and finding out that it can be again: by a read first, then by one batch on trial.

However long it lasts, commands stay as they are and in their order: the standing of a target is the target's, not the commands'.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from counterfoil.core.language.commands import CommandKind
from counterfoil.kit.clock import Clock
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.kit.windows import Window, closed_until
from counterfoil.kit.writing import CommandWriter
from counterfoil.store import outbox_due, rechecks, standing
from counterfoil.store.pool import Conn, PartitionKey, Pool, single_statements
from counterfoil.store.standing import ConnectionTrouble

log = structlog.get_logger()

SOON_S = 0.2
AGAIN_S = 5.0
"""So soon somebody looks again at a target that another worker is trying, or that nothing could be sent to."""
FREE_WITHIN_S = 2.0
OURS = frozenset({"target.maintenance", "target.budget_unavailable"})
"""Codes of what keeps us from sending without any fault of the target."""
CLOSED_MAX_S = 300.0
"""A partition of a target in maintenance looks again after this long at the latest: windows change with the configuration."""
REAL_TIME = timedelta(minutes=3)
"""So long after real-time work for a target was seen, bulk work for it goes in short batches and leaves a slot."""


@dataclass(frozen=True, slots=True)
class TargetLink:
    """A configured target: its context, its deliveries, a cheap read that tells whether it is there, and how many batches of a partition
    may be under way at once.

    Three: while one waits for its last call and one is written down, another one keeps the target busy.

    ``late_s``: so many seconds after a write got no answer, it may still be done.
    """

    ctx: Context
    deliver: Mapping[CommandKind, CommandWriter]
    probe: Callable[[Context], Awaitable[object]]
    width: int = 3
    windows: tuple[Window, ...] = ()
    late_s: float = 130.0

    def closed_s(self, now: datetime) -> float:
        """Return the seconds until a declared maintenance window ends, 0 outside of one."""
        until = closed_until(self.windows, now)
        return 0.0 if until is None else (until - now).total_seconds()


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a target said: leave it alone for so many seconds (None: send), or try one batch first.

    ``has_real_time``: there was real-time work for it in the last minutes, from whichever worker.
    """

    wait_s: float | None = None
    is_trial: bool = False
    has_real_time: bool = False


@dataclass(frozen=True, slots=True)
class Rest:
    """The shell around the table of standings, one per process. ``worker``: the process's id among the workers, empty if it is none."""

    pool: Pool
    clock: Clock
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]
    worker: Callable[[], str] = str
    _trying: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def look(self, target: str, link: TargetLink) -> AsyncIterator[Look]:
        """Give whether a target may be sent to. One that is down is read, by one worker at a time, before a batch is risked.

        A trial lasts as long as the context: whatever ends it without news of the target (nothing to send, a lost database), the target
        is free to be tried again.
        """
        now = self.clock.now()
        closed_s = link.closed_s(now)
        if closed_s > 0:
            yield Look(wait_s=min(closed_s, CLOSED_MAX_S))
            return
        async with single_statements(self.pool) as conn:
            state = await standing.read(conn, target)
        has_real_time = state.real_time_at is not None and now - state.real_time_at < REAL_TIME
        if not state.is_down:
            yield Look(has_real_time=has_real_time)
            return
        async with self.claim(target) as is_ours:
            if not is_ours:
                wait_s = min(state.wait_s(now) or AGAIN_S, AGAIN_S if state.is_tried else standing.WAIT_MAX_S)
                yield Look(wait_s=max(SOON_S, wait_s))
                return
            try:
                await link.probe(link.ctx)
            except HubError as error:
                yield Look(wait_s=await self.went_down(target, as_trouble(error), is_trial=True, is_by_sending=False))
                return
            if not state.is_by_sending:
                await self.came_back(target)
            yield Look(is_trial=state.is_by_sending, has_real_time=has_real_time)

    @asynccontextmanager
    async def claim(self, target: str) -> AsyncIterator[bool]:
        """Give whether the caller is to look at a target that is down. At the end it is free again, unless news of it were noted."""
        now = self.clock.now()
        async with self.pool.connection() as conn:
            is_ours = await standing.claim_probe(conn, target, now, self.worker(), is_trying=target in self._trying)
        if not is_ours:
            yield False
            return
        self._trying.add(target)
        try:
            yield True
        finally:
            self._trying.discard(target)
            # With the database away the claim stays in it; this process may take it up again at once, others when this one is gone.
            with suppress(psycopg.Error, PoolTimeout):
                async with self.pool.connection(timeout=FREE_WITHIN_S) as conn:
                    await standing.free_probe(conn, target, self.clock.now() + timedelta(seconds=SOON_S))

    async def went_down(self, target: str, trouble: ConnectionTrouble, *, is_trial: bool, is_by_sending: bool = True) -> float:
        """Note that a target cannot be used; return the seconds to leave it alone.

        Nothing is noted of what says nothing of the target: maintenance that was declared, a database that was away.
        """
        if trouble.code in OURS:
            return min(trouble.retry_after_s or CLOSED_MAX_S, CLOSED_MAX_S)
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            state = await standing.note_down(conn, target, trouble, now, is_by_sending=is_by_sending, is_probe=is_trial)
        log.warning("target cannot be used", target=target, code=trouble.code, tries=state.tries)
        return max(SOON_S, state.wait_s(now))

    async def came_back(self, target: str) -> None:
        """Note that a target can be used, and wake everything that waited for it."""
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            if await standing.note_up(conn, target, now):
                log.info("target can be used again", target=target)
                await self.arm(conn, [*await outbox_due.partitions_open(conn, target), *await rechecks.partitions(conn, target)])

    async def idle(self, target: str) -> None:
        """A trial found nothing to send: who has something tries. With nothing left for the target, nothing speaks against it any more."""
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            ready = await outbox_due.partitions_ready(conn, target, now)
            waiting = await outbox_due.partitions_open(conn, target)
            if ready:
                await standing.try_at(conn, target, now)
                await self.arm(conn, ready)
            elif waiting:
                await standing.try_at(conn, target, now + timedelta(seconds=AGAIN_S))
        if not waiting:
            await self.came_back(target)

    async def trial(self, target: str) -> None:
        """A target that sending found down answers reads: let sending try at once, and forget about it if there is nothing to send."""
        async with self.pool.connection() as conn, conn.transaction():
            waiting = await outbox_due.partitions_open(conn, target)
            if waiting:
                await standing.try_at(conn, target, self.clock.now())
                await self.arm(conn, waiting)
        if not waiting:
            await self.came_back(target)


def as_trouble(error: HubError) -> ConnectionTrouble:
    """Return what a failed read of a target means for sending to it."""
    retry_after_s = error.retry_after_s if isinstance(error, TransientError) else None
    return ConnectionTrouble(error.code, str(error), is_refused=isinstance(error, SetupError), retry_after_s=retry_after_s)

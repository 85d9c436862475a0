"""Table ``budget``: what each connection can bear, shared by all workers: rate, slots, pauses, and the breaker with one probe over all.

A call costs at most two short statements that are not waited for to reach the disk (losing the last of them is harmless), and none while
this worker still has slots and turns at hand. What a statement does to the row is worked out here from the row as last seen and written
only if it is still that; else it is read and worked out again. The rules themselves are in ``kit.sharing``.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import TypeVar

import msgspec
import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from counterfoil.kit import sharing
from counterfoil.kit.errors import TransientError
from counterfoil.kit.limits import BreakerState, Feedback, Limits, Permit, Verdict, is_yielding
from counterfoil.kit.sharing import BudgetRequest, BudgetState, Grant

from .pool import Conn, Pool

log = structlog.get_logger()
T = TypeVar("T")

AWAY_S = 2.0
"""How long the database is waited for before a call is refused."""
KEEP_EVERY_S = 3.0
LINGER_S = 0.05
"""A slot that is free is given back after this long: the next call of a loop finds it still here."""
POLL_S = 0.05
SHORT_S = 0.25
"""Yielding calls answered within this on average may use the last slot, too, while nobody else is about: who comes waits no longer."""
CALM_S = 0.2
"""The last slot is left for so long after a call that does not yield: the next call of the same errand is about to come."""
SEEN_CALLS = 16
STALE_S = 1.0
"""Turns not used for so long are let go: they would pile up to a burst."""
MISSES_MAX = 50

ClosedFor = Callable[[], float]
"""Gives the seconds until a declared maintenance window ends, 0 outside of one."""

_STATE = msgspec.json.Decoder(BudgetState)
_READ = "select version, state::text, extract(epoch from clock_timestamp())::float8 from budget where connection = %s"
_WRITE = (
    "update budget set version = version + 1, state = %s::jsonb, changed_at = clock_timestamp() where connection = %s and version = %s"
    " returning extract(epoch from clock_timestamp())::float8"
)
_MAKE = "insert into budget (connection, version, state) values (%s, 0, '{}') on conflict do nothing"


class Budgets:
    """All shared budgets of one process. ``worker``: a name no other process has. Made by :func:`open_budgets`."""

    def __init__(self, pool: Pool, worker: str) -> None:
        self.pool = pool
        self.worker = worker
        self._ahead_s: float | None = None
        self._known: dict[str, tuple[int, BudgetState]] = {}
        self._budgets: list[SharedBudget] = []

    def of(self, connection: str, limits: Limits, closed_s: ClosedFor = lambda: 0.0) -> SharedBudget:
        """Return the budget of a connection, to be asked by all clients of this process."""
        made = SharedBudget(self, connection, limits, closed_s)
        self._budgets.append(made)
        return made

    def now(self) -> float:
        """Return the database's instant, in epoch seconds, as far as this process can tell."""
        return time.monotonic() + (self._ahead_s if self._ahead_s is not None else time.time() - time.monotonic())

    async def change(self, connection: str, step: Callable[[BudgetState, float], tuple[BudgetState, T]]) -> T:
        """Apply a step to the state; it may be worked out several times. Raises TransientError if the database is away."""
        try:
            async with self.pool.connection(timeout=AWAY_S) as conn:
                return await self._change(conn, connection, step)
        except (psycopg.Error, PoolTimeout) as error:
            raise TransientError(
                f"{connection}: the budget shared by all workers cannot be asked; nothing was sent ({type(error).__name__})",
                code="target.budget_unavailable",
                retry_after_s=AWAY_S,
                is_unavailable=True,
            ) from error

    async def _change(self, conn: Conn, connection: str, step: Callable[[BudgetState, float], tuple[BudgetState, T]]) -> T:
        is_fresh = connection not in self._known
        known = await self._read(conn, connection) if is_fresh else self._known[connection]
        for _ in range(MISSES_MAX):
            version, state = known
            after, answer = step(state, self.now())
            if after is state and is_fresh:
                return answer
            if after is not state and await self._write(conn, connection, version, after):
                return answer
            known, is_fresh = await self._read(conn, connection), True
        raise psycopg.OperationalError("the budget's row changes faster than it can be written")

    async def _read(self, conn: Conn, connection: str) -> tuple[int, BudgetState]:
        row = await (await conn.execute(_READ, (connection,))).fetchone()
        if row is None:
            await conn.execute(_MAKE, (connection,))
            return await self._read(conn, connection)
        self._ahead_s = row[2] - time.monotonic()
        self._known[connection] = row[0], _STATE.decode(row[1])
        return self._known[connection]

    async def _write(self, conn: Conn, connection: str, version: int, state: BudgetState) -> bool:
        row = await (await conn.execute(_WRITE, (msgspec.json.encode(state).decode(), connection, version))).fetchone()
        if row is None:
            return False
        self._ahead_s = row[0] - time.monotonic()
        self._known[connection] = version + 1, state
        return True

    async def close(self) -> None:
        """Give everything back."""
        for budget in self._budgets:
            await budget.close()


@asynccontextmanager
async def open_budgets(dsn: str, worker: str) -> AsyncIterator[Budgets]:
    """Open the budgets of a process on connections of their own: they are asked while others of the pool are held."""

    async def configure(conn: Conn) -> None:
        await conn.set_autocommit(True)
        await conn.execute("select set_config('timezone', 'UTC', false), set_config('synchronous_commit', 'off', false)")

    pool: Pool = AsyncConnectionPool(dsn, min_size=0, max_size=2, timeout=AWAY_S, open=False, configure=configure)
    await pool.open()
    budgets = Budgets(pool, worker)
    try:
        yield budgets
    finally:
        await budgets.close()
        await pool.close()


class SharedBudget:
    """One process's share in a connection's budget; implements :class:`counterfoil.kit.limits.Budget`."""

    def __init__(self, budgets: Budgets, connection: str, limits: Limits, closed_s: ClosedFor) -> None:
        self.limits = limits
        self._budgets = budgets
        self._connection = connection
        self._closed_s = closed_s
        self._slots = 0
        self._busy = 0
        self._waiting = 0
        self._is_contended = False
        self._has_failed = False
        self._probing = False
        self._turns: deque[float] = deque()
        self._asking = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._modest: set[int] = set()
        self._modest_s: deque[float] = deque(maxlen=SEEN_CALLS)
        self._eager = 0
        self._ordinary_at = -math.inf

    @property
    def spare(self) -> int:
        """How many slots yielding calls leave free: one, unless theirs are short and nobody else is about."""
        if self._busy + self._eager > len(self._modest) or self._is_contended or self._budgets.now() - self._ordinary_at < CALM_S:
            return 1
        return int(not self._modest_s or fmean(self._modest_s) > SHORT_S)

    async def acquire(self) -> Permit:
        """Wait for a slot and a turn. Raises TransientError, nothing sent, when the target is to be left alone or nobody can be asked."""
        closed_s = self._closed_s()
        if closed_s > 0:
            raise _refusal("a maintenance window was declared; nothing was sent", "target.maintenance", closed_s)
        is_modest = is_yielding()
        self._waiting += 1
        self._eager += not is_modest
        try:
            turn, is_probe = await self._slot(is_modest=is_modest)
        finally:
            self._waiting -= 1
            self._eager -= not is_modest
        permit = Permit(next(self._ids), is_probe)
        if is_modest:
            self._modest.add(permit.id)
        try:
            wait_s = turn - self._budgets.now()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
        except BaseException:
            await self.release(permit, Feedback(Verdict.NEUTRAL))
            raise
        return permit

    async def release(self, permit: Permit, feedback: Feedback) -> None:
        """Give the permit back with what was learned; what nobody needs to hear is not told."""
        self._busy -= 1
        if permit.id in self._modest:
            self._modest.discard(permit.id)
            if feedback.verdict is not Verdict.NEUTRAL:
                self._modest_s.append(feedback.latency_s)
        else:
            self._ordinary_at = self._budgets.now()
        if permit.is_probe:
            self._probing = False
        if self._is_news(permit, feedback):
            self._turns.clear()
            await self._quietly(self._learn(feedback, is_probe=permit.is_probe))
        if self._is_contended or not self._waiting:
            self._later(self._give_back())
        self._freed.set()

    async def close(self) -> None:
        """Give all slots back."""
        for task in (*self._tasks, *([self._keeper] if self._keeper is not None else [])):
            task.cancel()
        self._keeper = None
        if self._slots:
            await self._quietly(self._keep(0))

    async def _slot(self, *, is_modest: bool) -> tuple[float, bool]:
        """Wait until there is a slot and return the turn to go with it, and whether this call is the probe."""
        while True:
            async with self._asking:
                if not self._is_free(is_modest=is_modest):
                    await self._ask(is_modest=is_modest)
                elif is_modest and self._busy + 1 >= self.limits.concurrency_max > 1:
                    await self._keep(self._slots)  # the last slot: does another worker want it by now?
                if self._is_free(is_modest=is_modest):
                    self._busy += 1
                    return self._turns.popleft(), self._probing
                self._freed.clear()
            try:
                await asyncio.wait_for(self._freed.wait(), POLL_S)
            except TimeoutError:
                continue

    def _is_free(self, *, is_modest: bool) -> bool:
        stale = self._budgets.now() - STALE_S
        while self._turns and self._turns[0] < stale:
            self._turns.popleft()
        if is_modest and len(self._modest) >= max(1, self.limits.concurrency_max - self.spare):
            return False
        first = self._eager if is_modest else 0  # those that do not yield go first
        return self._busy + first < self._slots and bool(self._turns) and not (self._probing and self._busy)

    async def _ask(self, *, is_modest: bool) -> None:
        if self._slots == self.limits.concurrency_max == self._busy:
            return  # nothing to be had but by a release of our own
        worker, name = self._budgets.worker, self._connection

        def step(state: BudgetState, now: float) -> tuple[BudgetState, Grant]:
            return sharing.ask(
                state, self.limits, BudgetRequest(worker, self._waiting, self._busy, now, is_modest and not self._eager and self.spare > 0)
            )

        async with self._writing:
            grant = await self._budgets.change(name, step)
            if grant.refused:
                words = "failed repeatedly and is left alone for a while" if grant.refused == sharing.RESTING else "asked to be left alone"
                raise _refusal(f"the target {words}; nothing was sent", grant.refused, grant.wait_s)
            self._slots, self._is_contended = grant.slots, grant.is_contended
            if grant.turns:
                self._probing = grant.is_probe
                self._turns.extend(grant.turns)
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_forever())

    def _is_news(self, permit: Permit, feedback: Feedback) -> bool:
        is_bad = feedback.verdict in (Verdict.FAILED, Verdict.THROTTLED)
        is_recovery = self._has_failed and feedback.verdict is Verdict.OK
        self._has_failed = is_bad or (self._has_failed and not is_recovery)
        is_tight = feedback.rate is not None and feedback.rate.rate_per_s < self.limits.rate_per_s
        return permit.is_probe or is_bad or is_recovery or is_tight or bool(feedback.code)

    async def _learn(self, feedback: Feedback, *, is_probe: bool) -> None:
        def step(state: BudgetState, now: float) -> tuple[BudgetState, None]:
            return sharing.learn(state, self.limits, feedback, is_probe=is_probe, now=now), None

        async with self._writing:
            await self._budgets.change(self._connection, step)

    async def _give_back(self) -> None:
        if not self._is_contended:
            await asyncio.sleep(LINGER_S)
        if self._slots > self._busy and (self._is_contended or not self._waiting):
            await self._keep(self._busy)

    async def _keep(self, slots: int) -> None:
        async with self._writing:
            kept = min(self._slots, max(slots, self._busy))

            def step(state: BudgetState, now: float) -> tuple[BudgetState, bool]:
                return sharing.keep(state, self.limits, self._budgets.worker, kept, now)

            self._slots = kept
            self._is_contended = await self._budgets.change(self._connection, step)

    async def _keep_forever(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            if self._slots:
                await self._quietly(self._keep(self._slots))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Awaitable[None]) -> None:
        try:
            await work
        except TransientError as error:  # what was not told is made good by time: slots lapse, failures show again
            log.warning("budget not told", connection=self._connection, code=error.code)


def _refusal(words: str, code: str, wait_s: float) -> TransientError:
    return TransientError(f"{words} (for {wait_s:.0f} s)", code=code, retry_after_s=wait_s, is_unavailable=True)


@dataclass(frozen=True, slots=True)
class BudgetSeen:
    """A connection's budget for people: calls per second now and at full speed, slots in use and at most, until when it pauses, how the
    breaker stands and since when, and the last error with its time.
    """

    connection: str
    rate_per_s: float
    rate_full: float
    slots_used: int
    slots_max: int
    paused_until: datetime | None
    breaker: BreakerState
    since: datetime | None
    last_code: str
    last_code_at: datetime | None


async def list_budgets(conn: Conn) -> list[BudgetSeen]:
    """Return all budgets by connection, as they stand by the database's clock."""
    rows = await (
        await conn.execute("select connection, state::text, extract(epoch from clock_timestamp())::float8 from budget order by connection")
    ).fetchall()
    return [_seen(connection, _STATE.decode(state), now) for connection, state, now in rows]


def _seen(connection: str, state: BudgetState, now: float) -> BudgetSeen:
    return BudgetSeen(
        connection,
        sharing.rate_now(state, Limits().recover_s, now),
        state.rate_full,
        state.slots_used(now),
        state.slots_max,
        _instant(state.paused_until) if state.paused_until > now else None,
        state.breaker(now),
        _instant(state.since),
        state.code,
        _instant(state.code_at),
    )


def _instant(epoch_s: float) -> datetime | None:
    return datetime.fromtimestamp(epoch_s, UTC) if epoch_s else None

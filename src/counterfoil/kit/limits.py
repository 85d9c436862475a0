"""Budgets: how fast and how many calls a target is sent, and when it is left alone; and batch sizes fitted to its speed.

A budget belongs to one target. The hub's store has one that all workers share; :class:`LocalBudget` here serves a single process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from counterfoil.kit.errors import TransientError
from counterfoil.kit.rate_headers import RateSeen

Sleep = Callable[[float], Awaitable[None]]
"""Waits that many seconds; a test passes one that only moves its clock."""

Now = Callable[[], float]
"""Gives seconds on a clock that never goes back; only differences mean anything."""


class Verdict(StrEnum):
    """What one call told about the target's health."""

    OK = "ok"
    THROTTLED = "throttled"  # it asked us to slow down
    FAILED = "failed"  # it is ill or away: unreachable, timed out, cut off, 502, 503, 504
    NEUTRAL = "neutral"  # says nothing about its health: refused, canceled by us


@dataclass(frozen=True, slots=True)
class Feedback:
    """One call's verdict; ``retry_after_s`` as the target asked, None when it did not; ``code`` of the error, empty when there was none;
    ``rate``: what its headers told about its limits.
    """

    verdict: Verdict
    latency_s: float = 0.0
    retry_after_s: float | None = None
    code: str = ""
    rate: RateSeen | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one target can bear.

    Attributes:
        rate_per_s: calls per second at full speed; ``burst`` of them may go at once.
        concurrency_max: calls in flight at once.
        wait_max_s: a call that would wait longer for its turn raises TransientError instead.
        failures_max, open_s, open_max_s, probes_max: see :class:`Breaker`; a budget shared by workers lets one probe through.
        recover_s: after slowing down, a tenth of the full rate is regained in so many seconds.
    """

    rate_per_s: float = 50.0
    burst: int = 10
    concurrency_max: int = 4
    wait_max_s: float = 30.0
    failures_max: int = 5
    open_s: float = 5.0
    open_max_s: float = 120.0
    probes_max: int = 1
    recover_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse limits nothing could pass."""
        if self.rate_per_s <= 0 or self.burst < 1 or self.concurrency_max < 1:
            raise ValueError("rate_per_s must be positive, burst and concurrency_max at least 1")


_yields: ContextVar[bool] = ContextVar("yields", default=False)


@contextmanager
def yielding(is_yielding: bool = True) -> Iterator[None]:
    """Calls made within leave one of the target's slots to those that are not: bulk work while there is real-time work."""
    token = _yields.set(is_yielding)
    try:
        yield
    finally:
        _yields.reset(token)


def is_yielding() -> bool:
    """Return whether calls made here leave one slot to others."""
    return _yields.get()


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to send one call; given back exactly once. ``id`` is the budget's own mark."""

    id: int
    is_probe: bool = False


class Budget(Protocol):
    """What one target can bear, asked before and told after each call."""

    @property
    def spare(self) -> int:
        """How many slots calls that yield leave to others as things stand; they always have one."""
        ...

    async def acquire(self) -> Permit:
        """Wait for a turn. Raises TransientError with ``retry_after_s``, nothing sent, if the target is to be left alone for longer."""
        ...

    async def release(self, permit: Permit, feedback: Feedback) -> None:
        """Give the permit back with what was learned."""
        ...


class BreakerState(StrEnum):
    """Closed lets calls pass, open lets none, half-open lets a few try."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens after ``failures_max`` failures in a row; after ``open_s`` lets ``probes_max`` calls try; a failed probe doubles the wait."""

    def __init__(self, *, failures_max: int, open_s: float, open_max_s: float, probes_max: int, now: Now) -> None:
        self._failures_max = failures_max
        self._open_first_s = open_s
        self._open_max_s = open_max_s
        self._probes_max = probes_max
        self._now = now
        self._failures = 0
        self._open_s = open_s
        self._reopens_at = 0.0
        self._probes = 0
        self._is_open = False

    @property
    def state(self) -> BreakerState:
        """The state at this moment."""
        if not self._is_open:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self._now() >= self._reopens_at else BreakerState.OPEN

    def enter(self) -> bool:
        """Let a call pass and return whether it is a probe. Raises TransientError while open, or while enough probes are out."""
        state = self.state
        if state is BreakerState.CLOSED:
            return False
        if state is BreakerState.OPEN or self._probes >= self._probes_max:
            wait_s = max(self._reopens_at - self._now(), 1.0)
            raise TransientError(
                "the target failed repeatedly and is left alone for a while; nothing was sent",
                code="target.resting",
                retry_after_s=wait_s,
                is_unavailable=True,
            )
        self._probes += 1
        return True

    def leave(self, verdict: Verdict, *, is_probe: bool) -> None:
        """Learn from a call that passed."""
        if is_probe:
            self._probes = max(self._probes - 1, 0)
        if verdict in (Verdict.OK, Verdict.THROTTLED):
            self._failures = 0
            if is_probe or not self._is_open:
                self._is_open, self._open_s = False, self._open_first_s
        elif verdict is Verdict.FAILED:
            self._fail(is_probe=is_probe)

    def _fail(self, *, is_probe: bool) -> None:
        if is_probe:
            self._open_s = min(self._open_s * 2, self._open_max_s)
        self._failures += 1
        if is_probe or (not self._is_open and self._failures >= self._failures_max):
            self._is_open = True
            self._reopens_at = self._now() + self._open_s


class Pace:
    """Turns at a rate that halves when the target asks to slow down and creeps back by a tenth of the full rate per ``recover_s``.

    ``burst`` calls may go at once. A Retry-After stops all turns until it has passed.
    """

    def __init__(self, *, rate_per_s: float, burst: int, recover_s: float, now: Now) -> None:
        self._full = rate_per_s
        self._burst = burst
        self._recover_s = recover_s
        self._now = now
        self._base = rate_per_s
        self._base_at = now()
        self._next_turn_at = 0.0
        self._paused_until = 0.0

    @property
    def rate_per_s(self) -> float:
        """The rate at this moment."""
        steps = (self._now() - self._base_at) / self._recover_s
        return min(self._full, self._base + steps * self._full / 10)

    def wait_s(self) -> float:
        """Return how long a call would have to wait for its turn now, in seconds (0: may go)."""
        now = self._now()
        slack = (self._burst - 1) / self.rate_per_s
        return max(self._paused_until - now, self._next_turn_at - slack - now, 0.0)

    def take(self) -> None:
        """Use up the next turn."""
        start = max(self._now(), self._next_turn_at, self._paused_until)
        self._next_turn_at = start + 1 / self.rate_per_s

    def follow(self, seen: RateSeen) -> None:
        """Keep within what the target says is left: no calls until the window ends if none are, otherwise no faster than that allows."""
        if seen.remaining < 1:
            self._paused_until = max(self._paused_until, self._now() + seen.reset_s)
        elif seen.rate_per_s < self.rate_per_s:
            self._base = max(seen.rate_per_s, self._full / 50)
            self._base_at = self._now()

    def slow_down(self, retry_after_s: float | None) -> None:
        """Halve the rate, down to a fiftieth of the full one, and pause as asked (one second if the target did not say)."""
        self._base = max(self.rate_per_s / 2, self._full / 50)
        self._base_at = self._now()
        self._paused_until = max(self._paused_until, self._now() + (1.0 if retry_after_s is None else retry_after_s))


class LocalBudget:
    """A budget for one process: rate, concurrency, slowing down on 429, and a breaker.

    Args are those of :class:`Limits`; ``now``, ``sleep``: the clock, replaceable in tests. ``limits``: what was declared, for the hub to
    share among its workers instead.
    """

    def __init__(
        self,
        *,
        rate_per_s: float = 50.0,
        burst: int = 10,
        concurrency_max: int = 4,
        wait_max_s: float = 30.0,
        failures_max: int = 5,
        open_s: float = 5.0,
        open_max_s: float = 120.0,
        probes_max: int = 1,
        recover_s: float = 5.0,
        now: Now = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.limits = Limits(rate_per_s, burst, concurrency_max, wait_max_s, failures_max, open_s, open_max_s, probes_max, recover_s)
        self.pace = Pace(rate_per_s=rate_per_s, burst=burst, recover_s=recover_s, now=now)
        self.breaker = Breaker(failures_max=failures_max, open_s=open_s, open_max_s=open_max_s, probes_max=probes_max, now=now)
        self._slots = asyncio.Semaphore(concurrency_max)
        self._wait_max_s = wait_max_s
        self._sleep = sleep
        self._issued = 0

    @property
    def spare(self) -> int:
        """One: a process that shares with nobody has all others leave a slot."""
        return 1

    async def acquire(self) -> Permit:
        """Wait for a slot and a turn. Raises TransientError, nothing sent, when the breaker is open or the turn is too far off."""
        await self._slots.acquire()
        is_probe = False
        try:
            is_probe = self.breaker.enter()
            await self._await_turn()
        except BaseException:
            self.breaker.leave(Verdict.NEUTRAL, is_probe=is_probe)
            self._slots.release()
            raise
        self._issued += 1
        return Permit(self._issued, is_probe)

    async def release(self, permit: Permit, feedback: Feedback) -> None:
        """Give the slot back and learn from the call."""
        if feedback.verdict is Verdict.THROTTLED:
            self.pace.slow_down(feedback.retry_after_s)
        if feedback.rate is not None:
            self.pace.follow(feedback.rate)
        self.breaker.leave(feedback.verdict, is_probe=permit.is_probe)
        self._slots.release()

    async def _await_turn(self) -> None:
        while (wait_s := self.pace.wait_s()) > 0:
            if wait_s > self._wait_max_s:
                raise TransientError(
                    f"the target asked to be left alone for {wait_s:.0f} s; nothing was sent",
                    code="target.throttled",
                    retry_after_s=wait_s,
                    is_unavailable=True,
                )
            await self._sleep(wait_s)
        self.pace.take()


class Aside:
    """A budget for calls beside a target's others: they share its turns and slots, and their failures say nothing of its health.

    So what alone does not work never has everything else left alone.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    @property
    def spare(self) -> int:
        """As of the budget it shares."""
        return self._budget.spare

    async def acquire(self) -> Permit:
        """Wait for a turn; see :class:`Budget`."""
        return await self._budget.acquire()

    async def release(self, permit: Permit, feedback: Feedback) -> None:
        """Give the permit back; that a call failed is not told."""
        is_failed = feedback.verdict is Verdict.FAILED
        await self._budget.release(permit, replace(feedback, verdict=Verdict.NEUTRAL) if is_failed else feedback)


class AdaptiveBatch:
    """A batch size that follows a target's speed: half as large after a slow or failed batch, a quarter larger after a fast one.

    ``size`` stays within [size_min, size_max] and starts at size_max: what the connector's author found best. A full batch that took less
    than half of ``target_latency_s`` counts as fast, one that took longer than it as slow; a batch that was not full says nothing about
    larger ones.
    """

    def __init__(self, size_min: int, size_max: int, target_latency_s: float) -> None:
        if not 1 <= size_min <= size_max or target_latency_s <= 0:
            raise ValueError("1 <= size_min <= size_max and a positive latency are needed")
        self._min = size_min
        self._max = size_max
        self._target_s = target_latency_s
        self.size = size_max

    def learn(self, sent: int, latency_s: float, *, has_failed: bool = False) -> int:
        """Learn from one batch of ``sent`` records and return the size of the next."""
        if has_failed or latency_s > self._target_s:
            self.size = max(self._min, min(sent, self.size) // 2)
        elif sent >= self.size and latency_s < self._target_s / 2:
            self.size = min(self._max, self.size + max(1, self.size // 4))
        return self.size

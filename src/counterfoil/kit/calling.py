"""What every client does whatever it speaks: a permit before each try, feedback after it, reads tried again, writes in doubt noted.

A client of a new kind (:mod:`counterfoil.kit.http`, :mod:`counterfoil.kit.grpc`, :mod:`counterfoil.kit.database`) says only how one try
is made and what its end means. Calls yield to real-time work, and share the budget with all workers, because all of them pass here.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Generic, Required, Self, TypedDict, TypeVar

from counterfoil.kit.doubts import note_doubt
from counterfoil.kit.errors import HubError, RejectedError, TransientError
from counterfoil.kit.limits import Budget, Feedback, Now, Permit, Sleep, Verdict
from counterfoil.kit.rate_headers import RateSeen

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How reads are tried again: at most ``tries_max`` tries, after a random part of ``base_s`` doubled each time, up to ``wait_max_s``.

    Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/. A Retry-After is kept; one longer than
    ``wait_max_s`` ends the tries at once.
    """

    tries_max: int = 4
    base_s: float = 0.25
    wait_max_s: float = 20.0

    def wait_s(self, tries: int, retry_after_s: float | None, chance: float) -> float | None:
        """Return the seconds to wait after that many tries (chance in [0, 1)), or None: give up."""
        if tries >= self.tries_max:
            return None
        jitter = chance * min(self.wait_max_s, self.base_s * float(2 ** (tries - 1)))
        if retry_after_s is None:
            return jitter
        return retry_after_s + chance * self.base_s if retry_after_s <= self.wait_max_s else None


@dataclass(frozen=True, slots=True)
class TryResult(Generic[T]):
    """What one try came to.

    Attributes:
        verdict: what it says of the target's health.
        value: gives the answer, called once the permit is given back; may raise what reading the answer brings up.
        error: raised instead of that.
        rate: what was told of the target's limits.
    """

    verdict: Verdict
    value: Callable[[], T]
    error: HubError | None = None
    rate: RateSeen | None = None


class ClientOptions(TypedDict, total=False):
    """What every client takes beside what is its own; see :class:`Client`."""

    budget: Required[Budget]
    retry: RetryPolicy | None
    sleep: Sleep
    now: Now
    chance: Callable[[], float]


class Client(ABC):
    """Calls one target, whatever it speaks. Use as an async context manager; one per configured connection.

    Args:
        budget: asked before and told after every try.
        retry: how reads are tried again; may be changed later (tests wait for nothing).
        sleep, now, chance: replaceable in tests.
    """

    def __init__(
        self,
        *,
        budget: Budget,
        retry: RetryPolicy | None = None,
        sleep: Sleep = asyncio.sleep,
        now: Now = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._budget = budget
        self.retry = retry or RetryPolicy()
        self._sleep = sleep
        self._now = now
        self._chance = chance

    @property
    @abstractmethod
    def address(self) -> str:
        """What it was made for, without credentials."""

    @property
    @abstractmethod
    def is_plain_abroad(self) -> bool:
        """Whether keys and data travel to another machine in clear."""

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether it can be used."""

    @abstractmethod
    async def open(self) -> None:
        """Make it ready for use; nothing is sent."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections; harmless twice."""

    @property
    def budget(self) -> Budget:
        """What calls are asked of: as the connector declared it, or what it was replaced by."""
        return self._budget

    def use_budget(self, budget: Budget) -> None:
        """Replace the budget, before the client is opened: the hub shares one among all its workers."""
        if self.is_open:
            raise RuntimeError("the budget of a client that is open stays as it is")
        self._budget = budget

    async def __aenter__(self) -> Self:
        """Open it."""
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        await self.close()

    async def _try(self, attempt: Callable[[R], Awaitable[TryResult[T]]], *, prepare: Callable[[], Awaitable[R]], is_repeatable: bool) -> T:
        """Try until there is an answer; once more only what may be done twice.

        ``prepare`` is asked before every try, so that keys rotate and tokens are renewed; what it raises is not tried again.
        """
        tries = 0
        was_unknown = False
        failed: TransientError | None = None
        while True:
            tries += 1
            prepared = await prepare()
            permit = await self._acquire(failed, was_unknown=was_unknown)
            try:
                return await self._once(partial(attempt, prepared), permit)
            except TransientError as error:
                if error.is_outcome_unknown:
                    was_unknown = True
                    note_doubt()
                wait_s = self.retry.wait_s(tries, error.retry_after_s, self._chance()) if is_repeatable else None
                if wait_s is None:
                    # An earlier try may have taken effect, whatever the last one met.
                    error.is_outcome_unknown = was_unknown
                    raise
                failed = error
            except HubError as error:
                if error.is_outcome_unknown:
                    note_doubt()
                elif not was_unknown:
                    raise
                raise _in_doubt(error) from None
            await self._sleep(wait_s)

    async def _acquire(self, failed: TransientError | None, *, was_unknown: bool) -> Permit:
        """Take a permit. A budget that refuses ends the tries at once: work waits for the target elsewhere, not in here.

        Where it refuses because an earlier try ``failed``, that one is told: it says what ails the target.
        """
        try:
            return await self._budget.acquire()
        except TransientError as error:
            error.is_outcome_unknown = was_unknown
            if failed is None or error.code != "target.resting":
                raise
            raise TransientError(
                str(failed),
                code=failed.code,
                retry_after_s=error.retry_after_s,
                is_outcome_unknown=was_unknown,
                is_unavailable=error.is_unavailable,
            ) from failed

    async def _once(self, attempt: Callable[[], Awaitable[TryResult[T]]], permit: Permit) -> T:
        """Make one try under a permit, which is given back with what was learned, whatever happens."""
        started = self._now()
        feedback = Feedback(Verdict.NEUTRAL)
        try:
            tried = await attempt()
            error = tried.error
            retry_after_s = error.retry_after_s if isinstance(error, TransientError) else None
            feedback = Feedback(tried.verdict, self._now() - started, retry_after_s, "" if error is None else error.code, tried.rate)
        finally:
            await self._budget.release(permit, feedback)
        if error is not None:
            raise error from None
        return tried.value()


def _in_doubt(error: HubError) -> HubError:
    """Return how a write ends that was refused and may have been done all the same: by an earlier try, which got no answer, say.

    It may be why the later one was refused.
    """
    if isinstance(error, RejectedError):
        return TransientError(str(error), code=error.code, is_outcome_unknown=True)
    error.is_outcome_unknown = True
    return error


class NoClient(Client):
    """The client of a connector that calls nobody, and of every connection of an intake."""

    @property
    def address(self) -> str:
        """Nowhere."""
        return ""

    @property
    def is_plain_abroad(self) -> bool:
        """Nothing is sent."""
        return False

    @property
    def is_open(self) -> bool:
        """There is nothing to open."""
        return False

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

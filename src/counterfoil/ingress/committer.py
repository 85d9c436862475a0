"""Group commit: deliveries that wait at the same time share one transaction, and each is answered only after it has committed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import structlog
from psycopg_pool import PoolClosed, PoolTimeout

from counterfoil.kit.clock import Clock
from counterfoil.kit.errors import HubError, TransientError
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import Incoming
from counterfoil.store.work import Arm

from .keeping import keep

log = structlog.get_logger()

WAITING_MAX = 4000
"""Deliveries that may wait; further ones are refused with 503 until the queue has room."""
GROUP_MAX = 200
"""Deliveries in one transaction."""
DATABASE_WAIT_S = 5.0
"""Seconds to wait for a connection; senders give up after some ten to twenty."""


@dataclass(frozen=True, slots=True)
class CommitResult:
    """How many deliveries were taken, and how many of them were known already. All of them are durable."""

    received: int
    duplicates: int


class IntakeBusy(HubError):
    """The queue is full or the intake is stopping: the sender tries again after ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, code: str, retry_after_s: int) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Waiting:
    incoming: tuple[Incoming, ...]
    future: asyncio.Future[CommitResult]


class Committer:
    """Takes deliveries, commits them in groups. Start and stop it within the event loop that uses it."""

    def __init__(self, pool: Pool, cipher: Cipher, clock: Clock, arm: Arm, *, waiting_max: int = WAITING_MAX) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock
        self._arm = arm
        self._waiting_max = waiting_max
        self._waiting: deque[_Waiting] = deque()
        self._count = 0
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._is_busy = False

    @property
    def is_running(self) -> bool:
        """Whether deliveries are taken."""
        return self._task is not None and not self._task.done() and not self._is_stopping

    @property
    def waiting(self) -> int:
        """How many deliveries wait for their transaction to begin."""
        return self._count

    @property
    def is_busy(self) -> bool:
        """Whether a group is being committed."""
        return self._is_busy

    async def start(self) -> None:
        """Begin to commit."""
        self._is_stopping = False
        self._task = asyncio.create_task(self._run(), name="intake-committer")

    async def stop(self, wait_s: float = 10.0) -> None:
        """Take no more, commit what waits, and fail what could not be committed in time: its sender will deliver again."""
        self._is_stopping = True
        self._arrived.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=wait_s)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail(self._take_all(), IntakeBusy("the intake has stopped", code="intake.stopping", retry_after_s=5))

    async def put(self, incoming: Sequence[Incoming]) -> CommitResult:
        """Return once the deliveries are committed.

        Raises:
            IntakeBusy: the queue is full, or the intake is stopping; nothing was kept.
            TransientError: the database did not take them; nothing is promised, the sender has to deliver again.
        """
        if not self.is_running:
            raise IntakeBusy("the intake is not running", code="intake.stopping", retry_after_s=5)
        if self._count + len(incoming) > self._waiting_max:
            raise IntakeBusy(f"{self._count} deliveries are waiting to be committed", code="intake.full", retry_after_s=1)
        if not incoming:
            return CommitResult(0, 0)
        waiting = _Waiting(tuple(incoming), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._count += len(waiting.incoming)
        self._arrived.set()
        return await waiting.future

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                group = self._take_group()
                self._is_busy = True
                try:
                    await self._commit(group)
                except asyncio.CancelledError:
                    self._fail(group, IntakeBusy("the intake has stopped", code="intake.stopping", retry_after_s=5))
                    raise
                except Exception as error:  # outer loop of the intake: whatever happened, senders hear of it and the next group goes on
                    log.exception("intake group failed", error=type(error).__name__, deliveries=sum(len(one.incoming) for one in group))
                    self._fail(group, TransientError("the delivery could not be kept", code="intake.failed"))
                finally:
                    self._is_busy = False
            if self._is_stopping:
                return

    def _take_group(self) -> list[_Waiting]:
        group = [self._waiting.popleft()]
        size = len(group[0].incoming)
        while self._waiting and size + len(self._waiting[0].incoming) <= GROUP_MAX:
            group.append(self._waiting.popleft())
            size += len(group[-1].incoming)
        self._count -= size
        return group

    def _take_all(self) -> list[_Waiting]:
        rest = list(self._waiting)
        self._waiting.clear()
        self._count = 0
        return rest

    async def _commit(self, group: list[_Waiting]) -> None:
        try:
            await self._keep(group)
        except (PoolTimeout, PoolClosed, psycopg.InterfaceError) as error:
            log.warning("no database for the intake", error=type(error).__name__)
            self._fail(group, TransientError("the database cannot be reached", code="intake.database", retry_after_s=5))
        except psycopg.Error as error:
            log.warning("intake group is retried singly", error=type(error).__name__, sqlstate=error.sqlstate, requests=len(group))
            await self._commit_singly(group)

    async def _commit_singly(self, group: list[_Waiting]) -> None:
        """Commit each request on its own, so that one bad delivery fails nobody else; without a database, fail the rest at once."""
        for place, one in enumerate(group):
            try:
                await self._keep([one])
            except (PoolTimeout, PoolClosed):
                self._fail(group[place:], TransientError("the database cannot be reached", code="intake.database", retry_after_s=5))
                return
            except psycopg.Error as error:
                log.warning("delivery not kept", error=type(error).__name__, connection=one.incoming[0].connection)
                self._fail([one], TransientError("the delivery could not be kept", code="intake.failed", retry_after_s=5))

    async def _keep(self, group: Sequence[_Waiting]) -> None:
        incoming = [delivery for one in group for delivery in one.incoming]
        async with self._pool.connection(timeout=DATABASE_WAIT_S) as conn:
            appended = await keep(conn, self._cipher, self._arm, incoming, self._clock.now())
        place = 0
        for one in group:  # committed: only now may anybody be told
            ids = appended.ids[place : place + len(one.incoming)]
            place += len(one.incoming)
            if not one.future.done():
                one.future.set_result(CommitResult(len(ids), sum(1 for id in ids if id is None)))

    @staticmethod
    def _fail(group: Sequence[_Waiting], error: HubError) -> None:
        for one in group:
            if not one.future.done():
                one.future.set_exception(error)

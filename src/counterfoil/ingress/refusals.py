"""Counting what is refused at the door, in memory first: however much comes, it is written down once every few seconds."""

from __future__ import annotations

import asyncio
from collections import Counter

import psycopg
import structlog
from psycopg_pool import PoolClosed, PoolTimeout

from counterfoil.kit.clock import Clock
from counterfoil.store import refused
from counterfoil.store.pool import Pool

log = structlog.get_logger()

FLUSH_S = 5.0
KEYS_MAX = 200
"""Kinds of refusals that are told apart between two writings."""
UNAUTHORIZED = 401


class Refusals:
    """Notes refusals and deliveries that were taken. Start and stop it within the event loop that uses it."""

    def __init__(self, pool: Pool, clock: Clock, *, flush_s: float = FLUSH_S) -> None:
        self._pool = pool
        self._clock = clock
        self._flush_s = flush_s
        self._counts: Counter[tuple[str, str]] = Counter()
        self._secret_codes: set[str] = set()
        self._accepted: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def note(self, connection: str, code: str, status: int) -> None:
        """Count a refusal; ``connection`` empty: the address names none. With status 401 the signature did not fit."""
        key = (connection, code)
        if key not in self._counts and len(self._counts) >= KEYS_MAX:
            return
        self._counts[key] += 1
        if status == UNAUTHORIZED:
            self._secret_codes.add(code)

    def took(self, connection: str) -> None:
        """Note that a connection took a delivery."""
        self._accepted.add(connection)

    async def start(self) -> None:
        """Begin to write down."""
        self._task = asyncio.create_task(self._run(), name="intake-refusals")

    async def stop(self) -> None:
        """Write the rest down and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._flush_s)
            await self.flush()

    async def flush(self) -> None:
        """Write down what was counted; without a database it is kept for the next time."""
        counts, taken = self._counts, self._accepted
        if not counts and not taken:
            return
        self._counts, self._accepted = Counter(), set()
        now = self._clock.now()
        try:
            async with self._pool.connection(timeout=self._flush_s) as conn, conn.transaction():
                await refused.note(conn, counts, now, self._secret_codes)
                ended = await refused.accepted(conn, taken, now)
        except (psycopg.Error, PoolTimeout, PoolClosed) as error:
            log.warning("refusals not written down", error=type(error).__name__)
            self._counts += counts
            self._accepted |= taken
            return
        for (connection, code), number in counts.items():
            log.warning("deliveries refused", connection=connection, code=code, count=number)
        for connection in ended:
            log.info("deliveries are taken again", connection=connection)

"""The stage ``retention``: once an hour what has been kept long enough is erased, a few thousand records at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import structlog

from counterfoil.kit.clock import Clock
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import retention
from counterfoil.store.pool import Pool

log = structlog.get_logger()

EVERY_S = 3600.0
GO_ON_S = 1.0
"""Between turns while something is left: erasing has time, postings have not."""
STEP = 1000
STEPS_MAX = 5


@dataclass(frozen=True, slots=True)
class Retainer:
    """The shell. ``days``: how long each payload class is kept; 0: for ever."""

    pool: Pool
    clock: Clock
    days: Mapping[str, int]

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Erase some of every class; ``key`` does not matter."""
        del key
        is_done = True
        for payload, days in self.days.items():
            if days and not context.is_ending:
                is_done = await self._erase(payload, days) and is_done
        return Turn(has_more=False, wake_in_s=EVERY_S if is_done else GO_ON_S)

    async def _erase(self, payload: str, days: int) -> bool:
        """Erase some of a class; return whether nothing is left that may be erased now."""
        now = self.clock.now()
        until = now - timedelta(days=days)
        try:
            async with self.pool.connection() as conn, conn.transaction():
                if gone := await retention.empty_months(conn, payload, until):
                    log.info("emptied whole months", payload=payload, records=gone)
        except psycopg.errors.LockNotAvailable:
            log.info("a month's table is in use: its records are erased one by one", payload=payload)
        for _ in range(STEPS_MAX):
            async with self.pool.connection() as conn, conn.transaction():
                count = await retention.erase(conn, payload, until, STEP)
                if count < STEP:
                    await retention.note_end(conn, payload, now)
                    return True
        return False

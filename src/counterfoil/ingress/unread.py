"""A source that cannot be read: noted with when and why, which becomes a case if it refuses us or lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from counterfoil.kit.errors import HubError, SetupError
from counterfoil.store import reading
from counterfoil.store.pool import Pool
from counterfoil.store.standing import ConnectionTrouble

log = structlog.get_logger()

ClosedUntil = Mapping[str, Callable[[datetime], float]]
"""How long a connection stays in declared maintenance, in seconds from an instant; nobody is told then that it cannot be read."""


async def note_unread(pool: Pool, key: str, error: HubError, now: datetime, closed_s: ClosedUntil) -> None:
    """Note that a source could not be read."""
    if key in closed_s and closed_s[key](now) > 0:
        return  # maintenance that was declared
    trouble = ConnectionTrouble(error.code, str(error), is_refused=isinstance(error, SetupError))
    async with pool.connection() as conn, conn.transaction():
        await reading.failed(conn, key, trouble, now)


async def note_read(pool: Pool, key: str, now: datetime) -> None:
    """Note that a source was read, which ends what was noted before."""
    async with pool.connection() as conn, conn.transaction():
        if await reading.succeeded(conn, key, now):
            log.info("source can be read again", connection=key)

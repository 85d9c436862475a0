"""Lists of changes that cannot be read: noted with when and why, which becomes a case if a source refuses us or it lasts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.store import reading
from counterfoil.store.pool import Pool
from counterfoil.store.reading import Missed, Unread
from counterfoil.store.standing import ConnectionTrouble

log = structlog.get_logger()

ClosedUntil = Mapping[str, Callable[[datetime], float]]
"""How long a connection stays in declared maintenance, in seconds from an instant; nobody is told then that it cannot be read."""

WAIT_MAX_S = 300.0
"""Between tries of a list in vain at most, while others of its connection are read."""


def missed(stream: str, error: HubError, known: Sequence[Unread], now: datetime, base_s: float, wait_max_s: float) -> Missed:
    """Return a try in vain and when the next one is: after as long as it has lasted already, or as long as was asked for.

    ``known``: what of the connection could not be read before. ``base_s``: the first wait, ``wait_max_s`` the longest.
    """
    since = next((one.since for one in known if one.stream == stream), now)
    wait_s = min(max((now - since).total_seconds(), base_s), wait_max_s)
    if isinstance(error, TransientError) and error.retry_after_s:
        wait_s = error.retry_after_s
    return Missed(
        stream, ConnectionTrouble(error.code, str(error), is_refused=isinstance(error, SetupError)), now + timedelta(seconds=wait_s)
    )


async def note_unread(pool: Pool, key: str, tries: Sequence[Missed], now: datetime, closed_s: ClosedUntil, *, is_all: bool = True) -> None:
    """Note lists of a source that could not be read. ``is_all``: nothing of it could be."""
    if not tries or (key in closed_s and closed_s[key](now) > 0):
        return  # maintenance that was declared
    async with pool.connection() as conn, conn.transaction():
        await reading.failed(conn, key, tries, now, is_all=is_all)


async def note_read(pool: Pool, key: str, streams: Collection[str], now: datetime) -> None:
    """Note that lists of a source were read, which ends what was noted before."""
    if not streams:
        return
    async with pool.connection() as conn, conn.transaction():
        if back := await reading.succeeded(conn, key, streams, now):
            log.info("source can be read again", connection=key, streams=back)

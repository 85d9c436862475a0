"""The hub's database opened by itself: for commands that look at what is kept or decide about it, without any connection to a vendor."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from counterfoil.kit.clock import Clock, SystemClock
from counterfoil.store import migrate
from counterfoil.store.cipher import Cipher, load_cipher
from counterfoil.store.embedded import embedded
from counterfoil.store.pool import Conn, Key, Pool, connect, open_pool
from counterfoil.workflows import arming

URL_VARIABLE = "COUNTERFOIL_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Database:
    """The open database and the keys of what is encrypted in it."""

    dsn: str
    pool: Pool
    cipher: Cipher

    async def arm(self, conn: Conn, keys: Sequence[Key]) -> None:
        """Note work in the caller's transaction; a worker at work begins with it at once."""
        await arming.arm(conn, keys)


def url_of(configured: str) -> str:
    """Return the PostgreSQL to use, by the environment or else as configured; empty: the embedded one."""
    return os.environ.get(URL_VARIABLE, "") or configured


@asynccontextmanager
async def database_url(home: Path, configured: str) -> AsyncIterator[str]:
    """Yield the URL of the database as it is, whatever its schema: for backup and restore. Raises StoreError."""
    async with AsyncExitStack() as stack:
        yield url_of(configured) or await stack.enter_async_context(embedded(home))


@asynccontextmanager
async def open_database(home: Path, url: str, clock: Clock | None = None, *, size_max: int = 16) -> AsyncIterator[Database]:
    """Open the database (the embedded one of ``home`` if ``url`` is empty) and bring its schema up to date.

    Raises:
        StoreError: the database or its keys have to be set right first.
        psycopg.OperationalError: the database does not answer.
    """
    async with AsyncExitStack() as stack:
        dsn = url or await stack.enter_async_context(embedded(home))
        cipher = load_cipher(home, os.environ)
        await _migrate(dsn, clock or SystemClock())
        pool = await stack.enter_async_context(open_pool(dsn, size_min=1 if size_max < 4 else 2, size_max=size_max))
        yield Database(dsn, pool, cipher)


async def _migrate(dsn: str, clock: Clock) -> None:
    conn = await connect(dsn)
    try:
        async with conn.transaction():
            await migrate.migrate(conn)
            await migrate.ensure_partitions(conn, clock.now())
    finally:
        await conn.close()

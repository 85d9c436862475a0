"""The hub's database opened by itself: for commands that look at what is kept or decide about it, without any connection to a vendor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from counterfoil.kit.clock import Clock, SystemClock
from counterfoil.kit.errors import SetupError
from counterfoil.store import key_checks, migrate, work
from counterfoil.store.cipher import Cipher, load_cipher
from counterfoil.store.embedded import READY_WAIT_S, embedded
from counterfoil.store.errors import StoreError
from counterfoil.store.pool import Conn, PartitionKey, Pool, connect, open_pool

URL_VARIABLE = "COUNTERFOIL_DATABASE_URL"
ANSWER_WITHIN_S = 10.0
"""A database that says nothing for so long is told as away by commands that only look at it or decide something."""
URL_FILE_VARIABLE = "COUNTERFOIL_DATABASE_URL_FILE"


@dataclass(frozen=True, slots=True)
class Database:
    """The open database and the keys of what is encrypted in it."""

    dsn: str
    pool: Pool
    cipher: Cipher

    async def arm(self, conn: Conn, keys: Sequence[PartitionKey]) -> None:
        """Note work in the caller's transaction; a worker at work begins with it at once."""
        await work.arm(conn, keys)


def url_of(configured: str) -> str:
    """Return the PostgreSQL to use, by the environment (the URL, or the file that holds it) or else as configured; empty: the embedded one.

    Raises:
        SetupError: the file the environment names cannot be read or is empty, or what is given is no address.
    """
    url, name = os.environ.get(URL_VARIABLE, ""), os.environ.get(URL_FILE_VARIABLE, "")
    if url:
        return _checked(url, URL_VARIABLE)
    if not name:
        return _checked(configured, "[hub] database_url")
    try:
        url = Path(name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SetupError(f"{URL_FILE_VARIABLE}: {name} cannot be read: {error.strerror}", code="settings.secret_missing") from None
    if not url:
        raise SetupError(f"{URL_FILE_VARIABLE}: {name} is empty; put the database's URL there", code="settings.secret_missing")
    return _checked(url, URL_FILE_VARIABLE)


def _checked(url: str, said_by: str) -> str:
    """Return an address that PostgreSQL's client can read. Its words about another are not repeated: they hold the password."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise SetupError(
            f"{said_by} is no address of a PostgreSQL: write postgresql://user:password@host:5432/database?sslmode=require, with the names"
            " libpq knows behind the question mark",
            code="settings.database_url",
        ) from None
    return url


@asynccontextmanager
async def database_url(home: Path, configured: str) -> AsyncIterator[str]:
    """Yield the URL of the database as it is, whatever its schema: for backup and restore. Raises as :func:`open_database`."""
    async with AsyncExitStack() as stack:
        url = url_of(configured) or await stack.enter_async_context(embedded(home, silent_s=ANSWER_WITHIN_S))
        await require_answer(url, ANSWER_WITHIN_S)
        yield url


@asynccontextmanager
async def open_database(
    home: Path,
    url: str,
    clock: Clock | None = None,
    *,
    size_max: int = 16,
    does_migrate: bool = True,
    answer_within_s: float | None = None,
    silent_s: float = READY_WAIT_S,
) -> AsyncIterator[Database]:
    """Open the database (the embedded one of ``home`` if ``url`` is empty) and bring its schema up to date, or else see that it is.

    ``answer_within_s``: give up if it does not answer so soon, whatever it is at; otherwise as long as opening takes, but for ``silent_s``
    in which it says nothing at all.

    Raises:
        StoreError: the database or its keys have to be set right first.
        psycopg.OperationalError: the database does not answer.
    """
    async with AsyncExitStack() as stack:
        wait_s = answer_within_s or READY_WAIT_S
        dsn = url or await stack.enter_async_context(embedded(home, wait_s=wait_s, silent_s=min(wait_s, silent_s)))
        await require_answer(dsn, min(wait_s, silent_s))
        await (migrate_database(dsn, clock or SystemClock()) if does_migrate else _check(dsn))
        pool = await stack.enter_async_context(open_pool(dsn, size_min=1 if size_max < 4 else 2, size_max=size_max))
        yield Database(dsn, pool, await _open_cipher(pool, home))


async def require_answer(dsn: str, within_s: float) -> None:
    """See that a database answers in time. Raises psycopg.OperationalError."""
    try:
        async with asyncio.timeout(within_s):
            conn = await connect(dsn)
            try:
                await conn.execute("select 1")
            finally:
                await conn.close()
    except TimeoutError:
        raise psycopg.OperationalError(f"nothing came within {within_s:g} s") from None


async def _open_cipher(pool: Pool, home: Path) -> Cipher:
    """Return the keys, proven to be those the database was written with; a first key is made only for a database without payloads.

    Raises:
        StoreError: the keys are missing, wrong, or others than the database's of the same names.
    """
    async with pool.connection() as conn, conn.transaction():
        cipher = load_cipher(home, os.environ, may_make=not await key_checks.holds_payloads(conn))
        await key_checks.check(conn, cipher)
    return cipher


async def migrate_database(dsn: str, clock: Clock) -> list[str]:
    """Bring the schema up to date and make the months ahead, all or nothing; return what was applied or made. Callers wait for each other.

    Raises:
        StoreError: the schema is newer than this program, or one of its migrations was changed.
    """
    conn = await connect(dsn)
    try:
        async with conn.transaction():
            return [*await migrate.migrate(conn), *await migrate.ensure_partitions(conn, clock.now())]
    finally:
        await conn.close()


async def missing_migrations(dsn: str) -> list[str]:
    """Return the names of the migrations the database lacks. Raises StoreError as :func:`migrate_database`."""
    conn = await connect(dsn)
    try:
        return await migrate.pending(conn)
    finally:
        await conn.close()


async def _check(dsn: str) -> None:
    missing = await missing_migrations(dsn)
    if missing:
        message = f"the database lacks {', '.join(missing)}, and this process does not migrate; run `counterfoil migrate` first"
        raise StoreError(message, code="store.schema_older")

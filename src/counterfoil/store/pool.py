"""How connections to the database are opened: one pool per process, UTC, short statements planned without JIT, lists as array literals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from psycopg import AsyncConnection, Error, errors
from psycopg_pool import AsyncConnectionPool

from .arrays import ArrayDumper

A = TypeVar("A")
B = TypeVar("B")

Conn = AsyncConnection[Any]
"""An open connection as every function of the store takes it; the caller owns the transaction."""

Pool = AsyncConnectionPool[Conn]

PartitionKey = tuple[str, str]
"""A partition of a stage: (stage, key)."""

CONTENDED = (errors.DeadlockDetected, errors.SerializationFailure)
"""What the database ends one of two transactions with that stand in each other's way: nothing was written, the same again goes through."""


async def _configure(conn: Conn) -> None:
    conn.adapters.register_dumper(list, ArrayDumper)
    # Every statement of the store is asked again and again: prepared with its second time, and few are ever given up for others. Whether a
    # plan is made for each time stays the database's choice: one made for any time reads all of a table to find that nothing is due.
    conn.prepare_threshold, conn.prepared_max = 1, 400
    await conn.execute("select set_config('timezone', 'UTC', false), set_config('jit', 'off', false)")
    await conn.commit()


IDLE_MAX_S = 30.0
"""A transaction in which nothing is asked for so long is ended by the server: a process that stands still must not keep all others waiting
for its locks. No transaction of the pool's waits for anything but the database."""


async def _configure_pooled(conn: Conn) -> None:
    await _configure(conn)
    await conn.execute("select set_config('idle_in_transaction_session_timeout', %s, false)", (f"{round(IDLE_MAX_S * 1000)}ms",))
    await conn.commit()


@asynccontextmanager
async def single_statements(pool: Pool) -> AsyncIterator[Conn]:
    """Lend a connection on which every statement is a transaction of its own: one round trip each, where a block would take three."""
    async with pool.connection() as conn:
        await conn.set_autocommit(True)
        try:
            yield conn
        finally:
            try:
                await conn.set_autocommit(False)
            except Error:  # lost, or cut in the middle of something: the next taker must not get it like this
                await conn.close()


async def together(one: Awaitable[A], other: Awaitable[B]) -> tuple[A, B]:
    """Have two things asked of one connection that is in a pipeline, and return both answers: one round trip, where nothing of the one
    depends on the other. The first is asked for first; what the second finds is as it was once the first was done.

    Raises: what the one raised that went wrong, after both have ended.
    """
    told = await asyncio.gather(one, other, return_exceptions=True)
    wrong = [answer for answer in told if isinstance(answer, BaseException)]
    if wrong:
        raise next((error for error in wrong if not isinstance(error, errors.PipelineAborted)), wrong[0])
    first, second = told
    return cast("A", first), cast("B", second)


async def connect(dsn: str) -> Conn:
    """Open one connection set up as the pool's are (not in autocommit)."""
    conn = await AsyncConnection.connect(dsn)
    await _configure(conn)
    return conn


@asynccontextmanager
async def open_pool(dsn: str, *, size_min: int = 2, size_max: int = 16, wait_s: float = 30.0) -> AsyncIterator[Pool]:
    """Open the pool and wait until its first connections are ready; close it at the end.

    Args:
        dsn: a libpq connection string or URL.
        size_min: connections kept open.
        size_max: connections at most; further takers wait ``wait_s`` seconds.
        wait_s: seconds to wait for a connection, also for the first ones.

    Raises:
        psycopg_pool.PoolTimeout: the database did not answer in time.
    """
    pool: Pool = AsyncConnectionPool(dsn, min_size=size_min, max_size=size_max, timeout=wait_s, open=False, configure=_configure_pooled)
    await pool.open(wait=True, timeout=wait_s)
    try:
        yield pool
    finally:
        await pool.close()

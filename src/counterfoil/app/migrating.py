"""The database brought up to date ahead of the processes that use it, once it answers: for rollouts, where one does it for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import psycopg

from counterfoil.app.database import ANSWER_WITHIN_S, migrate_database, missing_migrations, require_answer
from counterfoil.kit.clock import SystemClock
from counterfoil.store.embedded import embedded

T = TypeVar("T")

TRY_EVERY_S = 1.0

OnWait = Callable[[str], None]
"""Told once, with the reason, when there is something to wait for."""


async def migrate_when_there(home: Path, url: str, wait_s: float, waiting: OnWait) -> list[str]:
    """Migrate the database (the embedded one of ``home`` if ``url`` is empty); return what was applied.

    Idempotent; of several at once, one does it and the others find nothing to do. Waits up to ``wait_s`` seconds for an answer.

    Raises:
        StoreError: the schema is newer than this program, or one of its migrations was changed.
        psycopg.OperationalError: the database did not answer in time.
    """
    async with AsyncExitStack() as stack:
        dsn = url or await stack.enter_async_context(embedded(home))
        return await _patiently(dsn, lambda: migrate_database(dsn, SystemClock()), wait_s, waiting)


async def missing_when_there(home: Path, url: str, wait_s: float, waiting: OnWait) -> list[str]:
    """Return what the database lacks, having waited up to ``wait_s`` seconds for it to answer and to lack nothing; raises as above."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    async with AsyncExitStack() as stack:
        dsn = url or await stack.enter_async_context(embedded(home))
        while True:
            missing = await _patiently(dsn, lambda: missing_migrations(dsn), deadline - loop.time(), waiting)
            if not missing or loop.time() >= deadline:
                return missing
            waiting(f"it lacks {', '.join(missing)}")
            waiting = _silent
            await asyncio.sleep(TRY_EVERY_S)


async def _patiently(dsn: str, work: Callable[[], Awaitable[T]], wait_s: float, waiting: OnWait) -> T:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while True:
        try:
            await require_answer(dsn, ANSWER_WITHIN_S)
            return await work()
        except psycopg.OperationalError as error:
            if loop.time() >= deadline:
                raise
            waiting(str(error).splitlines()[0])
            waiting = _silent
        await asyncio.sleep(TRY_EVERY_S)


def _silent(reason: str) -> None:
    del reason

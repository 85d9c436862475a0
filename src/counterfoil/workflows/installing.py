"""The engine's own tables, made before any worker runs: then a process that only takes deliveries can enqueue at once."""

from __future__ import annotations

import asyncio

from dbos import DBOS


async def install_engine(dsn: str) -> None:
    """Bring the engine's schema up to date in the hub's database. Concurrent callers wait for each other; a second call changes nothing."""
    await asyncio.to_thread(DBOS.migrate, dsn)

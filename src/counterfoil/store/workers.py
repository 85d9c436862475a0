"""Table ``worker``: the processes that work, and when each was last heard of (by the database's clock)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .pool import Conn


@dataclass(frozen=True, slots=True)
class Worker:
    """A process; ``beat_at``: when it was last heard of."""

    id: str
    host: str
    version: str
    started_at: datetime
    beat_at: datetime


async def beat(conn: Conn, id: str, host: str, version: str) -> None:
    """Say that a worker is alive."""
    await conn.execute(
        "insert into worker (id, host, version, started_at, beat_at) values (%s, %s, %s, clock_timestamp(), clock_timestamp())"
        " on conflict (id) do update set host = excluded.host, version = excluded.version, beat_at = excluded.beat_at",
        (id, host, version),
    )


async def list_workers(conn: Conn) -> list[Worker]:
    """Return all workers, the latest heard of first."""
    cursor = await conn.execute("select id, host, version, started_at, beat_at from worker order by beat_at desc, id")
    return [Worker(*row) for row in await cursor.fetchall()]


async def take_dead(conn: Conn, silent_s: float) -> list[Worker]:
    """Remove and return the workers not heard of for so many seconds; each goes to one caller only."""
    cursor = await conn.execute(
        "delete from worker where beat_at < clock_timestamp() - make_interval(secs => %s) returning id, host, version, started_at, beat_at",
        (silent_s,),
    )
    return sorted((Worker(*row) for row in await cursor.fetchall()), key=lambda worker: worker.id)


async def leave(conn: Conn, id: str) -> None:
    """Say that a worker has ended in good order."""
    await conn.execute("delete from worker where id = %s", (id,))

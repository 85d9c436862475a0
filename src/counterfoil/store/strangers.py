"""Partitions that have work and are not worked: nobody knows their connection, or every turn fails; and those that work again."""

from __future__ import annotations

from dataclasses import dataclass

from .pool import Conn, PartitionKey
from .work import TURN


@dataclass(frozen=True, slots=True)
class LeftWork:
    """What lies there of a connection: deliveries to be read, and postings to be made."""

    receipts: int
    commands: int


async def untouched(conn: Conn, silent_s: float) -> list[PartitionKey]:
    """Return armed partitions nobody has taken for so many seconds of real time."""
    cursor = await conn.execute(
        "select stage, key from work where armed and (taken_at is null or taken_at <= clock_timestamp() - make_interval(secs => %s))"
        " order by stage, key limit 1000",
        (silent_s,),
    )
    return [(stage, key) for stage, key in await cursor.fetchall()]


async def left_behind(conn: Conn, connection: str) -> LeftWork:
    """Return how much work of a connection there is."""
    row = await (
        await conn.execute(
            "select (select count(*) from to_read where connection = %(name)s),"
            " (select count(*) from command_standing where target = %(name)s and state not in ('done', 'canceled') and state <> 'parked')",
            {"name": connection},
        )
    ).fetchone()
    return LeftWork(0, 0) if row is None else LeftWork(*row)


async def working(conn: Conn) -> list[str]:
    """Return the partitions that are in an open case and whose last turn ended well, as records of cases."""
    cursor = await conn.execute(
        "select s.subject from case_subject s left join work w on w.stage || ':' || w.key = s.subject"
        " where s.stage = %s and s.released_at is null and coalesce(w.begun, 0) = 0",
        (TURN,),
    )
    return [row[0] for row in await cursor.fetchall()]

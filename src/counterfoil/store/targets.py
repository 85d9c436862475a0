"""Table ``target_state``: what was last seen of a target: its version and the last locked day per entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from .pool import Conn


@dataclass(frozen=True, slots=True)
class TargetSeen:
    """An entity's books in a target: the last locked accounting day (None: nothing locked), and when that was looked at."""

    connection: str
    entity: str
    version: str
    locked_until: date | None
    checked_at: datetime


async def save(conn: Conn, connection: str, version: str, locked_until: Mapping[str, date | None], now: datetime) -> list[str]:
    """Keep what was seen; return the entities whose lock moved (their postponed or parked subjects may be decided differently now)."""
    before = {seen.entity: seen.locked_until for seen in (await load(conn, connection)).values()}
    await conn.cursor().executemany(
        "insert into target_state (connection, entity, version, locked_until, checked_at) values (%s, %s, %s, %s, %s)"
        " on conflict (connection, entity) do update set version = excluded.version, locked_until = excluded.locked_until,"
        " checked_at = excluded.checked_at",
        [(connection, entity, version, day, now) for entity, day in sorted(locked_until.items())],
    )
    return sorted(entity for entity, day in locked_until.items() if entity in before and before[entity] != day)


async def load(conn: Conn, connection: str) -> dict[str, TargetSeen]:
    """Return what was last seen of a target, by entity."""
    cursor = await conn.execute(
        "select connection, entity, version, locked_until, checked_at from target_state where connection = %s", (connection,)
    )
    return {row[1]: TargetSeen(*row) for row in await cursor.fetchall()}

"""Table ``target_state``: what was last seen of a target: its version and the last locked days per entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from .pool import Conn


@dataclass(frozen=True, slots=True)
class LockedDays:
    """The last locked days of an entity's books: for everything, for customers' documents, for what carries taxes."""

    everything: date | None = None
    sales: date | None = None
    taxed: date | None = None


@dataclass(frozen=True, slots=True)
class TargetSeen:
    """An entity's books in a target: the last locked accounting days (None: nothing locked), and when that was looked at."""

    connection: str
    entity: str
    version: str
    locks: LockedDays
    checked_at: datetime


async def save(conn: Conn, connection: str, version: str, locks: Mapping[str, LockedDays], now: datetime) -> list[str]:
    """Keep what was seen; return the entities whose locks moved (their postponed or parked subjects may be decided differently now)."""
    before = {seen.entity: seen.locks for seen in (await load(conn, connection)).values()}
    await conn.cursor().executemany(
        "insert into target_state (connection, entity, version, locked_until, sales_locked_until, taxed_locked_until, checked_at)"
        " values (%s, %s, %s, %s, %s, %s, %s)"
        " on conflict (connection, entity) do update set version = excluded.version, checked_at = excluded.checked_at,"
        " locked_until = excluded.locked_until, sales_locked_until = excluded.sales_locked_until,"
        " taxed_locked_until = excluded.taxed_locked_until",
        [(connection, entity, version, seen.everything, seen.sales, seen.taxed, now) for entity, seen in sorted(locks.items())],
    )
    return sorted(entity for entity, seen in locks.items() if entity in before and before[entity] != seen)


async def load(conn: Conn, connection: str) -> dict[str, TargetSeen]:
    """Return what was last seen of a target, by entity."""
    cursor = await conn.execute(
        "select connection, entity, version, locked_until, sales_locked_until, taxed_locked_until, checked_at from target_state"
        " where connection = %s",
        (connection,),
    )
    return {
        entity: TargetSeen(connection, entity, version, LockedDays(*days), checked_at)
        for _, entity, version, *days, checked_at in await cursor.fetchall()
    }

"""Numbered SQL migrations, forward only, and the month partitions of the big tables.

Old and new programs run side by side while an installation is upgraded. Each migration says in its head (``-- Runs beside: N``) which is
the oldest schema number whose programs may go on, and may be started, after it: 1 for what only adds, its own number for what takes
something away that the programs before it use.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources

from psycopg import sql

from .errors import StoreError
from .pool import Conn

PARTITIONED = {
    "receipt": "received_at",
    "receipt_fetched": "received_at",
    "receipt_bundle": "received_at",
    "event": "received_at",
    "command_body": "created_at",
    "attempt": "started_at",
    "audit": "at",
}
"""Tables partitioned by month, with the column that decides."""
_CALLED = {"command_body": "command"}
"""What the months of a table are called by, if not by its name: programs before schema 41 look whether they are there."""

_RUNS_BESIDE = re.compile(r"^-- Runs beside: (\d+)$", re.MULTILINE)
_LOCK = 0x0C0F_0001  # advisory locks of this project start with 0x0C0F


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``migrations/``; the checksum (SHA-256 of its text) tells whether it was changed after it was applied."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Hexadecimal SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def runs_beside(self) -> int:
        """The oldest schema number whose programs may run on this one; its own if it does not say."""
        said = _RUNS_BESIDE.search(self.text)
        return int(said[1]) if said else self.number


@dataclass(frozen=True, slots=True)
class _Applied:
    """What the database knows of a migration it has."""

    checksum: str
    runs_beside: int


_HAS_BESIDE = """
select 1 from pg_attribute where attrelid = 'schema_migration'::regclass and attname = 'runs_beside' and not attisdropped
"""


def migrations() -> tuple[Migration, ...]:
    """Return the shipped migrations in order of their number."""
    folder = resources.files("counterfoil.store") / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return tuple(Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8")) for file in files)


@cache
def newest() -> int:
    """Return the number of the newest migration this program knows: the schema it is made for."""
    return max(migration.number for migration in migrations())


async def migrate(conn: Conn) -> list[str]:
    """Apply what is missing, all in the caller's transaction; return the names applied. Concurrent callers wait for each other.

    Raises:
        StoreError: an applied migration was changed (``store.migration_changed``), or the database is newer than this program
            and does not say that this program may run beside it (``store.schema_newer``).
    """
    await conn.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
    await conn.execute(
        "create table if not exists schema_migration (number integer primary key, name text not null, checksum text not null,"
        " applied_at timestamptz not null default clock_timestamp(), runs_beside integer)"
    )
    columns = await (await conn.execute(_HAS_BESIDE)).fetchone()
    if columns is None:
        await conn.execute("alter table schema_migration add column runs_beside integer")
    applied = await _applied(conn)
    shipped = migrations()
    _check(applied, shipped)
    done: list[str] = []
    for migration in shipped:
        if migration.number not in applied:
            await conn.execute(migration.text.encode())
            await conn.execute(
                "insert into schema_migration (number, name, checksum, runs_beside) values (%s, %s, %s, %s)",
                (migration.number, migration.name, migration.checksum, migration.runs_beside),
            )
            done.append(migration.name)
    return done


async def lock(conn: Conn) -> None:
    """Keep everybody who opens the hub waiting until the caller's transaction ends."""
    await conn.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


async def pending(conn: Conn) -> list[str]:
    """Return the names of the migrations this program has and the database lacks; changes nothing. Raises StoreError as :func:`migrate`."""
    is_there = await (await conn.execute("select to_regclass('schema_migration') is not null")).fetchone()
    applied = await _applied(conn) if is_there is not None and is_there[0] else {}
    shipped = migrations()
    _check(applied, shipped)
    return [migration.name for migration in shipped if migration.number not in applied]


async def _applied(conn: Conn) -> dict[int, _Applied]:
    """Return what the database has; one of the first release does not say beside which programs it runs."""
    has_beside = await (await conn.execute(_HAS_BESIDE)).fetchone() is not None
    beside = "coalesce(runs_beside, number)" if has_beside else "number"
    rows = await (await conn.execute(f"select number, checksum, {beside} from schema_migration")).fetchall()
    return {number: _Applied(checksum, runs_beside) for number, checksum, runs_beside in rows}


def _check(applied: Mapping[int, _Applied], shipped: tuple[Migration, ...]) -> None:
    by_number = {migration.number: migration for migration in shipped}
    newest = max(by_number)
    for number, one in applied.items():
        migration = by_number.get(number)
        if migration is None and one.runs_beside > newest:
            message = f"the database has migration {number}, unknown to this version; install the version that made it, or a newer one"
            raise StoreError(message, code="store.schema_newer")
        if migration is not None and migration.checksum != one.checksum:
            message = f"migration {migration.name} differs from what was applied to this database; put the original file back"
            raise StoreError(message, code="store.migration_changed")


async def ensure_partitions(conn: Conn, now: datetime, months_ahead: int = 3) -> list[str]:
    """Make the partitions of now's month and the months ahead; return the names made.

    Rows that already lie in a default partition are moved into theirs. A missing month costs a short exclusive lock on that table's default
    partition; waits at most 5 s for it (psycopg.errors.LockNotAvailable: try again later; nothing depends on it being done in time).
    """
    await conn.execute("select pg_advisory_xact_lock(%s), set_config('lock_timeout', '5s', true)", (_LOCK,))
    made: list[str] = []
    for table, column in PARTITIONED.items():
        for ahead in range(months_ahead + 1):
            start, end = _month(now, ahead), _month(now, ahead + 1)
            name = f"{_CALLED.get(table, table)}_{start:%Y_%m}"
            exists = await (await conn.execute("select to_regclass(%s) is not null", (name,))).fetchone()
            if exists is not None and not exists[0]:
                await _make_partition(conn, table, column, name, start, end)
                made.append(name)
    return made


_MOVE = """
with moved as (delete from {rest} where {column} >= {start} and {column} < {end} returning *) insert into {new} select * from moved
"""
_WITHOUT_STATISTICS = "select attname::text from pg_attribute where attrelid = %s::regclass and attstattarget = 0 and attnum > 0"
"""The columns of a table of which nothing is counted: a partition does not have that from it."""
_ATTACH = "alter table {parent} attach partition {new} for values from ({start}) to ({end})"


async def _make_partition(conn: Conn, table: str, column: str, name: str, start: datetime, end: datetime) -> None:
    """Fill a table of the same shape from the default partition and attach it; a bare CREATE would fail on rows lying there."""
    names = {"parent": sql.Identifier(table), "rest": sql.Identifier(f"{_CALLED.get(table, table)}_default"), "new": sql.Identifier(name)}
    bounds = {"column": sql.Identifier(column), "start": sql.Literal(start), "end": sql.Literal(end)}
    await conn.execute(sql.SQL("lock table {rest} in access exclusive mode").format(**names))
    await conn.execute(sql.SQL("create table {new} (like {parent} including defaults)").format(**names))
    for statement in (_MOVE, _ATTACH):
        await conn.execute(sql.SQL(statement).format(**names, **bounds))
    for (without,) in await (await conn.execute(_WITHOUT_STATISTICS, (table,))).fetchall():
        given = {"new": names["new"], "column": sql.Identifier(without)}
        await conn.execute(sql.SQL("alter table {new} alter column {column} set statistics 0").format(**given))


def _month(now: datetime, ahead: int) -> datetime:
    """Return the first instant of a month, in UTC."""
    months = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)

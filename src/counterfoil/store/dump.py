"""The hub's database as a file: dumped consistently while the hub works, loaded within one transaction of the caller.

PostgreSQL's own programs do it. Left out is the schema of the engine that programs before schema 25 worked through: what is
to be done stands in our tables.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .embedded import program
from .errors import StoreError
from .migrate import migrations
from .pool import Conn

ENGINE_SCHEMA = "dbos"
_LINE_MAX = 1 << 30
_COPY_CHUNK_BYTES = 1 << 18
_DIGEST_CHUNK_BYTES = 1 << 20
_STANDING = frozenset({
    "schema_migration", "worker", "work", "relearning", "key_check", "match_sweep", "quality_count", "quality_day", "quality_scan",
    "ruleset", "rules_release", "rules_version",
})  # fmt: skip
"""Tables whose rows a hub makes by merely being started: they do not make a database one that holds something."""

_BY_PEOPLE = "where not (actor = 'configuration' and action = 'rules released')"
"""Which lines of the audit a mere start does not write."""

_TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition order by 1
"""


async def tables(conn: Conn) -> list[str]:
    """Return the names of all tables, partitioned ones as one."""
    return [row[0] for row in await (await conn.execute(_TABLES)).fetchall()]


async def foreign_tables(conn: Conn) -> list[str]:
    """Return the tables that are not the hub's."""
    made = re.compile(r'^(?:create table (?:if not exists )?|alter table \w+ rename to )"?(\w+)"?', re.MULTILINE | re.IGNORECASE)
    own = {name for migration in migrations() for name in made.findall(migration.text)} | {"schema_migration"}
    return [name for name in await tables(conn) if name not in own]


async def row_counts(conn: Conn) -> dict[str, int]:
    """Return how many rows each table has, in the caller's snapshot."""
    counts = {}
    for name in await tables(conn):
        row = await (await conn.execute(f'select count(*) from public."{name}"')).fetchone()
        counts[name] = 0 if row is None else int(row[0])
    return counts


async def is_empty(conn: Conn) -> bool:
    """Tell whether the database holds nothing but what starting a hub makes."""
    for name in await tables(conn):
        if name not in _STANDING:
            some = _BY_PEOPLE if name == "audit" else ""
            row = await (await conn.execute(f'select exists (select 1 from public."{name}" {some})')).fetchone()
            if row is not None and row[0]:
                return False
    return True


async def schema_number(conn: Conn) -> int:
    """Return the number of the last migration applied; 0 for a database that is no hub's."""
    row = await (await conn.execute("select to_regclass('public.schema_migration') is not null")).fetchone()
    if row is None or not row[0]:
        return 0
    row = await (await conn.execute("select coalesce(max(number), 0) from schema_migration")).fetchone()
    return 0 if row is None else int(row[0])


_USERS = """
select distinct coalesce(nullif(application_name, ''), 'a program') || coalesce(' from ' || host(client_addr), '')
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and usename = current_user and backend_type = 'client backend' order by 1
"""


async def others_connected(conn: Conn) -> list[str]:
    """Return who else uses the database as the same user: workers, intakes, commands."""
    return [row[0] for row in await (await conn.execute(_USERS)).fetchall()]


async def dump(dsn: str, snapshot: str, file: Path) -> None:
    """Dump the database as an exported snapshot shows it, in pg_dump's custom format. Raises StoreError (``backup.dump_failed``)."""
    arguments = ["--format=custom", "--compress=gzip:1", f"--snapshot={snapshot}", f"--exclude-schema={ENGINE_SCHEMA}"]
    arguments += ["--no-owner", "--no-privileges", "--no-password", f"--file={file}"]
    process = await _start("pg_dump", arguments, dsn)
    _, words = await process.communicate()
    if process.returncode != 0:
        raise StoreError(f"pg_dump failed: {_last(words)}", code="backup.dump_failed")


async def _start(name: str, arguments: list[str], dsn: str = "") -> asyncio.subprocess.Process:
    environment = dict(os.environ)
    if dsn:
        known = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
        if "password" in known:  # not on the command line, where everybody can read it
            environment["PGPASSWORD"] = known.pop("password")
        arguments = [*arguments, f"--dbname={make_conninfo('', **known)}"]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(str(program(name)), *arguments, stdout=pipe, stderr=pipe, env=environment, limit=_LINE_MAX)


def _last(words: bytes) -> str:
    return words.decode(errors="replace").strip()[-500:]


def digest_of(file: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_DIGEST_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


_OWN = """
select format('drop table public.%I cascade', c.relname), 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
union all select format('drop sequence if exists public.%I cascade', c.relname), 2 from pg_class c
    join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind = 'S'
union all select format('drop type if exists public.%I cascade', t.typname), 3 from pg_type t
    join pg_namespace n on n.oid = t.typnamespace where n.nspname = 'public' and t.typtype = 'e'
union all select format('drop routine if exists %s cascade', p.oid::regprocedure), 4 from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')
order by 2, 1
"""
"""What drops all a hub has made in a database: tables, sequences, types, routines, in this order; what an extension brought is left."""


async def clear(conn: Conn) -> None:
    """Drop everything of the hub and of its engine. Whoever calls has made sure that nothing else is in the database."""
    for statement, _ in await (await conn.execute(_OWN)).fetchall():
        await conn.execute(statement)
    await conn.execute(f"drop schema if exists {ENGINE_SCHEMA} cascade")


async def load(conn: Conn, file: Path) -> None:
    """Load a dump in the caller's transaction, into a database that was cleared. Raises StoreError (``restore.load_failed``)."""
    async with _script(file) as lines:
        statements: list[bytes] = []
        async for line in lines:
            if line.startswith(b"COPY ") and line.rstrip().endswith(b"FROM stdin;"):
                await _execute(conn, statements)
                await _copy(conn, line, lines)
            elif not line.startswith((b"\\", b"--", b"SET transaction_timeout")):  # for psql alone, or unknown to older servers
                statements.append(line)
        await _execute(conn, statements)
    await conn.execute("reset all")  # the script empties the search path
    await conn.execute("select set_config('timezone', 'UTC', false)")


async def _execute(conn: Conn, statements: list[bytes]) -> None:
    text = b"".join(statements).strip()
    statements.clear()
    if text:
        await conn.execute(text)


async def _copy(conn: Conn, statement: bytes, lines: AsyncIterator[bytes]) -> None:
    async with conn.cursor().copy(statement.strip().rstrip(b";")) as copy:
        chunk = bytearray()
        async for line in lines:
            if line == b"\\.\n":
                await copy.write(bytes(chunk))
                return
            chunk += line
            if len(chunk) >= _COPY_CHUNK_BYTES:
                await copy.write(bytes(chunk))
                chunk.clear()
    raise StoreError("the dump ends in the middle of a table; use another backup", code="restore.load_failed")


@asynccontextmanager
async def _script(file: Path) -> AsyncIterator[AsyncIterator[bytes]]:
    """Run pg_restore and yield the lines of its script."""
    process = await _start("pg_restore", ["--no-owner", "--no-privileges", "--file=-", str(file)])
    if process.stdout is None or process.stderr is None:
        raise StoreError("pg_restore gives no script", code="restore.load_failed")
    words = asyncio.create_task(process.stderr.read())
    try:
        yield aiter(process.stdout)
        if await process.wait() != 0:
            raise StoreError(f"pg_restore failed: {_last(await words)}", code="restore.load_failed")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await words


def counts_differ(expected: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """Return in words how row counts differ: ``receipt: 9 instead of 10``."""
    names = sorted(expected.keys() | found.keys())
    return [
        f"{name}: {found.get(name, 0):,} instead of {expected.get(name, 0):,}"
        for name in names
        if expected.get(name, 0) != found.get(name, 0)
    ]

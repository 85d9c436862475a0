"""Table ``worker``: the processes that work, and when each was last heard of (by the database's clock).

A worker joins under a name and gets a new incarnation; its id is both (``web1#17``). A row that is gone says that the worker was declared
dead or has left: nothing it took is its own any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from . import migrate
from .pool import Conn

_NAME_LOCK = 0x0C0F_0002  # advisory locks of this project start with 0x0C0F
_REAPER_LOCK = 0x0C0F_0003
_COLUMNS = "id, host, version, started_at, beat_at, name, incarnation, drains, waits_since"


@dataclass(frozen=True, slots=True)
class Worker:
    """A process; ``beat_at``: when it was last heard of, ``drains``: how many it had under way then.

    ``waits_since``: since when it decides and sends nothing, as another worker's rules differ from its own (see rulesets.py).
    """

    id: str
    host: str
    version: str
    started_at: datetime
    beat_at: datetime
    name: str = ""
    incarnation: int = 0
    drains: int = 0
    waits_since: datetime | None = None


async def hold_name(conn: Conn, name: str) -> bool:
    """Take a name for as long as this connection lives; False: another process has it."""
    row = await (await conn.execute("select pg_try_advisory_lock(%s, hashtext(%s))", (_NAME_LOCK, name))).fetchone()
    return row is not None and bool(row[0])


_JOIN = f"""
with former as (delete from worker where name = %(name)s or id = %(name)s), joining as (select nextval('worker_incarnation') as incarnation)
insert into worker (id, name, incarnation, host, version, started_at, beat_at, rules, waits_since, schema, takes_bundles)
select %(name)s || '#' || incarnation, %(name)s, incarnation, %(host)s, %(version)s, clock_timestamp(), clock_timestamp(), %(rules)s,
    case when %(rules)s <> '' then clock_timestamp() end, %(schema)s, true from joining
returning {_COLUMNS}
"""
"""A name has one row: the former incarnation's goes with the statement that makes the new one, and what it had claimed is nobody's."""


async def join(conn: Conn, name: str, host: str, version: str, rules: str = "") -> Worker:
    """Begin a new incarnation of a name; the former one's row goes. Only for whoever holds the name.

    ``rules``: the digest of what it decides by; it then waits until it may work by them.
    """
    given = {"name": name, "host": host, "version": version, "rules": rules, "schema": migrate.newest()}
    row = await (await conn.execute(_JOIN, given)).fetchone()
    if row is None:
        raise RuntimeError("an insert returned nothing")
    return Worker(*row)


async def beat(conn: Conn, id: str, drains: int) -> bool:
    """Say that a worker is alive and has so many drains under way; False: it was declared dead meanwhile."""
    cursor = await conn.execute("update worker set beat_at = clock_timestamp(), drains = %s where id = %s", (drains, id))
    return cursor.rowcount > 0


async def instant(conn: Conn) -> datetime:
    """Return the database's instant: the one clock all workers share."""
    row = await (await conn.execute("select clock_timestamp()")).fetchone()
    if row is None:
        raise RuntimeError("a select returned nothing")
    at: datetime = row[0]
    return at


async def change_rules(conn: Conn, id: str, rules: str) -> None:
    """Note the rules a worker decides by from now on (their digest), and that it waits until it may work by them."""
    await conn.execute("update worker set rules = %s, waits_since = clock_timestamp() where id = %s", (rules, id))


async def wait(conn: Conn, id: str) -> None:
    """Note that a worker decides and sends nothing; since when, if it did not already."""
    await conn.execute("update worker set waits_since = coalesce(waits_since, clock_timestamp()) where id = %s", (id,))


async def others(conn: Conn, id: str) -> tuple[int, int]:
    """Return how many other workers there are, and how many drains they had under way when they were last heard of."""
    row = await (await conn.execute("select count(*), coalesce(sum(drains), 0)::int from worker where id <> %s", (id,))).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


async def list_workers(conn: Conn) -> list[Worker]:
    """Return all workers, the latest heard of first."""
    cursor = await conn.execute(f"select {_COLUMNS} from worker order by beat_at desc, id")
    return [Worker(*row) for row in await cursor.fetchall()]


# How a lock of two numbers stands in pg_locks: https://www.postgresql.org/docs/current/view-pg-locks.html
_HAS_WORKING = """
select exists (
    select 1 from worker w join pg_locks l on l.locktype = 'advisory' and l.objsubid = 2
        and l.database = (select oid from pg_database where datname = current_database())
        and l.classid::bigint = %(lock)s and l.objid::bigint = hashtext(w.name)::bigint & 4294967295
    where w.waits_since is null and w.beat_at > clock_timestamp() - make_interval(secs => %(within_s)s)
)
"""


async def has_working(conn: Conn, within_s: float) -> bool:
    """Tell whether a worker that may decide was heard of within so many seconds of real time, and still holds its name: one that was
    killed does not.
    """
    cursor = await conn.execute(_HAS_WORKING, {"within_s": within_s, "lock": _NAME_LOCK})
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


_OLDER = """
select w.id from worker w join pg_locks l on l.locktype = 'advisory' and l.objsubid = 2
    and l.database = (select oid from pg_database where datname = current_database())
    and l.classid::bigint = %(lock)s and l.objid::bigint = hashtext(w.name)::bigint & 4294967295
where w.schema < %(schema)s and w.beat_at > clock_timestamp() - make_interval(secs => %(within_s)s) order by w.id
"""
"""One that waits counts, too: it decides nothing, but reads what comes."""


async def older(conn: Conn, schema: int, within_s: float) -> list[str]:
    """Return the workers that are alive, as in ``has_working``, and of a program that does not know a schema yet."""
    cursor = await conn.execute(_OLDER, {"schema": schema, "within_s": within_s, "lock": _NAME_LOCK})
    return [str(row[0]) for row in await cursor.fetchall()]


async def become_reaper(conn: Conn, *, waiting: bool = False) -> bool:
    """Be the one who looks after what others left, until the transaction ends; False: somebody else is."""
    if waiting:
        await conn.execute("select pg_advisory_xact_lock(%s)", (_REAPER_LOCK,))
        return True
    row = await (await conn.execute("select pg_try_advisory_xact_lock(%s)", (_REAPER_LOCK,))).fetchone()
    return row is not None and bool(row[0])


async def take_dead(conn: Conn, silent_s: float) -> list[Worker]:
    """Remove and return the workers not heard of for so many seconds; each goes to one caller only."""
    cursor = await conn.execute(
        f"delete from worker where beat_at < clock_timestamp() - make_interval(secs => %s) returning {_COLUMNS}",
        (silent_s,),
    )
    return sorted((Worker(*row) for row in await cursor.fetchall()), key=lambda worker: worker.id)


async def leave(conn: Conn, id: str) -> None:
    """Say that a worker has ended in good order."""
    await conn.execute("delete from worker where id = %s", (id,))


async def forget_all(conn: Conn) -> None:
    """Forget every worker of a database put back to an earlier state; no newcomer gets a number that was given after that state."""
    await conn.execute("delete from worker")
    await conn.execute("select setval('worker_incarnation', (select last_value from worker_incarnation) + 1000000)")

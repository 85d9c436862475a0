"""Table ``retention``, and the erasing of what has been kept long enough, payload class by payload class, in small steps.

Never erased: the financial record (commands, bindings, objects, summary items) and a receipt's row and key, so that a delivery that comes
again is a duplicate for ever. An erased receipt has no body, nothing fetched, no headers, and an empty key id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from .bundles import READ_AT, STATE
from .pool import Conn

BODIES, EVENTS, ATTEMPTS, CASES, AUDIT = "bodies", "events", "attempts", "cases", "audit"
PAYLOADS = (BODIES, EVENTS, ATTEMPTS, CASES, AUDIT)
"""Bodies of receipts with what was fetched for them; events; tries at targets; records and history of closed cases; the audit trail."""

# What is still to be decided, or waits, is read again from its receipt if its source is not asked; a replay that runs has them in hand.
_BODIES = f"""
with old as (
    select received_at, id from receipt r
    where received_at >= coalesce((select place from retention where payload = 'bodies'), '-infinity') and received_at < %(until)s
        and key_id <> '' and {STATE} in ('normalized', 'ignored') and coalesce({READ_AT}, received_at) < %(until)s
        and not exists (select from replay where state = 'running')
        and not exists (select from event e join to_decide a on a.kind = e.subject_kind and a.id = e.subject_id
            where e.receipt_id = r.id and e.received_at = r.received_at)
        and not exists (select from event e join wait w on w.subject_kind = e.subject_kind and w.subject_id = e.subject_id
            where e.receipt_id = r.id and e.received_at = r.received_at)
    order by received_at, id limit %(limit)s for update skip locked
), fetched as (
    delete from receipt_fetched f using old where f.received_at = old.received_at and f.id = old.id
)
update receipt r set body = '', key_id = '', fetched = null, fetched_key_id = '', headers = '{{}}'
from old where r.received_at = old.received_at and r.id = old.id
"""
_NEXT_PLACE = """
insert into retention (payload, place)
select 'bodies', coalesce((select received_at from receipt where key_id <> '' and received_at < %(until)s and received_at >=
    coalesce((select place from retention where payload = 'bodies'), '-infinity') order by received_at limit 1), %(until)s)
on conflict (payload) do update set place = excluded.place
"""
"""Where the next run begins: before it nothing is left to erase, so the index is not walked from the first month each time."""
_EVENTS = """
delete from event e using (select received_at, id from event where received_at < %(until)s order by received_at, id limit %(limit)s) old
where e.received_at = old.received_at and e.id = old.id
"""
# A try whose outcome is not known, or that did not end well, explains what is still open.
_ATTEMPTS = """
delete from attempt a using (
    select started_at, id from attempt t where started_at < %(until)s and not exists (
        select from unnest(t.command_ids) as o(id) join command_standing s using (id) where s.state not in ('done', 'canceled'))
    order by started_at, id limit %(limit)s
) old where a.started_at = old.started_at and a.id = old.id
"""
_CASES = """
with old as (
    select id from "case" c where state <> 'open' and closed_at < %(until)s and exists (select from case_history h where h.case_id = c.id)
    order by id limit %(limit)s
), records as (
    delete from case_subject s using old where s.case_id = old.id
), history as (
    delete from case_history h using old where h.case_id = old.id
)
select id from old
"""
"""Takes records and history from closed cases; the cases stay, as their count and money are part of what happened."""
_AUDIT = """
delete from audit a using (select at, id from audit where at < %(until)s order by at, id limit %(limit)s) old
where a.at = old.at and a.id = old.id
"""
_STATEMENTS = {BODIES: _BODIES, EVENTS: _EVENTS, ATTEMPTS: _ATTEMPTS, CASES: _CASES, AUDIT: _AUDIT}
_TABLES = {BODIES: "receipt", EVENTS: "event", ATTEMPTS: "attempt", CASES: "case_history", AUDIT: "audit"}


async def erase(conn: Conn, payload: str, until: datetime, limit: int) -> int:
    """Erase up to ``limit`` records of a class from before an instant; return how many. Commit after each call; fewer: nothing is left."""
    count = (await conn.execute(_STATEMENTS[payload], {"until": until, "limit": limit})).rowcount
    await _count(conn, payload, count)
    if payload == BODIES:
        await conn.execute(_NEXT_PLACE, {"until": until})
    return count


async def _count(conn: Conn, payload: str, count: int) -> None:
    await conn.execute(
        "insert into retention (payload, erased) values (%s, %s)"
        " on conflict (payload) do update set erased = retention.erased + excluded.erased",
        (payload, count),
    )


async def note_end(conn: Conn, payload: str, now: datetime) -> None:
    """Note that all of a class that may be erased is erased."""
    await conn.execute(
        "insert into retention (payload, ended_at) values (%s, %s) on conflict (payload) do update set ended_at = excluded.ended_at",
        (payload, now),
    )


_WHOLE = """
select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = to_regclass(%(table)s) and c.relname ~ '_[0-9]{4}_[0-9]{2}$'
    and (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month')::timestamp at time zone 'UTC' <= %(until)s
order by 1
"""
"""Whole months by the names of their tables: they are emptied at once, not row by row. Of a month that has not ended for all, none."""


async def empty_months(conn: Conn, payload: str, until: datetime) -> int:
    """Empty the whole months of events or audit from before an instant, at once; return how many records went.

    Waits at most 2 s for a month's table (psycopg.errors.LockNotAvailable: another time). Of the other classes some records stay.
    """
    if payload not in (EVENTS, AUDIT):
        return 0
    await conn.execute("select set_config('lock_timeout', '2s', true)")
    cursor = await conn.execute(_WHOLE, {"table": _TABLES[payload], "until": until})
    gone = 0
    for (name,) in await cursor.fetchall():
        month = sql.Identifier(name)
        row = await (await conn.execute(sql.SQL("select count(*) from {}").format(month))).fetchone()
        if row is not None and row[0]:
            gone += row[0]
            await conn.execute(sql.SQL("truncate {}").format(month))
    if gone:
        await _count(conn, payload, gone)
    return gone


@dataclass(frozen=True, slots=True)
class RetentionState:
    """A payload class: the oldest record there is, the size of its table in bytes, what was erased so far, when erasing last was done."""

    payload: str
    oldest_at: datetime | None
    size: int
    erased: int
    ended_at: datetime | None


_OLDEST = {
    BODIES: "select min(received_at) from receipt where key_id <> ''"
    " and received_at >= coalesce((select place from retention where payload = 'bodies'), '-infinity')",
    EVENTS: "select min(received_at) from event",
    ATTEMPTS: "select min(started_at) from attempt",
    CASES: "select min(at) from case_history",
    AUDIT: "select min(at) from audit",
}
_SIZE = """
select coalesce(sum(pg_total_relation_size(relid)), 0)::int8 from pg_partition_tree(to_regclass(%s)) where isleaf
"""


async def kept(conn: Conn) -> list[RetentionState]:
    """Return every payload class."""
    notes = {payload: rest for payload, *rest in await (await conn.execute("select payload, erased, ended_at from retention")).fetchall()}
    found = []
    for payload in PAYLOADS:
        oldest = await (await conn.execute(_OLDEST[payload])).fetchone()
        size = await (await conn.execute(_SIZE, (_TABLES[payload],))).fetchone()
        erased, ended_at = notes.get(payload, (0, None))
        found.append(RetentionState(payload, oldest[0] if oldest else None, size[0] if size else 0, erased, ended_at))
    return found

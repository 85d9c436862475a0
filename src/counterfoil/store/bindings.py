"""Table ``binding``: our key of what was written <-> one target's own id, with since and until, so that what was bound once still resolves.

Binding releases the commands that need the key; see outbox.py, which calls ``bind``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.keys import NeedKey

from .columns import columns
from .pool import Conn


@dataclass(frozen=True, slots=True)
class Binding:
    """``key`` (``<document kind>/<canonical id>``) is ``external_id`` in the target ``connection``; ``until`` None: current."""

    connection: str
    key: NeedKey
    external_id: str
    external_name: str = ""
    since: datetime | None = None
    until: datetime | None = None


async def current(conn: Conn, connection: str, keys: Iterable[NeedKey]) -> dict[NeedKey, Binding]:
    """Return the current binding of every key that has one."""
    found = await _read(conn, "where connection = %s and key = any(%s) and until is null", (connection, sorted(set(keys))))
    return {binding.key: binding for binding in found}


async def by_external(conn: Conn, connection: str, external_ids: Iterable[str]) -> list[Binding]:
    """Return all bindings, also past ones, of the target's ids."""
    return await _read(conn, "where connection = %s and external_id = any(%s) order by key, since", (connection, sorted(set(external_ids))))


async def bound_as(conn: Conn, connection: str, prefix: str) -> dict[str, NeedKey]:
    """Return which of a target's ids are bound now under keys with a prefix, and the first such key of each."""
    sql = "select external_id, min(key) from binding where connection = %s and starts_with(key, %s) and until is null group by 1"
    return {external_id: NeedKey(key) for external_id, key in await (await conn.execute(sql, (connection, prefix))).fetchall()}


OF_KEYS = """(
with recursive target (connection) as (
    select min(connection) from binding where until is null
    union all
    select (select min(connection) from binding where until is null and connection > target.connection) from target
    where target.connection is not null
)
select b.* from target t join binding b on b.connection = t.connection and b.key = any(%(keys)s) and b.until is null
union all
select b.* from binding b where b.key = any(%(keys)s) and b.until is not null
)"""
"""All bindings of some keys, in all targets, to be read from as a table. The targets are found by one look into an index each."""


async def by_key(conn: Conn, key: NeedKey) -> list[Binding]:
    """Return all bindings of a key in all targets, oldest first."""
    return await _read(conn, "order by connection, since", {"keys": [key]}, source=OF_KEYS)


async def by_name(conn: Conn, external_name: str) -> list[Binding]:
    """Return all bindings whose document people call so (an invoice number)."""
    return await _read(conn, "where external_name = %s and external_name <> '' order by connection, key, since", (external_name,))


async def _read(conn: Conn, condition: str, arguments: tuple[object, ...] | dict[str, object], *, source: str = "binding") -> list[Binding]:
    statement = f"select connection, key, external_id, external_name, since, until from {source} b {condition}"
    cursor = await conn.execute(statement, arguments)
    return [Binding(*row) for row in await cursor.fetchall()]


_GIVEN = """
unnest(%(connection)s::text[], %(key)s::text[], %(external_id)s::text[], %(external_name)s::text[])
    as g(connection, key, external_id, external_name)
"""
_END_OTHERS = f"""
update binding b set until = %(now)s from {_GIVEN}
where b.connection = g.connection and b.key = g.key and b.until is null and b.external_id <> g.external_id
"""
_BIND = f"""
insert into binding (connection, key, external_id, external_name, since)
select g.connection, g.key, g.external_id, g.external_name, %(now)s from {_GIVEN} order by g.connection, g.key
on conflict (connection, key) where until is null do update set
    external_name = case when excluded.external_name = '' then binding.external_name else excluded.external_name end
"""
"""What a key was bound to before ended just now (above) and stays, with its end: old documents are still found by it. A binding made again
keeps its first instant and the newest name."""


async def bind(conn: Conn, bindings: Sequence[Binding], now: datetime) -> None:
    """Make bindings current. The same id again only takes the newer name; another id ends the former binding.

    Does not release what needs the keys: deliveries use ``outbox.settle``, others ``outbox.bind_and_release``.
    """
    last = list({(one.connection, one.key): one for one in bindings}.values())
    if last:
        given = columns(last, ("connection", "key", "external_id", "external_name")) | {"now": now}
        await conn.execute(_END_OTHERS, given)
        await conn.execute(_BIND, given)


async def end(conn: Conn, connection: str, keys: Iterable[NeedKey], now: datetime) -> int:
    """End current bindings: the target no longer has what they name; return how many."""
    cursor = await conn.execute(
        "update binding set until = %s where connection = %s and key = any(%s) and until is null", (now, connection, sorted(set(keys)))
    )
    return cursor.rowcount

"""Table ``mapping``: what people decided (this tax is that tax), versioned, so that a command can name the rules that shaped it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.keys import wait_for_mapping

from . import agenda, case_work
from .columns import columns
from .pool import Conn, PartitionKey


@dataclass(frozen=True, slots=True)
class Mapping:
    """One decision: within an entity, the source's ``key`` of a kind (tax, product, account, route) is ``value``; empty: not mapped."""

    kind: str
    entity: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Mappings:
    """All mappings and the rules version they make: that of the latest change."""

    version: int
    entries: tuple[Mapping, ...]
    versions: dict[tuple[str, str, str], int]
    """(kind, entity, key) -> the version that set it; also of those no longer mapped."""


@dataclass(frozen=True, slots=True)
class MappingsSet:
    """What setting changed: the rules version now, how many mappings differ from before, and the partitions to arm."""

    version: int
    changed: int
    touched: tuple[PartitionKey, ...]


_SET = """
insert into mapping (kind, entity, key, value, version, set_at, set_by)
select kind, entity, key, value, %(version)s, %(now)s, %(actor)s
from unnest(%(kind)s::text[], %(entity)s::text[], %(key)s::text[], %(value)s::text[]) as t(kind, entity, key, value)
order by kind, entity, key
on conflict (kind, entity, key) do update set value = excluded.value, version = excluded.version, set_at = excluded.set_at,
    set_by = excluded.set_by
where mapping.value <> excluded.value
returning kind, entity, key
"""
"""Says what is mapped; a value that is there already stays with its version, so that nothing is released that did not change."""


async def set_mappings(conn: Conn, entries: Sequence[Mapping], actor: str, now: datetime) -> MappingsSet:
    """Set mappings; those that already say so stay as they are. What waited for a changed one is put on the agenda or taken up again."""
    last = list({(one.kind, one.entity, one.key): one for one in entries}.values())
    known = await load(conn)
    said = {(one.kind, one.entity, one.key): one.value for one in known.entries}
    news = [one for one in last if said.get((one.kind, one.entity, one.key), "") != one.value]
    if not news:
        return MappingsSet(known.version, 0, ())
    row = await (await conn.execute("select nextval('rules_version_seq')")).fetchone()
    version = 0 if row is None else int(row[0])
    given = columns(news, ("kind", "entity", "key", "value")) | {"version": version, "now": now, "actor": actor}
    changed = await (await conn.execute(_SET, given)).fetchall()
    keys = [wait_for_mapping(*names) for names in changed]
    touched = {*await agenda.release(conn, keys, now), *await case_work.release_on(conn, keys, now)}
    return MappingsSet(version, len(changed), tuple(sorted(touched)))


async def load(conn: Conn) -> Mappings:
    """Return all mappings; version 0: nothing was ever set."""
    rows = await (await conn.execute("select kind, entity, key, value, version from mapping order by kind, entity, key")).fetchall()
    entries = tuple(Mapping(*row[:4]) for row in rows if row[3])
    return Mappings(max((row[4] for row in rows), default=0), entries, {(row[0], row[1], row[2]): row[4] for row in rows})

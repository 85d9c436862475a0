"""Table ``link``: which thing was merged into which, since when, until when, and who says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.ids import ObjectRef

from .columns import columns
from .pool import Conn

MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Link:
    """What a thing is linked to: the id of another one of its kind, and why. ``until`` None: it still is."""

    ref: ObjectRef
    golden: str
    why: str
    connection: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Relink:
    """A thing was merged into another one (empty: into none any more), as of an instant and by the word of a connection."""

    ref: ObjectRef
    golden: str
    connection: str
    at: datetime


_END = """
update link l set until = greatest(s.at, l.since)
from unnest(%(kind)s::text[], %(id)s::text[], %(at)s::timestamptz[]) as s(kind, id, at)
where l.kind = s.kind and l.id = s.id and l.until is null and l.why = 'merged'
"""
_BEGIN = """
insert into link (kind, id, golden, why, connection, since)
select kind, id, golden, 'merged', connection, at
from unnest(%(kind)s::text[], %(id)s::text[], %(golden)s::text[], %(connection)s::text[], %(at)s::timestamptz[])
    as t(kind, id, golden, connection, at)
where golden <> '' order by 1, 2
on conflict (kind, id, since, golden) do update set until = null, connection = excluded.connection
"""
"""What is told again of the same instant is the same link. In the order of the key, so that two writers do not wait for each other."""


async def relink(conn: Conn, changes: Sequence[Relink]) -> None:
    """End the merges of things, and begin those that took their place."""
    if not changes:
        return
    given = columns(changes, ("golden", "connection", "at")) | {
        "kind": [change.ref.kind for change in changes],
        "id": [change.ref.id for change in changes],
    }
    await conn.execute(_END, given)
    await conn.execute(_BEGIN, given)


async def of(conn: Conn, refs: Iterable[ObjectRef]) -> list[Link]:
    """Return the links of things, and those to them, oldest first."""
    wanted = sorted(set(refs))
    cursor = await conn.execute(
        "select kind, id, golden, why, connection, since, until from link l"
        " where exists (select from unnest(%s::text[], %s::text[]) as s(kind, id) where l.kind = s.kind and s.id in (l.id, l.golden))"
        " order by since, kind, id, golden",
        ([ref.kind for ref in wanted], [ref.id for ref in wanted]),
    )
    return [Link(ObjectRef(kind, id), *rest) for kind, id, *rest in await cursor.fetchall()]


_MERGED_INTO = """
with recursive merged as (
    select kind, id from unnest(%(kind)s::text[], %(id)s::text[]) as s(kind, id)
    union select l.kind, l.id from link l join merged m on l.kind = m.kind and l.golden = m.id
    where l.until is null and l.why = 'merged'
)
select kind, id from merged
"""
"""Along the merges that stand, backwards; ``union`` ends it also where they lead in a circle."""


async def merged_into(conn: Conn, refs: Iterable[ObjectRef]) -> list[ObjectRef]:
    """Return things with all that was merged into them, and into those."""
    wanted = sorted(set(refs))
    cursor = await conn.execute(_MERGED_INTO, {"kind": [ref.kind for ref in wanted], "id": [ref.id for ref in wanted]})
    return [ObjectRef(kind, id) for kind, id in await cursor.fetchall()]

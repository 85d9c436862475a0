"""Table ``link``: which thing was merged into which, or is the same fact as which, since when, until when, and who says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.ids import ObjectRef

from .columns import columns
from .pool import Conn

MERGED = "merged"
SAME_FACT = "same_fact"


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


@dataclass(frozen=True, slots=True)
class Naming:
    """A source says that a thing of its own is the same as another (``follower`` and ``golden``: which follows which), or, with an empty
    ``golden``, as none. ``is_late``: it said so before what is known of the thing.
    """

    namer: ObjectRef
    follower: str
    golden: str
    connection: str
    at: datetime
    is_late: bool = False


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


_NAMED = """
select kind, named_by, id, golden, until is null from link
where (kind, named_by) in (select * from unnest(%(kind)s::text[], %(namer)s::text[])) and named_by <> ''
"""
_UNNAME = """
update link set until = greatest(%(at)s, since) where kind = %(kind)s and named_by = %(namer)s and named_by <> '' and until is null
"""
_NAME = """
insert into link (kind, id, golden, why, connection, since, named_by)
values (%(kind)s, %(id)s, %(golden)s, 'same_fact', %(connection)s, %(at)s, %(namer)s)
on conflict (kind, id, since, golden) do update set until = null, connection = excluded.connection, named_by = excluded.named_by
"""
"""What is told again of the same instant is the same link."""


async def name(conn: Conn, namings: Sequence[Naming]) -> list[ObjectRef]:
    """Write which things follow which, each source's newest word; return the things that are linked otherwise than before.

    One that was said before what is known counts only if the thing never was named the same as any.
    """
    if not namings:
        return []
    given = {"kind": [one.namer.kind for one in namings], "namer": [one.namer.id for one in namings]}
    known: dict[ObjectRef, set[tuple[str, str]]] = {}
    for kind, namer, id, golden, stands in await (await conn.execute(_NAMED, given)).fetchall():
        known.setdefault(ObjectRef(kind, namer), set()).update([(id, golden)] if stands else [])
    moved: set[ObjectRef] = set()
    for one in namings:
        before = known.get(one.namer)
        after = {(one.follower, one.golden)} if one.golden else set()
        if (one.is_late and before is not None) or (before or set()) == after:
            continue
        values = {"kind": one.namer.kind, "namer": one.namer.id, "at": one.at, "connection": one.connection}
        if before:
            await conn.execute(_UNNAME, values)
        if after:
            await conn.execute(_NAME, values | {"id": one.follower, "golden": one.golden})
        known[one.namer] = after
        moved |= {ObjectRef(one.namer.kind, id) for pair in ((before or set()) ^ after) for id in pair}
    return sorted(moved)


_SAME_FACTS = """
with recursive same as (
    select kind, id from unnest(%(kind)s::text[], %(id)s::text[]) as s(kind, id)
    union select l.kind, case when l.id = s.id then l.golden else l.id end
    from link l join same s on l.kind = s.kind and (l.id = s.id or l.golden = s.id)
    where l.until is null and l.why = 'same_fact'
)
select l.kind, l.id, l.golden from link l join same s on l.kind = s.kind and l.id = s.id
where l.until is null and l.why = 'same_fact' order by l.since, l.golden
"""
"""Both ways along the links that stand: whatever one asks for, all that are the same fact are found. Of two that one is said to follow, by
two sources, the newer link counts; so it is in every decision."""


async def same_facts(conn: Conn, refs: Iterable[ObjectRef]) -> dict[ObjectRef, ObjectRef]:
    """Return which thing follows which, of all that are the same fact as one of these."""
    wanted = sorted(set(refs))
    if not wanted:
        return {}
    cursor = await conn.execute(_SAME_FACTS, {"kind": [ref.kind for ref in wanted], "id": [ref.id for ref in wanted]})
    return {ObjectRef(kind, id): ObjectRef(kind, golden) for kind, id, golden in await cursor.fetchall()}

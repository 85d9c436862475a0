"""Table ``link``: which thing was merged into which, or is the same fact as which, since when, until when, and who says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.language.ids import ObjectRef

from .columns import columns
from .pool import Conn

MERGED = "merged"
SAME_FACT = "same_fact"


@dataclass(frozen=True, slots=True)
class Link:
    """What a thing is linked to: the id of another one of its kind, and why. ``until`` None: it still is. ``named_by``: of what is the same
    as another, the id of the one of which that was said.
    """

    ref: ObjectRef
    golden: str
    why: str
    connection: str
    since: datetime
    until: datetime | None = None
    named_by: str = ""


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
    ``golden``, as none. ``sequence``: the place of that word in the source's order of states.
    """

    namer: ObjectRef
    follower: str
    golden: str
    connection: str
    at: datetime
    sequence: int

    @property
    def named(self) -> str:
        """The id the thing is said to be the same as; empty: as none."""
        return self.follower if self.golden == self.namer.id else self.golden


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


_COLUMNS = "kind, id, golden, why, connection, since, until, named_by"
_OF = f"""
with asked as (select * from unnest(%(kind)s::text[], %(id)s::text[]) as s(kind, id))
select {_COLUMNS} from link where (kind, id) in (select * from asked)
union select {_COLUMNS} from link where (kind, golden) in (select * from asked) and until is null
union select {_COLUMNS} from link where (kind, golden) in (select * from asked) and until is not null
order by since, kind, id, golden
"""
"""Those to a thing that stand and those that ended are found by an index each."""


async def of(conn: Conn, refs: Iterable[ObjectRef]) -> list[Link]:
    """Return the links of things, and those to them, oldest first."""
    wanted = sorted(set(refs))
    cursor = await conn.execute(_OF, {"kind": [ref.kind for ref in wanted], "id": [ref.id for ref in wanted]})
    return [Link(ObjectRef(kind, id), *rest) for kind, id, *rest in await cursor.fetchall()]


async def newest(conn: Conn, limit: int, *, does_include_ended: bool = False) -> list[Link]:
    """Return the links that began last, newest first."""
    which = "true" if does_include_ended else "until is null"
    cursor = await conn.execute(
        f"select {_COLUMNS} from link where {which} order by since desc, kind, id limit %s",
        (limit,),
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


_PARTS = """
with recursive part as (
    select id as head, id from unnest(%(id)s::text[]) as s(id)
    union select p.head, l.id from part p join link l on l.kind = %(kind)s and l.golden = p.id and l.until is null and l.why = 'merged'
)
select head, id from part where id <> head
"""
"""Along the merges that stand, backwards, from each by itself; ``union`` ends it also where they lead in a circle."""


async def parts(conn: Conn, kind: str, ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return what was merged into each of some things of a kind, and into those: pairs of who is left and of who was merged, by id."""
    rows = await (await conn.execute(_PARTS, {"kind": kind, "id": sorted(ids)})).fetchall()
    return [(head, id) for head, id in rows]


_GOING = """
with recursive into_them as (
    select l.id, l.golden from link l
    where l.kind = %(kind)s and l.id = any(%(unmerged)s) and l.until is null and l.why = 'merged'
    union select m.id, l.golden from into_them m join link l on l.kind = %(kind)s and l.id = m.golden
    where l.until is null and l.why = 'merged'
)
select id, golden from into_them
union select id, golden from link where kind = %(kind)s and named_by = any(%(unnamed)s) and named_by <> '' and until is null
order by 1, 2
"""
"""Whoever something was merged into, and who was left of those in turn; ``union`` ends it also where merges lead in a circle."""


async def standing(conn: Conn, kind: str, unmerged: Iterable[str], unnamed: Iterable[str]) -> list[tuple[str, str]]:
    """Return what things of a kind are merged into, and what follows from what others are said to be the same as: pairs of ids."""
    given = {"kind": kind, "unmerged": sorted(unmerged), "unnamed": sorted(unnamed)}
    if not (given["unmerged"] or given["unnamed"]):
        return []
    return [(one, other) for one, other in await (await conn.execute(_GOING, given)).fetchall()]


_SAY = """
insert into naming (kind, id, connection, named, sequence, said_at)
select kind, id, connection, named, sequence, at
from unnest(%(kind)s::text[], %(namer)s::text[], %(connection)s::text[], %(named)s::text[], %(sequence)s::int8[], %(at)s::timestamptz[])
    as t(kind, id, connection, named, sequence, at) order by 1, 2, 3
on conflict (kind, id, connection) do update set named = excluded.named, sequence = excluded.sequence, said_at = excluded.said_at
where naming.sequence <= excluded.sequence
returning kind, id, connection
"""
"""Whoever says something newer of the same waits for this word to be committed, and then takes its place; an older one changes nothing."""
_SAID = """
select kind, id, connection, sequence from naming where (kind, id) in (select * from unnest(%(kind)s::text[], %(namer)s::text[]))
"""
_NAMED = """
select kind, named_by, id, golden from link
where (kind, named_by) in (select * from unnest(%(kind)s::text[], %(namer)s::text[])) and named_by <> '' and until is null
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
    """Write which things follow which, by the newest word of each source; return the things that are linked otherwise than before.

    Of several sources that say something of one thing what people say counts, as long as they do not say otherwise; else the newest word.
    """
    if not namings:
        return []
    moved: set[ObjectRef] = set()
    for one in await _counting(conn, _newest(namings)):
        kind, namer = one.namer.kind, one.namer.id
        rows = await conn.execute(_NAMED, {"kind": [kind], "namer": [namer]})
        before = {(id, golden) for _, _, id, golden in await rows.fetchall()}
        after = {(one.follower, one.golden)} if one.golden else set()
        if before == after:
            continue
        values = {"kind": kind, "namer": namer, "at": one.at, "connection": one.connection}
        if before:
            await conn.execute(_UNNAME, values)
        if after:
            await conn.execute(_NAME, values | {"id": one.follower, "golden": one.golden})
        moved |= {ObjectRef(kind, id) for pair in before ^ after for id in pair}
    return sorted(moved)


def _newest(namings: Iterable[Naming]) -> list[Naming]:
    """Return the newest word of each source on each thing; of several of one place in its order the last."""
    found: dict[tuple[ObjectRef, str], Naming] = {}
    for one in namings:
        known = found.get((one.namer, one.connection))
        if known is None or known.sequence <= one.sequence:
            found[one.namer, one.connection] = one
    return list(found.values())


async def _counting(conn: Conn, namings: Sequence[Naming]) -> list[Naming]:
    """Keep the words of sources that are not older than what each has said, and return those that count, one for each thing."""
    given = columns(namings, ("connection", "named", "sequence", "at")) | {
        "kind": [one.namer.kind for one in namings],
        "namer": [one.namer.id for one in namings],
    }
    kept = {(ObjectRef(kind, id), connection) for kind, id, connection in await (await conn.execute(_SAY, given)).fetchall()}
    said: dict[ObjectRef, dict[str, int]] = {}
    for kind, id, connection, sequence in await (await conn.execute(_SAID, given)).fetchall():
        said.setdefault(ObjectRef(kind, id), {})[connection] = sequence
    counting = {}
    for one in namings:
        others = said[one.namer]
        is_newest = all(one.sequence >= sequence for sequence in others.values())
        if (one.namer, one.connection) in kept and (one.connection == PEOPLE or (PEOPLE not in others and is_newest)):
            counting[one.namer] = one
    return list(counting.values())


_RENAME = """
with gone as (delete from naming where connection = %(former)s returning kind, id, named, sequence, said_at)
insert into naming (kind, id, connection, named, sequence, said_at)
select kind, id, %(name)s, named, sequence, said_at from gone where %(name)s <> '' order by 1, 2
on conflict (kind, id, connection) do update set named = excluded.named, sequence = excluded.sequence, said_at = excluded.said_at
where naming.sequence < excluded.sequence
"""
"""What one source says under two names is one word: the newer."""


async def rename(conn: Conn, former: str, name: str) -> None:
    """Take what a connection says its things are the same as for another one's word; ``name`` empty: for nobody's, and links stay."""
    await conn.execute(_RENAME, {"former": former, "name": name})
    if name:
        await conn.execute("update link set connection = %s where connection = %s and until is null", (name, former))


_SAME_FACTS = """
with recursive same as (
    select kind, id from unnest(%(kind)s::text[], %(id)s::text[]) as s(kind, id)
    union select s.kind, o.id from same s cross join lateral (
        select golden as id from link l where l.kind = s.kind and l.id = s.id and l.until is null and l.why = 'same_fact'
        union all
        select id from link l where l.kind = s.kind and l.golden = s.id and l.until is null and l.why = 'same_fact'
    ) o
)
select s.kind, s.id, o.golden from same s cross join lateral (
    select l.golden, l.since from link l where l.kind = s.kind and l.id = s.id and l.until is null and l.why = 'same_fact' offset 0
) o order by o.since, o.golden
"""
"""Both ways along the links that stand: whatever one asks for, all that are the same fact are found. Of two that one is said to follow, by
two sources, the newer link counts; so it is in every decision. Each way is looked up for itself, by its own index
(with "or" in one condition 300 things read 15,982 pages of 200,000 links, so 6,000), and ``offset 0`` keeps the last step by index: what a
recursion gives is guessed a hundred times too many, for which the whole table would be read."""


async def same_facts(conn: Conn, refs: Iterable[ObjectRef]) -> dict[ObjectRef, ObjectRef]:
    """Return which thing follows which, of all that are the same fact as one of these."""
    wanted = sorted(set(refs))
    if not wanted:
        return {}
    cursor = await conn.execute(_SAME_FACTS, {"kind": [ref.kind for ref in wanted], "id": [ref.id for ref in wanted]})
    return {ObjectRef(kind, id): ObjectRef(kind, golden) for kind, id, golden in await cursor.fetchall()}

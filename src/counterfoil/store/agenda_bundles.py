"""Table ``agenda_bundle``: subjects that were put on the agenda together, all to be decided at once; one row for each partition and lane.

A subject may be in several bundles, and have a row of its own besides: it is claimed with all of them (agenda.py), and taken out of all
when it was decided. So of two that have it in hand, the second finds it gone, as with its own row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from .bundles import ARE_MADE
from .pool import Conn, PartitionKey
from .work import BULK, decide_key

# Sorted, so that two transactions that hand on the same subjects write them alike; none while somebody is there who knows no bundles.
_ADD = f"""
insert into agenda_bundle (shard, lane, added_at, subjects)
select t.shard, t.lane, %(now)s, array_agg(t.key order by t.key)
from unnest(%(key)s::text[], %(shard)s::int2[], %(lane)s::int2[]) as t(key, shard, lane) where {ARE_MADE}
group by 1, 2 order by 1, 2
returning shard, lane
"""


async def add(conn: Conn, rows: Sequence[tuple[str, int, int]], now: datetime) -> list[PartitionKey]:
    """Add subjects (key, shard, lane) in bundles; return the partitions to arm. None: no bundles are made now."""
    given = {
        "key": [key for key, _, _ in rows],
        "shard": [shard for _, shard, _ in rows],
        "lane": [lane for _, _, lane in rows],
        "now": now,
    }
    return [decide_key(shard, lane) for shard, lane in await (await conn.execute(_ADD, given)).fetchall()]


CLAIM = """
select c.id, c.lane, c.added_at, c.subjects from (
    select b.*, sum(cardinality(b.subjects)) over (order by b.lane, b.id) - cardinality(b.subjects) as before
    from unnest(%(shards)s::int2[]) as s(shard) cross join lateral (
        select id, lane, added_at, subjects from agenda_bundle b
        where b.shard = s.shard and b.lane >= %(from)s and b.lane < %(below)s order by b.lane, b.id limit %(limit)s
    ) b
) c where c.before < %(limit)s order by c.lane, c.id
"""
"""Bundles of some shards by lane, in order, as many as hold ``limit`` subjects."""
ARE_ANY = """
select exists (select from agenda_bundle where shard = any(%(shards)s) and lane >= %(from)s and lane < %(below)s)
"""
BESIDE = f"""
select b.id, array(select k from unnest(b.subjects) as k where k = any(%(keys)s::text[])) from agenda_bundle b
where b.lane >= {BULK.start} and %(below)s <= {BULK.start} and b.subjects && %(keys)s::text[]
union all
select b.id, array(select k from unnest(b.subjects) as k where k = any(%(keys)s::text[])) from agenda_bundle b
where b.lane < {BULK.start} and %(from)s >= {BULK.start} and b.shard = any(%(shards)s) and b.subjects && %(keys)s::text[]
union all
select b.id, array(select k from unnest(b.subjects) as k where k = any(%(keys)s::text[])) from agenda_bundle b
where %(is_cut)s and b.shard = any(%(shards)s) and b.lane >= %(from)s and b.lane < %(below)s and b.id <> all(%(claimed)s::int8[])
    and b.subjects && %(keys)s::text[]
"""
"""In which other bundles some claimed subjects are, and which of them: in those of the lanes that others claim, and (``is_cut``: the claim
was full) in those behind the claimed ones."""

_HELD = """
select p.bundle, p.key from unnest(%(bundle)s::int8[], %(key)s::text[]) as p(bundle, key)
join agenda_bundle b on b.id = p.bundle and p.key = any(b.subjects)
"""


async def held(conn: Conn, pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return which subjects, each given with the id of a bundle, still are in it."""
    if not pairs:
        return set()
    return set(await (await conn.execute(_HELD, _columns(pairs))).fetchall())


_FINISH = """
with pairs as materialized (
    select * from unnest(%(bundle)s::int8[], %(key)s::text[]) as p(bundle, key)
), locked as materialized (
    select b.id, b.subjects from agenda_bundle b where b.id = any(%(bundle)s::int8[]) order by b.id for update
), left_in as materialized (
    select l.id, array(
        select k from unnest(l.subjects) as k where not exists (select from pairs p where p.bundle = l.id and p.key = k)) as keys
    from locked l
), whole as (
    delete from agenda_bundle b using left_in l where b.id = l.id and l.keys = '{}'
), rest as (
    update agenda_bundle b set subjects = l.keys from left_in l where b.id = l.id and l.keys <> '{}'
)
select count(*) from pairs p where not exists (select from locked l where l.id = p.bundle and p.key = any(l.subjects))
"""
"""Takes subjects out of their bundles, and bundles of which nothing is left off the agenda. Always in the order of the bundles' ids, so
that two do not wait for each other."""


async def finish(conn: Conn, pairs: Sequence[tuple[int, str]]) -> int:
    """Take decided subjects, each given with the id of a bundle, out of it; return how many were not in it any more."""
    row = await (await conn.execute(_FINISH, _columns(pairs))).fetchone()
    return 0 if row is None else int(row[0])


def _columns(pairs: Sequence[tuple[int, str]]) -> dict[str, object]:
    return {"bundle": [id for id, _ in pairs], "key": [key for _, key in pairs]}

"""Table ``receipt_bundle``: receipts that were kept together and are read together, one row for each group of shards of a connection.

A receipt in a bundle that is not read yet is pending, although its own row says ``normalized`` already: nothing has to be written there
when it was read well. Whoever asks for states of receipts asks here too (:data:`STATE`). Of one whose turn ends otherwise its row says how.
Bundles stay: they tell when those of their receipts were read whose rows say that they were.

None are made while a worker is there that knows none; when one comes, the database itself puts what is in them where that one looks.
"""

from __future__ import annotations

from collections.abc import Sequence

from .pool import Conn
from .work import BUNDLED

UNREAD = """
exists (select from receipt_bundle u where u.received_at = r.received_at and u.read_at is null and r.id = any(u.ids))
"""
"""Whether a receipt ``r`` is in a bundle that is still to be read."""
STATE = f"(case when r.state = 'normalized' and {UNREAD} then 'pending' else r.state::text end)"
"""The state of a receipt ``r``."""
READ_AT = """
coalesce(r.normalized_at, case when r.state = 'normalized'
    then (select u.read_at from receipt_bundle u where u.received_at = r.received_at and r.id = any(u.ids)) end)
"""
"""When a receipt ``r`` was read; null: it was not."""

ARE_MADE = "not exists (select from worker w where not w.takes_bundles)"
"""Whether what is handed on goes into bundles: not while a worker is there that knows none."""

KEPT_IN = f"""
insert into receipt_bundle (received_at, connection, shard, lane, ids)
select %(now)s, k.connection, k.shard / {BUNDLED} * {BUNDLED}, k.lane, array_agg(k.id order by k.id) from kept k
where k.state = 'normalized' group by k.connection, k.shard / {BUNDLED}, k.lane
"""
"""Bundles receipts that are just being kept (``kept``: connection, shard, lane, id, state)."""

CLAIMED = """
select b.received_at, x.id, b.lane from (
    select c.*, sum(cardinality(c.ids)) over (order by c.lane, c.id) - cardinality(c.ids) as before
    from unnest(%(shards)s::int2[]) as s(shard) cross join lateral (
        select received_at, id, lane, ids from receipt_bundle u
        where u.connection = %(connection)s and u.shard = s.shard and u.lane >= %(from)s and u.lane < %(below)s and u.read_at is null
        order by u.lane, u.id limit %(limit)s
    ) c
) b cross join unnest(b.ids) as x(id) where b.before < %(limit)s
"""
"""The receipts in unread bundles of some shards, by lane and in order of arrival: at least ``limit``, if there are so many."""

UNREAD_BY_LANE = """
select connection, lane, received_at as at, cardinality(ids) as count from receipt_bundle where read_at is null limit %(limit)s
"""
"""The unread bundles, each with how many receipts; up to ``limit`` bundles."""

SETTLED = """
listed as materialized (
    select b.received_at, b.id, b.connection, b.shard, b.lane, b.ids from receipt_bundle b
    where b.read_at is null and b.received_at = any(%(received_at)s::timestamptz[]) and b.ids && %(id)s::int8[]
    order by b.received_at, b.id for update
), held as materialized (
    select x.id, l.shard from listed l cross join unnest(l.ids) as x(id)
), whole as (
    update receipt_bundle b set read_at = %(now)s from listed l
    where b.received_at = l.received_at and b.id = l.id and l.ids <@ %(id)s::int8[]
), rest as (
    update receipt_bundle b set ids = array(select x.id from unnest(l.ids) as x(id) where x.id <> all(%(id)s::int8[]) order by 1)
    from listed l where b.received_at = l.received_at and b.id = l.id and not l.ids <@ %(id)s::int8[]
), apart as (
    insert into receipt_bundle (received_at, connection, shard, lane, ids, read_at)
    select l.received_at, l.connection, l.shard, l.lane, array_agg(x.id order by x.id), %(now)s
    from listed l cross join unnest(l.ids) as x(id)
    where not l.ids <@ %(id)s::int8[] and x.id = any(%(id)s::int8[]) group by 1, 2, 3, 4, l.id
)"""
"""Takes receipts out of their bundles as they are settled: a bundle of which all are is read; of another those that are become one of their
own. ``held``: which of them were in one, and in which partition."""

# Locked in the order in which those lock who settle what is in them.
_TAKE_OUT = """
with listed as materialized (
    select b.received_at, b.id, array(select x.id from unnest(b.ids) as x(id) where x.id <> all(%(ids)s::int8[]) order by 1) as rest
    from receipt_bundle b where b.read_at is null and b.ids && %(ids)s::int8[]
        and b.received_at in (select r.received_at from receipt r where r.id = any(%(ids)s::int8[]))
    order by 1, 2 for update
), gone as (
    delete from receipt_bundle b using listed l where b.received_at = l.received_at and b.id = l.id and l.rest = '{}'
)
update receipt_bundle b set ids = l.rest from listed l where b.received_at = l.received_at and b.id = l.id and l.rest <> '{}'
"""


async def take_out(conn: Conn, ids: Sequence[int]) -> None:
    """Take receipts that are to be read out of their bundles: from now on their rows say how they stand."""
    await conn.execute(_TAKE_OUT, {"ids": list(ids)})

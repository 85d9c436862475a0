"""Live figures, cheap enough to be asked every second of a big database: sequences, counters, the ends of indexes, and only open rows.

Counts of what is open stop at ``OPEN_MAX`` per stage; then they are lower bounds, and say so. Nothing here is read by a stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .lacking import MAY_BE_BOUND
from .observed import IS_HELD, NOTHING_HELD, Held, held_given
from .pool import Conn
from .sending import IN_FLIGHT

OPEN_MAX = 20_000
"""Open rows of a stage that are looked at; a longer queue is shown as at least so long."""
RECENT_MAX = 1000
WINDOW = timedelta(minutes=5)
"""What the 95th percentiles are taken over: the last ``RECENT_MAX`` of these minutes."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What only ever grows: deliveries received, facts read from them, postings called for. ``at_s``: the database's clock, in seconds."""

    at_s: float
    received: int
    read: int
    decided: int


@dataclass(frozen=True, slots=True)
class PostedCounts:
    """Postings done in the last ten seconds and in the last minute."""

    last_10_s: int
    last_60_s: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits at a stage in a lane: how many, and since when the oldest.

    ``stage``: read, decide, post, verify, needs, observed, parked.
    """

    stage: str
    lane: int
    count: int
    oldest_at: datetime
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Recent:
    """How long a stage took lately in a lane, 95 of 100 within ``p95_s`` seconds: read, from arrival; post, from decision to posted."""

    stage: str
    lane: int
    count: int
    p95_s: float


_COUNTERS = """
select extract(epoch from clock_timestamp())::float8,
    (select case when is_called then last_value else 0 end from receipt_id_seq),
    (select coalesce(sum(pg_stat_get_tuples_inserted(c.oid)), 0)::int8 from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'event'::regclass),
    (select case when is_called then last_value else 0 end from command_seq)
"""
"""Sequences and the statistics of inserted rows instead of counts: reading them costs the same however many rows there are."""


async def counters(conn: Conn) -> Counters:
    """Return the counters; facts come from the server's statistics, which are some seconds late. Rates are their differences."""
    row = await (await conn.execute(_COUNTERS)).fetchone()
    return Counters(0.0, 0, 0, 0) if row is None else Counters(*row)


async def posted(conn: Conn, now: datetime) -> PostedCounts:
    """Return how much was posted lately, from the tries that ended; ``now``: by the hub's clock."""
    cursor = await conn.execute(
        "select coalesce(sum(done) filter (where ended_at > %(now)s - interval '10 s'), 0)::int8, coalesce(sum(done), 0)::int8"
        " from attempt where started_at > %(now)s - interval '10 min' and ended_at > %(now)s - interval '60 s'",
        {"now": now},
    )
    row = await cursor.fetchone()
    return PostedCounts(0, 0) if row is None else PostedCounts(*row)


OPEN = f"""
select case when f.started_at is not null then 'verify' when {IS_HELD} then 'observed'
    when s.state = 'ready' then 'post' when s.state = 'unknown' then 'verify'
    when s.state = 'parked' then 'parked' when not {MAY_BE_BOUND} then 'needs' when s.in_doubt then 'verify' else 'post' end as stands,
    s.target, s.lane, s.created_at as at
from (select * from command_standing where state not in ('done', 'canceled') limit %(limit)s) s {IN_FLIGHT}
"""
"""What is not over in the outbox, each where it stands; up to ``limit``."""

_QUEUES = f"""
select 'read', lane, count(*), min(at) from (
    select lane, received_at as at from to_read limit %(limit)s) r group by lane
union all select 'decide', lane, count(*), min(at) from (
    select lane, added_at as at from to_decide limit %(limit)s) a group by lane
union all select stands, lane, count(*), min(at) from ({OPEN}) c group by 1, 2
order by 1, 2
"""
"""As ``gauges``' depths, without telling connections and targets apart."""


async def queues(conn: Conn, held: Held = NOTHING_HELD) -> list[Queue]:
    """Return what waits, by stage and lane; what is ``held`` waits at none."""
    rows = await (await conn.execute(_QUEUES, {"limit": OPEN_MAX + 1, **held_given(held)})).fetchall()
    table_of = {"read": "receipt", "decide": "agenda"}
    totals: dict[str, int] = {}
    for stage, _, number, _ in rows:
        table = table_of.get(stage, "command")
        totals[table] = totals.get(table, 0) + number
    return [
        Queue(stage, lane, number, oldest_at, is_cut=totals[table_of.get(stage, "command")] > OPEN_MAX)
        for stage, lane, number, oldest_at in rows
    ]


_RECENT = """
select 'read', lane, count(*), percentile_disc(0.95) within group (order by taken) from (
    (select lane, extract(epoch from normalized_at - received_at)::float8 as taken from receipt
    where received_at > %(since)s and received_at <= %(now)s and state = 'normalized' and normalized_at is not null
    order by received_at desc limit %(limit)s)
    union all
    (select b.lane, extract(epoch from b.read_at - b.received_at)::float8 from (
        select lane, read_at, received_at, ids from receipt_bundle where read_at > %(since)s and read_at <= %(now)s
        order by read_at desc limit %(limit)s) b cross join unnest(b.ids) limit %(limit)s)
) r group by lane
union all
select 'post', lane, count(*), percentile_disc(0.95) within group (order by taken) from (
    select s.lane, extract(epoch from s.done_at - s.created_at)::float8 as taken from (
        select unnest(command_ids) as id from (
            select command_ids from attempt where started_at > %(since)s and done > 0 order by started_at desc limit %(limit)s
        ) t limit %(limit)s
    ) i join command_standing s on s.id = i.id where s.state = 'done'
) p group by lane
order by 1, 2
"""
"""How long reading and posting took, of the last ones. What was posted is found from the newest attempts: the commands' own table is not
ordered by when they were done."""


async def recent(conn: Conn, now: datetime) -> list[Recent]:
    """Return how long what was read and posted in the last minutes took."""
    rows = await (await conn.execute(_RECENT, {"since": now - WINDOW, "now": now, "limit": RECENT_MAX})).fetchall()
    return [Recent(*row) for row in rows]

"""Partitions that hold work which is ready although nothing is armed or due to wake for them.

There should be none. There can be some after an upgrade (a program of before arms other partitions for the same rows), after rows were
changed by hand, or by a fault of ours: then this finds them, within the interval it is asked at, instead of nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from counterfoil.core.language.commands import Lane

from .lacking import MAY_BE_BOUND
from .observed import IS_HELD, NOTHING_HELD, Held, held_given
from .pool import Conn, PartitionKey
from .work import DEADLINES, DECIDE, DECIDE_BULK, SHARDS

_BY_TIME = (DECIDE, DECIDE_BULK, DEADLINES)
"""Stages that sleep until something is due and leave nothing that is: the wake was set by the hub's clock of then. If that clock has been
set ahead since, what is due by now would wait as long as it would have by the former."""
_SOON_S = 60.0
"""A wake within so many seconds is left to come."""
# Probes the head of each partition by the index its stage claims with; a long backlog costs no more than a short one.
_FIND = f"""
with lane (lane, suffix) as (select lane, case when lane >= %(bulk)s then '_bulk' else '' end from unnest(%(lanes)s::int2[]) as t(lane)),
shard (shard) as (select generate_series(0, %(shards)s - 1)::int2),
ready (stage, key) as (
    select 'normalize' || suffix, connection || '/' || shard from unnest(%(connections)s::text[]) as t(connection), shard, lane
    where exists (select from receipt r where r.connection = t.connection and r.shard = shard.shard and r.lane = lane.lane
        and r.state = 'pending' and r.received_at <= %(before)s and (r.next_try_at is null or r.next_try_at <= %(before)s))
    union
    select case when b.lane >= %(bulk)s then 'normalize_bulk' else 'normalize' end, b.connection || '/' || b.shard from receipt_bundle b
    where b.read_at is null and b.connection = any(%(connections)s::text[]) and b.received_at <= %(before)s
    union
    select case when b.lane >= %(bulk)s then 'decide_bulk' else 'decide' end, b.shard::text from agenda_bundle b
    where b.added_at <= %(before)s
    union
    select 'decide' || suffix, shard::text from shard, lane
    where exists (select from agenda a where a.shard = shard.shard and a.lane = lane.lane
        and a.added_at <= %(before)s and (a.not_before is null or a.not_before <= %(before)s))
    union
    select w.stage, w.key from work w where w.stage = 'deliver' and not w.armed
    and exists (select from command_standing s
        where s.target = split_part(w.key, '/', 1) and s.batch_key = substr(w.key, strpos(w.key, '/') + 1)
        and s.state not in ('done', 'canceled') and s.created_at <= %(before)s and (s.next_try_at is null or s.next_try_at <= %(before)s)
        and (s.state in ('ready', 'unknown') or (s.state = 'waiting' and {MAY_BE_BOUND})) and not {IS_HELD})
    union
    select 'deliver', target || '/' || batch_key from recheck where due_at <= %(before)s
    union
    select %(deadlines)s, 'all' where exists (select from deadline where due_at <= %(before)s)
)
select stage, key from ready r where not exists (
    select from work w where w.stage = r.stage and w.key = r.key and (w.armed or w.pause_until is not null
        or w.wake_at < case when r.stage = any(%(by_time)s::text[]) then clock_timestamp() + make_interval(secs => %(soon_s)s)
            else 'infinity' end))
order by stage, key
"""
_BACK = f"""
with back as materialized (
    select s.id from command_standing s
    where s.is_aside and s.state = 'waiting' and s.state not in ('done', 'canceled') and {MAY_BE_BOUND} order by s.id for update
)
update command_standing s set is_aside = false from back where s.id = back.id
"""
"""Takes back what was set aside behind many others and waits for nothing any more: a program of before does not when it binds a key."""


async def find(conn: Conn, connections: Sequence[str], before: datetime, held: Held = NOTHING_HELD) -> list[PartitionKey]:
    """Return partitions with work that has been ready since ``before`` (by the hub's clock) and that nobody is going to do.

    The caller arms them. What was set aside is looked at again where that is called for.

    ``connections``: the sources whose receipts are looked at. Of deliveries only those partitions are found that were armed once.
    ``held``: what is only observed, which is nobody's to do.
    """
    given = {
        "connections": list(connections),
        "lanes": [int(lane) for lane in Lane],
        "bulk": int(Lane.BATCH),
        "shards": SHARDS,
        "before": before,
        "deadlines": DEADLINES,
        "by_time": list(_BY_TIME),
        "soon_s": _SOON_S,
        **held_given(held),
    }
    await conn.execute(_BACK)
    return [(stage, key) for stage, key in await (await conn.execute(_FIND, given)).fetchall()]

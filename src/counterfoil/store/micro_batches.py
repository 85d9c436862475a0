"""Micro batches in the outbox: collected until their time, or until they are full."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from .lacking import MAY_BE_BOUND
from .pool import Conn

_HASTEN = f"""
with collecting as (
    select s.id, b.kind from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id
    where s.target = %(target)s and s.batch_key = %(batch_key)s and (s.state = 'ready' or (s.state = 'waiting' and {MAY_BE_BOUND}))
        and s.state not in ('done', 'canceled') and s.lane = 20 and s.fence = 0
        and s.next_try_at is not null and s.next_try_at > %(now)s
), due as (
    select kind from collecting join unnest(%(kinds)s::text[], %(sizes)s::int4[]) as z(kind, size) using (kind)
    group by kind, size having count(*) >= size
)
update command_standing s set next_try_at = null from collecting f join due using (kind) where s.id = f.id
"""
"""A collecting batch that is full does not wait for its time: of every kind whose size is reached, all go now."""


async def hasten(conn: Conn, target: str, batch_key: str, sizes: Mapping[str, int], now: datetime) -> int:
    """Make due what micro batches have collected, of the kinds of which a full batch has come together; return how many commands."""
    given = {"target": target, "batch_key": batch_key, "kinds": list(sizes), "sizes": list(sizes.values()), "now": now}
    return (await conn.execute(_HASTEN, given)).rowcount

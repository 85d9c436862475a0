"""Micro batches in table ``command``: collected until their time, or until they are full."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from .pool import Conn

_HASTEN = """
with collecting as (
    select created_at, id, kind from command where target = %(target)s and batch_key = %(batch_key)s and state = 'ready'
        and lane = 20 and fence = 0 and next_try_at > %(now)s
), due as (
    select kind from collecting join unnest(%(kinds)s::text[], %(sizes)s::int4[]) as s(kind, size) using (kind)
    group by kind, size having count(*) >= size
)
update command c set next_try_at = null from collecting f join due using (kind) where c.created_at = f.created_at and c.id = f.id
"""
"""A collecting batch that is full does not wait for its time: of every kind whose size is reached, all go now."""


async def hasten(conn: Conn, target: str, batch_key: str, sizes: Mapping[str, int], now: datetime) -> int:
    """Make due what micro batches have collected, of the kinds of which a full batch has come together; return how many commands."""
    given = {"target": target, "batch_key": batch_key, "kinds": list(sizes), "sizes": list(sizes.values()), "now": now}
    return (await conn.execute(_HASTEN, given)).rowcount

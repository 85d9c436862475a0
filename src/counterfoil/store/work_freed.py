"""How partitions of the table ``work`` become free to be claimed again: pauses that end, wakes that come, claims that are given back."""

from __future__ import annotations

from collections.abc import Collection

from .pool import Conn, PartitionKey
from .work import CHANNEL, FREE, THEIRS_S

# In order of the key, as arming locks; whoever hears it claims what is free.
_GIVE_BACK = f"""
with freed as (
    select stage, key from work where claimed_by = %(worker)s and (%(running)s::text[] is null
        or (taken_at < clock_timestamp() - make_interval(secs => %(silent_s)s) and stage || ':' || key <> all(%(running)s::text[])))
    order by stage, key for update
)
update work set claimed_by = null from freed where work.stage = freed.stage and work.key = freed.key
returning pg_notify('{CHANNEL}', '')
"""


async def give_back(conn: Conn, worker: str, running: Collection[PartitionKey] | None = None, silent_s: float = 0.0) -> int:
    """Free what a worker claimed, all of it or all but what it runs; return how many partitions.

    Args:
        conn: an open connection.
        worker: the worker's id.
        running: the partitions it runs, which it keeps; None: it runs nothing any more.
        silent_s: with ``running``, only partitions whose last turn began that long ago: others may just have been claimed.
    """
    kept = None if running is None else [f"{stage}:{key}" for stage, key in running]
    return (await conn.execute(_GIVE_BACK, {"worker": worker, "running": kept, "silent_s": silent_s})).rowcount


# A worker declared dead has no row any more: what it claimed is nobody's, whatever it still does.
_GIVE_BACK_OF_THE_GONE = f"""
with gone as (
    select stage, key, claimed_by from work w where claimed_by is not null and not exists (select from worker where id = w.claimed_by)
    order by stage, key for update
)
update work set claimed_by = null from gone where work.stage = gone.stage and work.key = gone.key
returning gone.claimed_by, pg_notify('{CHANNEL}', '')
"""


async def give_back_of_the_gone(conn: Conn) -> list[str]:
    """Free what workers without a row had claimed: nobody would work it any more. Returns the workers it was of."""
    return sorted({row[0] for row in await (await conn.execute(_GIVE_BACK_OF_THE_GONE)).fetchall()})


_PULSE = f"""
select exists (select from work w where {FREE}),
    extract(epoch from min(least(pause_until, wake_at)) - clock_timestamp())::float8
from work where pause_until is not null or wake_at is not null
"""


async def look(conn: Conn) -> tuple[bool, float | None]:
    """Return whether a partition waits to be claimed, and in how many seconds the next pause or wait ends (0 or less: now; None: none)."""
    row = await (await conn.execute(_PULSE, {"theirs_s": THEIRS_S})).fetchone()
    return (False, None) if row is None else (bool(row[0]), row[1])


_TAKE_PAUSED = """
with due as (
    select stage, key from work where pause_until <= clock_timestamp() order by stage, key limit %s for update skip locked
)
update work set pause_until = null, armed_at = clock_timestamp() from due
where work.stage = due.stage and work.key = due.key returning work.stage, work.key, work.armed
"""
"""``skip locked``: of several workers that look at once each ends other pauses, and none waits. In order, against deadlocks with arming."""


async def take_paused(conn: Conn, limit: int = 500) -> list[PartitionKey]:
    """End the pauses that are over, each by one caller only; return the partitions that can be claimed now."""
    rows = await (await conn.execute(_TAKE_PAUSED, (limit,))).fetchall()
    return [(stage, key) for stage, key, is_armed in rows if is_armed]


_TAKE_DUE = """
with due as (
    select stage, key from work where wake_at <= clock_timestamp() order by stage, key limit %s for update skip locked
)
update work set wake_at = null from due where work.stage = due.stage and work.key = due.key returning work.stage, work.key
"""
"""As above; the wake time goes with the row that is returned, so that one caller alone arms it."""


async def take_due(conn: Conn, limit: int = 500) -> list[PartitionKey]:
    """Return partitions whose wake time has come, each to one caller only; the caller arms them in the same transaction."""
    return [(stage, key) for stage, key in await (await conn.execute(_TAKE_DUE, (limit,))).fetchall()]

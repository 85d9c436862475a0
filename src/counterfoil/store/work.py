"""Table ``work``: which partitions of a stage have something to do, so that exactly one drain is under way for each.

A partition has work while ``work_seq > claimed_seq``. Arming raises work_seq; a drain takes the number, works, and finishes with it: only
if nothing was armed since does that disarm the partition. Both lock the same row, so what commits meanwhile is never lost.
Arm last in a transaction and once: rows are locked in order of their key, after everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from counterfoil.core.canonical.commands import Lane

from .pool import Conn, Key

NORMALIZE = "normalize"
DECIDE = "decide"
DELIVER = "deliver"
NORMALIZE_BULK = "normalize_bulk"
DECIDE_BULK = "decide_bulk"
BULK_STAGES = frozenset({NORMALIZE_BULK, DECIDE_BULK})
"""Stages of what came in bulk (imports, backfills, replays); their drains wait in a queue of their own, so that none delays a payment."""
SHARDS = 16
ORDINARY = range(Lane.REAL_TIME, Lane.BATCH)
BULK = range(Lane.BATCH, 100)
EVERY_LANE = range(100)
"""Lanes by who works them: the ordinary partitions, those of the bulk stages (of the same keys), either."""


def shard_of(text: str) -> int:
    """Return the shard (0 to 15) of a subject: CRC-32 of its text modulo 16; it stays the same for ever."""
    return crc32(text.encode()) % SHARDS


def normalize_key(connection: str, shard: int, lane: int = Lane.REAL_TIME) -> Key:
    """Return the partition that normalizes a lane of a connection's shard."""
    return NORMALIZE_BULK if lane in BULK else NORMALIZE, f"{connection}/{shard}"


def decide_key(shard: int, lane: int = Lane.REAL_TIME) -> Key:
    """Return the partition that decides a lane of a shard's subjects."""
    return DECIDE_BULK if lane in BULK else DECIDE, str(shard)


def deliver_key(target: str, batch_key: str) -> Key:
    """Return the partition that delivers a target's batch key."""
    return DELIVER, f"{target}/{batch_key}"


def split_key(key: str) -> tuple[str, str]:
    """Split a normalize or deliver partition's key at its first slash: (connection, shard) or (target, batch key)."""
    head, _, tail = key.partition("/")
    return head, tail


_ARM = """
insert into work (stage, key, work_seq, armed, armed_seq, armed_at)
select stage, key, 1, true, 1, clock_timestamp()
from unnest(%(stages)s::text[], %(keys)s::text[]) as t(stage, key) order by stage, key
on conflict (stage, key) do update set
    work_seq = work.work_seq + 1,
    armed_seq = case when work.armed then work.armed_seq else work.work_seq + 1 end,
    armed_at = case when work.armed then work.armed_at else clock_timestamp() end,
    armed = true
returning stage, key, armed_seq = work_seq
"""


async def arm(conn: Conn, keys: Iterable[Key]) -> list[Key]:
    """Note new work for partitions; return those that were idle: the caller enqueues a drain for each in the same transaction."""
    wanted = sorted(set(keys))
    if not wanted:
        return []
    cursor = await conn.execute(_ARM, {"stages": [stage for stage, _ in wanted], "keys": [key for _, key in wanted]})
    return [(stage, key) for stage, key, is_newly in await cursor.fetchall() if is_newly]


async def take(conn: Conn, stage: str, key: str) -> int:
    """Return the partition's work_seq to be given to ``finish``; read the work only afterwards, in a later statement."""
    cursor = await conn.execute("select work_seq from work where stage = %s and key = %s", (stage, key))
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def finish(conn: Conn, stage: str, key: str, seq: int) -> bool:
    """Disarm the partition if nothing was armed since ``seq`` was taken; False when more came: the drain goes on."""
    cursor = await conn.execute(
        "update work set claimed_seq = work_seq, armed = false where stage = %s and key = %s and work_seq = %s", (stage, key, seq)
    )
    return cursor.rowcount > 0 or seq == 0


async def wake_later(conn: Conn, stage: str, key: str, after_s: float) -> None:
    """Have the partition armed in some seconds of real time, unless an earlier wake is noted already."""
    await conn.execute(
        "update work set wake_at = least(wake_at, clock_timestamp() + make_interval(secs => %s)) where stage = %s and key = %s",
        (after_s, stage, key),
    )


_TAKE_DUE = """
with due as (
    select stage, key from work where wake_at <= clock_timestamp() order by stage, key limit %s for update skip locked
)
update work set wake_at = null from due where work.stage = due.stage and work.key = due.key returning work.stage, work.key
"""


async def take_due(conn: Conn, limit: int = 500) -> list[Key]:
    """Return partitions whose wake time has come, each to one caller only; the caller arms them in the same transaction."""
    return [(stage, key) for stage, key in await (await conn.execute(_TAKE_DUE, (limit,))).fetchall()]


async def armed(conn: Conn) -> list[Key]:
    """Return all partitions that have a drain under way or to be found by the sweep."""
    return [(stage, key) for stage, key in await (await conn.execute("select stage, key from work where armed order by 1, 2")).fetchall()]

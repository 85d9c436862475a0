"""Table ``work``: which partitions of a stage have something to do, so that exactly one drain is under way for each.

A partition has work while ``work_seq > claimed_seq``. Arming raises work_seq; a drain takes the number, works, and finishes with it: only
if nothing was armed since does that disarm the partition. Both lock the same row, so what commits meanwhile is never lost.
Arm last in a transaction and once: rows are locked in order of their key, after everything else.

Every take raises the partition's fence. Whoever ends a turn under an older one (a worker that was stopped for a while, or declared dead)
changes nothing. Turns begun are counted in the row, so that one that kills its worker is noticed by the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from zlib import crc32

from counterfoil.core.language.commands import Lane

from .pool import Conn, Key

NORMALIZE = "normalize"
DECIDE = "decide"
DELIVER = "deliver"
NORMALIZE_BULK = "normalize_bulk"
DECIDE_BULK = "decide_bulk"
REPLAY = "replay"
RECHECK = "recheck"
"""No stage of its own: what cases call a recheck that stands still; the delivering stage does them."""
WAIT = "wait"
"""No stage either: what cases call commands and subjects that wait for something nobody brings."""
TURN = "turn"
"""No stage either: what cases call partitions whose turns fail, or that nobody here knows; their records are ``stage:key``."""
BOOKS = "books"
"""Looks after what people do to documents in the books; a partition per target. Also what cases call a document that differs."""
BULK_STAGES = frozenset({NORMALIZE_BULK, DECIDE_BULK, REPLAY})
"""Stages of what came in bulk (imports, backfills, replays); their drains wait in a queue of their own, so that none delays a payment."""
RULED_STAGES = frozenset({DECIDE, DECIDE_BULK, DELIVER, "close_day"})
"""Stages whose work depends on the rules in the configuration: workers whose rules differ do not both work them."""
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
"""Notes work for a partition in the transaction that makes it. Every call raises ``work_seq``, so that a turn under way sees that there
is more; true for whoever has to start one, as none was armed."""


async def arm(conn: Conn, keys: Iterable[Key]) -> list[Key]:
    """Note new work for partitions; return those that were idle: the caller enqueues a drain for each in the same transaction."""
    wanted = sorted(set(keys))
    if not wanted:
        return []
    cursor = await conn.execute(_ARM, {"stages": [stage for stage, _ in wanted], "keys": [key for _, key in wanted]})
    return [(stage, key) for stage, key, is_newly in await cursor.fetchall() if is_newly]


@dataclass(frozen=True, slots=True)
class Taken:
    """A partition taken for one turn.

    ``seq`` and ``fence`` go to ``finish``; ``failures``: turns before this one that died or failed, since the last that ended well;
    ``limit``: at most so many items at once (None: any number); ``away_s``: seconds since the take before this one.
    """

    seq: int
    fence: int
    failures: int
    limit: int | None
    away_s: float


class Ended(StrEnum):
    """What finishing a turn found."""

    DONE = "done"
    MORE = "more"
    STALE = "stale"


CAREFUL_AFTER = 2
"""After so many turns in a row that died or failed, the next ones take one item, then 2, 4, ... as long as they end well."""
_CARE_MAX = 256
# After a turn that ended well.
_EASED = f"case when care >= {_CARE_MAX} then 0 else care * 2 end"

# What is lost of it with the database's memory costs nothing but a drain that finds itself stale, so its commit need not wait for the disk.
_TAKE = f"""
with was as (
    select taken_at, set_config('synchronous_commit', 'off', true) from work where stage = %(stage)s and key = %(key)s
        and (%(worker)s = '' or exists (select from worker where id = %(worker)s)) for update
)
update work set
    fence = fence + 1, holder = %(holder)s, taken_at = clock_timestamp(),
    begun = case when %(is_well)s then 1 else begun + 1 end,
    care = case when %(is_well)s then {_EASED} when begun >= {CAREFUL_AFTER} or (begun > 0 and care > 0) then 1 else care end
from was where stage = %(stage)s and key = %(key)s
returning work_seq, fence, begun - 1, care, coalesce(extract(epoch from clock_timestamp() - was.taken_at), 1e9)::float8
"""


async def take(conn: Conn, stage: str, key: str, holder: int = 0, worker: str = "", *, is_well: bool = False) -> Taken | None:
    """Take a partition for a turn; read the work only afterwards, in a later statement. None: there is none, or the worker is gone.

    Whoever had it before is stale from now on.

    Args:
        conn: a connection in a transaction of its own.
        stage: the stage.
        key: the partition's key.
        holder: the worker's incarnation.
        worker: the worker's id, which must not have been declared dead; empty: not asked.
        is_well: the taker's own turn before this one ended well.
    """
    given = {"stage": stage, "key": key, "holder": holder, "worker": worker, "is_well": is_well}
    row = await (await conn.execute(_TAKE, given)).fetchone()
    if row is None:
        return None
    seq, fence, failures, care, away_s = row
    return Taken(seq, fence, failures, care or None, away_s)


_FINISH = f"""
update work set
    claimed_seq = case when work_seq = %(seq)s then work_seq else claimed_seq end, armed = work_seq <> %(seq)s, begun = 0, care = {_EASED},
    wake_at = case when %(wake_in_s)s::float8 is null then wake_at
        else least(wake_at, clock_timestamp() + make_interval(secs => %(wake_in_s)s::float8)) end
where stage = %(stage)s and key = %(key)s and fence = %(fence)s
returning armed
"""
"""Ends a turn. What was noted since it began keeps the partition armed; a wake-up that is set earlier already stays."""


async def finish(conn: Conn, stage: str, key: str, taken: Taken, wake_in_s: float | None = None) -> Ended:
    """End a turn that ended well: disarm the partition if nothing was armed since it was taken.

    MORE: more came, the drain goes on. STALE: somebody else took the partition; nothing was changed. ``wake_in_s``: arm it then, unless
    an earlier wake is noted already.
    """
    given = {"stage": stage, "key": key, "seq": taken.seq, "fence": taken.fence, "wake_in_s": wake_in_s}
    row = await (await conn.execute(_FINISH, given)).fetchone()
    if row is None:
        return Ended.STALE
    return Ended.MORE if row[0] else Ended.DONE


async def hand_on(conn: Conn, stage: str, key: str, fence: int) -> bool:
    """End a turn that ended well and left more to do; the caller enqueues another drain. False: somebody else took the partition."""
    cursor = await conn.execute(
        f"update work set begun = 0, care = {_EASED} where stage = %s and key = %s and fence = %s", (stage, key, fence)
    )
    return cursor.rowcount > 0


async def set_back(conn: Conn, stage: str, key: str, fence: int, after_s: float, *, is_counted: bool) -> bool:
    """End a turn that failed, or was not begun after all: the partition stays armed and gets its next drain in some seconds.

    The wait counts as served then: the next take says that the one before was long ago.

    ``is_counted``: the turn failed, and careful ones follow after some more. False is returned if somebody else took the partition.
    """
    cursor = await conn.execute(
        "update work set pause_until = clock_timestamp() + make_interval(secs => %s), begun = begun - %s, armed = true, taken_at = null"
        " where stage = %s and key = %s and fence = %s",
        (after_s, 0 if is_counted else 1, stage, key, fence),
    )
    return cursor.rowcount > 0


async def uncount(conn: Conn, cut: Iterable[tuple[str, str, int]]) -> None:
    """Forget that turns (stage, key, fence) were begun: they were cut short, through no fault of their work."""
    for stage, key, fence in cut:
        await conn.execute(
            "update work set begun = greatest(0, begun - 1) where stage = %s and key = %s and fence = %s", (stage, key, fence)
        )


async def leave_for_others(conn: Conn, stage: str, key: str, after_s: float) -> None:
    """Have a partition this program cannot work be given out again in some seconds; it counts as nothing."""
    await conn.execute(
        "update work set pause_until = clock_timestamp() + make_interval(secs => %s) where stage = %s and key = %s and armed",
        (after_s, stage, key),
    )


_TAKE_PAUSED = """
with due as (
    select stage, key from work where pause_until <= clock_timestamp() order by stage, key limit %s for update skip locked
)
update work set pause_until = null, armed_at = clock_timestamp() from due
where work.stage = due.stage and work.key = due.key returning work.stage, work.key, work.armed
"""


async def take_paused(conn: Conn, limit: int = 500) -> list[Key]:
    """Return partitions whose pause is over, each to one caller only; the caller enqueues a drain for each in the same transaction."""
    rows = await (await conn.execute(_TAKE_PAUSED, (limit,))).fetchall()
    return [(stage, key) for stage, key, is_armed in rows if is_armed]


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

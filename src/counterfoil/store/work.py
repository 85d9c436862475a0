"""Table ``work``: which partitions of a stage have something to do, and which worker runs each: one drain is under way for one.

A partition has work while ``work_seq > claimed_seq``. Arming raises work_seq; a drain takes the number, works, and finishes with it: only
if nothing was armed since does that disarm the partition. Both lock the same row, so what commits meanwhile is never lost.
Arm last in a transaction and once: rows are locked in order of their key, after everything else.

A worker claims partitions that are armed and that nobody runs (``claimed_by``), the longest armed first; the claim is the first take.
Every take raises the partition's fence. Whoever ends a turn under an older one (a worker that was stopped for a while, or declared dead)
changes nothing. Turns begun are counted in the row, so that one that kills its worker is noticed by the next.

Programs older than the claims (schema 24) take partitions through an engine's tables; their turns raise the fence alike. So a
claim counts only under the fence it was made with (``claim_fence``), and a partition that such a program took lately is left to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zlib import crc32

from counterfoil.core.language.commands import Lane

from .pool import Conn, PartitionKey

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
DEADLINES = "deadlines"
"""Puts subjects whose deadline has come on the agenda; one partition, ``all``."""
BULK_STAGES = frozenset({NORMALIZE_BULK, DECIDE_BULK, REPLAY})
"""Stages of what came in bulk (imports, backfills, replays); their drains wait in a queue of their own, so that none delays a payment."""
RULES = "rules"
"""Has what is not booked yet decided again by a release that took effect; one partition, ``all``."""
RULED_STAGES = frozenset({DECIDE, DECIDE_BULK, DELIVER, DEADLINES, "close_day", RULES})
"""Stages whose work depends on the rules: workers whose rules differ do not both work them."""
Arm = Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]
"""Notes work for partitions, and wakes whoever works them, in the caller's transaction (the engine's ``arm``)."""
SHARDS = 16
ORDINARY = range(Lane.REAL_TIME, Lane.BATCH)
BULK = range(Lane.BATCH, 100)
EVERY_LANE = range(100)
"""Lanes by who works them: the ordinary partitions, those of the bulk stages (of the same keys), either."""


BUNDLED = 4
"""So many shards share the bundles of receipts that are kept together: fewer rows, and four of them can be read side by side."""


def shard_of(text: str) -> int:
    """Return the shard (0 to 15) of a subject: CRC-32 of its text modulo 16; it stays the same for ever."""
    return crc32(text.encode()) % SHARDS


JOINT_STAGES = frozenset({NORMALIZE, NORMALIZE_BULK, DECIDE, DECIDE_BULK})
"""Stages that can work several shards in one turn: what came at once is read, decided and written at once, whatever shards it is in."""


def place_of(stage: str, key: str) -> str:
    """Return what the partitions have in common that one turn can work together; of other stages each partition has its own."""
    if stage in (NORMALIZE, NORMALIZE_BULK):
        return split_key(key)[0]
    return "" if stage in JOINT_STAGES else key


def join_keys(keys: Iterable[str]) -> str:
    """Return the key of one turn for partitions of one place: ``acme/3+11`` of ``acme/3`` and ``acme/11``, ``3+11`` of the deciders'.

    One key alone stays as it is.
    """
    first, *rest = keys
    return "+".join([first, *(key.rpartition("/")[2] for key in rest)])


def shards_in(text: str) -> list[int]:
    """Return the shards of a joined key (the part after the slash)."""
    return [int(shard) for shard in text.split("+")]


def normalize_key(connection: str, shard: int, lane: int = Lane.REAL_TIME) -> PartitionKey:
    """Return the partition that normalizes a lane of a connection's shard."""
    return NORMALIZE_BULK if lane in BULK else NORMALIZE, f"{connection}/{shard}"


def bundle_key(connection: str, shard: int, lane: int = Lane.REAL_TIME) -> PartitionKey:
    """Return the partition that normalizes the bundles of receipts in which those of a shard are: that of the first shard they share."""
    return normalize_key(connection, shard // BUNDLED * BUNDLED, lane)


def decide_key(shard: int, lane: int = Lane.REAL_TIME) -> PartitionKey:
    """Return the partition that decides a lane of a shard's subjects."""
    return DECIDE_BULK if lane in BULK else DECIDE, str(shard)


def deliver_key(target: str, batch_key: str) -> PartitionKey:
    """Return the partition that delivers a target's batch key."""
    return DELIVER, f"{target}/{batch_key}"


def split_key(key: str) -> tuple[str, str]:
    """Split a normalize or deliver partition's key at its first slash: (connection, shard) or (target, batch key)."""
    head, _, tail = key.partition("/")
    return head, tail


CHANNEL = "counterfoil_work"
"""Where workers hear (LISTEN) that a partition waits to be claimed."""

_ARM = """
with noted as (
    insert into work (stage, key, work_seq, armed, armed_seq, armed_at)
    select stage, key, 1, true, 1, clock_timestamp()
    from unnest(%(stages)s::text[], %(keys)s::text[]) as t(stage, key) order by stage, key
    on conflict (stage, key) do update set
        work_seq = work.work_seq + 1,
        armed_seq = case when work.armed then work.armed_seq else work.work_seq + 1 end,
        armed_at = case when work.armed then work.armed_at else clock_timestamp() end,
        armed = true
    returning stage, key, armed_seq = work_seq as is_newly
)
select stage, key, is_newly, case when is_newly then pg_notify(%(channel)s, '') end from noted
"""
"""Notes work for a partition in the transaction that makes it. Every call raises ``work_seq``, so that a turn under way sees that there
is more. Where none was armed the workers are told; the same word twice in one transaction is told once."""


async def arm(conn: Conn, keys: Iterable[PartitionKey]) -> list[PartitionKey]:
    """Note new work for partitions, and tell all workers as soon as the transaction commits; return those that were idle."""
    wanted = sorted(set(keys))
    if not wanted:
        return []
    cursor = await conn.execute(_ARM, {"stages": [stage for stage, _ in wanted], "keys": [key for _, key in wanted], "channel": CHANNEL})
    return [(stage, key) for stage, key, is_newly, _ in await cursor.fetchall() if is_newly]


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

FREE = """
w.armed and w.pause_until is null
    and (w.claimed_by is null or w.claim_fence <> w.fence)
    and (w.claim_fence = w.fence or w.begun = 0 or w.taken_at is null
        or w.taken_at < clock_timestamp() - make_interval(secs => %(theirs_s)s))
"""
"""Partitions that wait to be claimed. The last condition leaves alone what a program without claims took lately: its fence, begun."""
THEIRS_S = 60.0
"""So long a turn of a program without claims is not disturbed; after that its worker is taken to be dead."""

_BEGIN = f"""
    fence = work.fence + 1, claim_fence = work.fence + 1, claimed_by = nullif(%(worker)s, ''), holder = %(holder)s,
    taken_at = clock_timestamp(),
    begun = case when %(is_well)s then 1 else work.begun + 1 end,
    care = case when %(is_well)s then {_EASED}
        when work.begun >= {CAREFUL_AFTER} or (work.begun > 0 and work.care > 0) then 1 else work.care end
"""
_TAKEN = """
work.stage, work.key, work.work_seq, work.fence, work.begun - 1, work.care,
    coalesce(extract(epoch from clock_timestamp() - was.taken_at), 1e9)::float8
"""

# What is lost of claims with the database's memory costs nothing but a drain that finds itself stale: commits need not wait for the disk.
_CLAIM = f"""
with bulk as (
    select w.stage, w.key, w.taken_at from work w where w.stage = any(%(bulk_stages)s) and {FREE}
    order by w.armed_at limit %(bulk)s for update skip locked
), ordinary as (
    select w.stage, w.key, w.taken_at from work w where w.stage = any(%(ordinary_stages)s) and {FREE}
    order by w.armed_at limit %(ordinary)s for update skip locked
), was as (
    select *, set_config('synchronous_commit', 'off', true) from (select * from ordinary union all select * from bulk) as free
    where exists (select from worker where id = %(worker)s)
)
update work set {_BEGIN} from was where work.stage = was.stage and work.key = was.key
returning {_TAKEN}
"""


async def claim(conn: Conn, worker: str, holder: int, stages: Collection[str], ordinary: int, bulk: int) -> list[tuple[str, str, Taken]]:
    """Claim partitions that wait, the longest armed first, and take each for its first turn; read their work only in later statements.

    Args:
        conn: a connection in a transaction of its own.
        worker: the claiming worker's id; one that was declared dead gets nothing.
        holder: its incarnation.
        stages: the stages it has; others are left to workers of another version.
        ordinary: at most so many partitions of ordinary stages.
        bulk: at most so many of bulk stages.
    """
    given = {
        "worker": worker,
        "holder": holder,
        "ordinary": ordinary,
        "bulk": bulk,
        "ordinary_stages": sorted({*stages} - BULK_STAGES),
        "bulk_stages": sorted(BULK_STAGES & {*stages}),
        "theirs_s": THEIRS_S,
        "is_well": False,
    }
    return [(row[0], row[1], _taken(row)) for row in await (await conn.execute(_CLAIM, given)).fetchall()]


# Rows are locked in order of their key, as arming does: two that lock several never wait for each other.
_TAKE = f"""
with was as (
    select w.stage, w.key, w.taken_at, set_config('synchronous_commit', 'off', true)
    from unnest(%(keys)s::text[], %(fences)s::int8[]) as o(key, fence)
    join work w on w.stage = %(stage)s and w.key = o.key and (o.fence is null or w.fence = o.fence)
    where %(worker)s = '' or exists (select from worker where id = %(worker)s)
    order by w.key for update of w
)
update work set {_BEGIN} from was where work.stage = was.stage and work.key = was.key
returning {_TAKEN}
"""


async def take(conn: Conn, stage: str, key: str, holder: int = 0, worker: str = "") -> Taken | None:
    """Take a partition for a turn, whoever had it before, who is stale from now on. None: there is none, or the worker is gone.

    Args:
        conn: a connection in a transaction of its own.
        stage: the stage.
        key: the partition's key.
        holder: the worker's incarnation.
        worker: the worker's id, which must not have been declared dead; empty: not asked.
    """
    return (await _take(conn, stage, {key: None}, holder, worker, is_well=False)).get(key)


async def take_again(conn: Conn, stage: str, taken: Mapping[str, Taken], holder: int, worker: str, *, is_well: bool) -> dict[str, Taken]:
    """Take partitions for the next turn of the drain that has them; return those nobody else took meanwhile.

    Read the work only afterwards, in a later statement. ``is_well``: the turn before this one ended well.
    """
    return await _take(conn, stage, {key: one.fence for key, one in taken.items()}, holder, worker, is_well=is_well)


async def _take(conn: Conn, stage: str, fences: Mapping[str, int | None], holder: int, worker: str, *, is_well: bool) -> dict[str, Taken]:
    keys = {"keys": list(fences), "fences": list(fences.values())}
    given = {"stage": stage, "holder": holder, "worker": worker, "is_well": is_well, **keys}
    return {row[1]: _taken(row) for row in await (await conn.execute(_TAKE, given)).fetchall()}


def _taken(row: Sequence[Any]) -> Taken:
    _, _, seq, fence, failures, care, away_s = row
    return Taken(seq, fence, failures, care or None, away_s)


_FINISH = f"""
with own as (
    select w.stage, w.key, o.seq from unnest(%(keys)s::text[], %(seqs)s::int8[], %(fences)s::int8[]) as o(key, seq, fence)
    join work w on w.stage = %(stage)s and w.key = o.key and w.fence = o.fence order by w.key for update of w
)
update work set
    claimed_seq = case when work_seq = own.seq then work_seq else claimed_seq end, armed = work_seq <> own.seq, begun = 0, care = {_EASED},
    claimed_by = case when work_seq <> own.seq then claimed_by end,
    wake_at = case when %(wake_in_s)s::float8 is null then wake_at
        else least(wake_at, clock_timestamp() + make_interval(secs => %(wake_in_s)s::float8)) end
from own where work.stage = own.stage and work.key = own.key
returning work.key, armed
"""
"""Ends a turn of several partitions. What was noted since it began keeps one armed; a wake-up that is set earlier already stays."""


async def finish(conn: Conn, stage: str, key: str, taken: Taken, wake_in_s: float | None = None) -> Ended:
    """End a turn of one partition; see :func:`finish_all`."""
    return (await finish_all(conn, stage, {key: taken}, wake_in_s))[key]


async def finish_all(conn: Conn, stage: str, taken: Mapping[str, Taken], wake_in_s: float | None = None) -> dict[str, Ended]:
    """End a turn that ended well: disarm each of its partitions for which nothing was armed since it was taken.

    MORE: more came, the drain goes on. STALE: somebody else took the partition; nothing was changed. ``wake_in_s``: arm them then, unless
    an earlier wake is noted already.
    """
    given = {
        "stage": stage,
        "keys": list(taken),
        "seqs": [one.seq for one in taken.values()],
        "fences": [one.fence for one in taken.values()],
        "wake_in_s": wake_in_s,
    }
    rows = await (await conn.execute(_FINISH, given)).fetchall()
    return dict.fromkeys(taken, Ended.STALE) | {key: Ended.MORE if is_armed else Ended.DONE for key, is_armed in rows}


_HAND_ON = f"""
update work set begun = 0, care = {_EASED}, claimed_by = null, armed_at = clock_timestamp()
where stage = %s and key = %s and fence = %s returning pg_notify('{CHANNEL}', '')
"""


async def hand_on(conn: Conn, stage: str, key: str, fence: int) -> bool:
    """End a turn that ended well and left more to do: any worker may claim the partition. False: somebody else took it already."""
    return (await conn.execute(_HAND_ON, (stage, key, fence))).rowcount > 0


async def set_back(conn: Conn, stage: str, key: str, fence: int, after_s: float, *, is_counted: bool) -> bool:
    """End a turn that failed, or was not begun after all: the partition stays armed and can be claimed again in some seconds.

    The wait counts as served then: the next take says that the one before was long ago.

    ``is_counted``: the turn failed, and careful ones follow after some more. False is returned if somebody else took the partition.
    """
    cursor = await conn.execute(
        "update work set pause_until = clock_timestamp() + make_interval(secs => %s), begun = begun - %s, armed = true, taken_at = null,"
        " claimed_by = null where stage = %s and key = %s and fence = %s",
        (after_s, 0 if is_counted else 1, stage, key, fence),
    )
    return cursor.rowcount > 0


async def uncount(conn: Conn, cut: Iterable[tuple[str, str, int]]) -> None:
    """Forget that turns (stage, key, fence) were begun: they were cut short, through no fault of their work."""
    for stage, key, fence in cut:
        await conn.execute(
            "update work set begun = greatest(0, begun - 1) where stage = %s and key = %s and fence = %s", (stage, key, fence)
        )


_LEAVE = """
update work set pause_until = clock_timestamp() + make_interval(secs => %(after_s)s), begun = greatest(0, begun - 1), claimed_by = null,
    taken_at = case when %(away_s)s < 1e9 then clock_timestamp() - make_interval(secs => %(away_s)s) end
where stage = %(stage)s and key = %(key)s and fence = %(fence)s
"""
"""The fence tells whether it is still ours. ``begun`` and ``taken_at`` go back to what they were: the turn neither makes the next careful
nor keeps another program from it."""


async def leave_for_others(conn: Conn, stage: str, key: str, taken: Taken, after_s: float) -> None:
    """Have a partition this program cannot work be given out again in some seconds; it counts as never taken by it."""
    given = {"stage": stage, "key": key, "fence": taken.fence, "away_s": taken.away_s, "after_s": after_s}
    await conn.execute(_LEAVE, given)


async def armed(conn: Conn) -> list[PartitionKey]:
    """Return all partitions that have work: claimed, paused or waiting to be claimed."""
    return [(stage, key) for stage, key in await (await conn.execute("select stage, key from work where armed order by 1, 2")).fetchall()]

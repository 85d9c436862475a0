"""What is due in the outbox: which partitions have something to deliver, or to send again, when the next one has, and a batch of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.policies.rules import NOTHING_OBSERVED, ObservedFlows

from .cipher import Cipher
from .lacking import ALL_BOUND, FIRST_UNBOUND, IS_CROWDED, MAY_BE_BOUND
from .outbox import STATE, CommandRow, select
from .pool import Conn, PartitionKey
from .sending import NOT_IN_FLIGHT
from .work import BULK, EVERY_LANE, deliver_key

MAY_BE_TRIED = f"""
    and not s.is_aside and s.state not in ('done', 'canceled') and (s.next_try_at is null or s.next_try_at <= %(now)s)
    and (s.state in ('ready', 'unknown') or (s.state = 'waiting' and {MAY_BE_BOUND}))
    and (s.order_key = '' or not exists (
        select from command_standing e where e.target = s.target and e.batch_key = s.batch_key and e.order_key = s.order_key
            and e.order_key <> '' and e.seq < s.seq and e.state in ('waiting', 'ready', 'unknown')))
    and not exists (select from relearning r where r.target = %(target)s and r.learned_at is null)
"""
"""Nothing overtakes an earlier command of the same order, and nothing is sent to a target whose keys are being learned again."""
_MAY_BE_SENT = f"""
(not (%(is_held)s or b.entity = any(%(held)s::text[])) or s.state = 'unknown' or s.in_doubt or not {NOT_IN_FLIGHT})
"""
"""Of a flow that is only observed nothing is sent; what was sent already, and is in doubt, is resolved all the same."""
_FREE = f"""
from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id
where s.target = %(target)s and s.batch_key = %(batch_key)s and s.id <> all(%(without)s::uuid[])
    and b.external_key <> all(%(without_keys)s) and s.lane >= %(from)s and s.lane < %(below)s {MAY_BE_TRIED}
    and (s.state <> 'waiting' or {ALL_BOUND}) and {_MAY_BE_SENT}
"""
_IS_DOUBTFUL = "(s.state = 'unknown' or (s.state = 'waiting' and s.in_doubt) or s.id in (select id from flying))"
# Only what goes in the same batch as the first is read: what is read and not sent would be read and decrypted again with the next claim.
_CHOOSE = f"""
with flying as materialized (
    select unnest(p.command_ids) as id from sending p where p.target = %(target)s and p.batch_key = %(batch_key)s
), first as materialized (
    select b.kind, {_IS_DOUBTFUL} as is_doubtful, s.lane >= %(batch)s as is_bulk {_FREE} order by s.lane, s.seq limit 1
), chosen as materialized (
    select s.id {_FREE} and b.kind = (select kind from first) and {_IS_DOUBTFUL} = (select is_doubtful from first)
        and (s.lane >= %(batch)s) = (select is_bulk from first)
    order by s.lane, s.seq limit coalesce((
        select case when f.is_bulk then z.bulk else z.ordinary end from first f
        join unnest(%(kinds)s::text[], %(ordinary)s::int4[], %(bulk)s::int4[]) as z(kind, ordinary, bulk) on z.kind = f.kind), 1)
)
"""
"""Chooses one batch of a partition, by the index its open commands are in: the first that may be tried, and what is like it."""


def _held(held: ObservedFlows) -> dict[str, object]:
    return {"held": sorted(held.entities), "is_held": held.is_whole}


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """How many commands of a kind go into one batch: of real-time work, and of what came in bulk."""

    ordinary: int
    bulk: int


async def claim(
    conn: Conn,
    cipher: Cipher,
    target: str,
    batch_key: str,
    now: datetime,
    sizes: Mapping[str, BatchSizes],
    *,
    without: Iterable[str] = (),
    without_keys: Iterable[str] = (),
    lanes: range = EVERY_LANE,
    held: ObservedFlows = NOTHING_OBSERVED,
) -> list[CommandRow]:
    """Return one batch of a partition's commands that may be tried now, by lane, then as wished: of one kind, all to send or all (in state
    unknown) to be resolved, all in bulk or none.

    Of commands with one order key only the first open one is returned; none while the target is to be learned again (relearning.py).
    Claiming changes nothing: ``mark_sent`` before sending.

    Args:
        conn: an open connection.
        cipher: the keys.
        target: the connection they are for.
        batch_key: the partition.
        now: the hub's instant.
        sizes: how many to return at most, by kind; one of a kind that is not there.
        without: ids the caller has under way.
        without_keys: external keys nothing is sent for now.
        lanes: only those.
        held: what of the target is only observed; what was sent already, and is in doubt, is resolved all the same.
    """
    given = {
        "target": target,
        "batch_key": batch_key,
        "now": now,
        "without": list(without),
        "without_keys": list(without_keys),
        "kinds": list(sizes),
        "ordinary": [size.ordinary for size in sizes.values()],
        "bulk": [size.bulk for size in sizes.values()],
        "batch": BULK.start,
        "from": lanes.start,
        "below": lanes.stop,
        **_held(held),
    }
    return await select(conn, cipher, "where s.id in (select id from chosen) order by s.lane, s.seq", given, first=_CHOOSE)


_OPEN = f"""
select distinct s.target, s.batch_key from command_standing s
where s.state not in ('done', 'canceled') and %(target)s in ('', s.target)
    and (s.state in ('ready', 'unknown') or (s.state = 'waiting' and {MAY_BE_BOUND}))
"""


async def partitions_open(conn: Conn, target: str = "") -> list[PartitionKey]:
    """Return partitions, of one target or of all, that have ready or unknown commands (for a start after a long stop)."""
    cursor = await conn.execute(_OPEN, {"target": target})
    return sorted(deliver_key(target, batch_key) for target, batch_key in await cursor.fetchall())


async def partitions_ready(conn: Conn, target: str, now: datetime) -> list[PartitionKey]:
    """Return the partitions of a target in which ``claim`` would find something now."""
    statement = "select distinct s.batch_key from command_standing s where s.target = %(target)s" + MAY_BE_TRIED
    rows = await (await conn.execute(statement, {"target": target, "now": now})).fetchall()
    return sorted(deliver_key(target, batch_key) for (batch_key,) in rows)


_NEXT_DUE = f"""
select least(
    (select min(s.next_try_at) from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id
        where s.target = %(target)s and s.batch_key = %(batch_key)s and s.next_try_at is not null
            and s.state in ('waiting', 'ready', 'unknown') and (s.state <> 'waiting' or {MAY_BE_BOUND}) and {_MAY_BE_SENT}),
    (select min(due_at) from recheck where target = %(target)s and batch_key = %(batch_key)s))
where not exists (select 1 from relearning r where r.target = %(target)s and r.learned_at is null)
"""
"""Commands and rechecks are sent by the same turn; while a target is learned again neither is due, and the learning wakes them."""


async def next_due(conn: Conn, target: str, batch_key: str, held: ObservedFlows = NOTHING_OBSERVED) -> datetime | None:
    """Return when the partition's earliest delayed command or recheck is due, None if there is none; what is ``held`` never is."""
    given = {"target": target, "batch_key": batch_key, **_held(held)}
    row = await (await conn.execute(_NEXT_DUE, given)).fetchone()
    return None if row is None else row[0]


_LACKING = f"""
select s.id, {ALL_BOUND} from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id
where s.target = %(target)s and s.batch_key = %(batch_key)s and not s.is_aside and s.state not in ('done', 'canceled')
    and s.state = 'waiting' and {MAY_BE_BOUND}
"""
"""What waits for a key that is bound: of what needs another one, too, nobody is told who binds that before it is written down."""
_IS_FREE = f"select exists (select {_FREE})"
# Of a command that lacks nothing any more the row stays: it is ready by that. Where many wait it is set aside anew: it came back
# for the key that was bound, and all that wait for one more would be looked at with each claim.
_LOOK_FURTHER = f"""
with crowded as materialized (
    select p.target, p.batch_key from (select distinct target, batch_key from command_standing where id = any(%(ids)s::uuid[])) p
    where {IS_CROWDED}
)
update command_standing s set waits_for = n.key, is_aside = (s.target, s.batch_key) in (select target, batch_key from crowded)
from (select k.id, {FIRST_UNBOUND} as key from command_standing k
    join command_body b on b.created_at = k.created_at and b.id = k.id where k.id = any(%(ids)s::uuid[])) n
where s.id = n.id and s.state = 'waiting' and n.key <> ''
"""


@dataclass(frozen=True, slots=True)
class Released:
    """Of a partition's commands of which the key they waited for is bound: those that lack another one, and whether any lack nothing."""

    lacking: tuple[str, ...]
    is_any_whole: bool


async def released(conn: Conn, target: str, batch_key: str) -> Released:
    """Return what waits for keys that are bound by now. What lacks nothing is to be looked for after this (``is_free``), by whoever is the
    last to look: it may have come to that since the last claim, and nobody was told.
    """
    rows = await (await conn.execute(_LACKING, {"target": target, "batch_key": batch_key})).fetchall()
    return Released(tuple(id.hex for id, is_whole in rows if not is_whole), any(is_whole for _, is_whole in rows))


async def is_free(conn: Conn, target: str, batch_key: str, now: datetime, held: ObservedFlows = NOTHING_OBSERVED) -> bool:
    """Tell whether ``claim`` would find something in a partition."""
    given = {"target": target, "batch_key": batch_key, "now": now, "without": [], "without_keys": [], **_held(held)}
    row = await (await conn.execute(_IS_FREE, given | {"from": EVERY_LANE.start, "below": EVERY_LANE.stop})).fetchone()
    return row is not None and bool(row[0])


async def look_further(conn: Conn, ids: Sequence[str]) -> bool:
    """Have lacking commands wait for another key, in a transaction of its own; return whether any of them lack nothing by now.

    Whoever binds keys is kept out meanwhile, by the latch that ``wish`` holds: none is bound unseen.
    """
    await conn.execute("lock table binding_latch in row exclusive mode")
    return (await conn.execute(_LOOK_FURTHER, {"ids": list(ids)})).rowcount < len(ids)


async def subject_of(conn: Conn, ids: Sequence[str]) -> dict[str, ObjectRef]:
    """Return what each of some commands was wished for."""
    if not ids:
        return {}
    cursor = await conn.execute("select id, subject_kind, subject_id from command where id = any(%s::uuid[])", (list(ids),))
    return {id.hex: ObjectRef(kind, subject) for id, kind, subject in await cursor.fetchall()}


# A command that was sent, or is in doubt, may have taken effect; it stays as it was decided.
_OPEN_SUBJECTS = f"""
select distinct b.subject_kind, b.subject_id
from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id
where s.state not in ('done', 'canceled') and not s.in_doubt and {NOT_IN_FLIGHT}
    and (s.state = 'parked' or (s.state in ('waiting', 'ready') and s.sent_at is null))
order by 1, 2
"""


async def open_subjects(conn: Conn) -> list[ObjectRef]:
    """Return the subjects of the commands that certainly took no effect: refused or never sent."""
    return [ObjectRef(kind, id) for kind, id in await (await conn.execute(_OPEN_SUBJECTS)).fetchall()]


async def unsent(conn: Conn, cipher: Cipher, target: str, kinds: Sequence[str], after: int, limit: int) -> list[CommandRow]:
    """Return commands of some kinds that a target was never sent, refused, or certainly did nothing of, in order of wishing, after one."""
    condition = (
        "where s.target = %(target)s and b.kind = any(%(kinds)s) and s.state in ('waiting', 'ready', 'parked') and not s.in_doubt"
        " and f.started_at is null and s.seq > %(after)s order by s.seq limit %(limit)s"
    )
    return await select(conn, cipher, condition, {"target": target, "kinds": list(kinds), "after": after, "limit": limit})


async def observed(conn: Conn, cipher: Cipher, target: str, held: ObservedFlows, after: int, limit: int) -> list[CommandRow]:
    """Return what is decided and, as its flow is only observed, not sent: in order of wishing, after one of them."""
    condition = (
        f"where s.target = %(target)s and (%(is_held)s or b.entity = any(%(held)s::text[])) and {STATE} in ('waiting', 'ready')"
        " and s.seq > %(after)s order by s.seq limit %(limit)s"
    )
    given = {"target": target, "after": after, "limit": limit, **_held(held)}
    return await select(conn, cipher, condition, given)

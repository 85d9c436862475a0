"""What is due in the outbox: which partitions have something to deliver, or to send again, when the next one has, and a batch of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.policies.rules import NOTHING_OBSERVED, ObservedFlows

from .cipher import Cipher
from .outbox import CommandRow, select
from .pool import Conn, PartitionKey
from .work import BULK, EVERY_LANE, deliver_key

MAY_BE_TRIED = """
    and state in ('ready', 'unknown') and (next_try_at is null or next_try_at <= %(now)s)
    and (order_key = '' or not exists (
        select 1 from command e where e.target = c.target and e.batch_key = c.batch_key and e.order_key = c.order_key and e.order_key <> ''
            and e.seq < c.seq and e.state in ('waiting', 'ready', 'unknown')))
    and not exists (select 1 from relearning r where r.target = %(target)s and r.learned_at is null)
"""
"""Nothing overtakes an earlier command of the same order, and nothing is sent to a target whose keys are being learned again."""
_FREE = f"""
    target = %(target)s and batch_key = %(batch_key)s and id <> all(%(without)s::uuid[]) and external_key <> all(%(without_keys)s)
    and lane >= %(from)s and lane < %(below)s and (state = 'unknown' or not (%(is_held)s or entity = any(%(held)s::text[]))) {MAY_BE_TRIED}
"""
# Only what goes in the same batch as the first is read: what is read and not sent would be read and decrypted again with the next claim.
_CLAIM = f"""
, (select kind as first_kind, state as first_state, lane >= %(batch)s as first_is_bulk from command c where {_FREE}
    order by lane, seq limit 1) as first
where {_FREE} and kind = first_kind and state = first_state and (lane >= %(batch)s) = first_is_bulk
order by lane, seq limit coalesce((
    select case when lane >= %(batch)s then s.bulk else s.ordinary end
    from (select kind, lane from command c where {_FREE} order by lane, seq limit 1) as f
    join unnest(%(kinds)s::text[], %(ordinary)s::int4[], %(bulk)s::int4[]) as s(kind, ordinary, bulk) on s.kind = f.kind), 1)
"""


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
        "held": sorted(held.entities),
        "is_held": held.is_whole,
    }
    return await select(conn, cipher, _CLAIM, given)


async def partitions_open(conn: Conn, target: str = "") -> list[PartitionKey]:
    """Return partitions, of one target or of all, that have ready or unknown commands (for a start after a long stop)."""
    cursor = await conn.execute(
        "select distinct target, batch_key from command where state in ('ready', 'unknown') and %(target)s in ('', target)",
        {"target": target},
    )
    return sorted(deliver_key(target, batch_key) for target, batch_key in await cursor.fetchall())


async def partitions_ready(conn: Conn, target: str, now: datetime) -> list[PartitionKey]:
    """Return the partitions of a target in which ``claim`` would find something now."""
    statement = "select distinct batch_key from command c where target = %(target)s" + MAY_BE_TRIED
    rows = await (await conn.execute(statement, {"target": target, "now": now})).fetchall()
    return sorted(deliver_key(target, batch_key) for (batch_key,) in rows)


_NEXT_DUE = """
select least(
    (select min(next_try_at) from command
        where target = %(target)s and batch_key = %(batch_key)s and state in ('ready', 'unknown') and next_try_at is not null
            and (state = 'unknown' or not (%(is_held)s or entity = any(%(held)s::text[])))),
    (select min(due_at) from recheck where target = %(target)s and batch_key = %(batch_key)s))
where not exists (select 1 from relearning r where r.target = %(target)s and r.learned_at is null)
"""
"""Commands and rechecks are sent by the same turn; while a target is learned again neither is due, and the learning wakes them."""


async def next_due(conn: Conn, target: str, batch_key: str, held: ObservedFlows = NOTHING_OBSERVED) -> datetime | None:
    """Return when the partition's earliest delayed command or recheck is due, None if there is none; what is ``held`` never is."""
    given = {"target": target, "batch_key": batch_key, "held": sorted(held.entities), "is_held": held.is_whole}
    row = await (await conn.execute(_NEXT_DUE, given)).fetchone()
    return None if row is None else row[0]


async def subject_of(conn: Conn, ids: Sequence[str]) -> dict[str, ObjectRef]:
    """Return what each of some commands was wished for."""
    if not ids:
        return {}
    cursor = await conn.execute("select id, subject_kind, subject_id from command where id = any(%s::uuid[])", (list(ids),))
    return {id.hex: ObjectRef(kind, subject) for id, kind, subject in await cursor.fetchall()}


# A command that was sent, or is in doubt, may have taken effect; it stays as it was decided.
_OPEN_SUBJECTS = """
select distinct subject_kind, subject_id from command
where state not in ('done', 'canceled') and not in_doubt and (state = 'parked' or (state in ('waiting', 'ready') and sent_at is null))
order by 1, 2
"""


async def open_subjects(conn: Conn) -> list[ObjectRef]:
    """Return the subjects of the commands that certainly took no effect: refused or never sent."""
    return [ObjectRef(kind, id) for kind, id in await (await conn.execute(_OPEN_SUBJECTS)).fetchall()]


async def unsent(conn: Conn, cipher: Cipher, target: str, kinds: Sequence[str], after: int, limit: int) -> list[CommandRow]:
    """Return commands of some kinds that a target was never sent, refused, or certainly did nothing of, in order of wishing, after one."""
    condition = (
        "where target = %(target)s and kind = any(%(kinds)s) and state in ('waiting', 'ready', 'parked') and not in_doubt"
        " and seq > %(after)s order by seq limit %(limit)s"
    )
    return await select(conn, cipher, condition, {"target": target, "kinds": list(kinds), "after": after, "limit": limit})


async def observed(conn: Conn, cipher: Cipher, target: str, held: ObservedFlows, after: int, limit: int) -> list[CommandRow]:
    """Return what is decided and, as its flow is only observed, not sent: in order of wishing, after one of them."""
    condition = (
        "where target = %(target)s and (%(is_held)s or entity = any(%(held)s::text[])) and state in ('waiting', 'ready')"
        " and seq > %(after)s order by seq limit %(limit)s"
    )
    given = {"target": target, "held": sorted(held.entities), "is_held": held.is_whole, "after": after, "limit": limit}
    return await select(conn, cipher, condition, given)

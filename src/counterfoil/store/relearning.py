"""Tables ``relearning`` and ``target_known``: what a hub that was put back to an earlier state learns again from its targets.

A target that is marked gets nothing before its own list of our external keys was read. What it holds and the hub does not know as done is
kept; a command with such a key is in doubt from its beginning: it is resolved by its key, read back and compared, and never sent as new.
Functions return partitions to arm, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from . import outbox_due
from .pool import Conn, PartitionKey


@dataclass(frozen=True, slots=True)
class Known:
    """What a target holds under one of our keys; ``external_id`` is its own id, as an outcome names it."""

    external_key: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Relearning:
    """Where a marked target stands.

    Attributes:
        state_of: the hub's knowledge ended here when it was marked (the time of the backup); None: not known.
        is_blind: the target cannot list what it holds; every wish starts in doubt.
        learned_at: its list was read to the end: what waits for it is delivered again.
        sources_read_at: when every source had been read up to ``marked_at``.
        caught_up_at: when all that had been decided: from then on days are closed again.
    """

    target: str
    state_of: datetime | None
    marked_at: datetime
    cursor: str
    read_count: int
    is_blind: bool
    learned_at: datetime | None
    sources_read_at: datetime | None
    caught_up_at: datetime | None


async def mark(conn: Conn, targets: Iterable[str], state_of: datetime | None, now: datetime) -> list[str]:
    """Have targets learned again from their beginning; return their names, sorted. No worker may run."""
    names = sorted(set(targets))
    await conn.execute("delete from target_known where target = any(%s)", (names,))
    await conn.execute("delete from relearning where target = any(%s)", (names,))
    await conn.execute(
        "insert into relearning (target, state_of, marked_at) select t, %s, %s from unnest(%s::text[]) as t", (state_of, now, names)
    )
    return names


_COLUMNS = "target, state_of, marked_at, cursor, read_count, is_blind, learned_at, sources_read_at, caught_up_at"


async def load(conn: Conn, target: str) -> Relearning | None:
    """Return where a target stands, None if it was never marked."""
    row = await (await conn.execute(f"select {_COLUMNS} from relearning where target = %s", (target,))).fetchone()
    return None if row is None else Relearning(*row)


async def list_all(conn: Conn) -> list[Relearning]:
    """Return all targets that were ever marked."""
    return [Relearning(*row) for row in await (await conn.execute(f"select {_COLUMNS} from relearning order by target")).fetchall()]


_KEEP = """
insert into target_known (target, external_key, external_id)
select %(target)s, k.key, k.id from unnest(%(keys)s::text[], %(ids)s::text[]) as k(key, id)
where not exists (select 1 from command c where c.external_key = k.key and c.target = %(target)s and c.state = 'done')
order by k.key on conflict do nothing
"""
"""What the hub knows to be done needs not be kept twice; the rest is what a restored hub has forgotten it had posted."""
_DOUBT = """
update command_standing s set in_doubt = true, state = case when s.state = 'ready' then 'unknown' else s.state end
from command_body c
where s.target = %(target)s and s.state in ('waiting', 'ready', 'parked') and not s.in_doubt and c.created_at = s.created_at and c.id = s.id
    and (%(is_all)s or c.external_key = any(%(keys)s))
"""
"""Whatever may have been posted before the restore is looked for first: by the keys found, or all of it where a target cannot be listed."""
_PLACE = """
update relearning set cursor = %(cursor)s, read_count = read_count + %(count)s, is_blind = %(is_blind)s,
    learned_at = case when %(is_last)s then %(now)s else learned_at end
where target = %(target)s
"""
"""The place and what was kept commit together, so a run cut short goes on where it was; the last page opens the target again."""


async def take_page(
    conn: Conn, target: str, found: Sequence[Known], cursor: str, now: datetime, *, is_last: bool, is_blind: bool = False
) -> list[PartitionKey]:
    """Keep a page of what a target holds, together with the place to go on from; the last one lets deliveries go again.

    Commands wished before the page was read and not sent since are now in doubt; wishers are kept out meanwhile, so that none is missed.
    """
    await conn.execute("lock table binding_latch in share mode")
    keys = [one.external_key for one in found]
    given = {"target": target, "keys": keys, "ids": [one.external_id for one in found], "is_all": is_blind, "now": now}
    await conn.execute(_KEEP, given)
    await conn.execute(_DOUBT, given)
    await conn.execute(_PLACE, given | {"cursor": cursor, "count": len(found), "is_last": is_last, "is_blind": is_blind})
    if not is_last:
        return []
    return await outbox_due.partitions_open(conn, target)


async def forget_done(conn: Conn, target: str) -> int:
    """Forget the keys of what is known as done by now; return how many the target still holds that the hub knows nothing of."""
    await conn.execute(
        "delete from target_known k where target = %s and exists (select 1 from command c where c.external_key = k.external_key"
        " and c.target = k.target and c.state = 'done')",
        (target,),
    )
    row = await (await conn.execute("select count(*) from target_known where target = %s", (target,))).fetchone()
    return 0 if row is None else int(row[0])


async def unclaimed(conn: Conn, target: str, limit: int = 100) -> tuple[int, list[Known]]:
    """Return how many keys a target holds that the hub does not know as done, and some of them, in order of the key."""
    row = await (await conn.execute("select count(*) from target_known where target = %s", (target,))).fetchone()
    rows = await conn.execute("select external_key, external_id from target_known where target = %s order by 1 limit %s", (target, limit))
    return (0 if row is None else int(row[0])), [Known(*found) for found in await rows.fetchall()]


async def among(conn: Conn, target: str, keys: Iterable[str]) -> list[str]:
    """Return those of the keys that a target holds and that are not known as done."""
    rows = await conn.execute(
        "select external_key from target_known k where target = %s and external_key = any(%s) and not exists (select 1 from command c"
        " where c.external_key = k.external_key and c.target = k.target and c.state = 'done') order by 1",
        (target, sorted(set(keys))),
    )
    return [row[0] for row in await rows.fetchall()]


_IS_READ = """
select coalesce(bool_and(coalesce((
    select bool_and(coalesce(c.covers_until >= %(marked_at)s, false)) from cursor c
    where c.connection = s.name and c.is_read and (c.stream = 'poll' or starts_with(c.stream, 'poll/'))), false)), true)
from unnest(%(sources)s::text[]) as s(name)
"""
"""Whether each source was read up to the mark: every list of its changes, and at least one."""
_IS_DECIDED = """
select not exists (select from receipt where state = 'pending' and received_at <= %(at)s)
    and not exists (select from receipt_bundle where read_at is null and received_at <= %(at)s)
    and not exists (select from to_decide where added_at <= %(at)s and (not_before is null or not_before <= %(at)s))
"""


async def catch_up(conn: Conn, target: str, sources: Sequence[str], now: datetime) -> bool:
    """Note whether every source was read up to the time of the mark, and then whether what that brought is decided; return the latter.

    ``sources``: names of all that are polled.
    """
    at = await load(conn, target)
    if at is None or at.caught_up_at is not None:
        return True
    read_at = at.sources_read_at
    if read_at is None:
        row = await (await conn.execute(_IS_READ, {"sources": list(sources), "marked_at": at.marked_at})).fetchone()
        if row is None or not row[0]:
            return False
        read_at = now
        await conn.execute("update relearning set sources_read_at = %s where target = %s", (now, target))
    row = await (await conn.execute(_IS_DECIDED, {"at": read_at})).fetchone()
    if row is None or not row[0]:
        return False
    await conn.execute("update relearning set caught_up_at = %s where target = %s", (now, target))
    return True

"""Table ``recheck``: commands that were in doubt and may be done late, over what a newer one did, and when to put that right.

A recheck is due when the write in doubt can no longer come. What is to be done then follows from the commands as they stand (``look``):
nothing is copied here. Every doubt and every try raises the fence, so that of two workers one acts, and a doubt that comes while one acts
is not lost. Functions return partitions to arm where they make work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .columns import columns, joined
from .outbox import CommandRow
from .pool import Conn, PartitionKey
from .work import deliver_key


@dataclass(frozen=True, slots=True)
class Recheck:
    """One that is due. ``command_id``: the command in doubt; ``noted_at``: when it was last; ``fence``: to be given back."""

    command_id: str
    noted_at: datetime
    tries: int
    fence: int


@dataclass(frozen=True, slots=True)
class Thing:
    """How the thing stands that a command in doubt writes on.

    ``newest``: the newest command on it that is done, empty if none is. ``is_open``: a newer one than that is being sent or in doubt.
    """

    newest: str
    is_open: bool


_NOTE = """
insert into recheck (command_id, created_at, target, batch_key, noted_at, due_at)
select id, created_at, target, batch_key, %(now)s, %(due_at)s
from unnest(%(id)s::uuid[], %(created_at)s::timestamptz[], %(target)s::text[], %(batch_key)s::text[])
    as t(id, created_at, target, batch_key) order by id
on conflict (command_id) do update set noted_at = excluded.noted_at, due_at = greatest(recheck.due_at, excluded.due_at), tries = 0,
    fence = recheck.fence + 1
"""
"""A doubt about a command that is in doubt already puts off its look, and takes it out of the hands of whoever looks (``fence``)."""


async def note(conn: Conn, rows: Sequence[CommandRow], now: datetime, due_at: datetime) -> list[PartitionKey]:
    """Note that commands are in doubt until ``due_at``; return the partitions to arm. One that was noted before is due later then."""
    if not rows:
        return []
    given = columns(rows, ("id", "created_at", "target", "batch_key")) | {"now": now, "due_at": due_at}
    await conn.execute(_NOTE, given)
    return sorted({deliver_key(row.target, row.batch_key) for row in rows})


async def partitions(conn: Conn, target: str = "") -> list[PartitionKey]:
    """Return the partitions, of one target or of all, that have something to recheck now or later."""
    cursor = await conn.execute(
        "select distinct target, batch_key from recheck where due_at is not null and %(target)s in ('', target)", {"target": target}
    )
    return sorted(deliver_key(target, batch_key) for target, batch_key in await cursor.fetchall())


async def due(conn: Conn, target: str, batch_key: str, now: datetime, limit: int) -> list[Recheck]:
    """Return rechecks of a partition that are due, the longest due first; none while the target is to be learned again."""
    cursor = await conn.execute(
        "select command_id, noted_at, tries, fence from recheck"
        " where target = %(target)s and batch_key = %(batch_key)s and due_at <= %(now)s"
        " and not exists (select 1 from relearning r where r.target = %(target)s and r.learned_at is null)"
        " order by due_at, command_id limit %(limit)s",
        {"target": target, "batch_key": batch_key, "now": now, "limit": limit},
    )
    return [Recheck(id.hex, *rest) for id, *rest in await cursor.fetchall()]


_LOOK = """
select g.id, newest.id, exists (
    select from command d where d.target = %(target)s and d.external_key = any(string_to_array(g.keys, E'\\n'))
        and d.seq > coalesce(newest.seq, 0)
        and (d.in_doubt or exists (select from sending p where p.target = d.target and p.batch_key = d.batch_key
            and d.id = any(p.command_ids) and d.state in ('waiting', 'ready', 'unknown'))))
from unnest(%(id)s::uuid[], %(keys)s::text[]) as g(id, keys)
left join lateral (
    select c.id, c.seq from command c where c.target = %(target)s and c.external_key = any(string_to_array(g.keys, E'\\n'))
        and c.state = 'done' order by c.seq desc limit 1) newest on true
"""
"""For each doubt the newest done command on the same thing, and whether a still newer one is in doubt itself: then nothing is sent again
yet."""


async def look(conn: Conn, target: str, keys: Mapping[str, tuple[str, ...]]) -> dict[str, Thing]:
    """Return how the things stand that commands write on. ``keys``: by command, the external keys of all that write on the same thing."""
    given = {"target": target, "id": list(keys), "keys": [joined(one) for one in keys.values()]}
    rows = await (await conn.execute(_LOOK, given)).fetchall()
    return {id.hex: Thing("" if newest is None else newest.hex, is_open) for id, newest, is_open in rows}


async def undoing(conn: Conn, target: str, keys: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the newest command that is done and undid a match, by the command in doubt; ``keys`` as for ``look``."""
    wanted = sorted({key for several in keys.values() for key in several})
    cursor = await conn.execute(
        "select external_key, id from command where target = %s and external_key = any(%s) and kind = 'unmatch' and state = 'done'"
        " order by seq",
        (target, wanted),
    )
    by_key = {key: (place, id.hex) for place, (key, id) in enumerate(await cursor.fetchall())}
    found = {command_id: max((by_key[key] for key in several if key in by_key), default=None) for command_id, several in keys.items()}
    return {command_id: one[1] for command_id, one in found.items() if one is not None}


_TAKE = """
update recheck r set due_at = %(until)s, tries = r.tries + 1, fence = r.fence + 1
from unnest(%(command_id)s::uuid[], %(fence)s::int4[]) as s(id, fence)
where r.command_id = s.id and r.fence = s.fence and r.due_at is not null
returning r.command_id, r.noted_at, r.tries, r.fence
"""
"""The fence must be as it was seen: of two that take the same recheck, the second changes nothing and does not send."""


async def take(conn: Conn, rechecks: Sequence[Recheck], until: datetime) -> dict[str, Recheck]:
    """Take rechecks, to be committed before anything is sent; return those that are the caller's, by command, as they stand now.

    ``until``: they are due again then, should the taker not come back.
    """
    if not rechecks:
        return {}
    rows = await (await conn.execute(_TAKE, columns(rechecks, ("command_id", "fence")) | {"until": until})).fetchall()
    return {id.hex: Recheck(id.hex, *rest) for id, *rest in rows}


async def drop(conn: Conn, rechecks: Sequence[Recheck]) -> None:
    """Forget rechecks, except those that somebody noted or took again since."""
    await conn.execute(
        "delete from recheck r using unnest(%(command_id)s::uuid[], %(fence)s::int4[]) as s(id, fence)"
        " where r.command_id = s.id and r.fence = s.fence",
        columns(rechecks, ("command_id", "fence")),
    )


async def put_off(conn: Conn, pairs: Sequence[tuple[Recheck, datetime | None]]) -> None:
    """Have rechecks, with the ``tries`` they carry, be due at an instant (None: not before somebody retries their case); as ``drop``."""
    given = columns([one for one, _ in pairs], ("command_id", "fence", "tries")) | {"due_at": [at for _, at in pairs]}
    await conn.execute(
        "update recheck r set due_at = s.due_at, tries = s.tries"
        " from unnest(%(command_id)s::uuid[], %(fence)s::int4[], %(tries)s::int4[], %(due_at)s::timestamptz[])"
        " as s(id, fence, tries, due_at)"
        " where r.command_id = s.id and r.fence = s.fence",
        given,
    )


async def retry(conn: Conn, ids: Iterable[str], now: datetime) -> list[PartitionKey]:
    """Take rechecks up again that became cases, with a fresh count of tries; return the partitions to arm."""
    cursor = await conn.execute(
        "update recheck set due_at = %s, tries = 0, fence = fence + 1 where command_id = any(%s::uuid[]) and due_at is null"
        " returning target, batch_key",
        (now, list(ids)),
    )
    return sorted({deliver_key(target, batch_key) for target, batch_key in await cursor.fetchall()})


async def waive(conn: Conn, ids: Iterable[str]) -> None:
    """Let rechecks go that became cases."""
    await conn.execute("delete from recheck where command_id = any(%s::uuid[]) and due_at is null", (list(ids),))

"""Table ``sending``: the batches that are under way, each one row, written with the intent and deleted with the outcome.

A command of a batch under way is in doubt for everybody but its sender, although its own row says nothing of it: whoever reads commands
looks here too (:data:`IN_FLIGHT`). What a sender did not live to settle is put in doubt in its own row by the next who takes it up.

Those who take commands out of a sender's reach (cancel, refresh) and those who begin to send exclude each other, place by place (``lock``).
A place is a target's batch key; a command never changes its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from .pool import Conn

_LOCK = 0x0C0F_0008  # advisory locks of this project start with 0x0C0F

IN_FLIGHT = """
left join lateral (
    select p.started_at from sending p where p.target = s.target and p.batch_key = s.batch_key and s.id = any(p.command_ids)
) f on s.state in ('waiting', 'ready', 'unknown')
"""
"""Joins to commands ``s`` the beginning of the batch they are under way in, as ``f.started_at``; null: they are in none."""

NOT_IN_FLIGHT = """
not exists (select from sending p where p.target = s.target and p.batch_key = s.batch_key and s.id = any(p.command_ids))
"""


async def lock(conn: Conn, places: Iterable[tuple[str, str]]) -> None:
    """Keep everybody else from beginning to send at some places, or from taking commands away there, until the transaction ends.

    What is under way is to be read in a later statement. Always in the order of the places, so that two do not wait for each other.
    """
    for target, batch_key in sorted(set(places)):
        await conn.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, f"{target}/{batch_key}"))


async def lock_of(conn: Conn, ids: Sequence[str]) -> None:
    """Lock the places of some commands; see :func:`lock`."""
    cursor = await conn.execute("select distinct target, batch_key from command_standing where id = any(%s::uuid[])", (list(ids),))
    await lock(conn, await cursor.fetchall())


_GIVE_UP = """
with gone as (
    delete from sending p where exists (
        select from unnest(%(id)s::uuid[], %(fence)s::int4[]) as g(id, fence) join command_standing s on s.id = g.id
        where g.id = any(p.command_ids) and s.fence + 1 = g.fence)
    returning p.started_at, p.command_ids
)
update command_standing s set state = 'unknown', in_doubt = true, sent_at = g.started_at, attempts = s.attempts + 1, fence = s.fence + 1,
    next_try_at = null, waits_for = '', is_aside = false
from gone g where s.id = any(g.command_ids) and s.state in ('waiting', 'ready', 'unknown')
"""
"""What a batch that nobody settled held is in doubt, each of its commands in its own row from now on. Only of a try that was seen
(``fence``): not of one that began since."""
# Only what stands as it was seen, and is in nobody else's hands: a row for each place. The caller has locked the places.
_BEGIN = f"""
with mine as (
    select s.id, s.target, s.batch_key
    from unnest(%(id)s::uuid[], %(attempts)s::int4[], %(fence)s::int4[]) as g(id, attempts, fence)
    join command_standing s on s.id = g.id and s.attempts = g.attempts and s.fence = g.fence
    where s.state in ('waiting', 'ready', 'unknown') and {NOT_IN_FLIGHT}
), noted as (
    insert into sending (target, batch_key, started_at, command_ids)
    select target, batch_key, %(now)s, array_agg(id) from mine group by 1, 2 returning command_ids
)
select unnest(command_ids) from noted
"""


async def begin(conn: Conn, tried: Sequence[tuple[str, int, int]], now: datetime, *, is_doubtful: bool) -> frozenset[str]:
    """Note that commands are being sent; return the ids noted. Their places are locked by the caller.

    Args:
        conn: an open connection.
        tried: of each command its id, and its attempts and fence as they were seen: one that was tried since is not noted.
        now: the hub's instant.
        is_doubtful: whether they were seen to be in doubt, maybe since somebody else's batch was not settled.
    """
    given = {"id": [id for id, _, _ in tried], "attempts": [one for _, one, _ in tried], "fence": [one for _, _, one in tried], "now": now}
    if is_doubtful:
        await conn.execute(_GIVE_UP, given)
    return frozenset(row[0].hex for row in await (await conn.execute(_BEGIN, given)).fetchall())


_FINISH = """
with over as (
    select id from unnest(%(ids)s::uuid[]) as g(id) where g.id = any(%(changed)s::uuid[])
        or not exists (select from command_standing s where s.id = g.id and s.state in ('waiting', 'ready', 'unknown'))
), whole as (
    delete from sending p where p.command_ids && %(ids)s::uuid[]
        and not exists (select from unnest(p.command_ids) as c(id) where c.id not in (select id from over))
)
update sending p set command_ids = array(select c.id from unnest(p.command_ids) as c(id) where c.id not in (select id from over))
where p.command_ids && array(select id from over)
    and exists (select from unnest(p.command_ids) as c(id) where c.id not in (select id from over))
"""
"""Takes commands whose tries ended out of their batches, and deletes the batches of which nothing is left under way."""


async def finish(conn: Conn, ids: Sequence[str], changed: Iterable[str]) -> None:
    """Note that commands are not under way any more. ``ids``: those a try was reported of; ``changed``: of which the report was taken.

    Of the others only those go that nothing is to be done for any more: what a later try has in hand stays there.
    """
    await conn.execute(_FINISH, {"ids": list(ids), "changed": list(changed)})

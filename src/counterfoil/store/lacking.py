"""What commands lack: the keys they need that are not bound. Told from the bindings: a command's row names one it was seen to lack."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.core.language.keys import NeedKey

from .pool import Conn, PartitionKey
from .work import deliver_key

LOOKED_AT_MAX = 1000
"""So many commands that wait for what is not bound are looked at with each claim of a partition; what is wished behind them is set aside
until it is."""

ALL_BOUND = """
coalesce((select bool_and(exists (select from binding g where g.connection = s.target and g.key = n.key and g.until is null offset 0))
    from unnest(b.needs) as n(key)), true)
"""
MAY_BE_BOUND = """
(s.waits_for = '' or exists (select from binding g where g.connection = s.target and g.key = s.waits_for and g.until is null offset 0))
"""
"""Of a command that waits (``command_standing s``, ``command_body b``): whether all it needs is bound, and whether what it was last seen to
lack is, which is cheaper to tell and always true of one that lacks nothing: such a one names no key where a program before schema 41 bound
the last and knew nothing of what newer ones had. Each need is one look into an index: ``offset 0`` keeps the database from reading all
bindings there are into a table of its own first."""
FIRST_UNBOUND = """
coalesce((select n.key from unnest(b.needs) with ordinality as n(key, place)
    where not exists (select from binding g where g.connection = b.target and g.key = n.key and g.until is null offset 0)
    order by n.place limit 1), '')
"""
"""The first of the needs of a command ``b`` that is not bound; empty if all are."""
IS_CROWDED = f"""
{LOOKED_AT_MAX} <= (select count(*) from (
    select from command_standing w where w.target = p.target and w.batch_key = p.batch_key and not w.is_aside
        and w.state not in ('done', 'canceled') and w.state = 'waiting' limit {LOOKED_AT_MAX}) as looked_at)
"""
"""Whether so many wait in a partition ``p`` already that what waits besides is set aside."""

_RECOUNT = f"""
update command_standing s set waits_for = n.key, state = case when n.key = '' then 'ready' else 'waiting' end::command_state
from (select k.id, {FIRST_UNBOUND} as key from command_standing k
    join command_body b on b.created_at = k.created_at and b.id = k.id where k.id = any(%(ids)s)) n
where s.id = n.id and s.state = 'waiting'
returning s.target, s.batch_key, s.state = 'ready'
"""
"""Looks anew for what commands lack, as bindings ended meanwhile."""


async def recount(conn: Conn, ids: Sequence[object]) -> list[PartitionKey]:
    """Write down which key commands that wait lack by now, or that they are ready; return the partitions of those that are.

    Whoever binds or wishes is kept out meanwhile by the latch, which the caller holds.
    """
    rows = await (await conn.execute(_RECOUNT, {"ids": list(ids)})).fetchall()
    return [deliver_key(target, batch_key) for target, batch_key, is_ready in rows if is_ready]


# Told anew from the bindings: the row names only the key that was last seen to lack.
_MISSING = """
select s.id, array_agg(n.key order by n.key)
from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id cross join unnest(b.needs) as n(key)
where s.id = any(%s::uuid[]) and s.state = 'waiting'
    and not exists (select from binding g where g.connection = s.target and g.key = n.key and g.until is null)
group by 1
"""


async def missing_needs(conn: Conn, ids: Sequence[str]) -> dict[str, tuple[NeedKey, ...]]:
    """Return the keys each command still waits for."""
    rows = await (await conn.execute(_MISSING, (list(ids),))).fetchall()
    return {id.hex: tuple(keys) for id, keys in rows}

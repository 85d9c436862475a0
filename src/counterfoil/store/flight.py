"""What is on its way: what the hub has not finished or not even read yet, for a proof that looks at both sides meanwhile. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from .pool import Conn

_UNFINISHED = """
with open as materialized (
    select b.subject_id, b.needs from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id
    where s.state not in ('done', 'canceled')
), named as (
    select subject_id as id from open
    union select substr(n.key, strpos(n.key, '/') + 1) from open c, unnest(c.needs) as n(key)
    union select id from to_decide
    union select subject_id from wait
)
select distinct substr(id, strpos(id, ':') + 1) from named where id <> ''
"""
"""What is on its way: subjects of commands that are not done, what these need, what is to be decided and what waits; by the source's own
id."""


async def unfinished(conn: Conn) -> frozenset[str]:
    """Return the ids, without the vendor's name, of what waits, is to be decided or posted, is being posted or parked, with its needs."""
    return frozenset(row[0] for row in await (await conn.execute(_UNFINISHED)).fetchall())


async def posted(conn: Conn, since: datetime) -> frozenset[tuple[str, str]]:
    """Return what was decided since an instant and is posted, as (kind of command, id without the vendor's name)."""
    cursor = await conn.execute(
        "select distinct kind, substr(subject_id, strpos(subject_id, ':') + 1) from command where state = 'done' and created_at >= %s",
        (since,),
    )
    return frozenset((kind, id) for kind, id in await cursor.fetchall())


async def told_by(conn: Conn, connections: Sequence[str]) -> frozenset[str]:
    """Return the ids, without the vendor's name, of all objects that some connections told of."""
    if not connections:
        return frozenset()
    cursor = await conn.execute("select substr(id, strpos(id, ':') + 1) from object where connection = any(%s)", (sorted(connections),))
    return frozenset(row[0] for row in await cursor.fetchall())


_SAME = """
select l.id, l.golden, f.connection, g.connection from link l
join object f on f.kind = l.kind and f.id = l.id join object g on g.kind = l.kind and g.id = l.golden
where l.until is null and l.why = 'same_fact' order by l.since, l.golden
"""


async def same_as(conn: Conn, connections: Sequence[str]) -> dict[str, str]:
    """Return, by the id of a fact at another source, its id at one of these connections; both without the vendor's name."""
    found = {}
    for one, other, of_one, of_other in await (await conn.execute(_SAME)).fetchall():
        if (of_one in connections) != (of_other in connections):
            known, unknown = (one, other) if of_one in connections else (other, one)
            found[unknown.partition(":")[2]] = known.partition(":")[2]
    return found


async def unread_since(conn: Conn) -> dict[str, datetime]:
    """Return when the oldest of what was received and not read yet came about, by connection."""
    cursor = await conn.execute(
        "select r.connection, min(r.occurred_at) from to_read u join receipt r on r.received_at = u.received_at and r.id = u.id group by 1"
    )
    return dict(await cursor.fetchall())

"""Objects a connection told of which nothing is booked, nor may be: they are routed by where they come from. Only reads."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.core.language.ids import ObjectRef

from .pool import Conn
from .sending import IN_FLIGHT

# What is in doubt or under way may have taken effect, and counts as booked; so does what is summed up with its day.
_UNBOOKED = f"""
from object o where o.kind = any(%(kinds)s) and o.connection = %(connection)s and (o.kind, o.id) > (%(kind)s, %(id)s)
    and not exists (select from command_body c join command_standing s on s.created_at = c.created_at and s.id = c.id {IN_FLIGHT}
        where c.subject_id = o.id and c.subject_kind = o.kind
            and (s.state in ('done', 'unknown') or s.in_doubt or f.started_at is not null))
    and not exists (select from summary_item i where i.subject = o.kind || '/' || o.id)
"""


async def of(conn: Conn, connection: str, kinds: Sequence[str], after: ObjectRef, limit: int) -> list[ObjectRef]:
    """Return things of some kinds that a connection told and nothing is booked of, in order of kind and id, after one of them."""
    given = {"connection": connection, "kinds": list(kinds), "kind": after.kind, "id": after.id, "limit": limit}
    cursor = await conn.execute(f"select o.kind, o.id {_UNBOOKED} order by o.kind, o.id limit %(limit)s", given)
    return [ObjectRef(*row) for row in await cursor.fetchall()]


async def count(conn: Conn, connection: str, kinds: Sequence[str]) -> int:
    """Return how many things of some kinds a connection told and nothing is booked of."""
    given = {"connection": connection, "kinds": list(kinds), "kind": "", "id": ""}
    row = await (await conn.execute(f"select count(*) {_UNBOOKED}", given)).fetchone()
    return 0 if row is None else int(row[0])

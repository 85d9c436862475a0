"""Table ``deadline``: subjects decided again at an instant. A decision ends the deadline of the one before (``agenda.finish``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from counterfoil.core.language.commands import Lane
from counterfoil.core.language.ids import ObjectRef

from . import agenda
from .pool import Conn, PartitionKey
from .work import DEADLINES

_SET_DEADLINES = """
insert into deadline (kind, id, due_at) select kind, id, due_at
from unnest(%(kind)s::text[], %(id)s::text[], %(due_at)s::timestamptz[]) as t(kind, id, due_at) order by kind, id
on conflict (kind, id) do update set due_at = excluded.due_at
"""


def _refs(refs: Sequence[ObjectRef]) -> dict[str, list[str]]:
    return {"kind": [ref.kind for ref in refs], "id": [ref.id for ref in refs]}


async def put(conn: Conn, due: Mapping[ObjectRef, datetime]) -> list[PartitionKey]:
    """Have subjects decided again at an instant each, by the hub's clock; return the partitions to arm. After ``agenda.finish``."""
    if not due:
        return []
    await conn.execute(_SET_DEADLINES, _refs(list(due)) | {"due_at": list(due.values())})
    return [(DEADLINES, "all")]


async def take(conn: Conn, now: datetime, limit: int) -> tuple[list[PartitionKey], bool]:
    """Put subjects whose deadline has come on the agenda, the longest due first; return the partitions to arm, and whether more are due.

    The agenda is locked first, as by a decision: one that is written meanwhile may set another deadline, which stays.
    """
    cursor = await conn.execute("select kind, id from deadline where due_at <= %s order by due_at limit %s", (now, limit))
    refs = [ObjectRef(kind, id) for kind, id in await cursor.fetchall()]
    if not refs:
        return [], False
    touched = await agenda.add(conn, [agenda.Subject(ref, Lane.MICRO_BATCH) for ref in refs], now)
    await conn.execute(
        "delete from deadline d using unnest(%(kind)s::text[], %(id)s::text[]) as t(kind, id)"
        " where d.kind = t.kind and d.id = t.id and d.due_at <= %(now)s",
        _refs(refs) | {"now": now},
    )
    return touched, len(refs) == limit


async def next_due(conn: Conn) -> datetime | None:
    """Return the earliest deadline, None if there is none."""
    row = await (await conn.execute("select due_at from deadline order by due_at limit 1")).fetchone()
    return None if row is None else row[0]


async def of(conn: Conn, refs: Sequence[ObjectRef]) -> dict[ObjectRef, datetime]:
    """Return when subjects are decided again, of those that have a deadline."""
    cursor = await conn.execute(
        "select d.kind, d.id, d.due_at from deadline d join unnest(%(kind)s::text[], %(id)s::text[]) as t(kind, id)"
        " on d.kind = t.kind and d.id = t.id",
        _refs(refs),
    )
    return {ObjectRef(kind, id): due_at for kind, id, due_at in await cursor.fetchall()}

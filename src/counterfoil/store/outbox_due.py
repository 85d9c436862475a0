"""What is due in the outbox: which partitions have something to deliver, or to send again, and when the next one has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from counterfoil.core.language.ids import ObjectRef

from .outbox import MAY_BE_TRIED
from .pool import Conn, Key
from .work import deliver_key


async def partitions_open(conn: Conn, target: str = "") -> list[Key]:
    """Return partitions, of one target or of all, that have ready or unknown commands (for a start after a long stop)."""
    cursor = await conn.execute(
        "select distinct target, batch_key from command where state in ('ready', 'unknown') and %(target)s in ('', target)",
        {"target": target},
    )
    return sorted(deliver_key(target, batch_key) for target, batch_key in await cursor.fetchall())


async def partitions_ready(conn: Conn, target: str, now: datetime) -> list[Key]:
    """Return the partitions of a target in which ``claim`` would find something now."""
    statement = "select distinct batch_key from command c where target = %(target)s" + MAY_BE_TRIED
    rows = await (await conn.execute(statement, {"target": target, "now": now})).fetchall()
    return sorted(deliver_key(target, batch_key) for (batch_key,) in rows)


_NEXT_DUE = """
select least(
    (select min(next_try_at) from command
        where target = %(target)s and batch_key = %(batch_key)s and state in ('ready', 'unknown') and next_try_at is not null),
    (select min(due_at) from recheck where target = %(target)s and batch_key = %(batch_key)s))
where not exists (select 1 from relearning r where r.target = %(target)s and r.learned_at is null)
"""


async def next_due(conn: Conn, target: str, batch_key: str) -> datetime | None:
    """Return when the partition's earliest delayed command or recheck is due, None if there is none."""
    row = await (await conn.execute(_NEXT_DUE, {"target": target, "batch_key": batch_key})).fetchone()
    return None if row is None else row[0]


async def subject_of(conn: Conn, ids: Sequence[str]) -> dict[str, ObjectRef]:
    """Return what each of some commands was wished for."""
    if not ids:
        return {}
    cursor = await conn.execute("select id, subject_kind, subject_id from command where id = any(%s::uuid[])", (list(ids),))
    return {id.hex: ObjectRef(kind, subject) for id, kind, subject in await cursor.fetchall()}

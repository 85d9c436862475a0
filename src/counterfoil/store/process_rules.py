"""Table ``process_rules``: by what each process was declared when all that it may concern was last decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from counterfoil.core.language.commands import Lane
from counterfoil.core.language.ids import ObjectRef

from . import agenda
from .agenda import Subject
from .pool import Conn, PartitionKey

# What was never declared need not be noted: nothing began by it.
_NOTE = """
insert into process_rules (process, digest) select %(process)s, %(digest)s
where %(digest)s <> '' or exists (select from process_rules where process = %(process)s)
on conflict (process) do update set digest = excluded.digest where process_rules.digest <> excluded.digest
returning process
"""


async def note(conn: Conn, process: str, digest: str) -> bool:
    """Note by what a process is declared now; return whether that changed. One transaction with what follows from it."""
    return await (await conn.execute(_NOTE, {"process": process, "digest": digest})).fetchone() is not None


async def decide_all(
    conn: Conn, process: str, over: Sequence[str], begins_with: Mapping[str, Sequence[str]], now: datetime
) -> list[PartitionKey]:
    """Put all processes of a kind that are not over, and all objects that may begin one, on the agenda, in bulk; return what to arm."""
    cursor = await conn.execute("select kind, id from object where kind = %s and state <> all(%s)", (process, list(over)))
    refs = [ObjectRef(*row) for row in await cursor.fetchall()]
    for kind, states in begins_with.items():
        cursor = await conn.execute("select kind, id from object where kind = %s and state = any(%s)", (kind, list(states)))
        refs += [ObjectRef(*row) for row in await cursor.fetchall()]
    return await agenda.add(conn, [Subject(ref, Lane.BATCH) for ref in refs], now)

"""Claiming whatever of a partition can be tried, batch by batch."""

from __future__ import annotations

from datetime import datetime

from counterfoil.core.commands.books import BookCommand
from counterfoil.store import outbox_due
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow
from counterfoil.store.outbox_due import BatchSizes
from counterfoil.store.pool import Conn

TO_SEND = """
select c.id, c.next_try_at from command c where c.state in ('ready', 'unknown') or (c.state = 'waiting' and exists (
    select from binding b where b.connection = c.target and b.key = c.waits_for and b.until is null))
"""
"""What is to be sent or under way, with when it is tried next: also what waits in its row for a key that is bound by now."""

SIZES = {kind.value: BatchSizes(1000, 1000) for kind in BookCommand}


async def claim_all(conn: Conn, cipher: Cipher, target: str, batch_key: str, now: datetime) -> list[CommandRow]:
    """Return every command that may be tried now: batches of one kind, the first one's lane first."""
    rows: list[CommandRow] = []
    while batch := await outbox_due.claim(conn, cipher, target, batch_key, now, SIZES, without=[row.id for row in rows]):
        rows += batch
    return rows


async def wake_later(conn: Conn, stage: str, key: str, after_s: float) -> None:
    """Have the partition armed in some seconds of real time, unless an earlier wake is noted already."""
    await conn.execute(
        "update work set wake_at = least(wake_at, clock_timestamp() + make_interval(secs => %s)) where stage = %s and key = %s",
        (after_s, stage, key),
    )

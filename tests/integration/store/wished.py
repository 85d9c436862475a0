"""Commands as tests of the outbox wish them, and looks at how they stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.claiming import claim_all

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.store import outbox, outbox_due
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow, CommandState, NewCommand
from counterfoil.store.pool import Conn

NOW = datetime(2026, 3, 1, tzinfo=UTC)


LATER = NOW + timedelta(minutes=5)


SUBJECT = INVOICE.ref("stripe:in_1")


PARTITION = ("deliver", "odoo/DE01")


def wish(number: int, **changes: object) -> NewCommand:
    plain = NewCommand(f"{number:032x}", "post_invoice", "odoo", "DE01", "DE01", SUBJECT, f"invoice_{number}", b"arguments")
    return replace(plain, **changes)  # type: ignore[arg-type]


async def claim(conn: Conn, cipher: Cipher, now: datetime = NOW) -> list[CommandRow]:
    return await claim_all(conn, cipher, "odoo", "DE01", now)


async def look_further(conn: Conn) -> None:
    """Do what a turn of the partition does at its end, until nothing is found to lack another key than what was bound."""
    while lacking := (await outbox_due.released(conn, "odoo", "DE01")).lacking:
        await outbox_due.look_further(conn, lacking)


async def states(conn: Conn, cipher: Cipher, *wishes: NewCommand) -> list[CommandState]:
    return [row.state for row in await outbox.read(conn, cipher, [one.id for one in wishes])]

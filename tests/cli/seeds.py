"""Records put into a test's database as the stages would put them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from counterfoil.core.kinds.invoice import INVOICE as INVOICE_KIND
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import wait_for_mapping
from counterfoil.core.language.money import Money
from counterfoil.store import agenda, cases, receipts
from counterfoil.store.cipher import Cipher, load_cipher
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn, connect

T = TypeVar("T")

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
INVOICE = INVOICE_KIND.ref("stripe:in_1")


def in_database(database: str, work: Callable[[Conn], Awaitable[T]]) -> T:
    """Do something in one committed transaction."""

    async def do() -> T:
        conn = await connect(database)
        async with conn:
            return await work(conn)

    return asyncio.run(do())


def cipher_of(folder: Path) -> Cipher:
    """Return the cipher the program in a folder uses."""
    return load_cipher(folder / "home", {})


def deliveries(database: str, folder: Path, *kinds: str) -> list[int]:
    """Keep deliveries of these kinds of `stripe_de`; return their receipts."""
    incoming = [
        receipts.Incoming("stripe_de", f"acct/evt_{number}", f"cus_{number}", kind, b"{}", NOW)
        for number, kind in enumerate(kinds, start=1)
    ]

    async def keep(conn: Conn) -> list[int]:
        appended = await receipts.append(conn, cipher_of(folder), incoming, NOW)
        return [id for id in appended.ids if id is not None]

    return in_database(database, keep)


def settled(database: str, state: receipts.ReceiptState, *ids: int, rule: str = "") -> None:
    """Bring receipts into a state."""
    in_database(
        database,
        lambda conn: receipts.settle(conn, [receipts.ReceiptEnd(id, NOW, state, rule) for id in ids], NOW),
    )


def unmapped_tax(database: str) -> int:
    """Have an invoice stand still for a tax that is not mapped; return its case. 119.00 EUR, due the day after."""
    key = wait_for_mapping("tax", "de", "19|exclusive")
    case = opening(
        fingerprint="tax|de|19",
        case_class=CaseClass.UNMAPPED_TAX,
        code="decide.tax_unmapped",
        cause="invoice in_1 has a tax that is mapped to none: 19|exclusive",
        next_step="Map it.",
        stage="decide",
        subject=INVOICE.key,
        now=NOW,
        label="in_1",
        entity="de",
        connection="stripe_de",
        money=Money(11900, "EUR"),
        releases_on=key,
    )

    async def open_case(conn: Conn) -> int:
        await agenda.set_waits(conn, [INVOICE], [agenda.Wait(key, INVOICE)], NOW)
        return (await cases.open_or_count(conn, [case], NOW))["tax|de|19"]

    return in_database(database, open_case)


def armed(database: str) -> list[tuple[str, str]]:
    """Return the partitions that have work."""
    from counterfoil.store import work

    return in_database(database, work.armed)

"""Rows of a file that are wrong alike are one case: each with its line and its money, and the rest of the file goes on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from tests.integration.normalize.conftest import NOW, Caution, arm

from counterfoil.connectors.files import CONNECTOR
from counterfoil.connectors.files.config import FilesConfig
from counterfoil.core.language.records import Purpose
from counterfoil.ingress.keeping import incoming_of, keep
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import cases, work
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

NAME = "payments-1.csv"
ROWS = """\
id,customer_id,currency,amount,paid_on
P1,7,USD,10.00,2026-01-05
P2,7,USD,20.00,05.01.2026
P3,7,USD,30.50,2026-01-05
P4,7,USD,40.25,06.01.2026
P5,7,EUR,5.00,07.01.2026
P6,,USD,6.00,2026-01-05
P7,7,USD,x,2026-01-05
P8,7,USD,8.00
P9,7,USD,9.00
P10,7\0,USD,1.00,2026-01-05
P11,7,USD,1.00,2026-01-05\0
"""


async def read(pool: Pool, cipher: Cipher, clock: SettableClock, folder: Path, **files: str) -> None:
    """Put files into the inbox and read all that comes of them; names as they are, without their ending."""
    source, polls = CONNECTOR.reader, CONNECTOR.polls
    assert source is not None
    assert polls is not None
    for name, text in files.items():
        (folder / f"{name.replace('_', '-')}.csv").write_text(text, "utf-8")
    settings = FilesConfig(inbox=folder, outbox=folder / "out", namespace="acme")
    ctx = Context("files", settings, cast(HttpClient, None), clock)
    page = await polls.poll(ctx, "")
    async with pool.connection() as conn, conn.transaction():
        await keep(conn, cipher, arm, incoming_of("files", page.deliveries, 10), NOW)
    normalizer = Normalizer(pool, cipher, {"files": (source, ctx)}, clock, arm, (Purpose.BOOKS,))
    for shard in range(work.SHARDS):
        while (await normalizer.turn(f"files/{shard}", Caution())).has_more:
            pass


async def test_rows_wrong_alike_are_one_case_with_their_lines_and_their_money(
    pool: Pool, cipher: Cipher, clock: SettableClock, tmp_path: Path
) -> None:
    await read(pool, cipher, clock, tmp_path, payments_1=ROWS)
    async with pool.connection() as conn:
        found = await cases.list_cases(conn)
        held = {case.id: await cases.show(conn, case.id) for case in found}
    told = {case.cause.partition(f"{NAME}")[2]: (case.count, sorted((one.minor, one.currency) for one in case.money)) for case in found}
    assert told == {
        # lines 3, 5 and 6: 20.00 + 40.25 USD, and 5.00 EUR
        ", paid_on: is not a date such as 2026-03-31, or an instant such as 2026-03-31T15:00:00Z": (3, [(500, "EUR"), (6025, "USD")]),
        # what stands alone tells its line itself
        " line 7, customer_id: is empty and must not be": (1, [(600, "USD")]),
        " line 8, amount: is not a plain decimal with at most 2 decimals (USD), such as 12.30": (1, []),
        ": has 4 fields where the header has 5": (2, []),
        ": holds a NUL character": (2, []),
    }
    details = " ".join(one.subject.detail for detail in held.values() if detail for one in detail.subjects)
    assert sorted(map(int, re.findall(rf"{NAME} line (\d+)", details))) == [3, 5, 6, 7, 8, 9, 10, 11, 12]
    assert all("waive this case" in case.next_step for case in found if case.code == "files.value")


async def test_documents_of_a_file_that_do_not_add_up_are_one_case_each_with_its_line_and_its_sums(
    pool: Pool, cipher: Cipher, clock: SettableClock, tmp_path: Path
) -> None:
    rows = """\
id,customer_id,currency,issued_on,total,description,amount
I1,7,EUR,2026-01-05,10.00,Plan,9.00
I2,7,EUR,2026-01-05,20.00,Plan,20.00
I3,7,EUR,2026-01-05,30.00,Plan,28.50
"""
    await read(pool, cipher, clock, tmp_path, invoices_1=rows)
    async with pool.connection() as conn:
        [case] = await cases.list_cases(conn)
        held = await cases.show(conn, case.id)
    assert case.cause.endswith(
        "invoices-1.csv, total: is not what the lines of the document sum to; rows of one document must follow each other"
    )
    assert (case.count, [(one.minor, one.currency) for one in case.money]) == (2, [(4000, "EUR")])  # 10.00 and 30.00
    assert held is not None
    told = [(one.subject.label, one.subject.detail.partition(", but")[0]) for one in held.subjects]
    assert sorted(told) == [
        ("invoice/acme:I1", "invoices-1.csv line 2, total: says 10.00 EUR"),
        ("invoice/acme:I3", "invoices-1.csv line 4, total: says 30.00 EUR"),
    ]


async def test_the_same_document_wrong_twice_counts_its_money_once(
    pool: Pool, cipher: Cipher, clock: SettableClock, tmp_path: Path
) -> None:
    head = "id,customer_id,currency,amount,paid_on\n"
    await read(
        pool, cipher, clock, tmp_path, payments_1=f"{head}P1,,EUR,10.00,2026-01-05\nP2,,EUR,5.00,2026-01-05\nP1,,EUR,10.00,2026-01-06\n"
    )
    async with pool.connection() as conn:
        [case] = await cases.list_cases(conn)
    assert (case.count, [(one.minor, one.currency) for one in case.money]) == (3, [(1500, "EUR")])  # P1 stands there twice

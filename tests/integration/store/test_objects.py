"""Objects and events: the newest merged state wins once, and the log is written once."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.core.builders import credit_note, refund, usd

from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.company import Company
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PAYMENT as PAYMENT_KIND
from counterfoil.core.kinds.refund import REFUND
from counterfoil.core.language.money import Money
from counterfoil.kit.codec import encode
from counterfoil.store import events, objects, outbox, summary, trace, watching
from counterfoil.store.cipher import Cipher
from counterfoil.store.events import EventRow
from counterfoil.store.migrate import migrations
from counterfoil.store.objects import ObjectRow, ObjectTotal, links_of
from counterfoil.store.outbox import NewCommand
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.summary import SummaryDocumentRow, SummaryItemRow
from counterfoil.upkeep.upkeep import Upkeep

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REF = INVOICE.ref("stripe:in_1")
PAYMENT = PAYMENT_KIND.ref("stripe:ch_1")
ROW = ObjectRow(
    REF, "stripe", 1, 10, b"digest", NOW, NOW, b"state", account="acct_1", entity="DE01", last_event="0" * 31 + "1",
    last_type="invoice.issued", customer_id="stripe:cus_1", state="issued", total_minor=11900, currency="EUR",
)  # fmt: skip
EVENT = EventRow("0" * 31 + "1", NOW, 7, "invoice.issued", 1, "stripe", "invoice", "stripe:in_1", NOW, 10, b"data", merged="applied")


async def test_an_object_comes_back_as_it_was_written(conn: Conn, cipher: Cipher) -> None:
    assert await objects.upsert(conn, cipher, [ROW]) == {REF}
    assert await objects.load(conn, cipher, [REF, INVOICE.ref("stripe:in_2")]) == {REF: ROW}
    assert await objects.of_customer(conn, cipher, "stripe:cus_1") == [ROW]


async def test_a_state_merged_onto_a_version_that_is_no_longer_the_last_is_not_written(conn: Conn, cipher: Cipher) -> None:
    await objects.upsert(conn, cipher, [ROW])
    newer = replace(ROW, version=2, state="paid")
    assert await objects.upsert(conn, cipher, [newer]) == {REF}
    assert await objects.upsert(conn, cipher, [replace(newer, state="void")]) == set()
    assert (await objects.load(conn, cipher, [REF]))[REF].state == "paid"


async def test_merges_of_many_tasks_are_all_counted(pool: Pool, cipher: Cipher) -> None:
    async def merge_once() -> None:
        while True:
            async with pool.connection() as conn:
                former = (await objects.load(conn, cipher, [REF])).get(REF)
                total = 1 if former is None or former.total_minor is None else former.total_minor + 1
                version = 1 if former is None else former.version + 1
                if await objects.upsert(conn, cipher, [replace(ROW, version=version, total_minor=total)]):
                    return

    await asyncio.gather(*(merge_once() for _ in range(20)))
    async with pool.connection() as conn:
        assert (await objects.load(conn, cipher, [REF]))[REF].total_minor == 20


async def test_totals_are_by_kind_entity_currency_and_state(conn: Conn, cipher: Cipher) -> None:
    other = replace(ROW, ref=INVOICE.ref("stripe:in_2"), total_minor=100)
    open_one = replace(ROW, ref=INVOICE.ref("stripe:in_3"), state="open", total_minor=None)
    await objects.upsert(conn, cipher, [ROW, other, open_one])
    assert await objects.totals(conn) == [
        ObjectTotal(INVOICE.name, "DE01", "EUR", "issued", 2, 12000),
        ObjectTotal(INVOICE.name, "DE01", "EUR", "open", 1, 0),
    ]


async def test_totals_may_be_more_than_64_bits_hold(conn: Conn, cipher: Cipher) -> None:
    largest = replace(ROW, ref=INVOICE.ref("stripe:in_2"), total_minor=2**63 - 1)
    await objects.upsert(conn, cipher, [ROW, largest])
    [total] = await objects.totals(conn)
    assert (total.total_minor, type(total.total_minor)) == (2**63 - 1 + 11900, int)
    assert await watching.billed(conn, ["stripe:cus_1"]) == {"stripe:cus_1": Money(2**63 - 1 + 11900, "EUR")}


async def test_the_entity_of_an_object_is_that_of_the_newest_command_wished_for_it(conn: Conn, cipher: Cipher) -> None:
    others = [replace(ROW, ref=INVOICE.ref(f"stripe:in_{number}"), entity="") for number in (2, 3)]
    await objects.upsert(conn, cipher, [ROW, *others])
    wishes = [
        NewCommand(f"{number:032x}", "post_invoice", "books", entity, "sales", REF, f"k{number}", b"{}")
        for number, entity in enumerate(("DE01", "US01", ""))
    ]
    for wish in wishes:
        await outbox.wish(conn, cipher, [wish], NOW)
    amount = SummaryItemRow("FR01", NOW.date(), "EUR", "1", "invoice/stripe:in_2", "stripe:in_2", "revenue", 100)
    await summary.add(conn, [SummaryDocumentRow("stripe:in_2")], [amount], NOW)
    # in_1 stands in the row of a program of before as of DE01, and was wished for US01 last; in_2 is summed up; in_3 is not decided.
    assert [(total.entity, total.count) for total in await objects.totals(conn)] == [("", 1), ("FR01", 1), ("US01", 1)]
    assert [one.entity for one in (await trace.trace(conn, "stripe:cus_1")).objects] == ["US01", "FR01", ""]
    assert (await objects.load(conn, cipher, [REF]))[REF] == ROW


async def test_an_object_is_found_from_what_it_names_as_long_as_it_names_it(conn: Conn, cipher: Cipher) -> None:
    other = INVOICE.ref("stripe:in_2")
    row = replace(ROW, ref=PAYMENT, links=(objects.link_of(REF), objects.link_of(other)))
    await objects.upsert(conn, cipher, [ROW, row])
    assert [await objects.linked_to(conn, refs) for refs in ([REF], [other, REF], [PAYMENT], [])] == [{PAYMENT}, {PAYMENT}, set(), set()]
    await objects.upsert(conn, cipher, [replace(row, version=2, links=(objects.link_of(other),))])
    assert [await objects.linked_to(conn, [ref]) for ref in (REF, other)] == [set(), {PAYMENT}]


async def test_upkeep_links_what_older_programs_wrote(pool: Pool, cipher: Cipher) -> None:
    given = refund(usd(2000))
    ref = ref_of(given)
    async with pool.connection() as conn:
        bill = replace(ROW, names=("A-0001",))
        await objects.upsert(conn, cipher, [bill, replace(ROW, ref=ref, data=encode(given), links=links_of(given))])
        await conn.execute("update object set links = null, linked = 0")  # as a program that knows of no links leaves it
    upkeep: Any = Upkeep(pool, cipher, {}, None, None, None)  # type: ignore[arg-type]
    await upkeep.lookups_turn("all")
    async with pool.connection() as conn:
        assert await objects.linked_to(conn, [PAYMENT]) == {ref}
        assert await objects.to_link(conn, cipher) == []


async def test_upkeep_links_anew_what_an_older_program_changed_beside_a_newer_one(pool: Pool, cipher: Cipher) -> None:
    note = credit_note(usd(2000))
    named = replace(note, refund_ids=("stripe:re_1",))
    row = replace(ROW, ref=ref_of(note), data=encode(note), links=links_of(note))
    async with pool.connection() as conn:
        await objects.upsert(conn, cipher, [row])
        await objects.upsert(conn, cipher, [replace(row, version=2, data=encode(named), links=links_of(note))])
        await conn.execute("update object set linked = 1")  # a program that knows of no links writes the state alone
    upkeep: Any = Upkeep(pool, cipher, {}, None, None, None)  # type: ignore[arg-type]
    await upkeep.lookups_turn("all")
    async with pool.connection() as conn:
        assert await objects.linked_to(conn, [REFUND.ref("stripe:re_1")]) == {ref_of(note)}
        assert await objects.to_link(conn, cipher) == []


async def test_the_migration_links_merged_customers_and_companies_anew(pool: Pool, cipher: Cipher) -> None:
    merged = Customer("stripe:cus_2", "Acme", merged_into="stripe:cus_1")
    shown = Company("hubspot:1.7", "Acme", customer_ids=("stripe:cus_1",))
    survivor = CUSTOMER.ref("stripe:cus_1")
    [sql] = [one.text for one in migrations() if one.number == 31]
    async with pool.connection() as conn:
        rows = [replace(ROW, ref=ref_of(one), data=encode(one), links=()) for one in (merged, shown)]  # as links were before
        await objects.upsert(conn, cipher, [replace(rows[0], last_type="customer.merged"), rows[1]])
        assert await objects.linked_to(conn, [survivor]) == set()
        await conn.execute(sql[sql.index("update") :].encode())
    upkeep: Any = Upkeep(pool, cipher, {}, None, None, None)  # type: ignore[arg-type]
    await upkeep.lookups_turn("all")
    async with pool.connection() as conn:
        assert await objects.linked_to(conn, [survivor]) == {ref_of(merged), ref_of(shown)}


async def test_an_event_is_written_once(conn: Conn, cipher: Cipher) -> None:
    assert await events.append(conn, cipher, [EVENT]) == {EVENT.id}
    assert await events.append(conn, cipher, [EVENT, replace(EVENT, id="0" * 31 + "2")]) == {"0" * 31 + "2"}


async def test_events_are_found_by_subject_and_id(conn: Conn, cipher: Cipher) -> None:
    later = replace(EVENT, id="0" * 31 + "2", sequence=11, receipt_id=8)
    await events.append(conn, cipher, [later, EVENT])
    assert await events.by_subject(conn, cipher, "invoice", "stripe:in_1") == [EVENT, later]
    assert await events.by_subject(conn, cipher, "invoice", "stripe:in_1", limit=1) == [later]
    assert await events.read(conn, cipher, [later.id, "f" * 32]) == [later]


def test_the_kinds_that_are_linked_anew_are_those_found_from_what_they_name() -> None:
    linked = {name for name, kind in KINDS.items() if any(reference.is_link for reference in kind.refers_to)}
    assert linked == set(re.findall(r"'(\w+)'", objects.LINKING))

"""Figures and traces: what people see is what the tables hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from counterfoil.app.simulation.view import left_at
from counterfoil.core.kinds.customer import CUSTOMER as CUSTOMER_KIND
from counterfoil.core.kinds.invoice import INVOICE as INVOICE_KIND
from counterfoil.core.language.keys import NeedKey, need_of
from counterfoil.store import (
    agenda,
    agenda_deadlines,
    audit,
    cursors,
    events,
    objects,
    outbox,
    receipts,
    summary,
    targets,
    trace,
    views,
    work,
    workers,
)
from counterfoil.store.agenda import Subject
from counterfoil.store.attempts import Attempt, record
from counterfoil.store.audit import AuditLine
from counterfoil.store.cipher import Cipher
from counterfoil.store.cursors import Cursor
from counterfoil.store.events import EventRow
from counterfoil.store.objects import ObjectRow
from counterfoil.store.outbox import End, EndStatus, NewCommand
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.receipts import Incoming, ReceiptEnd, ReceiptState
from counterfoil.store.summary import SummaryDocumentRow, SummaryItemRow
from counterfoil.store.views import SourceLine, TargetLine

NOW = datetime(2026, 3, 1, tzinfo=UTC)
INVOICE = INVOICE_KIND.ref("stripe:in_1")
CUSTOMER = CUSTOMER_KIND.ref("stripe:cus_1")


@dataclass(frozen=True)
class InvoicePath:
    """One invoice's path, with the ids it leaves."""

    receipt_id: int
    event_id: str
    command_id: str


async def tell(conn: Conn, cipher: Cipher) -> InvoicePath:
    """An invoice comes in, is normalized, decided and posted; a second delivery is ignored, a third is parked, a fourth still pending."""
    incoming = [Incoming("stripe", f"evt_{number}", "cus_1", "invoice.paid", b"{}", NOW) for number in (1, 2, 3, 4)]
    appended = await receipts.append(conn, cipher, incoming, NOW)
    first, second, third, _ = await receipts.claim(conn, cipher, "stripe", range(work.SHARDS), NOW, 10)
    settlements = [
        ReceiptEnd(first.id, NOW, ReceiptState.NORMALIZED),
        ReceiptEnd(second.id, NOW, ReceiptState.IGNORED, "not_a_money_object"),
        ReceiptEnd(third.id, NOW, ReceiptState.PARKED, "stripe.type_unknown"),
    ]
    await receipts.settle(conn, settlements, NOW)
    event = EventRow("e" * 32, NOW, appended.ids[0], "invoice.paid", 1, "stripe", "invoice", INVOICE.id, NOW, 1, b"data")
    await events.append(conn, cipher, [event])
    state = ObjectRow(INVOICE, "stripe", 1, 1, b"digest", NOW, NOW, b"state", customer_id=CUSTOMER.id, total_minor=11900, currency="EUR")
    await objects.upsert(conn, cipher, [state, ObjectRow(CUSTOMER, "stripe", 1, 1, b"digest", NOW, NOW, b"state")])
    wish = NewCommand("c" * 32, "post_invoice", "odoo", "DE01", "DE01", INVOICE, "invoice_stripe.in_1", b"x", produces=need_of(INVOICE))
    waiting = NewCommand("d" * 32, "allocate", "odoo", "DE01", "DE01", INVOICE, "allocate_1", b"x", needs=(NeedKey("payment/stripe:py_1"),))
    await outbox.wish(conn, cipher, [wish, waiting], NOW)
    done = NOW + timedelta(seconds=2)
    await outbox.settle(conn, [End(wish.id, NOW, EndStatus.DONE, "account.move/1136", "INV/2026/00001")], done)
    await record(conn, [Attempt(NOW, done, "odoo", "DE01", "post_invoice", 1, b"digest", 1, 0, 0, 0, (wish.id,))])
    return InvoicePath(first.id, event.id, wish.id)


async def test_received_is_the_sum_of_what_became_of_it_and_wished_too(conn: Conn, cipher: Cipher) -> None:
    await tell(conn, cipher)
    found = await views.conservation(conn)
    assert found.sources == (SourceLine("stripe", received=4, normalized=1, ignored=1, parked=1, pending=1),)
    assert found.targets == (TargetLine("odoo", done=1, ready=0, waiting=1, unknown=0, parked=0, canceled=0),)
    assert found.wished == 2
    assert found.is_balanced


async def test_a_receipt_that_got_lost_shows(conn: Conn, cipher: Cipher) -> None:
    told = await tell(conn, cipher)
    await conn.execute("delete from receipt where id = %s", (told.receipt_id,))
    assert not (await views.conservation(conn)).is_balanced


async def test_the_status_tells_rules_backlog_and_latency(conn: Conn, cipher: Cipher) -> None:
    await tell(conn, cipher)
    status = await views.status(conn, NOW, NOW - timedelta(hours=1))
    assert status.ignored == {("stripe", "not_a_money_object"): 1}
    assert [(line.stage, line.place, line.count) for line in status.backlog] == [("deliver", "odoo/waiting", 1), ("normalize", "stripe", 1)]
    [latency] = status.latencies
    assert (latency.kind, latency.count, latency.p95_s) == ("post_invoice", 1, 2.0)


@pytest.mark.parametrize(
    "asked",
    [
        "in_1", "stripe:in_1", "invoice/stripe:in_1", "evt_1", "c" * 32, "e" * 32, "invoice_stripe.in_1", "account.move/1136",
        "INV/2026/00001", "cus_1", "stripe:cus_1",
    ],
)  # fmt: skip
async def test_a_trace_by_any_id_tells_the_whole_path(conn: Conn, cipher: Cipher, asked: str) -> None:
    told = await tell(conn, cipher)
    found = await trace.trace(conn, asked)
    assert told.receipt_id in [receipt.id for receipt in found.receipts]
    assert INVOICE in [one.ref for one in found.objects]
    assert [event.id for event in found.events] == [told.event_id]
    assert [(command.state, command.external_name, command.missing) for command in found.commands] == [
        ("done", "INV/2026/00001", ()),
        ("waiting", "", ("payment/stripe:py_1",)),
    ]
    assert [binding.external_id for binding in found.bindings] == ["account.move/1136"]
    assert len(found.attempts) == 1


async def test_a_trace_of_a_number_of_a_receipt(conn: Conn, cipher: Cipher) -> None:
    told = await tell(conn, cipher)
    assert [one.ref for one in (await trace.trace(conn, str(told.receipt_id))).objects] == [INVOICE]


async def test_a_trace_by_a_delivery_s_id_without_its_account(conn: Conn, cipher: Cipher) -> None:
    await receipts.append(conn, cipher, [Incoming("stripe", "acct_1/evt_9", "cus_1", "invoice.paid", b"{}", NOW, account="acct_1")], NOW)
    await objects.upsert(conn, cipher, [ObjectRow(CUSTOMER, "stripe", 1, 1, b"digest", NOW, NOW, b"state", account="acct_1")])
    assert [receipt.dedupe_key for receipt in (await trace.trace(conn, "evt_9")).receipts] == ["acct_1/evt_9"]


async def test_a_trace_of_something_unknown_is_empty(conn: Conn, cipher: Cipher) -> None:
    await tell(conn, cipher)
    assert (await trace.trace(conn, "in_unknown")).is_empty


async def test_a_delivery_that_is_not_normalized_yet_is_traced_by_its_subject(conn: Conn, cipher: Cipher) -> None:
    await receipts.append(conn, cipher, [Incoming("stripe", "evt_9", "in_9", "invoice.paid", b"{}", NOW)], NOW)
    assert [receipt.dedupe_key for receipt in (await trace.trace(conn, "in_9")).receipts] == ["evt_9"]


async def test_a_cursor_keeps_the_coverage_it_once_reached(conn: Conn) -> None:
    later = NOW + timedelta(hours=1)
    await cursors.save(conn, Cursor("stripe", "poll", "evt_2", covers_until=later, recoverable_since=NOW, read_count=2), NOW)
    await cursors.save(conn, Cursor("stripe", "poll", "evt_3", covers_until=NOW, read_count=3), later)
    found = await cursors.load(conn, "stripe", "poll")
    assert found == Cursor("stripe", "poll", "evt_3", later, NOW, "", 3, later)
    await cursors.forget(conn, "stripe", "poll")
    assert await cursors.list_cursors(conn) == []


async def test_a_moved_lock_date_is_told(conn: Conn) -> None:
    open_books, locked = targets.LockedDays(), targets.LockedDays(date(2026, 1, 31))
    assert await targets.save(conn, "odoo", "19.0", {"DE01": open_books, "US01": open_books}, NOW) == []
    assert await targets.save(conn, "odoo", "19.0", {"DE01": locked, "US01": open_books}, NOW) == ["DE01"]
    assert (await targets.load(conn, "odoo"))["DE01"].locks == locked
    taxed = targets.LockedDays(date(2026, 1, 31), taxed=date(2026, 3, 31))
    assert await targets.save(conn, "odoo", "19.0", {"DE01": taxed, "US01": open_books}, NOW) == ["DE01"]
    assert (await targets.load(conn, "odoo"))["DE01"].locks == taxed


async def test_a_day_is_closed_in_numbered_entries_that_share_nothing(conn: Conn) -> None:
    def item(key: str, minor: int, document: str = "invoice_stripe.in_1") -> SummaryItemRow:
        return SummaryItemRow("DE01", date(2026, 3, 1), "EUR", key, INVOICE.key, document, "revenue", minor)

    first, second = SummaryDocumentRow("invoice_stripe.in_1", "digest", "{}"), SummaryDocumentRow("invoice_stripe.in_2")
    assert await summary.add(conn, [first], [item("a", 100), item("a", 100), item("b", -40)], NOW) == 2
    assert await summary.add(conn, [first], [item("a", 100)], NOW) == 0
    assert (
        await summary.add(conn, [SummaryDocumentRow(first.document_id, "other")], [item("c", 7)], NOW) == 0
    )  # a document is summed up once
    assert await summary.documents(conn, [first.document_id, second.document_id]) == [first]
    days = await summary.open_days(conn, date(2026, 3, 1))
    assert [(day.day, day.items, day.debits_minor) for day in days] == [(date(2026, 3, 1), 2, 100)]
    assert await summary.open_days(conn, date(2026, 2, 28)) == []
    number, items = await summary.close_day(conn, "DE01", date(2026, 3, 1), "EUR")
    assert (number, sum(one.amount_minor for one in items)) == (1, 60)
    assert await summary.close_day(conn, "DE01", date(2026, 3, 1), "EUR") == (0, [])
    late = item("late", 5, second.document_id)
    await summary.add(conn, [second], [late], NOW)
    assert await summary.close_day(conn, "DE01", date(2026, 3, 1), "EUR") == (2, [late])
    assert len(await summary.items_of(conn, "DE01", date(2026, 3, 1), "EUR", 1)) == 2
    assert len(await summary.of_subjects(conn, [INVOICE.key])) == 3


async def test_what_a_day_comes_to_may_be_more_than_64_bits_hold(conn: Conn) -> None:
    day = date(2026, 3, 1)
    items = [
        SummaryItemRow("DE01", day, "EUR", key, INVOICE.key, "invoice_1", "revenue", minor) for key, minor in (("a", 2**63 - 1), ("b", 1))
    ]
    await summary.add(conn, [SummaryDocumentRow("invoice_1")], items, NOW)
    [found] = await summary.open_days(conn, day)
    assert (found.items, found.debits_minor, type(found.debits_minor)) == (2, 2**63, int)


async def test_audit_lines_are_kept_in_order(conn: Conn) -> None:
    for number in (1, 2):
        await audit.append(conn, AuditLine(NOW + timedelta(seconds=number), "ada", "case.waive", f"case/{number}", {"reason": "x"}))
    assert [line.subject for line in await audit.recent(conn)] == ["case/2", "case/1"]
    assert [line.detail for line in await audit.recent(conn, subject="case/1")] == [{"reason": "x"}]


async def test_a_worker_that_fell_silent_is_taken_once(conn: Conn) -> None:
    one, two = [await workers.join(conn, name, "host", "0.1.0") for name in ("w1", "w2")]
    await workers.leave(conn, two.id)
    assert [worker.name for worker in await workers.list_workers(conn)] == ["w1"]
    assert await workers.beat(conn, one.id, 3) is True
    assert [worker.drains for worker in await workers.list_workers(conn)] == [3]
    assert await workers.take_dead(conn, 3600) == []
    assert [worker.id for worker in await workers.take_dead(conn, -1)] == [one.id]
    assert await workers.take_dead(conn, -1) == []
    assert await workers.beat(conn, one.id, 0) is False


async def test_a_new_incarnation_of_a_name_takes_the_place_of_the_former(conn: Conn) -> None:
    former = await workers.join(conn, "w1", "host", "0.1.0")
    latter = await workers.join(conn, "w1", "host", "0.1.0")
    assert latter.incarnation > former.incarnation
    assert [worker.id for worker in await workers.list_workers(conn)] == [f"w1#{latter.incarnation}"]


async def test_what_goes_on_while_it_is_looked_at_is_left_to_do(pool: Pool, cipher: Cipher, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool.connection() as conn:
        await agenda.add(conn, [Subject(INVOICE)], NOW)
    read = views.conservation

    async def decided_after(conn: Conn) -> views.Conservation:
        found = await read(conn)
        async with pool.connection() as other, other.transaction():  # decided by now: a command, and off the agenda
            wish = NewCommand("c" * 32, "post_invoice", "odoo", "DE01", "DE01", INVOICE, "invoice_stripe.in_1", b"x")
            await outbox.wish(other, cipher, [wish], NOW)
            assert await agenda.finish(other, await agenda.claim(other, range(work.SHARDS), NOW, 10)) == 1
        return found

    monkeypatch.setattr(views, "conservation", decided_after)
    async with pool.connection() as conn:
        assert (await left_at(conn, NOW)).open == 1
    monkeypatch.setattr(views, "conservation", read)
    async with pool.connection() as conn:
        assert (await left_at(conn, NOW)).open == 1


async def test_a_deadline_that_has_come_is_left_to_do(pool: Pool) -> None:
    async with pool.connection() as conn:
        await agenda_deadlines.put(conn, {INVOICE: NOW})
    async with pool.connection() as conn:
        assert [(await left_at(conn, now)).open for now in (NOW - timedelta(seconds=1), NOW)] == [0, 1]

"""Cases: one per cause, with the records that stand still, taken up again or let go by people and by arrivals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from counterfoil.core.kinds.invoice import INVOICE as INVOICE_KIND
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import WaitKey, wait_for_mapping
from counterfoil.store import agenda, case_subjects, case_work, cases, mappings, outbox, receipts
from counterfoil.store.cases import CaseMoney, CaseState, CaseSubject, Opening
from counterfoil.store.cipher import Cipher
from counterfoil.store.mappings import Mapping
from counterfoil.store.outbox import CommandState, End, EndStatus, NewCommand
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import Incoming, ReceiptState
from counterfoil.store.work import shard_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DUE = NOW + timedelta(days=1)
INVOICE = INVOICE_KIND.ref("stripe:in_1")


def opening(
    stage: str, subject: str, *, money: int | None = None, currency: str = "", releases_on: str = "", concerns: str = ""
) -> Opening:
    held = CaseSubject(stage, subject, "label", money, currency, concerns)
    return Opening(
        "unmapped txr_1", CaseClass.UNMAPPED_TAX, "decide.tax_unmapped", "txr_1 has no tax", "map it", "finance systems", "revenue",
        DUE, held, "DE01", "stripe", WaitKey(releases_on),
    )  # fmt: skip


async def parked_receipt(conn: Conn, cipher: Cipher) -> int:
    incoming = Incoming("stripe", "evt_1", "cus_1", "invoice.paid", b"{}", NOW, parked="unknown account")
    [id] = (await receipts.append(conn, cipher, [incoming], NOW)).ids
    assert id is not None
    return id


async def parked_command(conn: Conn, cipher: Cipher) -> str:
    wish = NewCommand("a" * 32, "post_invoice", "odoo", "DE01", "DE01", INVOICE, "invoice_1", b"arguments")
    await outbox.wish(conn, cipher, [wish], NOW)
    await outbox.settle(conn, [End(wish.id, NOW, EndStatus.REFUSED, code="odoo.x")], NOW)
    return wish.id


async def test_a_thousand_records_with_one_cause_are_one_case_with_their_money(conn: Conn) -> None:
    many = [opening("decide", f"invoice/stripe:in_{number}", money=100, currency="EUR") for number in range(1000)]
    ids = await cases.open_or_count(conn, many, NOW)
    again = await cases.open_or_count(conn, [*many[:10], opening("decide", "invoice/stripe:in_x", money=7, currency="USD")], NOW)
    assert again == ids
    [case] = await cases.list_cases(conn)
    # 1000 x 1.00 EUR; the dollars are never added to euros
    assert (case.count, case.money_minor, case.currency) == (1001, 100_000, "EUR")
    assert case.money == (CaseMoney("EUR", 100_000), CaseMoney("USD", 7))
    totals = await cases.totals(conn, DUE + timedelta(seconds=1))
    assert [(one.currency, one.money_minor, one.cases, one.records, one.overdue) for one in totals] == [
        ("EUR", 100_000, 1, 1001, 1),
        ("USD", 7, 1, 1001, 1),
    ]


async def test_money_of_an_invoice_and_of_its_own_payment_counts_once(conn: Conn) -> None:
    # An invoice of 432.10 USD, its payment of 432.10 USD and the match of both stand still: 432.10 USD, not 864.20 or 1,296.30.
    bill = opening("deliver", "c1", money=43_210, currency="USD", concerns=INVOICE.key)
    others = [opening("deliver", name, money=43_210, currency="USD", concerns=INVOICE.key) for name in ("c2", "c3")]
    await cases.open_or_count(conn, [bill, *others], NOW)
    [case] = await cases.list_cases(conn)
    assert (case.count, case.money) == (3, (CaseMoney("USD", 43_210),))
    assert [total.money_minor for total in await cases.totals(conn, NOW)] == [43_210]
    # A second invoice of 10.00 EUR for the same cause; then all of the first one's records went through: only the second one stands still.
    await cases.open_or_count(conn, [opening("deliver", "c4", money=1000, currency="EUR", concerns="invoice/stripe:in_2")], NOW)
    await case_subjects.release_subjects(conn, "deliver", ["c1", "c2", "c3"], NOW)
    [case] = await cases.list_cases(conn)
    assert (case.money, case.money_minor) == ((CaseMoney("EUR", 1000),), None)
    # Closed, it says what it ever held.
    await case_subjects.release_subjects(conn, "deliver", ["c4"], NOW)
    [case] = await cases.list_cases(conn, state=None)
    assert case.money == (CaseMoney("EUR", 1000), CaseMoney("USD", 43_210))


async def test_what_came_in_does_not_make_up_for_what_went_out(conn: Conn) -> None:
    moves = [opening("decide", f"balance_entry/stripe:txn_{money}", money=money, currency="EUR") for money in (-300, 300, -1000)]
    await cases.open_or_count(conn, moves, NOW)
    [case] = await cases.list_cases(conn)
    # 3.00 out, 3.00 in and 10.00 out are not booked: 16.00, and not 10.00 less than nothing.
    assert (case.money, case.money_minor) == ((CaseMoney("EUR", 1600),), 1600)


async def test_money_of_several_records_may_be_more_than_64_bits_hold(conn: Conn) -> None:
    largest = 2**63 - 1
    await cases.open_or_count(
        conn,
        [
            opening("decide", "invoice/stripe:in_1", money=largest, currency="EUR"),
            opening("decide", "invoice/stripe:in_2", money=1, currency="EUR"),
        ],
        NOW,
    )
    [case] = await cases.list_cases(conn)
    assert (case.money_minor, case.money) == (2**63, (CaseMoney("EUR", 2**63),))
    [total] = await cases.totals(conn, NOW)
    assert (total.money_minor, type(total.money_minor), total.records, total.overdue) == (2**63, int, 2, 0)


async def test_a_record_that_stands_still_for_another_cause_now_leaves_the_case_of_the_former_one(conn: Conn) -> None:
    first = (await cases.open_or_count(conn, [opening("deliver", "c1"), opening("deliver", "c2")], NOW))["unmapped txr_1"]
    other = replace(opening("deliver", "c1"), fingerprint="period locked")
    second = (await cases.open_or_count(conn, [other], NOW))["period locked"]
    assert await case_subjects.move_on(conn, "deliver", {"c1": second}, NOW) == []  # the other record of the first case still stands
    detail = await cases.show(conn, first)
    assert detail is not None
    assert {held.subject.subject: held.released_at is None for held in detail.subjects} == {"c1": False, "c2": True}
    third = (await cases.open_or_count(conn, [replace(opening("deliver", "c2"), fingerprint="period locked")], NOW))["period locked"]
    assert (third, await case_subjects.move_on(conn, "deliver", {"c2": second}, NOW)) == (second, [first])
    assert [case.id for case in await cases.list_cases(conn)] == [second]


async def test_a_case_is_resolved_when_its_last_record_went_through(conn: Conn) -> None:
    ids = await cases.open_or_count(conn, [opening("decide", INVOICE.key), opening("normalize", "7")], NOW)
    [case_id] = ids.values()
    assert await case_subjects.release_subjects(conn, "decide", [INVOICE.key, "invoice/stripe:in_other"], NOW) == []
    assert await case_subjects.release_subjects(conn, "normalize", ["7"], NOW) == [case_id]
    detail = await cases.show(conn, case_id)
    assert detail is not None
    assert detail.case.state is CaseState.RESOLVED
    assert [line.action for line in detail.history] == ["opened", "resolved"]


async def test_the_same_cause_after_its_case_was_resolved_opens_a_new_one(conn: Conn) -> None:
    first = await cases.open_or_count(conn, [opening("decide", INVOICE.key)], NOW)
    await case_subjects.release_subjects(conn, "decide", [INVOICE.key], NOW)
    assert await cases.open_or_count(conn, [opening("decide", INVOICE.key)], NOW) != first


async def test_retrying_a_case_takes_up_every_record_at_its_stage(conn: Conn, cipher: Cipher) -> None:
    receipt_id, command_id = await parked_receipt(conn, cipher), await parked_command(conn, cipher)
    held = [opening("normalize", str(receipt_id)), opening("deliver", command_id), opening("decide", INVOICE.key)]
    [case_id] = (await cases.open_or_count(conn, held, NOW)).values()
    shards = shard_of(INVOICE.key), shard_of("cus_1")
    expected = [("decide", str(shards[0])), ("deliver", "odoo/DE01"), ("normalize", f"stripe/{shards[1]}")]
    assert await case_work.retry(conn, case_id, "ada", NOW) == expected
    assert (await receipts.read(conn, cipher, [receipt_id]))[0].state is ReceiptState.PENDING
    assert (await outbox.read(conn, cipher, [command_id]))[0].state is CommandState.READY
    detail = await cases.show(conn, case_id)
    assert detail is not None
    assert detail.case.state is CaseState.OPEN  # until they went through


async def test_a_mapping_takes_up_what_a_case_holds_for_it(conn: Conn, cipher: Cipher) -> None:
    command_id = await parked_command(conn, cipher)
    key = wait_for_mapping("tax", "DE01", "txr_1")
    await cases.open_or_count(conn, [opening("deliver", command_id, releases_on=key)], NOW)
    result = await mappings.set_mappings(conn, [Mapping("tax", "DE01", "txr_1", "19% VAT")], "ada", NOW)
    # sent again, and its subject decided again by the mapping as it is now
    assert result.touched == (("decide", str(shard_of(INVOICE.key))), ("deliver", "odoo/DE01"))


async def test_waiving_a_case_ends_its_records_and_keeps_the_books_of_the_log(conn: Conn, cipher: Cipher) -> None:
    receipt_id, command_id = await parked_receipt(conn, cipher), await parked_command(conn, cipher)
    await agenda.set_waits(conn, [INVOICE], [agenda.Wait(wait_for_mapping("tax", "DE01", "txr_1"), INVOICE)], NOW)
    held = [opening("normalize", str(receipt_id)), opening("deliver", command_id), opening("decide", INVOICE.key)]
    [case_id] = (await cases.open_or_count(conn, held, NOW)).values()
    await case_work.waive(conn, case_id, "ada", "written off", NOW)
    [receipt] = await receipts.read(conn, cipher, [receipt_id])
    assert (receipt.state, receipt.rule) == (ReceiptState.IGNORED, "waived")
    [command] = await outbox.read(conn, cipher, [command_id])
    assert (command.state, command.reason) == (CommandState.CANCELED, "waived by ada: written off")
    assert await agenda.waits_of(conn, INVOICE) == []
    assert await cases.list_cases(conn) == []
    [case] = await cases.of_subjects(conn, [command_id])
    assert (case.state, case.closed_by, case.reason) == (CaseState.WAIVED, "ada", "written off")
    assert await case_work.waive(conn, case_id, "bob", "again", NOW) == []


async def test_cases_are_listed_by_filter_and_given_to_somebody(conn: Conn) -> None:
    [case_id] = (await cases.open_or_count(conn, [opening("decide", INVOICE.key)], NOW)).values()
    assert await cases.assign(conn, case_id, "ada", "bob", NOW)
    assert [case.id for case in await cases.list_cases(conn, owner="ada", entity="DE01", case_class=CaseClass.UNMAPPED_TAX)] == [case_id]
    assert await cases.list_cases(conn, owner="finance systems") == []
    assert not await cases.assign(conn, case_id + 1000, "ada", "bob", NOW)
    assert await cases.show(conn, case_id + 1000) is None

"""Change capture: what happens in Odoo is reported once per change, whoever did it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk
from counterfoil.connectors.odoo.tests.plain import PlainError
from counterfoil.connectors.odoo.tests.wishes import line
from counterfoil.core.kinds.erp_document import ERP_DOCUMENT, ErpDocument, ErpState
from counterfoil.core.language.money import Money
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Delivery, Fetched, Page


async def drain(desk: Desk, cursor: str) -> tuple[list[Delivery], str]:
    """Poll until there is no more."""
    assert CONNECTOR.polls is not None
    found: list[Delivery] = []
    while True:
        page: Page = await CONNECTOR.polls.poll(desk.ctx, cursor)
        found += page.deliveries
        cursor = page.cursor
        if not page.has_more:
            assert page.covers_until is not None
            return found, cursor


def document(delivery: Delivery) -> ErpDocument:
    """Return what a delivery reports."""
    assert CONNECTOR.source is not None
    facts = CONNECTOR.source.normalize(None, delivery, {})
    assert isinstance(facts, tuple)
    assert isinstance(facts[0].data, ErpDocument)
    return facts[0].data


async def test_posting_and_paying_are_reported_once_each(desk: Desk) -> None:
    _, cursor = await drain(desk, "")
    customer = desk.wishes.customer()
    await desk.done(customer)
    invoice, payment = desk.wishes.invoice(customer, line(10000), total=10000), desk.wishes.payment(customer, 4000)
    (invoiced,) = await desk.done(invoice)
    (paid,) = await desk.done(payment)
    first, cursor = await drain(desk, cursor)
    told = {found.id: found for found in map(document, first)}
    posted = told[f"odoo:{invoiced.external_id}"]
    assert (posted.kind, posted.state, posted.number) == ("invoice", ErpState.POSTED, invoiced.external_name)
    assert (posted.total, posted.residual, posted.is_settled) == (Money(10000, "EUR"), Money(10000, "EUR"), False)
    assert (str(posted.accounting_date), posted.external_key) == ("2026-03-03", invoice.external_key)
    receipt = told[f"odoo:{paid.external_id}"]
    assert (receipt.kind, receipt.state, receipt.residual) == ("payment", ErpState.POSTED, Money(4000, "EUR"))

    await desk.done(desk.wishes.allocation(invoice, payment, 4000))
    second, cursor = await drain(desk, cursor)
    known = {delivery.dedupe_key for delivery in first}
    fresh = [document(delivery) for delivery in second if delivery.dedupe_key not in known]
    assert Money(6000, "EUR") in [found.residual for found in fresh if found.id == posted.id]

    third, _ = await drain(desk, cursor)
    known |= {delivery.dedupe_key for delivery in second}
    assert [delivery for delivery in third if delivery.dedupe_key not in known] == []


async def test_a_cancelled_document_is_reported(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    (outcome,) = await desk.done(desk.wishes.credit_note(customer, line(500), total=500))
    _, cursor = await drain(desk, "")
    move_id = int(outcome.external_id.partition("/")[2])
    await desk.plain.call("account.move", "button_cancel", [move_id], context={"allowed_company_ids": [desk.company_id]})
    found, _ = await drain(desk, cursor)
    states = [document(delivery).state for delivery in found if document(delivery).id == f"odoo:{outcome.external_id}"]
    assert ErpState.CANCELED in states


async def test_pages_go_by_id_and_lose_nothing(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    outcomes = await desk.done(*(desk.wishes.invoice(customer, line(100 + n), total=100 + n) for n in range(25)))
    desk.ctx.state.clear()
    object.__setattr__(desk.ctx, "settings", desk.settings(capture_page_size=10))
    found, _ = await drain(desk, "")
    told = {document(delivery).id for delivery in found}
    assert {f"odoo:{outcome.external_id}" for outcome in outcomes} <= told


async def test_backfill_gives_every_document_since_a_day(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    outcomes = await desk.done(*(desk.wishes.invoice(customer, line(100 + n), total=100 + n) for n in range(3)))
    assert CONNECTOR.backfills is not None
    cursor, told = "", set()
    while True:
        page = await CONNECTOR.backfills.backfill(desk.ctx, "account.move", datetime.now(UTC) - timedelta(days=400), cursor)
        told |= {document(delivery).id for delivery in page.deliveries}
        cursor = page.cursor
        if not page.has_more:
            break
    assert {f"odoo:{outcome.external_id}" for outcome in outcomes} <= told


async def test_a_deleted_document_is_fetched_as_none(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    (outcome,) = await desk.done(desk.wishes.invoice(customer, line(100), total=100))
    assert CONNECTOR.fetches is not None
    here = CONNECTOR.fetches.locate(ERP_DOCUMENT.ref(f"odoo:{outcome.external_id}"))
    assert here == outcome.external_id
    found: tuple[Fetched, ...] = await CONNECTOR.fetches.fetch(desk.ctx, [here, "account.move/999999999"])
    assert found[0].body is not None
    assert found[1].body is None


@EVERY_VERSION
async def test_another_account_or_partner_on_a_posted_line_is_a_change_and_says_who_made_it(desk: Desk) -> None:
    customer, other = desk.wishes.customer(), desk.wishes.customer("Other GmbH")
    await desk.done(customer, other)
    payment = desk.wishes.payment(customer, 4000)
    (invoiced,) = await desk.done(desk.wishes.invoice(customer, line(10000), total=10000))
    (paid,) = await desk.done(payment)
    partner, second = (int(desk.bindings[wish.produces].partition("/")[2]) for wish in (customer, other))
    first, cursor = await drain(desk, "")
    before = {found.id: found for found in map(document, first)}
    sold = next(row["id"] for row in await desk.lines(invoiced, "id") if row["balance"] < 0)
    money, owed = (row["id"] for row in await desk.lines(paid, "id"))
    context = {"allowed_company_ids": [desk.company_id]}
    account = await desk.account_id("299200")
    await desk.plain.call("account.move.line", "write", [sold], vals={"account_id": account}, context=context)
    alone = desk.plain.call("account.move.line", "write", [owed], vals={"partner_id": second}, context=context)
    paid_by = {invoiced: partner, paid: partner}
    if desk.plain.major == 17:  # a payment and its entry are one: all lines get another partner, or none does
        with pytest.raises(PlainError, match="journal items must share the same partner"):
            await alone
        await desk.plain.call("account.move.line", "write", [money, owed], vals={"partner_id": second}, context=context)
        paid_by[paid] = second
    else:
        await alone
    found, _ = await drain(desk, cursor)
    after = {one.id: one for one in map(document, found)}
    for outcome, now in paid_by.items():
        key = f"odoo:{outcome.external_id}"
        assert (before[key].partner_id, after[key].partner_id) == (f"res.partner/{partner}", f"res.partner/{now}")
        assert before[key].lines_digest != after[key].lines_digest
        assert (before[key].total, before[key].residual) == (after[key].total, after[key].residual)
        assert after[key].changed_by


class Night:
    """A desk whose clock, and its sandbox's, stand still until they are moved."""

    def __init__(self, desk: Desk) -> None:
        self.clock = SettableClock(datetime.now(UTC))
        self.desk = replace(desk, ctx=replace(desk.ctx, clock=self.clock))
        self.sandbox: Any = desk.sandbox
        self.known: set[str] = set()

    def pass_by(self, seconds: int) -> None:
        """Let time pass on both sides."""
        self.clock.advance_to(self.clock.now() + timedelta(seconds=seconds))
        self.sandbox.advance(0, seconds)

    def write_late(self, outcome: Any, ref: str, since_s: int) -> None:
        """Change a document in a transaction that began ``since_s`` ago and is committed now."""
        with self.sandbox.db.transaction():
            env = self.sandbox.db.env(2, started=self.sandbox.db.instant() - timedelta(seconds=since_s), su=True)
            model, _, record = outcome.external_id.partition("/")
            env.set(model, env.row(model, int(record)), payment_reference=ref)

    async def told(self, cursor: str, outcome: Any) -> tuple[bool, str]:
        """Poll, and return whether something new was told of the document, and the new cursor."""
        found, cursor = await drain(self.desk, cursor)
        fresh = [delivery for delivery in found if delivery.dedupe_key not in self.known]
        self.known.update(delivery.dedupe_key for delivery in fresh)
        return any(document(delivery).id == f"odoo:{outcome.external_id}" for delivery in fresh), cursor


@pytest.fixture
def night(desk: Desk) -> Night:
    """A desk in a night that passes by command; no real server lets its clock be moved."""
    if desk.sandbox is None:
        pytest.skip("a real server's clock cannot be moved")
    return Night(desk)


async def test_a_change_that_becomes_visible_late_is_seen_within_the_overlap(night: Night) -> None:
    customer = night.desk.wishes.customer()
    await night.desk.done(customer)
    (old,) = await night.desk.done(night.desk.wishes.invoice(customer, line(100), total=100))
    night.pass_by(3000)
    await night.desk.done(night.desk.wishes.invoice(customer, line(200), total=200))
    _, cursor = await night.told("", old)
    night.pass_by(30)
    night.write_late(old, "late", 100)  # began 70 s before the newest change that polling has seen
    seen, _ = await night.told(cursor, old)
    assert seen


async def test_a_change_that_no_overlap_reaches_is_seen_by_a_second_look(night: Night) -> None:
    customer = night.desk.wishes.customer()
    await night.desk.done(customer)
    (old,) = await night.desk.done(night.desk.wishes.invoice(customer, line(100), total=100))
    night.pass_by(3000)
    await night.desk.done(night.desk.wishes.invoice(customer, line(200), total=200))
    _, cursor = await night.told("", old)
    night.pass_by(60)
    night.write_late(old, "late", 1000)  # a shell held it open: the newest change seen is 940 s later than it
    seen, cursor = await night.told(cursor, old)
    assert not seen
    night.pass_by(1739)  # 1,799 s after polling began; the second look of two hours' changes is due after a quarter of them, 1,800 s
    seen, cursor = await night.told(cursor, old)
    assert not seen
    night.pass_by(1)  # nothing new came since: the look is taken all the same
    seen, cursor = await night.told(cursor, old)
    assert seen
    night.pass_by(60)
    seen, _ = await night.told(cursor, old)
    assert not seen


@EVERY_VERSION
async def test_a_change_of_a_payments_entry_alone_is_a_change_of_the_payment(night: Night) -> None:
    customer = night.desk.wishes.customer()
    await night.desk.done(customer)
    (paid,) = await night.desk.done(night.desk.wishes.payment(customer, 4000))
    night.pass_by(400)
    await night.desk.done(night.desk.wishes.invoice(customer, line(200), total=200))
    _, cursor = await night.told("", paid)
    for _ in range(2):  # nothing is newer, and the overlap of 180 s has been read again: polling rests
        night.pass_by(200)
        _, cursor = await night.told(cursor, paid)
    owed = next(row["id"] for row in await night.desk.lines(paid, "id") if row["balance"] < 0)
    context = {"allowed_company_ids": [night.desk.company_id]}
    await night.desk.plain.call("account.move.line", "write", [owed], vals={"name": "looked at"}, context=context)
    seen, _ = await night.told(cursor, paid)
    assert seen

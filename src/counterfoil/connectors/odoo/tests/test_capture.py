"""Change capture: what happens in Odoo is reported once per change, whoever did it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.tests.conftest import Desk
from counterfoil.connectors.odoo.tests.wishes import line
from counterfoil.core.canonical.entities import ErpDocument, ErpState
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.core.canonical.money import Money
from counterfoil.kit.connector import Delivery, Fetched, Page


async def drain(desk: Desk, cursor: str) -> tuple[list[Delivery], str]:
    """Poll until there is no more."""
    assert CONNECTOR.source is not None
    found: list[Delivery] = []
    while True:
        page: Page = await CONNECTOR.source.poll(desk.ctx, cursor)
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
    assert CONNECTOR.source is not None
    cursor, told = "", set()
    while True:
        page = await CONNECTOR.source.backfill(desk.ctx, "account.move", datetime.now(UTC) - timedelta(days=400), cursor)
        told |= {document(delivery).id for delivery in page.deliveries}
        cursor = page.cursor
        if not page.has_more:
            break
    assert {f"odoo:{outcome.external_id}" for outcome in outcomes} <= told


async def test_a_deleted_document_is_fetched_as_none(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    (outcome,) = await desk.done(desk.wishes.invoice(customer, line(100), total=100))
    assert CONNECTOR.source is not None
    here = CONNECTOR.source.locate(ObjectRef(ObjectKind.ERP_DOCUMENT, f"odoo:{outcome.external_id}"))
    assert here == outcome.external_id
    found: tuple[Fetched, ...] = await CONNECTOR.source.fetch(desk.ctx, [here, "account.move/999999999"])
    assert found[0].body is not None
    assert found[1].body is None

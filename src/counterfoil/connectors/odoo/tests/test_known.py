"""What Odoo holds under our external ids, as a hub that was restored reads it."""

from __future__ import annotations

import pytest

from counterfoil.connectors.odoo import CONNECTOR, known
from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.tests.conftest import Desk
from counterfoil.connectors.odoo.tests.wishes import line
from counterfoil.kit.errors import SetupError
from counterfoil.kit.holdings import KnownPage


async def read_all(desk: Desk) -> tuple[dict[str, str], int]:
    """Return everything known by external key, and in how many pages it came."""
    assert CONNECTOR.lists is not None
    found: dict[str, str] = {}
    cursor, pages = "", 0
    while True:
        page = await CONNECTOR.lists.known(desk.ctx, cursor)
        assert page.is_listed
        found.update(page.records)
        cursor, pages = page.cursor, pages + 1
        if not page.has_more:
            return found, pages


async def test_every_record_is_listed_under_its_key_with_the_id_it_was_reported_by(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "PAGE_SIZE", 3)
    customer = desk.wishes.customer()
    (person,) = await desk.done(customer)
    invoice = desk.wishes.invoice(customer, line(10000), total=10000)
    (invoiced,) = await desk.done(invoice)
    payment = desk.wishes.payment(customer, 10000)
    (paid,) = await desk.done(payment)
    match = desk.wishes.allocation(invoice, payment, 4000)
    (matched,) = await desk.done(match)
    found, pages = await read_all(desk)
    assert found[customer.external_key] == person.external_id
    assert found[invoice.external_key] == invoiced.external_id
    assert found[payment.external_key] == paid.external_id
    assert found[match.external_key] == matched.external_id
    assert pages > 1


async def test_what_was_deleted_in_odoo_is_not_listed(desk: Desk) -> None:
    product = desk.wishes.product(sku=f"GONE-{desk.wishes.run}")
    (outcome,) = await desk.done(product)
    assert product.external_key in (await read_all(desk))[0]
    await desk.plain.call("product.product", "unlink", [int(outcome.external_id.partition("/")[2])])
    assert product.external_key not in (await read_all(desk))[0]


async def test_a_user_who_may_not_read_external_ids_is_told_apart_from_empty_books(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise SetupError("You are not allowed to access 'Model Data'", code="odoo.forbidden")

    monkeypatch.setattr(OdooClient, "read", refuse)
    assert await known.known(desk.ctx, "7") == KnownPage((), "7", has_more=False, is_listed=False)

"""Customers and products: the columns we own, and nothing that people keep in Odoo."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.tests.conftest import Desk
from counterfoil.core.canonical.entities import Address, TaxId
from counterfoil.kit.errors import SetupError

BERLIN = Address("Unter den Linden 1", "", "Berlin", "", "10117", "DE")


async def test_a_customer_has_its_address_and_its_id_at_the_source(desk: Desk) -> None:
    customer = desk.wishes.customer("Acme GmbH", email="ap@acme.example", phone="+49 30 1", address=BERLIN, locale="en-US")
    (outcome,) = await desk.done(customer)
    row = await desk.record(outcome, "name", "email", "phone", "street", "city", "zip", "country_id", "ref", "lang")
    country = (await desk.plain.find("res.country", [["code", "=", "DE"]], ["id"]))[0]["id"]
    assert (row["name"], row["email"], row["phone"]) == ("Acme GmbH", "ap@acme.example", "+49 30 1")
    assert (row["street"], row["city"], row["zip"], row["country_id"]) == ("Unter den Linden 1", "Berlin", "10117", country)
    assert (row["ref"], row["lang"]) == (customer.subject.id.removeprefix("stripe:"), "en_US")


async def test_a_state_is_found_by_code_or_name(desk: Desk) -> None:
    by_code = desk.wishes.customer("One", address=Address("1 Main St", "", "Austin", "TX", "73301", "US"))
    by_name = desk.wishes.customer("Two", address=Address("1 Main St", "", "Austin", "texas", "73301", "US"))
    outcomes = await desk.done(by_code, by_name)
    states = {(await desk.record(outcome, "state_id"))["state_id"] for outcome in outcomes}
    assert len(states) == 1
    assert states != {False}


async def test_an_update_changes_what_it_gives_and_clears_nothing_else(desk: Desk) -> None:
    customer = desk.wishes.customer("Acme GmbH", email="ap@acme.example", address=BERLIN)
    (outcome,) = await desk.done(customer)
    partner_id = int(outcome.external_id.partition("/")[2])
    await desk.plain.call("res.partner", "write", [partner_id], vals={"phone": "+49 30 2", "comment": "CFO: Ada"})
    (again,) = await desk.done(desk.wishes.customer("Acme AG", id=customer.subject.id, email="ap@acme.example"))
    assert again.external_id == outcome.external_id
    row = await desk.record(again, "name", "phone", "city", "comment")
    assert (row["name"], row["phone"], row["city"], "CFO: Ada" in str(row["comment"])) == ("Acme AG", "+49 30 2", "Berlin", True)


async def test_a_deleted_customer_stays_as_it_is(desk: Desk) -> None:
    customer = desk.wishes.customer("Acme GmbH", email="ap@acme.example")
    (outcome,) = await desk.done(customer)
    (again,) = await desk.done(desk.wishes.customer("", id=customer.subject.id, is_deleted=True))
    assert again.external_id == outcome.external_id
    row = await desk.record(again, "name", "email", "active")
    assert (row["name"], row["email"], row["active"]) == ("Acme GmbH", "ap@acme.example", True)


def refusing(read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a client's ``read`` of somebody who may not see external ids."""

    async def refuse(client: OdooClient, model: str, *given: Any, **named: Any) -> Any:
        if model == "ir.model.data":
            raise SetupError("You are not allowed to access 'Model Data'", code="odoo.forbidden")
        return await read(client, model, *given, **named)

    return refuse


@pytest.mark.parametrize("may_list", [True, False], ids=["sees external ids", "may not"])
async def test_a_deleted_customer_that_is_new_to_odoo_is_made_with_all_that_is_known_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, may_list: bool
) -> None:
    if not may_list:
        monkeypatch.setattr(OdooClient, "read", refusing(OdooClient.read))
    known = {"email": "ap@acme.example", "phone": "+49 30 1", "address": BERLIN, "is_deleted": True}
    kept = desk.wishes.customer("Old GmbH", email="old@acme.example")
    await desk.done(kept)
    gone = desk.wishes.customer("Other GmbH", id=kept.subject.id, **known)
    new = desk.wishes.customer("Acme GmbH", **known)
    outcomes = await desk.done(new, gone)
    rows = [await desk.record(outcome, "name", "email", "phone", "city") for outcome in outcomes]
    assert [(row["name"], row["email"], row["phone"], row["city"]) for row in rows] == [
        ("Acme GmbH", "ap@acme.example", "+49 30 1", "Berlin"),
        ("Old GmbH", "old@acme.example", False, False),
    ]
    (again,) = await desk.done(desk.wishes.customer("Acme GmbH", email="x@acme.example", id=new.subject.id, is_deleted=True))
    assert (await desk.record(again, "email"))["email"] == "ap@acme.example"


async def test_a_wrong_vat_id_does_not_keep_a_customer_out(desk: Desk) -> None:
    (outcome,) = await desk.done(desk.wishes.customer("Acme GmbH", address=BERLIN, tax_ids=(TaxId("eu_vat", "DE12"),)))
    vat = (await desk.record(outcome, "vat"))["vat"]
    assert vat == ("DE12" if outcome.code == "" else False)


async def test_a_product_is_a_service_and_keeps_what_odoo_knows_of_it(desk: Desk) -> None:
    product = desk.wishes.product("Plan Pro", "PRO")
    (outcome,) = await desk.done(product)
    row = await desk.record(outcome, "name", "default_code", "type")
    assert (row["name"], row["default_code"], row["type"]) == ("Plan Pro", "PRO", "service")
    product_id = int(outcome.external_id.partition("/")[2])
    await desk.plain.call("product.product", "write", [product_id], vals={"list_price": 99.0})
    (again,) = await desk.done(desk.wishes.product("Plan Pro 2026", "PRO", product.subject.id))
    row = await desk.record(again, "name", "list_price")
    assert (again.external_id, row["name"], row["list_price"]) == (outcome.external_id, "Plan Pro 2026", 99.0)

"""The traps of the domain (section 6) on the whole path: invoices of one entity paid into another's balance, products finance must map."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House, house

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIVABLE, CLEARING, INTERCOMPANY, REVENUE = "121000", "105601", "105606", "400000"


def configured(values: dict[str, Any]) -> None:
    """German customers of the US account belong to the German entity; the Japanese entity sells mapped products only."""
    values["routes"].insert(0, {"entity": "DE", "connection": "stripe_us", "country": "DE"})
    values["entities"]["JP"]["products"] = "mapped"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home_of_all(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub configured so."""
    async with house(module_database, Path(tmp_path_factory.mktemp("home")), change=configured) as made:
        await made.tell()
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def hub(home_of_all: House) -> AsyncIterator[House]:
    """Yield the hub; afterwards every delivery is accounted for (the entities' totals are not those of their accounts here)."""
    yield home_of_all
    await home_of_all.settle()
    await assert_balanced(home_of_all)


async def test_a_payment_on_an_invoice_of_another_entity_ties_in_both_books(hub: House) -> None:
    # Billed in dollars by the German entity (100.00 USD at 0.86 = 86.00 EUR), received by the American one.
    story = hub.story()
    customer = str((await story.api.post("/v1/customers", name="Ann GmbH", address={"country": "DE"}, payment_method="pm_card_visa"))["id"])
    method = (await story.api.get("/v1/payment_methods", customer=customer, type="card"))["data"][0]["id"]
    await story.api.post(f"/v1/customers/{customer}", invoice_settings={"default_payment_method": method})
    await story.item(customer, "Consulting", 10000)
    invoice = await story.bill(customer, is_charged=True)
    assert await story.pay(invoice["id"])
    await hub.tell()
    document = hub.document(f"invoice_stripe.{invoice['id']}")
    assert (document["amount_total"], document["amount_residual"]) == (100.0, 0.0)
    assert document["company_id"] == hub.provisioned.companies["DE"].company_id
    assert hub.balance("US", RECEIVABLE) == hub.balance("DE", RECEIVABLE) == 0
    assert (hub.balance("US", INTERCOMPANY), hub.balance("DE", INTERCOMPANY)) == (-10000, 8600)
    assert hub.balance("DE", CLEARING) == 0
    assert hub.balance("US", CLEARING) == 10000 - 320  # the fee: 2.9 % and 0.30


async def test_a_product_unknown_to_the_books_is_one_case_and_its_mapping_releases_every_document(hub: House) -> None:
    story = hub.story("JP")
    product = await story.api.post("/v1/products", name="Sensor")
    price = await story.api.post("/v1/prices", product=product["id"], currency="jpy", unit_amount=4200)
    invoices = []
    for _ in range(2):
        customer = await story.customer(card="")
        pricing: Any = {"price": price["id"]}
        await story.api.post("/v1/invoiceitems", customer=customer, pricing=pricing)
        invoices.append(await story.bill(customer))
    await hub.tell()
    found = await hub.cases()
    assert [(case.case_class, case.entity, case.count) for case in found] == [("unmapped_product", "JP", 2)], found
    assert found[0].money_minor == 8400
    assert not any(hub.has(f"invoice_stripe.{invoice['id']}") for invoice in invoices)
    company = hub.provisioned.companies["JP"].company_id
    await hub.plain.create("product.product", {"name": "Sensor of ours", "default_code": "SENSOR-1"}, company)
    await hub.map("product", "JP", f"stripe:{product['id']}", "SENSOR-1")
    await hub.settle()
    assert [hub.document(f"invoice_stripe.{invoice['id']}")["amount_total"] for invoice in invoices] == [4200.0, 4200.0]
    assert await hub.cases() == []

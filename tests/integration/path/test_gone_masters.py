"""Customers and products that people deleted in the books before anything was posted to them are made again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.conftest import Server
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import START, House, house

from counterfoil.app.demo.catalog import PLANS
from counterfoil.connectors.odoo.sandbox import OdooSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[17, 18, 19])
async def any_hub(
    request: pytest.FixtureRequest, database_template: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """Yield a hub over books of each version."""
    with database_template.database(f"gone_{request.param}", opened_at=START) as url:
        async with house(url, Path(tmp_path_factory.mktemp("gone")), odoo=OdooSandbox(version=request.param)) as made:
            await made.tell()
            yield made


@pytest.mark.parametrize("what", ["the contact", "its external id"])
async def test_an_invoice_of_a_customer_somebody_deleted_in_the_books_is_posted(any_hub: House, what: str) -> None:
    story = any_hub.story()
    customer = await story.customer()
    await any_hub.tell()
    key = f"customer_stripe.{customer}"
    [named] = await any_hub.plain.rows("ir.model.data", [["name", "=", key]], ["res_id"])
    if what == "the contact":
        await any_hub.plain.call("res.partner", "unlink", [named["res_id"]])
    else:
        await any_hub.plain.call("ir.model.data", "unlink", [named["id"]])
    await story.item(customer, "Consulting", 12_300)
    invoice = await story.bill(customer, is_charged=True)
    await story.pay(invoice["id"])
    await any_hub.tell()
    assert await any_hub.cases() == []
    document = any_hub.document(f"invoice_stripe.{invoice['id']}")
    assert (document["state"], document["amount_total"], document["amount_residual"]) == ("posted", 123.0, 0.0)
    partners = await any_hub.plain.rows("res.partner", [["ref", "=", customer]], ["name"])
    assert [one["id"] for one in partners] == [document["partner_id"]]
    await assert_balanced(any_hub)


async def test_an_invoice_of_a_product_somebody_deleted_in_the_books_is_posted(any_hub: House) -> None:
    story = any_hub.story()
    customer = await story.customer()
    await any_hub.tell()
    name = PLANS["business"][0]
    [product] = await any_hub.plain.rows("product.product", [["name", "=", name]], ["name"])
    await any_hub.plain.call("product.product", "unlink", [product["id"]])
    subscription = await story.subscribe(customer, "business")
    await any_hub.tell()
    assert await any_hub.cases() == []
    document = any_hub.document(f"invoice_stripe.{subscription['latest_invoice']}")
    [anew] = await any_hub.plain.rows("product.product", [["name", "=", name]], ["name"])
    sold = await any_hub.plain.rows(
        "account.move.line", [["move_id", "=", document["id"]], ["display_type", "=", "product"]], ["product_id"]
    )
    assert (document["state"], [line["product_id"] for line in sold]) == ("posted", [anew["id"]])
    await assert_balanced(any_hub)

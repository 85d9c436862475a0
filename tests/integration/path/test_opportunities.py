"""What became of an invoice, on the opportunity and the deal it came of: named by either side, through the whole hub, read back in both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.house import House, house
from tests.integration.path.test_traps_of_payments import paid

from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.tests.sandboxed import settings_of as hubspot_settings
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORG, PORTAL = "org", "portal"
CUSTOMER = "Stripe_Customer__c"
INVOICE = "Stripe_Invoice__c"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def org() -> AsyncIterator[SalesforceSandbox]:
    found = SalesforceSandbox()
    await found.start()
    found.run_clock()
    found.add_field("Account", CUSTOMER)
    found.add_field("Opportunity", INVOICE)
    yield found
    await found.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def portal() -> AsyncIterator[HubspotSandbox]:
    found = HubspotSandbox()
    await found.start()
    found.run_clock()
    found.world.properties.own.setdefault("companies", {})["stripe_id"] = {"name": "stripe_id", "type": "string"}
    yield found
    await found.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(
    org: SalesforceSandbox, portal: HubspotSandbox, module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    known = org.details()
    given = hubspot_settings(portal).model_dump()
    plain = {name: given[name] for name in ("portal_id", "currency", "base_url", "requests_per_s", "searches_per_s")}

    def change(values: dict[str, Any]) -> None:
        values["connections"][ORG] = {
            "connector": "salesforce",
            "base_url": org.url,
            **{name: known[name] for name in ("org_id", "client_id", "client_secret", "currency")},
            "customer_ids": {CUSTOMER: "stripe"},
            "deal_documents": {INVOICE: "stripe/invoice"},
            "requests_per_s": 1_000.0,
        }
        values["connections"][PORTAL] = {
            "connector": "hubspot", "access_token": portal.access_token, "customer_ids": {"stripe_id": "stripe"}, **plain,
        }  # fmt: skip
        values["destinations"] = [{"purpose": "crm_status", "connection": one} for one in (ORG, PORTAL)]
        keys = {"opportunity": f"salesforce:{known['org_id']}", "deal": f"hubspot:{portal.world.portal_id}"}
        for connection in values["connections"].values():
            if connection["connector"] == "stripe":
                connection["deal_keys"] = keys

    async with house(module_database, Path(tmp_path_factory.mktemp("home")), change=change) as made:
        await made.tell()
        yield made


async def rest(hub: House) -> None:
    """Have all systems read, and everything done that comes of it."""
    for _ in range(2):  # what a sales system said last may have others of it decided again
        await hub.tell()
        await hub.poll(ORG, PORTAL)
        await hub.settle()
        await hub.later(minutes=6)
        await hub.settle()


def on(record: Any) -> tuple[Any, Any, Any]:
    """Return what an opportunity shows as invoiced, paid and open."""
    return tuple(record.values.get(f"Counterfoil_{name}__c") for name in ("Invoiced", "Paid", "Open"))


async def test_an_opportunity_shows_what_either_side_says_came_of_it_and_its_account_shows_all(hub: House, org: SalesforceSandbox) -> None:
    invoice, _, _ = await paid(hub.story(), 100_00)
    customer, story = invoice["customer"], hub.story()
    account = org.create("Account", Name="Blue Harbor", **{CUSTOMER: customer})
    given = {"StageName": "Closed Won", "CloseDate": "2026-01-31", "AccountId": account.id}
    first = org.create("Opportunity", Name="Consulting", **given, **{INVOICE: invoice["id"]})
    second = org.create("Opportunity", Name="Seats", **given)
    await story.item(customer, "Seats", 70_00)
    seats = await story.bill(customer)
    await hub.apis["US"].post(f"/v1/invoices/{seats['id']}", metadata={"opportunity": second.id})
    await rest(hub)
    assert (on(first), on(second), on(account)) == ((100.0, 100.0, 0.0), (70.0, 0.0, 70.0), (170.0, 100.0, 70.0))
    # Whoever named the wrong one takes it back, and what it showed goes with it.
    await hub.apis["US"].post(f"/v1/invoices/{seats['id']}", metadata={"opportunity": first.id})
    await rest(hub)
    assert (on(first), on(second), on(account)) == ((170.0, 100.0, 70.0), (None, None, None), (170.0, 100.0, 70.0))
    assert await hub.cases() == []


async def test_a_deal_shows_the_invoice_that_names_it(hub: House, portal: HubspotSandbox) -> None:
    invoice, _, _ = await paid(hub.story(), 55_00)
    company = portal.create("companies", name="Red Harbor", stripe_id=invoice["customer"])
    deal = portal.create("deals", dealname="55 seats")
    portal.associate(deal, company)
    await hub.apis["US"].post(f"/v1/invoices/{invoice['id']}", metadata={"deal": deal.id})
    await rest(hub)
    shown = deal.properties
    assert (shown.get("counterfoil_invoiced"), shown.get("counterfoil_open")) == ("55.00", "0.00")
    assert await hub.cases() == []

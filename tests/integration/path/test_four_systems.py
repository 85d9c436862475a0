"""Both sales systems, Stripe and Odoo change one customer in one second: in one round each shows its owner's word, and then all rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import BOOKS, House, house

from counterfoil.app.demo.sales_systems import Hubspot, Salesforce
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRIPE, SALES = "stripe", ("hubspot", "salesforce")
ORDERS = (
    (STRIPE, "hubspot", "salesforce", BOOKS),
    (BOOKS, "salesforce", "hubspot", STRIPE),
    ("salesforce", STRIPE, BOOKS, "hubspot"),
    ("hubspot", BOOKS, STRIPE, "salesforce"),
)
"""In which order the hub hears of what happened at once."""
NAMES = ("Blue Harbor Ltd", "Orchard Green Inc", "Red Dune Corp", "Silver Lake LLC")
"""What the customers of the orders are called, so that nobody takes two of them for one."""


@dataclass
class Company:
    """The hub with both sales systems beside billing and books."""

    hub: House
    hubspot: Hubspot
    salesforce: Salesforce
    sandboxes: tuple[HubspotSandbox, SalesforceSandbox]

    async def show(self) -> None:
        """Have the clocks of both sales systems show what the hub's does."""
        for one in (self.hubspot, self.salesforce):
            await one.show(self.hub.clock.now())

    async def hear(self, order: tuple[str, ...]) -> None:
        """Have the hub hear of everything, system by system, and do all that comes of it."""
        for system in order:
            if system == STRIPE:
                assert set(await self.hub.deliver(self.hub.news())) <= {200}
            else:
                await self.hub.poll(system)
        await self.hub.settle()
        await self.hub.later(minutes=6)  # changes of documents are collected before sales systems are written to
        await self.show()
        await self.hub.settle()


@dataclass
class Firm:
    """A customer in all four systems."""

    company: Company
    id: str
    account: str
    record: str

    @property
    def partner(self) -> dict[str, Any]:
        """The contact in the books."""
        env = self.company.hub.odoo.env()
        return dict(env.row("res.partner", env.ref(f"counterfoil.customer_stripe.{self.id}")))

    async def seen(self) -> dict[str, Any]:
        """Return all that stands of it in all four systems, with when it was changed."""
        hubspot, salesforce = self.company.sandboxes
        record, account = hubspot.world.records["companies", self.record], salesforce.world.records[self.account]
        return {
            STRIPE: await self.company.hub.apis["US"].get(f"/v1/customers/{self.id}"),
            BOOKS: (self.partner, self.company.hub.books_of(self.id)),
            "hubspot": record.values(),
            "salesforce": (dict(account.values), account.system_ms),
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Company]:
    async with AsyncExitStack() as stack:
        sandboxes = (HubspotSandbox(), SalesforceSandbox())
        for sandbox in sandboxes:
            await sandbox.start()
            stack.push_async_callback(sandbox.stop)
        hubspot, salesforce = Hubspot(sandboxes[0].details()), Salesforce(sandboxes[1].details())
        for one in (hubspot, salesforce):
            await one.open(stack)

        def change(values: dict[str, Any]) -> None:
            for one in (hubspot, salesforce):
                values["connections"][one.connection] = one.settings
            values["destinations"] = [{"purpose": "crm_status", "connection": name} for name in SALES]

        home = Path(tmp_path_factory.mktemp("home"))
        made = await stack.enter_async_context(house(module_database, home, change=change))
        found = Company(made, hubspot, salesforce, sandboxes)
        await found.show()
        await found.hear((STRIPE, *SALES))
        yield found


async def firm(company: Company, name: str) -> Firm:
    """Return a customer with one open invoice, known in all four systems."""
    hub = company.hub
    story = hub.story()
    customer = await story.customer()
    await story.item(customer, "Consulting", 100_00)
    await story.bill(customer)
    account = await company.salesforce.add(f"{name} at Salesforce", customer)
    record = await company.hubspot.add(f"{name} at HubSpot", customer)
    made = Firm(company, customer, account, record)
    await company.hear((STRIPE, *SALES, BOOKS))
    return made


async def change_everywhere(one: Firm, name: str, phone: str) -> None:
    """Have people change the customer in all four systems, within one second, and what the hub shows in three of them."""
    company, hub = one.company, one.company.hub
    await hub.later(seconds=30)
    await company.show()
    api = hub.apis["US"]
    await api.post(f"/v1/customers/{one.id}", name=name, phone=phone)
    story = hub.story()
    await story.item(one.id, "Seats", 50_00)
    await story.bill(one.id)
    await company.salesforce._plain.change_account(one.account, Name=name.upper(), Counterfoil_Open__c="1.00")
    await company.hubspot._plain.change_company(one.record, name=name.lower(), counterfoil_open="2.00", phone="12")
    await hub.plain.write("res.partner", [one.partner["id"]], {"name": f"{name}.", "phone": "0", "comment": "asks for paper"})


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_in_one_round_each_shows_the_owners_word_and_nothing_is_written_after(company: Company, order: tuple[str, ...]) -> None:
    place = ORDERS.index(order)
    name, phone = NAMES[place], f"+1 212 55501{place:02}"
    one = await firm(company, name)
    await change_everywhere(one, name, phone)
    await company.hear(order)
    seen = await one.seen()
    # Who a customer is, Stripe says; what is owed, the hub; what else people keep in a system stays theirs.
    partner = seen[BOOKS][0]
    assert (partner["name"], partner["phone"]) == (name, phone)
    assert "asks for paper" in str(partner["comment"])
    assert seen["hubspot"]["counterfoil_open"] == "150.00"
    assert float(seen["salesforce"][0]["Counterfoil_Open__c"]) == 150.0
    assert (seen["hubspot"]["name"], seen["salesforce"][0]["Name"]) == (name.lower(), name.upper())
    assert seen[STRIPE]["name"] == name
    written = await commands(company)
    for _ in range(2):
        await company.hear(order[::-1])
    assert await one.seen() == seen
    assert await commands(company) == written
    assert await company.hub.cases() == []
    assert (await company.hub.conservation()).is_balanced
    await assert_balanced(company.hub)


async def commands(company: Company) -> int:
    """Return how much was ever wished of anybody."""
    async with company.hub.hub.pool.connection() as conn:
        row = await (await conn.execute("select count(*) from command")).fetchone()
    assert row is not None
    return int(row[0])

"""Two customers with open invoices, payments and documents in flight, merged and un-merged by people: read back in all three systems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House, house
from tests.integration.path.replaying import rehearsed, replayed
from tests.integration.path.test_traps_of_payments import paid

from counterfoil.app import desk, identities
from counterfoil.app.database import Database
from counterfoil.app.desk import ReplayRequest
from counterfoil.app.identities import IdentityAct, IdentityVerb
from counterfoil.connectors.hubspot.plain import HubspotPlain
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.tests.sandboxed import settings_of
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.kit.sandbox import Fault

pytestmark = pytest.mark.asyncio(loop_scope="module")

SALES = "sales"
ID_PROPERTY = "stripe_id"
SHOWN = ("counterfoil_invoiced", "counterfoil_paid", "counterfoil_open", "counterfoil_overdue", "counterfoil_standing")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[HubspotSandbox]:
    found = HubspotSandbox()
    await found.start()
    found.run_clock()
    async with HubspotPlain(found.url, found.access_token) as plain:
        await plain.add_property(ID_PROPERTY, "Stripe customer")
    yield found
    await found.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(sandbox: HubspotSandbox, module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    given = settings_of(sandbox).model_dump()
    plain = {name: given[name] for name in ("portal_id", "currency", "base_url", "requests_per_s", "searches_per_s")}

    def change(values: dict[str, Any]) -> None:
        values["connections"][SALES] = {
            "connector": "hubspot",
            "access_token": sandbox.access_token,
            "customer_ids": {ID_PROPERTY: "stripe"},
            **plain,
        }
        values["destinations"] = [{"purpose": "crm_status", "connection": SALES}]

    async with house(module_database, Path(tmp_path_factory.mktemp("home")), change=change) as made:
        await made.tell()
        yield made


@dataclass
class Firm:
    """A customer: his id at Stripe and his company's number at HubSpot."""

    hub: House
    sandbox: HubspotSandbox
    id: str
    company: str

    async def seen(self) -> dict[str, Any]:
        """Return all that stands of him: in the books, at Stripe by its own interface, and in HubSpot."""
        shown = self.sandbox.world.records["companies", self.company].properties
        at_source = await self.hub.apis["US"].get(f"/v1/customers/{self.id}")
        return {"books": self.hub.books_of(self.id), "stripe": at_source, "hubspot": {name: shown.get(name) for name in SHOWN}}

    def open(self) -> str | None:
        return self.sandbox.world.records["companies", self.company].properties.get("counterfoil_open")


async def firm(hub: House, sandbox: HubspotSandbox, amount: int) -> Firm:
    """Return a customer with one invoice paid, and one open, both booked and shown."""
    invoice, _, _ = await paid(hub.story(), amount)
    story = hub.story()
    await story.item(invoice["customer"], "Consulting", amount)
    await story.bill(invoice["customer"])
    company = sandbox.create("companies", name=f"Firm {amount}", **{ID_PROPERTY: invoice["customer"]})
    return Firm(hub, sandbox, invoice["customer"], company.id)


async def rest(hub: House) -> None:
    """Have all systems read, and everything done that comes of it."""
    await hub.tell()
    await hub.poll(SALES)
    await hub.settle()
    await hub.later(minutes=6)
    await hub.settle()


async def act(hub: House, verb: str, one: Firm, other: Firm | None = None) -> None:
    """Decide as the command does, and have it read."""
    database = Database(hub.hub.dsn, hub.hub.pool, hub.hub.cipher)
    wanted = IdentityAct(IdentityVerb(verb), f"customer/stripe:{one.id}", "" if other is None else f"customer/stripe:{other.id}")
    await identities.decide(database, wanted, "mira", "one firm", hub.clock.now())


async def rests(hub: House) -> bool:
    """Tell whether the books are left alone."""
    async with hub.hub.pool.connection() as conn:
        row = await (await conn.execute("select count(*) from standing where down_since is not null")).fetchone()
    return row != (0,)


async def is_wished_for(hub: House, invoice: str, one: Firm) -> bool:
    """Tell whether an invoice is wished for a customer, and for nobody else."""
    key = f"invoice_stripe.{invoice}"
    async with hub.hub.pool.connection() as conn:
        rows = await conn.execute("select needs from command where state <> 'canceled' and external_key = %s", (key,))
        return [f"customer/stripe:{one.id}" in needs for (needs,) in await rows.fetchall()] == [True]


async def test_merged_and_unmerged_with_documents_in_flight_both_end_as_they_would_have(hub: House, sandbox: HubspotSandbox) -> None:
    kept, gone = await firm(hub, sandbox, 100_00), await firm(hub, sandbox, 200_00)
    await rest(hub)
    assert (kept.open(), gone.open()) == ("100.00", "200.00")
    hub.odoo.switch.faults.append(Fault("status", status=503, times=-1, name="away"))
    await hub.bill(1_00)
    await hub.deliver(hub.news())
    await hub.until(lambda: rests(hub))  # what comes now is not even tried
    story = hub.story()
    await story.item(gone.id, "Consulting", 50_00)
    flying = await story.bill(gone.id)  # an open invoice in flight, and one with its payment
    await story.item(gone.id, "Seats", 70_00)
    charged = await story.bill(gone.id, is_charged=True)
    assert await story.pay(charged["id"])
    await hub.deliver(hub.news())
    before = {one.id: await one.seen() for one in (kept, gone)}
    await act(hub, "merge", gone, kept)
    await hub.later(seconds=5)

    async def is_one() -> bool:
        return kept.open() == "350.00"  # 100.00 of its own, 200.00 and 50.00 of the other's

    await hub.until(is_one)
    await hub.until(lambda: is_wished_for(hub, flying["id"], kept))
    await act(hub, "unmerge", gone)
    await hub.later(seconds=5)

    async def are_two() -> bool:
        return (kept.open(), gone.open()) == ("100.00", "250.00")

    await hub.until(are_two)
    hub.odoo.switch.faults.clear()
    await hub.later(minutes=30)
    await rest(hub)
    partner = hub.odoo.env().ref(f"counterfoil.customer_stripe.{gone.id}")
    for one in (flying, charged):
        assert hub.document(f"invoice_stripe.{one['id']}")["partner_id"] == partner
    assert hub.document(f"invoice_stripe.{charged['id']}")["amount_residual"] == 0
    after = {one.id: await one.seen() for one in (kept, gone)}
    assert after[kept.id] == before[kept.id]
    assert after[gone.id]["stripe"] == before[gone.id]["stripe"]
    assert set(before[gone.id]["books"]) < set(after[gone.id]["books"])
    assert after[gone.id]["hubspot"]["counterfoil_open"] == "250.00"
    assert await hub.cases() == []
    assert (await hub.conservation()).is_balanced
    await assert_balanced(hub)
    assert hub.unnamed() == 0
    assert (await hub.prove()).is_proven


async def test_what_comes_while_they_are_merged_is_the_survivors_and_what_comes_after_is_its_own_again(
    hub: House, sandbox: HubspotSandbox
) -> None:
    kept, gone = await firm(hub, sandbox, 300_00), await firm(hub, sandbox, 400_00)
    await rest(hub)
    env = hub.odoo.env()
    partners = {one.id: env.ref(f"counterfoil.customer_stripe.{one.id}") for one in (kept, gone)}
    billed = []
    for verb in ("merge", "unmerge"):
        await act(hub, verb, gone, kept if verb == "merge" else None)
        await hub.settle()
        story = hub.story()
        await story.item(gone.id, "Consulting", 10_00)
        billed.append(await story.bill(gone.id))
        await rest(hub)
    booked = [hub.document(f"invoice_stripe.{one['id']}")["partner_id"] for one in billed]
    assert booked == [partners[kept.id], partners[gone.id]]
    assert (kept.open(), gone.open()) == ("300.00", "420.00")
    assert await hub.cases() == []


async def test_what_settles_a_booked_invoice_leaves_each_partners_ledger_at_what_is_open(hub: House, sandbox: HubspotSandbox) -> None:
    kept, gone = await firm(hub, sandbox, 310_00), await firm(hub, sandbox, 410_00)
    story, bills = hub.story(), []
    for amount in (70_00, 80_00, 90_00, 60_00):
        await story.item(gone.id, "Consulting", amount)
        bills.append((await story.bill(gone.id, is_charged=amount == 70_00))["id"])
    await rest(hub)
    await act(hub, "merge", gone, kept)
    await hub.settle()
    at_source = hub.apis["US"]
    assert await story.pay(bills[0])
    await at_source.post("/v1/credit_notes", invoice=bills[1], amount=30_00)
    await at_source.post(f"/v1/invoices/{bills[2]}/mark_uncollectible")
    await at_source.post(f"/v1/invoices/{bills[3]}/void")
    await rest(hub)
    ledgers = {one.id: sum(row[2] for row in hub.books_of(one.id) if row[:2] == ("line", "121000")) for one in (kept, gone)}
    assert ledgers == {kept.id: 310.0, gone.id: 410.0 + 50.0}  # their own open invoices, and what the credit note left of one
    assert kept.open() == "770.00"
    assert await hub.cases() == []
    await assert_balanced(hub)


async def test_what_people_said_is_read_again_like_any_delivery(hub: House, sandbox: HubspotSandbox) -> None:
    kept, gone = await firm(hub, sandbox, 500_00), await firm(hub, sandbox, 600_00)
    await rest(hub)
    await act(hub, "merge", gone, kept)
    await hub.settle()
    database, now = Database(hub.hub.dsn, hub.hub.pool, hub.hub.cipher), hub.clock.now()
    request = ReplayRequest(connection=PEOPLE, since=now - timedelta(days=999), until=now + timedelta(days=1))
    plan = await desk.plan_of_replay(database, cast("Any", hub.hub.settings), request)
    found = await rehearsed(hub, plan.order)
    assert (found.read, found.is_without_effect) == (plan.total, True)
    done = await replayed(hub, plan.order)
    assert (done.read_count, done.changed_count) == (plan.total, 0)
    shown = await identities.show(database, f"customer/stripe:{gone.id}")
    assert shown.into == f"customer/stripe:{kept.id}"

"""A sales system beside billing and the books: its companies, contacts and deals are known and found, and nothing of them is booked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.house import House, house
from tests.integration.path.searching import found_in, server_log

from counterfoil.app.checking import check
from counterfoil.app.tracing import known_as, trace
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.tests.sandboxed import URL, settings_of
from counterfoil.kit.sandbox import Fault
from counterfoil.store.trace import Trace

SALES = "sales"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[HubspotSandbox]:
    found = HubspotSandbox()
    await found.start()
    found.run_clock()
    yield found
    await found.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(sandbox: HubspotSandbox, module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub with one more connection, which no route names, at work."""
    given = settings_of(sandbox).model_dump()
    plain = {name: given[name] for name in ("portal_id", "webhook_url", "currency", "base_url", "requests_per_s", "searches_per_s")}
    secrets = {"access_token": sandbox.access_token, "client_secrets": [sandbox.client_secret]}

    def change(values: dict[str, Any]) -> None:
        values["connections"][SALES] = {"connector": "hubspot", "client_id": sandbox.client_id, **plain, **secrets}

    async with house(module_database, Path(tmp_path_factory.mktemp("home")), change=change) as made:
        await made.tell()
        yield made


async def traced(hub: House, asked: str) -> Trace:
    async with hub.hub.pool.connection() as conn:
        given = hub.hub.settings.connections[SALES]
        return await trace(conn, hub.hub.cipher, asked, known_as([(given.connector, given.settings.model_dump())], asked))


async def test_a_sales_system_that_only_tells_is_not_asked_whether_it_could_be_written_to(hub: House) -> None:
    assert SALES in hub.hub.targets
    assert SALES not in hub.hub.written_to
    assert [one.finding for one in await check(hub.hub) if one.finding.code.startswith("hubspot.propert")] == []


async def test_what_a_sales_system_tells_is_found_by_name_and_booked_nowhere(hub: House, sandbox: HubspotSandbox) -> None:
    invoice = await hub.bill(120_00)
    await hub.tell()
    before = (hub.external_keys(), hub.books_of(invoice["customer"]))
    company = sandbox.create("companies", name="Blue Harbor", domain="blueharbor.example")
    mira = sandbox.create("contacts", firstname="Mira", lastname="Sand", email="mira@blueharbor.example")
    item = sandbox.create("line_items", name="Seat", quantity="100", price="12.00")
    deal = sandbox.create("deals", dealname="100 seats", amount="1200.00", dealstage="closedwon")
    sandbox.associate(deal, company, mira, item)
    await hub.poll(SALES)
    await hub.settle()
    for asked, key in (
        ("Blue Harbor", f"company/hubspot:4711.{company.id}"),
        ("mira@blueharbor.example", f"contact/hubspot:4711.{mira.id}"),
        (f"4711.{deal.id}", f"deal/hubspot:4711.{deal.id}"),
        (deal.id, f"deal/hubspot:4711.{deal.id}"),
    ):
        found = await traced(hub, asked)
        assert key in [one.ref.key for one in found.objects], asked
        assert (found.commands, found.waits, found.cases) == ((), (), ())
    assert (hub.external_keys(), hub.books_of(invoice["customer"])) == before
    assert await hub.cases() == []


async def test_signed_webhooks_are_told_at_once_through_a_proxy(hub: House, sandbox: HubspotSandbox) -> None:
    sandbox.courier.policy.signed_url = URL
    sandbox.courier.policy.duplicate = 1.0
    sandbox.subscribe(f"{hub.intake}/in/{SALES}")
    first, second = sandbox.create("companies", name="Green Hill"), sandbox.create("companies", name="Hill, Green")
    survivor = sandbox.merge(first, second)
    ben = sandbox.create("contacts", firstname="Ben", email="ben@greenhill.example")
    sandbox.erase(ben)

    async def is_told() -> bool:
        return sandbox.courier.is_idle

    await hub.until(is_told)
    assert {outcome for one in sandbox.courier.deliveries for outcome in one.outcomes} == {"200"}
    await hub.settle()
    found = await traced(hub, "Green Hill")
    assert {(one.ref.key, one.state) for one in found.objects} == {(f"company/hubspot:4711.{survivor.id}", "present")}
    gone = await traced(hub, f"4711.{second.id}")
    assert [(one.ref.key, one.state) for one in gone.objects] == [(f"company/hubspot:4711.{second.id}", "merged")]
    erased = await traced(hub, f"contact/hubspot:4711.{ben.id}")
    assert [one.state for one in erased.objects] == ["erased"]
    assert (await traced(hub, "ben@greenhill.example")).objects == ()
    assert (await hub.conservation()).is_balanced
    assert await hub.cases() == []


async def test_a_journal_that_keeps_failing_stops_no_search_and_is_named(hub: House, sandbox: HubspotSandbox) -> None:
    broken = Fault("status", status=503, path="/webhooks-journal", times=-1)
    sandbox.switch.faults.append(broken)
    for name in ("Red Dune", "Red Ridge", "Red Valley"):  # more tries than a target may fail before it is left alone
        sandbox.create("companies", name=name)
        await hub.poll(SALES)
        await hub.settle()
        assert len((await traced(hub, name)).objects) == 1
        await hub.later(minutes=6)
    (case,) = await hub.cases()
    assert case.cause.startswith("sales cannot be used for journal since ")
    sandbox.switch.faults.remove(broken)
    await hub.poll(SALES)
    assert await hub.cases() == []


async def test_of_an_erased_person_nothing_is_left_in_any_table_or_log_and_the_books_stand(hub: House, sandbox: HubspotSandbox) -> None:
    sandbox.courier.policy.signed_url = URL
    sandbox.subscribe(f"{hub.intake}/in/{SALES}")
    words = ("Zephyrine", "Quillfeather", "zephyrine@bluedune.example", "0301234987")
    invoice = await hub.bill(120_00)
    await hub.tell()
    booked = (hub.external_keys(), hub.books_of(invoice["customer"]))

    async def left() -> list[str]:
        async def is_told() -> bool:
            return sandbox.courier.is_idle

        await hub.until(is_told)
        await hub.poll(SALES)
        await hub.settle()
        async with hub.hub.pool.connection() as conn:
            assert not [word for word in words if word in await server_log(conn)]
            return await found_in(conn, hub.hub.cipher, words)

    def told(action: str, id: str, at_ms: int) -> dict[str, Any]:
        event = {"eventId": 1, "subscriptionType": f"contact.{action}", "portalId": 4711, "objectId": int(id), "occurredAt": at_ms}
        return {**event, "propertyName": "firstname", "propertyValue": "Zephyrine", "attemptNumber": 0}

    deal = sandbox.create("deals", dealname="7 seats")
    first = sandbox.create("contacts", firstname="Zephyrine", lastname="Quillfeather", email="zephyrine@bluedune.example")
    second = sandbox.create("contacts", firstname="Zephyrine", phone="0301234987")
    sandbox.associate(deal, first)
    sandbox.update(first, lastname="Quillfeather-Moss")
    sandbox.courier.add(told("somethingNew", first.id, first.updated_ms))  # no table knows it: it is held back, with a case
    before = await left()
    survivor = sandbox.merge(first, second)
    assert before == ["event.data", "object.data", "receipt.body", "receipt_fetched.data"]
    assert len(await hub.cases()) == 1
    await left()
    sandbox.erase(survivor)
    assert await left() == []
    assert await hub.cases() == []
    sandbox.courier.add(told("propertyChange", second.id, survivor.updated_ms))  # a delivery that was late
    sandbox.courier.add(told("propertyChange", survivor.id, survivor.updated_ms))
    assert await left() == []
    for id in (first.id, survivor.id):
        sandbox.courier.add(told("somethingNew", id, survivor.updated_ms + 1))  # late, and would be held back
    assert await left() == []
    assert await hub.cases() == []
    assert not [word for word in words for line in hub.journal.lines if word in line]
    for id in (first.id, second.id, survivor.id):
        (one,) = (await traced(hub, f"contact/hubspot:4711.{id}")).objects
        assert one.state in ("erased", "merged")
    assert (hub.external_keys(), hub.books_of(invoice["customer"])) == booked
    assert (await hub.conservation()).is_balanced
    assert len((await traced(hub, f"deal/hubspot:4711.{deal.id}")).objects) == 1


async def test_a_source_of_which_nothing_is_booked_needs_no_route(hub: House) -> None:
    assert [one.finding for one in await check(hub.hub) if one.finding.code == "route.missing"] == []

"""The hubspot connector against the kit's suite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.client import client
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.sandbox.types import TYPES
from counterfoil.connectors.hubspot.webhooks import sign
from counterfoil.core.commands.crm import ShowStatus
from counterfoil.core.language.commands import Command
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.conformance import Conformance, Harness, Sample, Webhook
from counterfoil.kit.connector import Delivery, Fetched
from counterfoil.kit.context import Context
from counterfoil.kit.http import RetryPolicy
from counterfoil.kit.sandbox import FaultSwitch

from .sandboxed import URL, settings_of, status_command

NOW = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
ROW = {"id": "512", "archived": False, "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z"}
COMPANY = {"object": {**ROW, "properties": {"name": "Blue Harbor", "domain": "blueharbor.example", "hs_merged_object_ids": "17"}}}
CONTACT = {"object": {**ROW, "properties": {"firstname": "Mira", "email": "mira@blueharbor.example"}}, "companies": ["7"]}
DEAL = {
    "object": {
        **ROW,
        "properties": {"dealname": "100 seats", "amount": "1200.50", "deal_currency_code": "EUR", "hs_is_closed_won": "true"},
    },
    "companies": ["7"],
    "contacts": ["9"],
    "line_items": [{**ROW, "id": "31", "properties": {"name": "Seat", "quantity": "100", "price": "12.005"}}],
}


def event(kind: str, **more: object) -> bytes:
    told = {"eventId": 1, "subscriptionId": 2, "portalId": 4711, "appId": 3, "occurredAt": 1_767_225_600_000, "attemptNumber": 0}
    return json.dumps({**told, "subscriptionType": kind, "objectId": 512, **more}).encode()


def sample(kind: str, body: bytes, ref: str = "", found: object = None) -> Sample:
    delivery = Delivery(f"4711/{kind}", "512", kind, body, NOW, account="4711")
    return Sample(kind, delivery, {ref: Fetched(ref, None if found is None else json.dumps(found).encode(), NOW)} if ref else {})


def opened_as_text(command: Command) -> str:
    return f"{command.arguments.money.minor / 100:.2f}" if command.arguments.money is not None else ""


class HubspotHarness(Harness):
    """A fresh sandbox per check."""

    connector = CONNECTOR
    secrets = (HubspotSandbox.access_token, HubspotSandbox.client_secret)
    missing_ref = "4711/company/99999"

    def __init__(self) -> None:
        self.sandbox = HubspotSandbox()

    async def open(self) -> Context:
        await self.sandbox.start()
        self.companies = [self.sandbox.create("companies", name=name) for name in ("Blue Harbor", "Green Hill", "Red Rock")]
        # The journal is read, too.
        settings = settings_of(self.sandbox, client_id=self.sandbox.client_id)
        self.http = client(settings)
        self.http.retry = RetryPolicy(base_s=0.0)
        await self.http.__aenter__()
        self.clock = SettableClock(NOW)
        return Context("hubspot", settings, self.http, self.clock)

    async def close(self) -> None:
        await self.http.close()
        await self.sandbox.stop()

    def switch(self) -> FaultSwitch:
        return self.sandbox.switch

    def samples(self) -> Sequence[Sample]:
        merge = event("company.merge", primaryObjectId=15, mergedObjectIds=[16], newObjectId=512)
        link = event("deal.associationChange", objectId=None, fromObjectId=512, toObjectId=31, associationType="DEAL_TO_LINE_ITEM")
        return (
            sample("company.propertyChange", event("company.propertyChange"), "4711/company/512", COMPANY),
            sample("company.merge", merge, "4711/company/512", COMPANY),
            sample("contact.creation", event("contact.creation"), "4711/contact/512", CONTACT),
            sample("contact.privacyDeletion", event("contact.privacyDeletion")),
            sample("deal.propertyChange", event("deal.propertyChange"), "4711/deal/512", DEAL),
            sample("deal.deletion", event("deal.deletion"), "4711/deal/512"),
            sample("line_item.creation", event("line_item.creation"), "4711/line_item/512", {"deals": [DEAL]}),
            sample("deal.fetched", json.dumps(DEAL).encode()),
            sample("company.listed", b'{"id": "512", "at": "2026-01-01T00:00:00Z"}', "4711/company/512", COMPANY),
            sample("ticket.creation", event("ticket.creation")),
            Sample(
                "association",
                Delivery("4711/link", "512", "deal.associationChange", link, NOW, account="4711"),
                {
                    "4711/deal/512": Fetched("4711/deal/512", json.dumps(DEAL).encode(), NOW),
                    "4711/line_item/31": Fetched("4711/line_item/31", json.dumps({"deals": [DEAL]}).encode(), NOW),
                },
            ),
        )

    def webhooks(self) -> Sequence[Webhook]:
        two = b"[" + event("company.creation") + b"," + event("contact.privacyDeletion", eventId=2) + b"]"
        return (Webhook(two, NOW),)

    def sign(self, body: bytes, now: datetime) -> Mapping[str, str]:
        stamp = str(int(now.timestamp() * 1000))
        signature = sign(self.sandbox.client_secret, URL, body, stamp)
        return {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": stamp}

    def commands(self) -> Sequence[Command]:
        return tuple(status_command(company.id, open_minor) for company, open_minor in zip(self.companies, (5_000, 0, 700), strict=True))

    def refusable(self) -> Command | None:
        return status_command("99999", 5_000)

    async def count(self, ctx: Context, command: Command) -> int:
        assert isinstance(command.arguments, ShowStatus)
        found = self.sandbox.world.find(TYPES["companies"], command.arguments.record.id.rpartition(".")[2])
        return int(found is not None and found.properties.get("counterfoil_open") == opened_as_text(command))

    async def change(self, ctx: Context) -> None:
        company = self.sandbox.create("companies", name="Green Hill")
        deal = self.sandbox.create("deals", dealname="10 seats", amount="10.00", dealstage="closedwon")
        item = self.sandbox.create("line_items", name="Seat", quantity="10", price="1.00")
        self.sandbox.associate(deal, company, item)
        self.sandbox.delete(self.sandbox.create("contacts", email="gone@greenhill.example"))


class TestConformance(Conformance):
    harness = HubspotHarness

"""The salesforce connector against the kit's suite."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.connectors.salesforce import CONNECTOR, loading
from counterfoil.connectors.salesforce.client import client
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.core.commands.crm import ShowStatus
from counterfoil.core.language.commands import Command
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.conformance import Conformance, Harness, Sample
from counterfoil.kit.connector import Delivery, Fetched
from counterfoil.kit.context import Context
from counterfoil.kit.http import RetryPolicy
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.sandbox import FaultSwitch

from .sandboxed import ORG, settings_of, status_command

NOW = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
STAMPS = {"IsDeleted": "false", "CreatedDate": "2026-01-01T00:00:00.000+0000", "SystemModstamp": "2026-01-01T00:00:00.000+0000"}
ACCOUNT = {**STAMPS, "Id": "0015000000Gv7qJAAR", "Name": "Blue Harbor", "Website": "https://blueharbor.example", "MasterRecordId": ""}
CONTACT = {**STAMPS, "Id": "0035000000Gv7qMAAR", "Name": "Mira Sand", "Email": "mira@blueharbor.example", "AccountId": ACCOUNT["Id"]}
DEAL = {
    "object": {
        **STAMPS, "Id": "0065000000Gv7qNAAR", "Name": "100 seats", "Amount": "1.2005E3", "CurrencyIsoCode": "EUR", "IsWon": "true",
        "CloseDate": "2026-01-31", "AccountId": ACCOUNT["Id"],
    },
    "lines": [{**STAMPS, "Id": "00k5000000Gv7qPAAR", "Product2.Name": "Seat", "Quantity": "100.0", "UnitPrice": "12.005"}],
    "contacts": [{**STAMPS, "Id": "00K5000000Gv7qQAAR", "ContactId": CONTACT["Id"], "IsPrimary": "true"}],
}  # fmt: skip
CHANGE = {"entity": "Account", "id": ACCOUNT["Id"], "change": "UPDATE"}
LINE_CHANGE = {"entity": "OpportunityLineItem", "id": "00k5000000Gv7qPAAR", "change": "UPDATE"}
ACCOUNT_REF = f"{ORG}/company/{ACCOUNT['Id']}"
READ_AT = "2026-01-01T00:00:00.500000+00:00"
REF = f"{ORG}/deal/0065000000Gv7qNAAR"


def sample(name: str, kind: str, body: object, ref: str = "", found: object = None) -> Sample:
    delivery = Delivery(f"{ORG}/{name}", "0015000000Gv7qJAAR", kind, json.dumps(body).encode(), NOW, account=ORG)
    return Sample(name, delivery, {ref: Fetched(ref, None if found is None else json.dumps(found).encode(), NOW)} if ref else {})


class PassingTime:
    """A clock that a wait moves at once."""

    def __init__(self) -> None:
        self.s = 0.0

    def now(self) -> float:
        """Return the seconds that have passed."""
        return self.s

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.s += seconds


class SalesforceHarness(Harness):
    """A fresh sandbox per check."""

    connector = CONNECTOR
    secrets = (SalesforceSandbox.client_secret,)
    missing_ref = f"{ORG}/company/001xx0000000000AAA"
    page_size_max = 5_000
    load_from = 1_000

    def __init__(self) -> None:
        self.sandbox = SalesforceSandbox(has_currencies=True)

    async def open(self) -> Context:
        await self.sandbox.start()
        self.accounts = [self.sandbox.create("Account", Name=name) for name in ("Blue Harbor", "Green Hill", "Red Rock")]
        assert self.sandbox.pubsub is not None
        settings = settings_of(self.sandbox, load_from=self.load_from, pubsub_address=self.sandbox.pubsub.address)
        self.http = client(settings)
        self.http.retry = self.http.login.retry = RetryPolicy(base_s=0.0)
        for one in (self.http, self.http.login):
            time = PassingTime()
            one.use_budget(LocalBudget(rate_per_s=100_000, burst=1_000, concurrency_max=4, now=time.now, sleep=time.sleep))
        await self.http.__aenter__()
        self.clock = SettableClock(NOW)
        return Context("salesforce", settings, self.http, self.clock)

    async def close(self) -> None:
        await self.http.close()
        await self.sandbox.stop()

    def switch(self) -> FaultSwitch:
        return self.sandbox.switch

    def samples(self) -> Sequence[Sample]:
        notice = {"id": "0065000000Gv7qNAAR", "at": STAMPS["SystemModstamp"]}
        merged = {**ACCOUNT, "IsDeleted": "true", "MasterRecordId": "0015000000Gv7qKAAR"}
        return (
            sample("account", "company.row", {"object": ACCOUNT, "read_at": READ_AT}),
            sample("merged account", "company.row", {"object": merged, "read_at": READ_AT}),
            sample("contact", "contact.row", {"object": CONTACT, "read_at": READ_AT}),
            sample("deleted contact", "contact.row", {"object": {**CONTACT, "IsDeleted": "true"}, "read_at": READ_AT}),
            sample("deal", "deal.listed", notice, REF, DEAL),
            sample("deal that is gone", "deal.listed", notice, REF),
            sample(
                "changed account", "company.change", {**CHANGE, "fields": ["Name"]}, f"{ORG}/company/{ACCOUNT['Id']}", {"object": ACCOUNT}
            ),
            sample(
                "account taken back",
                "company.change",
                {**CHANGE, "change": "UNDELETE"},
                f"{ORG}/company/{ACCOUNT['Id']}",
                {"object": ACCOUNT},
            ),
            sample("own field", "company.change", {**CHANGE, "fields": ["Counterfoil_Open__c"]}),
            sample("changed line", "deal.part", LINE_CHANGE, f"{ORG}/line_item/00k5000000Gv7qPAAR", {"deals": [DEAL]}),
            sample("lead", "other.change", {"entity": "Lead", "id": "00Q5000000Gv7qPAAR", "change": "UPDATE"}),
            sample("deal that was asked for", "deal.fetched", DEAL),
        )

    def commands(self) -> Sequence[Command]:
        return tuple(status_command(account.id, open_minor) for account, open_minor in zip(self.accounts, (5_000, 0, 700), strict=True))

    def refusable(self) -> Command | None:
        return status_command("001xx0000000000AAA", 5_000)

    async def count(self, ctx: Context, command: Command) -> int:
        assert isinstance(command.arguments, ShowStatus)
        found = self.sandbox.world.records[command.arguments.record.id.rpartition(".")[2]]
        money = command.arguments.money
        return int(money is not None and found.values.get("Counterfoil_Open__c") == money.minor / 100)

    async def change(self, ctx: Context) -> None:
        account = self.sandbox.create("Account", Name="Green Hill")
        given = {"Name": "10 seats", "StageName": "Closed Won", "CloseDate": "2026-01-31", "AccountId": account.id}
        deal = self.sandbox.create("Opportunity", **given)
        self.sandbox.create("OpportunityLineItem", OpportunityId=deal.id, Quantity=10, UnitPrice=1.0)
        self.sandbox.delete(self.sandbox.create("Contact", LastName="Sand", Email="gone@greenhill.example"))


class LoadingHarness(SalesforceHarness):
    """The same, with every status written by a load job; nobody else begins any, so that one that was not closed is given up at once."""

    load_from = 1

    async def open(self) -> Context:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(loading, "ABANDONED", timedelta(0))
        self.patch.setattr(loading, "WAIT_S", 0.0)
        return await super().open()

    async def close(self) -> None:
        self.patch.undo()
        await super().close()


class TestConformance(Conformance):
    harness = SalesforceHarness


class TestConformanceOfLoads(Conformance):
    harness = LoadingHarness

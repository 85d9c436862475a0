"""The connector against its sandbox: a context, whole walks of pages, and what the hub would make of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from counterfoil.connectors.salesforce import CONNECTOR, deliver, loading
from counterfoil.connectors.salesforce.config import SalesforceConfig
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.connectors.salesforce.sandbox.world import Record as Made
from counterfoil.connectors.salesforce.shown import WRITTEN_AT
from counterfoil.connectors.salesforce.source import SalesforceSource
from counterfoil.core.commands.crm import Balance, CrmCommand, ShowStatus, Standing
from counterfoil.core.facts.events import Fact
from counterfoil.core.facts.merge import Current, merge
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.policies import crm_status
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.conformance.together import Together
from counterfoil.kit.connector import Delivery, Finding, Ignored, Page
from counterfoil.kit.context import Context
from counterfoil.kit.http import RetryPolicy
from counterfoil.kit.writing import Outcome

SOURCE = SalesforceSource()
DAY = {"first_poll_back_s": 86_400}
COLLECTIONS = r"^PATCH .*/composite/sobjects"
POLLS = Together(CONNECTOR)
ORG = SalesforceSandbox().world.org_id
NAMES = {"company": crm_status.NAME, "deal": crm_status.OF_DEALS}
SHOW = CONNECTOR.deliver[CrmCommand.SHOW_STATUS]


def settings_of(sandbox: SalesforceSandbox, **changes: Any) -> SalesforceConfig:
    """Return settings that reach the sandbox."""
    given: dict[str, Any] = {
        "base_url": sandbox.url or "http://127.0.0.1:1",
        "org_id": sandbox.world.org_id,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "currency": sandbox.world.currency,
        "requests_per_s": 100_000,
    }
    return SalesforceConfig.model_validate({**given, **changes})


def status_command(id: str, open_minor: int, kind: str = "company", **changes: Any) -> Command:
    """Return the command that shows a record's status: so much open of 120.00 dollars, the rest paid."""
    record = ObjectRef(kind, f"salesforce:{ORG}.{id}")
    nothing = Money(0, "USD")
    balance = Balance(Money(12_000, "USD"), Money(12_000 - open_minor, "USD"), Money(open_minor, "USD"), nothing)
    status = replace(ShowStatus(record, Standing.CURRENT, (balance,), "INV-7", date(2026, 1, 31)), **changes)
    key = f"{NAMES[kind]}_salesforce.{ORG}.{id}"
    return Command(f"c-{id}-{open_minor}", CrmCommand.SHOW_STATUS, "salesforce", "", record, key, status, order_key=record.key)


async def send(ctx: Context, *commands: Command) -> tuple[Outcome, ...]:
    """Send statuses as the hub does."""
    return await SHOW.send(ctx, commands, {})


async def made(ctx: Context, sandbox: SalesforceSandbox, account: Made) -> None:
    """Have the fields made, by a first status."""
    await send(ctx, status_command(account.id, 0))
    sandbox.asked.clear()


def shown(record: Made) -> dict[str, Any]:
    """Return what an account shows, without what is empty and when it was written."""
    own = {name: value for name, value in record.values.items() if name.startswith("Counterfoil_") and name != WRITTEN_AT}
    named = {name: value for name, value in own.items() if value is not None}
    return {name.removeprefix("Counterfoil_").removesuffix("__c"): value for name, value in named.items()}


def key_of(kind: str, id: str) -> str:
    """Return the key of the object a record is."""
    return f"{kind}/salesforce:{ORG}.{id}"


def time_of(sandbox: SalesforceSandbox) -> datetime:
    """Return what the sandbox's clock shows."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=sandbox.world.now_ms)


@asynccontextmanager
async def opened(sandbox: SalesforceSandbox, **changes: Any) -> AsyncIterator[Context]:
    """Serve the sandbox and give a context whose clock stands a second after the sandbox's."""
    await sandbox.start()
    settings = settings_of(sandbox, **changes)
    assert CONNECTOR.client is not None
    http = CONNECTOR.client(settings)
    http.retry = RetryPolicy(base_s=0.0)
    try:
        async with http:
            yield Context("salesforce", settings, http, SettableClock(time_of(sandbox) + timedelta(seconds=1)))
    finally:
        await sandbox.stop()


async def walk(fetch: Callable[[str], Awaitable[Page]], cursor: str = "") -> tuple[list[Delivery], Page]:
    """Return all deliveries from a cursor on, and the last page."""
    found: list[Delivery] = []
    for _ in range(500):
        page = await fetch(cursor)
        found.extend(page.deliveries)
        cursor = page.cursor
        if not page.has_more:
            return found, page
    raise AssertionError("the pages do not end")


async def polled(ctx: Context, cursor: str = "") -> tuple[list[Delivery], Page]:
    """Return what one round of polling brings."""
    return await walk(lambda after: POLLS.poll(ctx, after), cursor)


async def facts_of(ctx: Context, deliveries: list[Delivery]) -> list[Fact]:
    """Fetch and normalize deliveries as the hub does, one batch; return all facts."""
    refs = list(dict.fromkeys(ref for one in deliveries for ref in SOURCE.needs(one)))
    answers = {answer.ref: answer for answer in await SOURCE.fetch(ctx, refs)}
    facts: list[Fact] = []
    for one in deliveries:
        result = SOURCE.normalize(ctx.settings, one, {ref: answers[ref] for ref in SOURCE.needs(one)})
        if not isinstance(result, Ignored):
            facts.extend(result)
    return facts


def states(facts: list[Fact], before: dict[str, Current] | None = None) -> dict[str, Record]:
    """Return the current states after facts, by the key of their object."""
    current = {} if before is None else before
    for fact in facts:
        key = fact.subject.key
        current[key] = merge(current.get(key), fact).current
    return {key: one.record for key, one in current.items()}


def deal_of(sandbox: SalesforceSandbox, account: Made, *counts: int, **more: object) -> Made:
    """Make an opportunity with lines of 12.50 each."""
    given = {"Name": "Seats", "StageName": "Prospecting", "CloseDate": "2026-01-31", "AccountId": account.id, **more}
    deal = sandbox.create("Opportunity", **given)
    for count in counts:
        sandbox.create("OpportunityLineItem", OpportunityId=deal.id, Quantity=count, UnitPrice=12.5)
    return deal


async def state_of(ctx: Context, kind: str, id: str, known: dict[str, Current] | None = None, cursor: str = "") -> Record:
    """Return what is known of one record after a round of polling."""
    found, _ = await polled(ctx, cursor)
    return states(await facts_of(ctx, found), known)[key_of(kind, id)]


async def checked(ctx: Context) -> Finding:
    [finding] = await all_checked(ctx)
    return finding


async def all_checked(ctx: Context) -> tuple[Finding, ...]:
    assert CONNECTOR.target_check is not None
    return await CONNECTOR.target_check(ctx)


def asked(sandbox: SalesforceSandbox) -> list[str]:
    """Return the calls so far, without the version, and forget them."""
    found = [line.replace("/services/data/v67.0", "") for line in sandbox.asked]
    sandbox.asked.clear()
    return found


async def heard(ctx: Context, position: str = "", count: int = 1) -> tuple[list[Delivery], Page]:
    """Return so many deliveries after a position, and the last page."""
    found: list[Delivery] = []
    async with asyncio.timeout(20), aclosing(SOURCE.listen(ctx, position)) as stream:
        async for page in stream:
            found += page.deliveries
            if len(found) >= count:
                return found, page
    raise AssertionError("the stream ended")


def listening(ctx: Context, sandbox: SalesforceSandbox, **more: Any) -> Context:
    """Return the context of a connection that is listened to."""
    assert sandbox.pubsub is not None
    given = ctx.settings.model_copy(update={"pubsub_address": sandbox.pubsub.address, **more})
    return Context(ctx.connection, given, ctx.client, ctx.clock, ctx.state)


@pytest.fixture(autouse=True)
def waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "LOCK_S", 0.0)
    monkeypatch.setattr(loading, "WAIT_S", 0.0)

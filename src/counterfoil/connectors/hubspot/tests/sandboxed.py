"""The connector against its sandbox: a context, whole walks of pages, and what the hub would make of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.config import HubspotConfig
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.source import HubspotSource
from counterfoil.connectors.hubspot.webhooks import sign
from counterfoil.core.commands.crm import Balance, CrmCommand, ShowStatus, Standing
from counterfoil.core.facts.events import Fact
from counterfoil.core.facts.merge import Current, merge
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.conformance.together import Together
from counterfoil.kit.connector import Delivery, Ignored, Page
from counterfoil.kit.context import Context
from counterfoil.kit.http import RetryPolicy

SOURCE = HubspotSource()
POLLS = Together(CONNECTOR)
URL = "https://hub.example.com/in/hubspot"


def settings_of(sandbox: HubspotSandbox, **changes: Any) -> HubspotConfig:
    """Return settings that reach the sandbox."""
    given: dict[str, Any] = {
        "portal_id": sandbox.world.portal_id,
        "access_token": sandbox.access_token,
        "client_secrets": [sandbox.client_secret],
        "webhook_url": URL,
        "currency": "USD",
        "base_url": sandbox.url or "http://127.0.0.1:1",
        "requests_per_s": 100_000,
        "searches_per_s": 100_000,
    }
    return HubspotConfig.model_validate({**given, **changes})


def status_command(id: str, open_minor: int, kind: str = "company", **changes: Any) -> Command:
    """Return the command that shows a company's status, or a deal's: so much open of 120.00 dollars, the rest paid."""
    record = ObjectRef(kind, f"hubspot:4711.{id}")
    nothing = Money(0, "USD")
    balance = Balance(Money(12_000, "USD"), Money(12_000 - open_minor, "USD"), Money(open_minor, "USD"), nothing)
    status = replace(ShowStatus(record, Standing.CURRENT, (balance,), "INV-7", date(2026, 1, 31)), **changes)
    key = f"crm_status{'' if kind == 'company' else f'_{kind}'}_hubspot.4711.{id}"
    return Command(f"c-{kind}-{id}-{open_minor}", CrmCommand.SHOW_STATUS, "hubspot", "", record, key, status, order_key=record.key)


def time_of(sandbox: HubspotSandbox) -> datetime:
    """Return what the sandbox's clock shows."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=sandbox.world.now_ms)


@asynccontextmanager
async def opened(sandbox: HubspotSandbox, **changes: Any) -> AsyncIterator[Context]:
    """Serve the sandbox and give a context whose clock stands a second after the sandbox's."""
    await sandbox.start()
    settings = settings_of(sandbox, **changes)
    assert CONNECTOR.client is not None
    http = CONNECTOR.client(settings)
    http.retry = RetryPolicy(base_s=0.0)
    try:
        async with http:
            yield Context("hubspot", settings, http, SettableClock(time_of(sandbox) + timedelta(seconds=1)))
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


async def polled(ctx: Context, cursor: str = "") -> tuple[list[Delivery], str]:
    """Return all that one round of polls brings, and where the next one goes on."""
    deliveries, page = await walk(lambda at: POLLS.poll(ctx, at), cursor)
    return deliveries, page.cursor


def later(sandbox: HubspotSandbox, ctx: Context, seconds: float = 10) -> None:
    """Let time pass, on both sides."""
    sandbox.world.advance(seconds)
    assert isinstance(ctx.clock, SettableClock)
    ctx.clock.advance_to(time_of(sandbox) + timedelta(seconds=1))


def told(ctx: Context, sandbox: HubspotSandbox, events: list[Any]) -> list[Delivery]:
    """Return events as HubSpot delivers them."""
    body, now = json.dumps(events).encode(), ctx.clock.now()
    stamp = str(int(now.timestamp() * 1000))
    headers = {"X-HubSpot-Signature-v3": sign(sandbox.client_secret, URL, body, stamp), "X-HubSpot-Request-Timestamp": stamp}
    return list(SOURCE.verify(ctx.settings, headers, body, now))

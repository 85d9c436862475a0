"""Bad input on the whole path: what is no delivery leaves no receipt, what a genuine sender sent is kept, drift is one case."""

from __future__ import annotations

import json
import time
from typing import Any

import aiohttp
import pytest
from tests.integration.path.house import SECRET, House

from counterfoil.connectors.stripe.sandbox.webhooks import sign

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = 1024 * 1024


def event(number: int, **fields: Any) -> bytes:
    """Return the body of an event about a customer that nobody ever heard of."""
    customer = {"id": f"cus_strange{number}", "object": "customer", "created": 1764547200, "livemode": False}
    base = {
        "id": f"evt_strange{number}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1764547200,
        "data": {"object": customer},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "customer.created",
    }
    return json.dumps(base | fields).encode()


async def post(hub: House, body: bytes, *, secret: str = SECRET, age_s: int = 0, path: str = "stripe_us", method: str = "POST") -> int:
    """Send a body with a signature and return the status it was answered with."""
    headers = {"Stripe-Signature": sign(body, [secret], int(time.time()) - age_s), "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session, session.request(method, f"{hub.intake}/in/{path}", data=body, headers=headers) as answer:
        await answer.read()
        return answer.status


async def received(hub: House) -> int:
    """Return how many deliveries were ever kept."""
    return sum(line.received for line in (await hub.conservation()).sources)


async def test_what_is_no_delivery_gets_a_clear_status_and_leaves_no_receipt(hub: House) -> None:
    before = await received(hub)
    statuses = {
        "forged": await post(hub, event(1), secret="whsec_of_somebody_else"),
        "stale": await post(hub, event(2), age_s=3600),
        "from the future": await post(hub, event(3), age_s=-3600),
        "truncated": await post(hub, event(4)[:60]),
        "oversized": await post(hub, b"{" + b" " * (2 * MEGABYTE) + b"}"),
        "far too large": await post(hub, b" " * (6 * MEGABYTE)),
        "not JSON": await post(hub, b"id=evt_1&type=invoice.paid"),
        "no event": await post(hub, b'["evt_1"]'),
        "wrong method": await post(hub, event(5), method="PUT"),
        "unknown connection": await post(hub, event(6), path="stripe_mars"),
    }
    assert statuses == {
        "forged": 401,
        "stale": 400,
        "from the future": 400,
        "truncated": 400,
        "oversized": 413,
        "far too large": 413,
        "not JSON": 400,
        "no event": 400,
        "wrong method": 405,
        "unknown connection": 404,
    }
    assert await received(hub) == before


async def test_an_unknown_account_of_a_genuine_sender_is_parked(hub: House) -> None:
    before = await received(hub)
    assert await post(hub, event(10, account="acct_stranger")) == 200
    assert await post(hub, event(11, livemode=True)) == 200
    await hub.settle()
    assert await received(hub) == before + 2
    assert sum(line.parked for line in (await hub.conservation()).sources) == 2


async def test_an_unknown_event_type_is_one_case_and_not_a_thousand(hub: House) -> None:
    for number in range(100, 125):
        assert await post(hub, event(number, type="customer.teleported")) == 200
    await hub.settle()
    drift = [case for case in await hub.cases() if case.case_class == "schema_drift" and "customer.teleported" in case.cause]
    assert [case.count for case in drift] == [25]


async def test_an_unknown_api_version_is_one_case(hub: House) -> None:
    for number in range(200, 205):
        assert await post(hub, event(number, api_version="2031-01-01.zeta")) == 200
    await hub.settle()
    drift = [case for case in await hub.cases() if case.case_class == "schema_drift" and "2031-01-01" in case.cause]
    assert [case.count for case in drift] == [5]


async def test_an_event_about_an_object_nobody_has_does_not_stop_the_others(hub: House) -> None:
    assert await post(hub, event(300)) == 200
    story = hub.story()
    customer = await story.customer(card="")
    await story.item(customer, "Consulting", 3300)
    invoice = await story.bill(customer)
    await hub.tell()
    assert hub.document(f"invoice_stripe.{invoice['id']}")["amount_total"] == 33.0

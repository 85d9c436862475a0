"""Deliveries: signatures, versions, duplicates, order, losses, retries, thin events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import stripe
from aiohttp import web

from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.connectors.stripe.sandbox.planning import Plan
from counterfoil.connectors.stripe.sandbox.webhooks import sign

from .playing import fixture

EMPTY = {"pending": 0, "delivered": 0, "failed": 0, "lost": 0, "canceled": 0}


class Receiver:
    """A webhook on loopback that keeps what it got; ``statuses`` answers the first deliveries, 200 the rest."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, str]] = []
        self.statuses: list[int] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        self.got.append((await request.read(), request.headers["Stripe-Signature"]))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.got]

    def names(self) -> list[str]:
        return [body["data"]["object"]["name"] for body in self.bodies()]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


@pytest.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    made = StripeSandbox(4)
    await made.start()
    yield made
    await made.stop()


def create(sandbox: StripeSandbox, count: int) -> list[str]:
    names = [f"c{i:02d}" for i in range(count)]
    for name in names:
        sandbox.request("POST", "/v1/customers", {"name": name})
    return names


def test_signatures_match_the_vectors() -> None:
    # Vectors checked with the official package; the second also carries another secret's signature and a scheme to ignore.
    for vector in fixture("webhook-signatures.json"):
        made = sign(vector["body"].encode(), [vector["secret"]], vector["timestamp"])
        stamp, mark = made.split(",")
        assert stamp == f"t={vector['timestamp']}"
        assert mark in vector["headers"]["Stripe-Signature"].split(",")


async def test_a_delivery_passes_the_official_check(sandbox: StripeSandbox, receiver: Receiver) -> None:
    secret = sandbox.add_webhook(receiver.url, enabled_events=["customer.created"])
    create(sandbox, 1)
    sandbox.request("POST", "/v1/products", {"name": "unwanted"})
    assert (await sandbox.courier.drain())["delivered"] == 1
    body, signature = receiver.got[0]
    event = stripe.Webhook.construct_event(body, signature, secret)
    assert (event.type, event.data.object["name"], event.pending_webhooks) == ("customer.created", "c00", 1)
    shown = sandbox.request("GET", f"/v1/events/{event.id}")
    assert (shown["pending_webhooks"], shown["data"]) == (0, json.loads(body)["data"])


async def test_while_a_secret_is_rotated_both_are_signed_with(sandbox: StripeSandbox, receiver: Receiver) -> None:
    old = sandbox.add_webhook(receiver.url)
    endpoint = sandbox.details()["accounts"][0]["webhooks"][0]["id"]
    new = sandbox.rotate_secret(endpoint)
    create(sandbox, 1)
    await sandbox.courier.drain()
    body, signature = receiver.got[0]
    assert signature.count("v1=") == 2
    for secret in (old, new):
        assert stripe.Webhook.construct_event(body, signature, secret)
    sandbox.rotate_secret(endpoint, keeps_old=False)
    create(sandbox, 1)
    await sandbox.courier.drain()
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(*receiver.got[1], new)


async def test_with_one_at_a_time_the_order_is_kept(sandbox: StripeSandbox, receiver: Receiver) -> None:
    sandbox.courier.set_policy(concurrency=1)
    sandbox.add_webhook(receiver.url)
    names = create(sandbox, 20)
    await sandbox.courier.drain()
    assert receiver.names() == names


async def test_deliveries_overtake_each_other_within_the_window(sandbox: StripeSandbox, receiver: Receiver) -> None:
    sandbox.courier.set_policy(concurrency=1, reorder_window=5)
    sandbox.add_webhook(receiver.url)
    names = create(sandbox, 30)
    await sandbox.courier.drain()
    got = receiver.names()
    assert sorted(got) == names
    assert got != names
    assert max(abs(got.index(name) - i) for i, name in enumerate(names)) <= 5


async def test_duplicates_drops_and_losses_follow_the_policy(sandbox: StripeSandbox, receiver: Receiver) -> None:
    sandbox.courier.set_policy(duplicate=0.3, drop=0.3, lose=0.2)
    sandbox.add_webhook(receiver.url)
    names = create(sandbox, 60)
    summary = await sandbox.courier.drain()
    got = receiver.names()
    assert summary["lost"] == len(set(names) - set(got)) > 0
    assert len(got) > len(set(got))
    assert any(len(d.attempts) == 2 and d.attempts[0]["error"] == "dropped by policy" for d in sandbox.courier.deliveries)
    missed = sandbox.request("GET", "/v1/events", {"delivery_success": "false", "limit": 100})["data"]
    assert {e["data"]["object"]["name"] for e in missed} == set(names) - set(got)
    assert sandbox.courier.resend([d for d in sandbox.courier.deliveries if d.status == "lost"]) == summary["lost"]
    await sandbox.courier.drain()
    assert set(receiver.names()) == set(names)


async def test_anything_but_2xx_is_retried_signed_anew_until_the_retries_are_used_up(sandbox: StripeSandbox, receiver: Receiver) -> None:
    secret = sandbox.add_webhook(receiver.url)
    receiver.statuses = [500, 302, 200]
    create(sandbox, 1)
    assert (await sandbox.courier.drain())["delivered"] == 1
    assert [a["status"] for a in sandbox.courier.deliveries[0].attempts] == [500, 302, 200]
    assert all(stripe.Webhook.construct_event(body, signature, secret) for body, signature in receiver.got)
    receiver.statuses = [500] * 9
    create(sandbox, 1)
    assert (await sandbox.courier.drain())["failed"] == 1
    assert len(sandbox.courier.deliveries[-1].attempts) == 4


async def test_a_held_courier_sends_nothing_until_released(sandbox: StripeSandbox, receiver: Receiver) -> None:
    sandbox.add_webhook(receiver.url)
    sandbox.courier.set_policy(is_held=True)
    create(sandbox, 3)
    assert (await sandbox.courier.drain())["pending"] == 3
    sandbox.courier.set_policy(is_held=False)
    assert (await sandbox.courier.drain())["delivered"] == 3


async def test_an_incident_is_replayed_in_exactly_the_given_order(sandbox: StripeSandbox, receiver: Receiver) -> None:
    create(sandbox, 3)
    first, second, third = [event.id for event in sandbox.world.journal.events["acct_sandbox"]]
    outcomes = await sandbox.deliver([{"event": e} for e in (third, first, first, third)], receiver.url, "whsec_x")
    assert receiver.names() == ["c02", "c00", "c00", "c02"]
    assert [o["status"] for o in outcomes] == [200] * 4
    assert second not in {o["event"] for o in outcomes}


async def test_each_endpoint_gets_its_own_version(sandbox: StripeSandbox, receiver: Receiver) -> None:
    sandbox.courier.set_policy(concurrency=1)
    for version in ("2023-08-16", None):
        sandbox.add_webhook(receiver.url, enabled_events=["invoice.created"], api_version=version)
    customer = sandbox.request("POST", "/v1/customers", {"name": "A"})
    sandbox.request("POST", "/v1/invoices", {"customer": customer["id"]})
    await sandbox.courier.drain()
    old, new = receiver.bodies()
    assert (old["id"], old["api_version"], "paid" in old["data"]["object"]) == (new["id"], "2023-08-16", True)
    assert (new["api_version"], "paid" in new["data"]["object"]) == ("2026-10-28.endive", False)


async def test_a_thin_event_only_names_its_object(sandbox: StripeSandbox, receiver: Receiver) -> None:
    secret = sandbox.add_webhook(receiver.url, is_thin=True)
    sandbox.request("POST", "/v1/customers", {"name": "A"}, idempotency_key="k9")
    await sandbox.courier.drain()
    body, signature = receiver.got[0]
    client = stripe.StripeClient("sk_test_sandbox", base_addresses={"api": sandbox.url})
    assert client.parse_event_notification(body, signature, secret).type == "v1.customer.created"
    thin = json.loads(body)
    customer = sandbox.request("GET", "/v1/customers")["data"][0]["id"]
    assert thin["related_object"] == {"id": customer, "type": "customer", "url": f"/v1/customers/{customer}"}
    assert thin["reason"]["request"]["idempotency_key"] == "k9"
    assert sandbox.request("GET", f"/v2/core/events/{thin['id']}") == thin


async def test_a_plan_delivers_by_the_sandbox_clock_and_by_the_event_alone(sandbox: StripeSandbox, receiver: Receiver) -> None:
    sandbox.add_webhook(receiver.url)
    sandbox.courier.set_policy(plan={"seed": 1, "late": 1.0, "late_min_s": 600, "late_max_s": 600})
    names = create(sandbox, 3)
    assert await sandbox.courier.drain(is_fast_forwarded=False, timeout_s=0.05) == EMPTY | {"pending": 3}
    assert receiver.got == []
    sandbox.advance(600)
    assert await sandbox.courier.drain(is_fast_forwarded=False) == EMPTY | {"delivered": 3}
    assert sorted(receiver.names()) == names


async def test_a_planned_delivery_nobody_takes_is_made_again_by_the_sandbox_clock(sandbox: StripeSandbox, receiver: Receiver) -> None:
    sandbox.add_webhook(receiver.url)
    sandbox.courier.set_policy(plan={"seed": 1}, retry_delays_s=[3600])
    receiver.statuses = [503]
    create(sandbox, 1)
    await sandbox.courier.drain(is_fast_forwarded=False, timeout_s=0.3)
    assert len(receiver.got) == 1
    sandbox.advance(3600)
    assert await sandbox.courier.drain(is_fast_forwarded=False) == EMPTY | {"delivered": 1}
    assert len(receiver.got) == 2


def test_what_a_plan_does_with_an_event_depends_on_seed_and_event_only() -> None:
    plan = Plan(seed=7, lose=0.1, duplicate=0.2, shuffle=0.3, late=0.2)
    events = [f"evt_{number}" for number in range(400)]
    delays = {event: plan.delays_of(event) for event in events}
    assert {event: plan.delays_of(event) for event in reversed(events)} == delays
    assert {event: Plan(seed=8, lose=0.1).delays_of(event) for event in events} != delays
    assert {len(found) for found in delays.values()} == {0, 1, 2}
    assert all(found[0] in range(901) or found[0] in range(3600, 259_201) for found in delays.values() if found)


async def test_ids_do_not_depend_on_who_reads_meanwhile() -> None:
    quiet, busy = StripeSandbox(4), StripeSandbox(4)
    busy.request("GET", "/v1/customers")
    assert quiet.request("POST", "/v1/customers", {})["id"] == busy.request("POST", "/v1/customers", {})["id"]

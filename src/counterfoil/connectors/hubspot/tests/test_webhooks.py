"""The door: signatures as HubSpot makes them, several events in one delivery, and what is refused."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from hubspot.utils.signature import Signature  # type: ignore[import-untyped]
from pydantic import ValidationError

from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.webhooks import sign
from counterfoil.core.kinds.contact import ContactState
from counterfoil.kit.connector import Delivery, Ignored
from counterfoil.kit.errors import DriftError, IntakeRefused

from .sandboxed import SOURCE, URL, facts_of, opened, settings_of, states

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = "1767225600000"
EVENT = {"eventId": 1, "subscriptionId": 2, "portalId": 4711, "appId": 3, "occurredAt": 1_767_225_599_000, "attemptNumber": 0}
SETTINGS = settings_of(HubspotSandbox())


def headers(body: bytes, stamp: str = STAMP, url: str = URL, secret: str = HubspotSandbox.client_secret) -> dict[str, str]:
    return {"X-HubSpot-Signature-v3": sign(secret, url, body, stamp), "X-HubSpot-Request-Timestamp": stamp}


def told(**more: Any) -> bytes:
    return json.dumps([{**EVENT, "subscriptionType": "company.creation", "objectId": 512, **more}]).encode()


def test_a_signature_of_a_fixed_delivery_is_as_it_was_worked_out_by_other_means() -> None:
    """HubSpot publishes none of version 3: secret and body are invented, the signature was made by ``openssl dgst -sha256 -hmac``."""
    body = (
        b'[{"eventId":1,"subscriptionId":12,"portalId":62515,"appId":54321,"occurredAt":1767225600000,'
        b'"subscriptionType":"object.propertyChange","attemptNumber":0,"objectId":123,"objectTypeId":"0-2",'
        b'"propertyName":"lifecyclestage","propertyValue":"customer","changeSource":"CRM"}]'
    )
    url = "https://hub.example.com/in/hubspot?tenant=acme"
    assert sign("hs-client-secret-0000-1111", url, body, STAMP) == "NplwAyeuH7OpQiD+xtp/x/pcnOoMvsUGEHYJDP0mqlY="


def test_the_signature_is_that_of_the_official_package() -> None:
    body = told()
    theirs = Signature.get_signature("secret", body.decode(), "v3", URL, "POST", STAMP)
    assert sign("secret", URL, body, STAMP) == theirs
    # What is encoded in the address is decoded before it is signed.
    assert sign("secret", "https://hub.example.com/in/hubspot?to=a%3Ab%2fc%40d", body, STAMP) == Signature.get_signature(
        "secret", body.decode(), "v3", "https://hub.example.com/in/hubspot?to=a:b/c@d", "POST", STAMP
    )


def test_every_event_of_a_delivery_is_one_and_the_number_of_the_try_makes_none_anew() -> None:
    first = {**EVENT, "subscriptionType": "company.propertyChange", "objectId": 512, "propertyName": "name"}
    generic = {**EVENT, "subscriptionType": "object.creation", "objectTypeId": "0-3", "objectId": 513}
    body = json.dumps([first, {**first, "propertyName": "phone"}, generic, {**first, "attemptNumber": 3}]).encode()
    deliveries = SOURCE.verify(SETTINGS, headers(body), body, NOW)
    assert [(one.kind, one.shard_key, one.occurred_at) for one in deliveries] == [
        ("company.propertyChange", "512", NOW - timedelta(seconds=1)),
        ("company.propertyChange", "512", NOW - timedelta(seconds=1)),
        ("deal.creation", "513", NOW - timedelta(seconds=1)),
    ]
    again = json.dumps([{**first, "attemptNumber": 7}]).encode()
    assert SOURCE.verify(SETTINGS, headers(again), again, NOW)[0].dedupe_key == deliveries[0].dedupe_key
    # All three tell of two records: each is fetched once.
    assert [SOURCE.needs(one) for one in deliveries] == [("4711/company/512",), ("4711/company/512",), ("4711/deal/513",)]


@pytest.mark.parametrize("type_", ["conversation.propertyChange", "email.propertyChange", "object.propertyChange"])
def test_of_what_is_not_read_no_value_is_kept_for_no_erasure_would_find_it(type_: str) -> None:
    event = {
        **EVENT,
        "subscriptionType": type_,
        "objectTypeId": "2-815",
        "objectId": 9,
        "propertyName": "text",
        "propertyValue": "Dear Mira",
    }
    body = json.dumps([event]).encode()
    (one,) = SOURCE.verify(SETTINGS, headers(body), body, NOW)
    assert json.loads(one.body) == {name: value for name, value in event.items() if name != "propertyValue"}
    assert SOURCE.normalize(SETTINGS, one, {}) == Ignored("object_type_is_not_read")
    contact = json.dumps([{**event, "subscriptionType": "contact.propertyChange"}]).encode()
    assert b"Dear Mira" in SOURCE.verify(SETTINGS, headers(contact), contact, NOW)[0].body


def test_a_signature_is_taken_for_five_minutes_and_both_secrets_while_one_is_rotated() -> None:
    body = told()
    rotated = settings_of(HubspotSandbox(), client_secrets=["the new one", HubspotSandbox.client_secret])
    assert SOURCE.verify(rotated, headers(body), body, NOW + timedelta(seconds=300))
    assert SOURCE.verify(rotated, headers(body, secret="the new one"), body, NOW - timedelta(seconds=300))
    for now in (NOW + timedelta(seconds=301), NOW - timedelta(seconds=301)):
        with pytest.raises(IntakeRefused) as refused:
            SOURCE.verify(rotated, headers(body), body, now)
        assert (refused.value.code, refused.value.status) == ("hubspot.signature_stale", 400)


def test_what_was_signed_for_another_address_or_with_another_secret_is_refused() -> None:
    body = told()
    for given in (headers(body, url="http://hub.example.com/in/hubspot"), headers(body, secret="another"), headers(told(objectId=1))):
        with pytest.raises(IntakeRefused) as refused:
            SOURCE.verify(SETTINGS, given, body, NOW)
        assert (refused.value.code, refused.value.status) == ("hubspot.signature_mismatch", 401)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"null", b'[{"subscriptionType": "company.creation"}]', b"[[]]", told(occurredAt=2**62)])
def test_a_signed_body_that_holds_no_events_is_refused(body: bytes) -> None:
    with pytest.raises(IntakeRefused) as refused:
        SOURCE.verify(SETTINGS, headers(body), body, NOW)
    assert (refused.value.code, refused.value.status) == ("hubspot.body_invalid", 400)


def test_one_event_that_cannot_be_read_is_held_back_and_its_neighbors_are_taken() -> None:
    good = {**EVENT, "subscriptionType": "company.creation", "objectId": 512}
    body = json.dumps([good, {**good, "occurredAt": 2**62}, {"subscriptionType": "contact.creation"}, 1]).encode()
    deliveries = SOURCE.verify(SETTINGS, headers(body), body, NOW)
    assert [(one.kind, bool(one.parked)) for one in deliveries] == [
        ("company.creation", False), ("webhook.event", True), ("webhook.event", True), ("webhook.event", True),
    ]  # fmt: skip
    assert len({one.dedupe_key for one in deliveries}) == 4


def test_a_connection_without_a_secret_is_polled_alone_and_half_a_setting_is_refused() -> None:
    body = told()
    with pytest.raises(IntakeRefused) as refused:
        SOURCE.verify(settings_of(HubspotSandbox(), client_secrets=[], webhook_url=""), headers(body), body, NOW)
    assert (refused.value.code, refused.value.status) == ("hubspot.webhooks_off", 404)
    halves: list[dict[str, Any]] = [{"webhook_url": ""}, {"client_secrets": []}, {"client_secrets": [""]}]
    for half in [*halves, {"client_secrets": [], "webhook_url": "", "client_id": "app"}]:
        with pytest.raises(ValidationError):
            settings_of(HubspotSandbox(), **half)


def test_an_event_of_another_account_is_held_back() -> None:
    body = told(portalId=815)
    assert SOURCE.verify(SETTINGS, headers(body), body, NOW)[0].parked.startswith("event of account 815")


@pytest.mark.parametrize("kind", ["ticket.creation", "conversation.newMessage", "other.creation", "invoice.propertyChange"])
def test_what_is_not_read_is_ignored_by_its_rule(kind: str) -> None:
    delivery = Delivery("k", "1", kind, b"{}", NOW, account="4711")
    assert (SOURCE.needs(delivery), SOURCE.normalize(SETTINGS, delivery, {})) == ((), Ignored("object_type_is_not_read"))


@pytest.mark.parametrize("kind", ["company.exploded", "company.privacyDeletion", "spaceship.creation", ""])
def test_an_event_no_table_knows_is_drift(kind: str) -> None:
    with pytest.raises(DriftError) as drift:
        SOURCE.normalize(SETTINGS, Delivery("k", "1", kind, b"{}", NOW, account="4711"), {})
    assert drift.value.drift_key == f"event/{kind}"


@pytest.mark.parametrize(
    ("kind", "account", "key"),
    [("contact.exploded", "4711", "contact/hubspot:4711.20"), ("contact.exploded", "815", ""), ("spaceship.creation", "4711", "")],
)
def test_what_cannot_be_read_names_the_record_it_tells_of(kind: str, account: str, key: str) -> None:
    with pytest.raises(DriftError) as drift:
        SOURCE.normalize(SETTINGS, Delivery("k", "20", kind, b'{"objectId": 20}', NOW, account=account), {})
    assert drift.value.object_key == key


def test_of_an_association_the_ends_that_keep_it_are_read() -> None:
    def needs(**more: Any) -> tuple[str, ...]:
        body = json.dumps({**EVENT, "subscriptionType": "x", "fromObjectId": 5, "toObjectId": 6, **more}).encode()
        return SOURCE.needs(Delivery("k", "5", "contact.associationChange", body, NOW, account="4711"))

    # A company keeps no associations of its own; a contact and a deal do, and a line item stands in its deal.
    assert needs(associationType="CONTACT_TO_COMPANY") == ("4711/contact/5",)
    assert needs(associationType="COMPANY_TO_CONTACT") == ("4711/contact/6",)
    assert needs(associationType="DEAL_TO_LINE_ITEM") == ("4711/deal/5", "4711/line_item/6")
    assert needs(fromObjectTypeId="0-1", toObjectTypeId="0-3") == ("4711/contact/5", "4711/deal/6")
    assert needs(associationType="TICKET_TO_COMPANY") == ()


async def test_what_the_sandbox_sends_is_taken_and_ends_in_the_same_state_however_it_comes() -> None:
    """Two companies merged, a contact changed, deleted, restored, another erased: shuffled, doubled, one property an event."""
    sandbox = HubspotSandbox(seed=7)
    bodies: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append((dict(request.headers), await request.read()))
        return web.Response(status=200 if len(bodies) > 1 else 503)

    app = web.Application()
    app.router.add_post("/in/hubspot", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/in/hubspot"
    try:
        async with opened(sandbox, webhook_url=url) as ctx:
            sandbox.subscribe(url)
            policy = sandbox.courier.policy
            policy.is_held, policy.is_shuffled, policy.duplicate, policy.retry_delays_s = True, True, 1.0, [0.01] * 10
            first, second = sandbox.create("companies", name="Blue Harbor"), sandbox.create("companies", name="Harbor, Blue")
            mira, ben = sandbox.create("contacts", firstname="Mira"), sandbox.create("contacts", firstname="Ben", email="ben@x.example")
            sandbox.update(mira, lastname="Sand", phone="1")
            sandbox.associate(mira, second)
            survivor = sandbox.merge(first, second)
            sandbox.delete(mira)
            sandbox.restore(mira)
            sandbox.erase(ben)
            policy.is_held = False
            sandbox.courier.wake()
            for _ in range(200):
                await asyncio.sleep(0.02)
                if sandbox.courier.is_idle:
                    break
            deliveries = {
                one.dedupe_key: one for given, body in bodies for one in SOURCE.verify(ctx.settings, given, body, datetime.now(UTC))
            }
            found = states(await facts_of(ctx, list(deliveries.values())))
    finally:
        await runner.cleanup()
    # One delivery, its second copy, and the first again after 503: the same events.
    assert len(bodies) == 3
    assert len(deliveries) == len(sandbox.events)
    told = {key: (one.state.value, getattr(one, "merged_into", ""), one.name) for key, one in found.items()}  # type: ignore[attr-defined]
    new = f"hubspot:4711.{survivor.id}"
    assert told == {
        f"company/{new}": ("present", "", "Blue Harbor"),
        f"company/hubspot:4711.{first.id}": ("merged", new, ""),
        f"company/hubspot:4711.{second.id}": ("merged", new, ""),
        f"contact/hubspot:4711.{mira.id}": ("present", "", "Mira Sand"),
        f"contact/hubspot:4711.{ben.id}": (ContactState.ERASED.value, "", ""),
    }

"""Over the wire: keys, versions, parameters, expansion, idempotency, limits, faults, the control interface."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.kit.sandbox import Fault

KEY = {"Authorization": "Bearer sk_test_sandbox"}


class Wire:
    """Plain HTTP to one sandbox."""

    def __init__(self, sandbox: StripeSandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.last: aiohttp.ClientResponse

    async def call(self, method: str, path: str, data: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        named = KEY | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.sandbox.url + path, data=data, headers=named) as answer:
            self.last = answer
            return answer.status, await answer.json()

    async def control(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        async with self.session.request(method, f"{self.sandbox.url}/_control{path}", json=body) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    sandbox = StripeSandbox(2)
    await sandbox.start()
    async with aiohttp.ClientSession() as session:
        yield Wire(sandbox, session)
    await sandbox.stop()


async def test_a_missing_and_a_wrong_key_get_401(wire: Wire) -> None:
    status, body = await wire.call("GET", "/v1/balance", Authorization="")
    assert status == 401
    assert body["error"]["message"].startswith("You did not provide an API key.")
    status, body = await wire.call("GET", "/v1/balance", Authorization="Bearer sk_test_1234567890wrong")
    assert (status, body["error"]["message"]) == (401, "Invalid API Key provided: sk_test_***********rong")
    assert wire.last.headers["Request-Id"].startswith("req_")


async def test_the_key_may_come_as_basic_user_name(wire: Wire) -> None:
    status, body = await wire.call("GET", "/v1/balance", Authorization="Basic " + b64encode(b"sk_test_sandbox:").decode())
    assert (status, body["object"]) == (200, "balance")


async def test_each_key_sees_its_own_account_and_may_name_another(wire: Wire) -> None:
    wire.sandbox.add_account("acct_de", "DE", "eur", "sk_test_de")
    await wire.call("POST", "/v1/customers", {"name": "A"}, Authorization="Bearer sk_test_de")
    assert (await wire.call("GET", "/v1/customers"))[1]["data"] == []
    assert len((await wire.call("GET", "/v1/customers", Stripe_Account="acct_de"))[1]["data"]) == 1
    assert (await wire.call("GET", "/v1/customers", Stripe_Account="acct_no"))[0] == 403


async def test_a_restricted_key_may_do_what_it_was_granted_and_a_revoked_one_nothing(wire: Wire) -> None:
    wire.sandbox.add_key("rk_test_0123456789", scopes={"customers": "read", "events": "read"})
    key = {"Authorization": "Bearer rk_test_0123456789"}
    assert (await wire.call("GET", "/v1/customers", **key))[0] == 200
    status, body = await wire.call("POST", "/v1/customers", {"name": "A"}, **key)
    assert (status, body["error"]["type"]) == (403, "invalid_request_error")
    assert "rak_customer_write" in body["error"]["message"]
    assert (await wire.control("POST", "/keys", {"api_key": "rk_test_0123456789", "is_revoked": True}))[0] == 200
    status, body = await wire.call("GET", "/v1/customers", **key)
    assert (status, body["error"]["code"]) == (401, "api_key_expired")


async def test_versions_limits_and_slashes_that_make_no_sense_are_refused(wire: Wire) -> None:
    assert (await wire.call("GET", "/v1/customers", Stripe_Version="yesterday"))[0] == 400
    assert (await wire.call("GET", "/v1/customers?limit=101"))[0] == 400
    assert (await wire.call("GET", "/v1/customers?limit=0"))[0] == 400
    assert (await wire.call("GET", "/v1/customers/"))[0] == 404
    assert (await wire.call("GET", "/v1/account"))[1]["id"] == "acct_sandbox"


async def test_a_declined_card_leaves_no_customer_behind(wire: Wire) -> None:
    assert (await wire.call("POST", "/v1/customers", {"payment_method": "pm_card_chargeDeclined"}))[0] == 402
    assert (await wire.call("GET", "/v1/customers"))[1]["data"] == []


async def test_unknown_paths_objects_and_parameters_get_stripes_words(wire: Wire) -> None:
    status, body = await wire.call("GET", "/v1/nothing")
    assert (status, body["error"]["message"][:41]) == (404, "Unrecognized request URL (GET: /v1/nothin")
    status, body = await wire.call("GET", "/v1/customers/cus_no")
    assert (status, body["error"]["code"], body["error"]["param"]) == (404, "resource_missing", "id")
    assert body["error"]["message"] == "No such customer: 'cus_no'"
    status, body = await wire.call("POST", "/v1/customers", {"nickname": "x"})
    assert (status, body["error"]["code"], body["error"]["message"]) == (400, "parameter_unknown", "Received unknown parameter: nickname")
    status, body = await wire.call("POST", "/v1/payment_intents", {"currency": "usd"})
    assert (status, body["error"]["code"], body["error"]["param"]) == (400, "parameter_missing", "amount")
    status, body = await wire.call("POST", "/v1/payment_intents", {"currency": "usd", "amount": "1.5"})
    assert (status, body["error"]["code"]) == (400, "parameter_invalid_integer")


async def test_nested_forms_lists_and_unsetting(wire: Wire) -> None:
    form = {
        "name": "A",
        "address[city]": "Berlin",
        "metadata[a]": "1",
        "metadata[b]": "2",
        "preferred_locales[0]": "de",
        "preferred_locales[1]": "en",
    }
    made = (await wire.call("POST", "/v1/customers", form))[1]
    assert (made["address"]["city"], made["metadata"], made["preferred_locales"]) == ("Berlin", {"a": "1", "b": "2"}, ["de", "en"])
    changed = (await wire.call("POST", f"/v1/customers/{made['id']}", {"name": "", "metadata[a]": "", "metadata[c]": "3"}))[1]
    assert (changed["name"], changed["metadata"]) == (None, {"b": "2", "c": "3"})


async def test_expansion_reaches_four_levels_and_no_further(wire: Wire) -> None:
    request = wire.sandbox.request
    customer = request(
        "POST", "/v1/customers", {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    )
    price = request(
        "POST", "/v1/prices", {"unit_amount": 900, "currency": "usd", "recurring": {"interval": "month"}, "product_data": {"name": "P"}}
    )
    request("POST", "/v1/subscriptions", {"customer": customer["id"], "items": [{"price": price["id"]}]})
    path = "data.latest_invoice.payments.data.payment.payment_intent"
    found = (await wire.call("GET", f"/v1/subscriptions?expand[]={path}&expand[]=data.customer"))[1]["data"][0]
    assert found["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"]["status"] == "succeeded"
    assert found["customer"]["id"] == customer["id"]
    deep = "latest_invoice.customer.invoice_settings.default_payment_method.customer"
    status, body = await wire.call("GET", f"/v1/subscriptions/{found['id']}?expand[]={deep}")
    assert (status, body["error"]["param"]) == (400, "expand")
    status, body = await wire.call("GET", "/v1/customers?expand[]=data.nothing")
    assert (status, body["error"]["message"][:32]) == (400, "This property cannot be expanded")


async def test_the_version_header_chooses_the_shape(wire: Wire) -> None:
    request = wire.sandbox.request
    customer = request("POST", "/v1/customers", {"name": "A"})
    invoice = request("POST", "/v1/invoices", {"customer": customer["id"]})
    old = (await wire.call("GET", f"/v1/invoices/{invoice['id']}", Stripe_Version="2024-06-20"))[1]
    new = (await wire.call("GET", f"/v1/invoices/{invoice['id']}"))[1]
    assert ("paid" in old, "paid" in new, "total_taxes" in old, "total_taxes" in new) == (True, False, False, True)
    assert wire.last.headers["Stripe-Version"] == "2026-10-28.endive"
    coupon = request("POST", "/v1/coupons", {"percent_off": 10})
    request("POST", f"/v1/invoices/{invoice['id']}", {"discounts": [{"coupon": coupon["id"]}]})
    for version, field in (("2025-06-30.basil", "coupon"), ("2025-09-30.clover", "source")):
        shown = (await wire.call("GET", f"/v1/invoices/{invoice['id']}?expand[]=discounts", Stripe_Version=version))[1]
        assert field in shown["discounts"][0]


async def test_the_same_idempotency_key_gives_the_same_answer_once(wire: Wire) -> None:
    first = await wire.call("POST", "/v1/customers", {"name": "A"}, Idempotency_Key="k1")
    assert "Idempotent-Replayed" not in wire.last.headers
    again = await wire.call("POST", "/v1/customers", {"name": "A"}, Idempotency_Key="k1")
    assert (again, wire.last.headers["Idempotent-Replayed"]) == (first, "true")
    status, body = await wire.call("POST", "/v1/customers", {"name": "B"}, Idempotency_Key="k1")
    assert (status, body["error"]["type"]) == (400, "idempotency_error")
    assert len((await wire.call("GET", "/v1/customers"))[1]["data"]) == 1
    assert wire.sandbox.world.journal.events["acct_sandbox"][0].idempotency_key == "k1"


async def test_a_failure_inside_is_remembered_a_refused_parameter_is_not(wire: Wire) -> None:
    await wire.control("POST", "/troubles", {"path": "POST /v1/customers", "status": 500, "is_after": True})
    for replayed in (None, "true"):
        status, body = await wire.call("POST", "/v1/customers", {"name": "A"}, Idempotency_Key="k1")
        assert (status, body["error"]["type"], wire.last.headers.get("Idempotent-Replayed")) == (500, "api_error", replayed)
    assert len((await wire.call("GET", "/v1/customers"))[1]["data"]) == 1
    assert (await wire.call("POST", "/v1/customers", {"wrong": "A"}, Idempotency_Key="k2"))[0] == 400
    assert (await wire.call("POST", "/v1/customers", {"name": "A"}, Idempotency_Key="k2"))[0] == 200


async def test_a_key_in_use_gets_409(wire: Wire) -> None:
    await wire.control("POST", "/troubles", {"path": "POST /v1/customers", "delay_s": 0.3})
    first = asyncio.create_task(wire.call("POST", "/v1/customers", {"name": "A"}, Idempotency_Key="k1"))
    await asyncio.sleep(0.1)
    status, body = await wire.call("POST", "/v1/customers", {"name": "A"}, Idempotency_Key="k1")
    assert (status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    assert (await first)[0] == 200


async def test_too_many_requests_get_429_with_the_limiters_name(wire: Wire) -> None:
    await wire.control("POST", "/limits", {"global_per_s": 100, "endpoint_per_s": 5})
    answers = [await wire.call("GET", "/v1/balance") for _ in range(8)]
    assert [status for status, _ in answers][:5] == [200] * 5
    assert answers[-1][0] == 429
    assert (answers[-1][1]["error"]["code"], wire.last.headers["Stripe-Rate-Limited-Reason"]) == ("rate_limit", "endpoint-rate")


async def test_injected_statuses_have_stripes_shape(wire: Wire) -> None:
    wire.sandbox.switch.faults.append(Fault("status", "GET /v1/balance", status=503, retry_after_s=2))
    status, body = await wire.call("GET", "/v1/balance")
    assert (status, body["error"]["type"], wire.last.headers["Retry-After"]) == (503, "api_error", "2")


async def test_events_are_shown_for_thirty_days_and_filtered(wire: Wire) -> None:
    request = wire.sandbox.request
    for name in ("A", "B"):
        request("POST", "/v1/customers", {"name": name})
        request("POST", "/v1/products", {"name": name})
    shown = (await wire.call("GET", "/v1/events?types[]=customer.created&types[]=coupon.created"))[1]["data"]
    assert [e["data"]["object"]["name"] for e in shown] == ["B", "A"]
    assert [e["type"] for e in (await wire.call("GET", "/v1/events?type=product.*"))[1]["data"]] == ["product.created"] * 2
    newer = (await wire.call("GET", f"/v1/events?ending_before={shown[1]['id']}"))[1]["data"]
    assert [e["data"]["object"]["name"] for e in newer] == ["B", "B", "A"]
    wire.sandbox.advance(31 * 86_400)
    assert (await wire.call("GET", "/v1/events"))[1]["data"] == []
    assert (await wire.call("GET", f"/v1/events/{shown[0]['id']}"))[0] == 404


async def test_a_deleted_customer_is_a_stub(wire: Wire) -> None:
    made = (await wire.call("POST", "/v1/customers", {"name": "A"}))[1]
    stub = {"id": made["id"], "object": "customer", "deleted": True}
    assert (await wire.call("DELETE", f"/v1/customers/{made['id']}"))[1] == stub
    assert (await wire.call("GET", f"/v1/customers/{made['id']}"))[1] == stub
    assert (await wire.call("GET", "/v1/customers"))[1]["data"] == []


async def test_the_control_interface_names_what_is_wrong(wire: Wire) -> None:
    assert await wire.control("POST", "/deliveries/policy", {"sped": 1}) == (400, {"error": "ValueError: unknown delivery setting: sped"})
    assert (await wire.control("POST", "/clock", {"to": 1}))[0] == 400
    assert (await wire.control("POST", "/disputes", {"charge": "ch_no"}))[0] == 404
    status, body = await wire.control("POST", "/clock", {"advance": 60})
    assert (status, body["now"]) == (200, 1767225660)


async def test_a_sandbox_can_be_steered_without_python(wire: Wire) -> None:
    account = {"id": "acct_x", "country": "DE", "currency": "EUR", "api_key": "sk_test_x", "rates": {"usd": "0.92"}, "fee_percent": "1.4"}
    assert (await wire.control("POST", "/accounts", account))[1] == {"id": "acct_x", "api_key": "sk_test_x"}
    form = {"amount": 10000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    intent = (await wire.call("POST", "/v1/payment_intents", form, Authorization="Bearer sk_test_x"))[1]
    assert (await wire.control("POST", "/accounts/acct_x", {"payout_interval": "manual"}))[1]["payout_interval"] == "manual"
    opened = (await wire.control("POST", "/disputes", {"charge": intent["latest_charge"], "account": "acct_x"}))[1]
    assert (await wire.control("POST", f"/disputes/{opened['id']}", {"status": "won", "account": "acct_x"}))[1]["status"] == "won"
    await wire.control("POST", "/entries", {"type": "stripe_fee", "amount": -5, "currency": "eur", "account": "acct_x"})
    books = next(b for b in (await wire.control("GET", "/books"))[1]["accounts"] if b["account"] == "acct_x")
    # 9200 less 1.4 % (129) and 0.30, less the dispute fee of 15.00 and 0.05.
    assert books["available"]["eur"] + books["pending"]["eur"] == 9200 - 159 - 1500 - 5
    assert (await wire.control("POST", "/reset", {}))[0] == 200
    assert [b["account"] for b in (await wire.control("GET", "/books"))[1]["accounts"]] == ["acct_sandbox"]

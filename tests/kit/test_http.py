"""The HTTP client against a server on loopback that fails on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from aiohttp import web

from counterfoil.kit.doubts import counting_doubts
from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.http import HttpClient, RetryPolicy, StatusRule
from counterfoil.kit.limits import LocalBudget, Verdict
from counterfoil.kit.responses import Response, judge, parse_retry_after
from counterfoil.kit.sandbox import Fault, Sandbox

KEY = "sk_test_very_secret_4242"


class Ledger(Sandbox):
    """A server with one list; what was added and seen can be looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.added: list[str] = []
        self.seen: list[web.Request] = []
        self.arrived = asyncio.Event()

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/items", self._list)
        app.router.add_post("/items", self._add)
        app.router.add_put("/items", self._add)
        app.router.add_get("/html", self._html)
        app.router.add_post("/html", self._html)

    async def _list(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        self.arrived.set()
        return web.json_response({"items": self.added, "rate": 0.1})

    async def _add(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        self.added.append(await request.text())
        return web.json_response({"ok": True})

    async def _html(self, _request: web.Request) -> web.Response:
        return web.Response(text="<h1>Log in</h1>", content_type="text/html")


class Waits:
    """Takes note of every wait and does not wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
async def server() -> AsyncIterator[Ledger]:
    ledger = Ledger()
    await ledger.start()
    yield ledger
    await ledger.stop()


@pytest.fixture
def waits() -> Waits:
    return Waits()


def budget() -> LocalBudget:
    return LocalBudget(rate_per_s=100_000, burst=1000, failures_max=1000, wait_max_s=0.0)


def client(server: Sandbox, waits: Waits, **options: object) -> HttpClient:
    settings: dict[str, object] = {"budget": budget(), "sleep": waits, "chance": lambda: 0.5}
    settings["auth"] = lambda: {"Authorization": f"Bearer {KEY}"}
    return HttpClient(server.url, **(settings | options))  # type: ignore[arg-type]


async def failing(http: HttpClient, method: str, path: str, *, is_write: bool, **more: object) -> HubError:
    async with http:
        with pytest.raises(HubError) as caught:
            await http.request(method, path, is_write=is_write, **more)  # type: ignore[arg-type]
    return caught.value


async def test_a_read_gives_status_headers_and_json_without_floats(server: Ledger, waits: Waits) -> None:
    async with client(server, waits) as http:
        answer = await http.request("GET", "/items", is_write=False, params={"limit": "3"})
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "application/json")
    assert answer.json() == {"items": [], "rate": Decimal("0.1")}
    assert server.seen[0].query["limit"] == "3"
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_bodies_are_sent_as_json_as_a_nested_form_or_as_given(server: Ledger, waits: Waits) -> None:
    async with client(server, waits) as http:
        await http.request("POST", "/items", is_write=True, json={"a": 1})
        await http.request("POST", "/items", is_write=True, form={"a": {"b": ["c"]}})
        await http.request("POST", "/items", is_write=True, data=b"raw", headers={"Content-Type": "text/plain"})
    assert server.added == ['{"a":1}', "a%5Bb%5D%5B0%5D=c", "raw"]
    types = [request.content_type for request in server.seen]
    assert types == ["application/json", "application/x-www-form-urlencoded", "text/plain"]


async def test_a_refused_connection_is_transient_and_certainly_had_no_effect(waits: Waits) -> None:
    gone = Ledger()
    await gone.start()
    await gone.stop()
    error = await failing(client(gone, waits), "POST", "/items", is_write=True, json={})
    assert isinstance(error, TransientError)
    assert (error.code, error.is_outcome_unknown) == ("http.unreachable", False)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncate_after"])
async def test_a_write_cut_off_after_it_was_sent_is_unknown_and_not_sent_again(server: Ledger, waits: Waits, kind: str) -> None:
    server.switch.faults.append(Fault(kind, path="POST"))
    error = await failing(client(server, waits), "POST", "/items", is_write=True, json={})
    assert isinstance(error, TransientError)
    assert error.is_outcome_unknown
    assert len(server.switch.struck) == 1
    assert len(server.added) == (0 if kind == "drop_before" else 1)
    assert waits.seconds == []


async def test_a_write_that_gets_no_answer_in_time_is_unknown(server: Ledger, waits: Waits) -> None:
    server.switch.faults.append(Fault("stall_after", delay_s=5))
    error = await failing(client(server, waits), "POST", "/items", is_write=True, json={}, timeout_s=0.1)
    assert isinstance(error, TransientError)
    assert (error.code, error.is_outcome_unknown) == ("http.timeout", True)
    assert len(server.added) == 1


async def test_a_read_that_times_out_or_breaks_is_tried_again_with_growing_jittered_waits(server: Ledger, waits: Waits) -> None:
    server.switch.faults.extend([Fault("drop_before"), Fault("truncate_after"), Fault("status", status=502)])
    async with client(server, waits, retry=RetryPolicy(tries_max=4, base_s=1.0)) as http:
        answer = await http.request("GET", "/items", is_write=False)
    assert answer.status == 200
    # Half (the chance) of 1, 2 and 4 seconds.
    assert waits.seconds == [0.5, 1.0, 2.0]


async def test_a_read_gives_up_after_the_allowed_tries(server: Ledger, waits: Waits) -> None:
    server.switch.faults.append(Fault("status", status=502, times=-1))
    error = await failing(client(server, waits, retry=RetryPolicy(tries_max=3)), "GET", "/items", is_write=False)
    assert isinstance(error, TransientError)
    assert not error.is_outcome_unknown
    assert len(server.switch.struck) == 3


async def test_retry_after_is_kept_and_one_that_is_too_long_ends_the_tries(server: Ledger, waits: Waits) -> None:
    server.switch.faults.extend([Fault("status", status=429, retry_after_s=7), Fault("status", status=429, retry_after_s=600)])
    open_budget = LocalBudget(rate_per_s=1000, failures_max=1000, wait_max_s=1e9, sleep=waits, now=iter(range(0, 10**9, 1000)).__next__)
    error = await failing(client(server, waits, budget=open_budget, retry=RetryPolicy(base_s=1.0)), "GET", "/items", is_write=False)
    assert isinstance(error, TransientError)
    assert (error.code, error.retry_after_s) == ("http.throttled", 600)
    assert waits.seconds == [7.5]


async def test_a_throttled_write_had_no_effect_and_says_when_to_come_back(server: Ledger, waits: Waits) -> None:
    server.switch.faults.append(Fault("status", status=429, retry_after_s=2))
    error = await failing(client(server, waits), "POST", "/items", is_write=True, json={})
    assert isinstance(error, TransientError)
    assert (error.retry_after_s, error.is_outcome_unknown) == (2, False)


async def test_a_server_error_after_a_write_leaves_its_outcome_unknown(server: Ledger, waits: Waits) -> None:
    for status in (500, 502, 503, 504):
        server.switch.faults.append(Fault("status_after", status=status))
        error = await failing(client(server, waits), "POST", "/items", is_write=True, json={})
        assert isinstance(error, TransientError)
        assert error.is_outcome_unknown, status
    assert len(server.added) == 4


async def test_an_idempotent_write_is_tried_again_and_stays_unknown_if_any_try_was(server: Ledger, waits: Waits) -> None:
    server.switch.faults.extend([Fault("drop_after"), Fault("status", status=429, times=-1)])
    error = await failing(client(server, waits), "POST", "/items", is_write=True, is_idempotent=True, json={})
    assert isinstance(error, TransientError)
    assert (error.code, error.is_outcome_unknown) == ("target.throttled", True)
    server.switch.faults[:] = [Fault("drop_after")]
    async with client(server, waits) as http:
        assert (await http.request("POST", "/items", is_write=True, is_idempotent=True, json={})).json() == {"ok": True}


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, SetupError, "http.unauthorized"),
        (403, SetupError, "http.forbidden"),
        (302, SetupError, "http.redirected"),
        (422, RejectedError, "http.rejected"),
    ],
)
async def test_statuses_become_the_error_class_of_what_to_do_next(
    server: Ledger, waits: Waits, status: int, kind: type[HubError], code: str
) -> None:
    server.switch.faults.append(Fault("status", status=status, times=-1))
    error = await failing(client(server, waits), "GET", "/items", is_write=False)
    assert (type(error), error.code) == (kind, code)
    assert len(server.switch.struck) == 1


async def test_the_vendors_table_comes_before_the_default_one(server: Ledger, waits: Waits) -> None:
    def build(response: Response) -> HubError:
        return RejectedError(f"card: {response.json()['why']}", code="acme.card")

    table = (StatusRule(404, None), StatusRule(lambda r: b"why" in r.body, build), StatusRule(range(400, 500), SetupError, "acme.odd"))
    http = client(server, waits, statuses=table, content_type="")
    async with http:
        server.switch.faults.extend(
            [Fault("status", status=404), Fault("status", status=402, body='{"why": "expired"}'), Fault("status", status=410)]
        )
        assert (await http.request("GET", "/items", is_write=False)).status == 404
        with pytest.raises(RejectedError, match="card: expired"):
            await http.request("GET", "/items", is_write=False)
        with pytest.raises(SetupError) as caught:
            await http.request("GET", "/items", is_write=False)
    assert caught.value.code == "acme.odd"


async def test_no_message_shows_a_key_a_query_or_the_body(server: Ledger, waits: Waits) -> None:
    server.switch.faults.append(Fault("status", status=402, body=f"your key {KEY} is unpaid", times=-1))
    http = client(server, waits, explain=lambda r: r.body.decode())
    error = await failing(http, "POST", "/items", is_write=True, params={"token": "t0ps3cret"}, json={"iban": "DE02120300000000202051"})
    text = f"{error} {error!r} {error.__cause__!r}"
    assert "status 402" in text
    assert "your key *** is unpaid" in text
    assert "POST" in text
    assert "/items?..." in text
    for secret in (KEY, "t0ps3cret", "DE0212"):
        assert secret not in text


async def test_a_write_without_an_answer_is_counted_as_a_doubt_also_if_the_next_try_is_answered(server: Ledger, waits: Waits) -> None:
    server.switch.faults.append(Fault("drop_after"))
    with counting_doubts() as doubts:
        async with client(server, waits) as http:
            answer = await http.request("PUT", "/items", is_write=True, is_idempotent=True, json={})
    assert (answer.status, doubts.count) == (200, 1)


async def test_reads_and_writes_that_certainly_took_no_effect_are_no_doubts(server: Ledger, waits: Waits) -> None:
    server.switch.faults += [Fault("drop_after"), Fault("status", status=409)]
    with counting_doubts() as doubts:
        async with client(server, waits) as http:
            await http.request("GET", "/items", is_write=False)
            await http.request("PUT", "/items", is_write=True, is_idempotent=True, json={})
    assert (len(server.switch.struck), doubts.count) == (2, 0)


async def test_an_answer_of_another_type_is_a_setup_error_and_unknown_for_a_write(server: Ledger, waits: Waits) -> None:
    read = await failing(client(server, waits), "GET", "/html", is_write=False)
    assert (type(read), read.code) == (SetupError, "http.content_type")
    write = await failing(client(server, waits), "POST", "/html", is_write=True)
    assert isinstance(write, TransientError)
    assert write.is_outcome_unknown


async def test_an_answer_larger_than_allowed_is_not_taken(server: Ledger, waits: Waits) -> None:
    server.added.append("x" * 5000)
    error = await failing(client(server, waits, body_size_max=1000), "GET", "/items", is_write=False)
    assert error.code == "http.answer_too_large"


async def test_only_the_configured_host_is_called(server: Ledger, waits: Waits) -> None:
    error = await failing(client(server, waits), "GET", "http://127.0.0.2:1/items", is_write=False)
    assert error.code == "http.foreign_host"
    async with client(server, waits) as http:
        assert (await http.request("GET", f"{server.url}/items?page=2", is_write=False)).status == 200
    assert server.seen[0].query["page"] == "2"


@pytest.mark.parametrize("address", ["https://user:pw123456@example.com", "example.com", "ftp://example.com", ""])
def test_an_address_with_credentials_or_without_a_scheme_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(SetupError) as caught:
        HttpClient(address, budget=budget())
    assert "pw123456" not in str(caught.value)


async def test_a_put_over_a_connection_gone_stale_is_not_sent_twice(waits: Waits) -> None:
    requests: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        requests.append(head.split(b" ")[0].decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        # Read the next request of the kept connection and close without an answer, as a server restarting would.
        head = await reader.readuntil(b"\r\n\r\n")
        requests.append(head.split(b" ")[0].decode())
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, HttpClient(f"http://127.0.0.1:{port}", budget=budget(), sleep=waits) as http:
        await http.request("PUT", "/a", is_write=True, data=b"")
        with pytest.raises(TransientError) as caught:
            await http.request("PUT", "/a", is_write=True, data=b"")
    assert requests == ["PUT", "PUT"]
    assert caught.value.is_outcome_unknown


async def test_the_budget_gets_its_permit_back_when_a_call_is_canceled(server: Ledger, waits: Waits) -> None:
    server.switch.faults.append(Fault("stall_after", delay_s=30))
    single = LocalBudget(rate_per_s=100_000, burst=100, concurrency_max=1)
    async with client(server, waits, budget=single) as http:
        call = asyncio.create_task(http.request("GET", "/items", is_write=False))
        await server.arrived.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert (await http.request("GET", "/items", is_write=False)).status == 200


async def test_an_open_breaker_sends_nothing(server: Ledger, waits: Waits) -> None:
    server.switch.faults.append(Fault("drop_before", times=-1))
    fragile = LocalBudget(rate_per_s=100_000, burst=1000, failures_max=2, open_s=60)
    async with client(server, waits, budget=fragile, retry=RetryPolicy(tries_max=1)) as http:
        for _ in range(2):
            with pytest.raises(TransientError):
                await http.request("GET", "/items", is_write=False)
        with pytest.raises(TransientError) as caught:
            await http.request("POST", "/items", is_write=True, json={})
    assert (caught.value.code, caught.value.is_outcome_unknown) == ("target.resting", False)
    assert len(server.switch.struck) == 2


async def test_a_breaker_that_opens_between_two_tries_tells_what_opened_it(server: Ledger, waits: Waits) -> None:
    server.switch.faults.append(Fault("drop_before", times=-1))
    fragile = LocalBudget(rate_per_s=100_000, burst=1000, failures_max=2, open_s=60)
    async with client(server, waits, budget=fragile, retry=RetryPolicy(tries_max=5)) as http:
        with pytest.raises(TransientError) as caught:
            await http.request("GET", "/items", is_write=False)
    assert (caught.value.code, caught.value.is_unavailable) == ("http.connection_lost", True)
    assert len(server.switch.struck) == 2
    assert caught.value.retry_after_s is not None  # no earlier than the breaker lets anybody try


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.OK),
        (404, Verdict.OK),
        (409, Verdict.OK),
        (429, Verdict.THROTTLED),
        (500, Verdict.NEUTRAL),
        (502, Verdict.FAILED),
        (503, Verdict.FAILED),
    ],
)
def test_a_refusal_shows_a_healthy_target_and_a_gateway_error_an_ill_one(status: int, verdict: Verdict) -> None:
    assert judge(Response(status, {}, b""), (), lambda _response: "")[1] is verdict


def test_a_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2015, 10, 21, 7, 27, 0, tzinfo=UTC)
    assert parse_retry_after("120", now) == 120
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now) == 60
    assert parse_retry_after("Wed, 21 Oct 2015 07:00:00 GMT", now) == 0
    assert parse_retry_after("soon", now) is None
    assert parse_retry_after("", now) is None


class Thing(msgspec.Struct, frozen=True):
    id: str


def test_an_answer_is_decoded_to_its_type_or_says_what_was_wrong() -> None:
    assert Response(200, {}, b'{"id": "a", "new": 1}').decode(Thing) == Thing("a")
    with pytest.raises(RejectedError, match="required field `id`"):
        Response(200, {}, b"{}").decode(Thing)
    with pytest.raises(TransientError) as caught:
        Response(200, {}, b'{"id', is_write=True).decode(Thing)
    assert caught.value.is_outcome_unknown
    with pytest.raises(TransientError):
        Response(200, {}, b"\xff\xfe").json()

"""The door: what is answered with 200 is durable; everything else gets a clear status and leaves nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from counterfoil.ingress import app as app_module
from counterfoil.ingress import server as server_module
from counterfoil.ingress.app import Door, create_app
from counterfoil.ingress.committer import Committer
from counterfoil.ingress.server import bind, serving
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Webhooks
from counterfoil.store import cases, receipts
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import ReceiptState

BODY_MAX = 2000


@pytest.fixture
async def address(pool: Pool, source: Webhooks, committer: Committer, clock: SettableClock) -> AsyncIterator[str]:
    async def ready() -> bool:
        async with pool.connection() as conn:
            return (await (await conn.execute("select true")).fetchone()) is not None

    doors = {"stripe": Door("stripe", source, None), "small": Door("small", source, SimpleNamespace(body_size_max=100))}
    app = create_app(doors, committer, clock, ready, body_max_bytes=BODY_MAX)
    async with serving(app, "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
async def client(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(address) as session:
        yield session


async def post(client: aiohttp.ClientSession, *ids: str, word: str = "open", path: str = "/in/stripe") -> tuple[int, dict[str, Any]]:
    async with client.post(path, data=json.dumps({"ids": ids}), headers={"x-word": word}) as answer:
        return answer.status, await answer.json()


async def count(pool: Pool) -> int:
    async with pool.connection() as conn:
        return sum(sum(states.values()) for states in (await receipts.counts(conn)).values())


async def test_a_delivery_is_kept_and_a_second_one_is_called_a_duplicate(client: aiohttp.ClientSession, pool: Pool) -> None:
    assert await post(client, "evt_1", "evt_2") == (200, {"received": 2, "duplicates": 0})
    assert await post(client, "evt_2", "evt_3") == (200, {"received": 2, "duplicates": 1})
    assert await count(pool) == 3


async def test_a_signed_empty_delivery_is_taken_and_leaves_nothing(client: aiohttp.ClientSession, pool: Pool) -> None:
    assert await post(client) == (200, {"received": 0, "duplicates": 0})
    assert await count(pool) == 0


@pytest.mark.parametrize(
    ("path", "word", "body", "status", "code"),
    [
        ("/in/stripe", "forged", b'{"ids": ["evt_1"]}', 401, "word.wrong"),
        ("/in/stripe", "open", b"not JSON", 400, "word.body"),
        ("/in/stripe/", "open", b'{"ids": ["evt_1"]}', 404, ""),
        ("/in/nobody", "open", b'{"ids": ["evt_1"]}', 404, "intake.connection_unknown"),
        ("/in/stripe", "open", b"x" * (BODY_MAX + 1), 413, "intake.body_too_large"),
        ("/in/stripe", "open", b"x" * 8_000_000, 413, "intake.body_too_large"),
        ("/in/small", "open", b"x" * 101, 413, "intake.body_too_large"),
        ("/in/stripe", "deep", b"{}", 400, "intake.body_too_deep"),
    ],
)
async def test_what_is_refused_says_why_and_leaves_no_receipt(
    client: aiohttp.ClientSession, pool: Pool, path: str, word: str, body: bytes, status: int, code: str
) -> None:
    async with client.post(path, data=body, headers={"x-word": word}) as answer:
        assert answer.status == status
        assert not code or (await answer.json())["code"] == code
    assert await count(pool) == 0


async def test_only_post_delivers(client: aiohttp.ClientSession) -> None:
    for method in ("GET", "PUT", "DELETE"):
        async with client.request(method, "/in/stripe") as answer:
            assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_a_body_that_grows_too_large_is_refused_before_its_end(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /in/stripe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"x" * 1000
    for _ in range(3):  # three of a body that never ends
        writer.write(b"3e8\r\n" + chunk + b"\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_what_is_too_slow_is_ended(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "BODY_WITHIN_S", 0.05)
    monkeypatch.setattr(server_module, "HEAD_WITHIN_S", 0.05)
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /in/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()
    for silent in (b"", b"POST /in/stripe HT"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(silent)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_too_many_connections_are_closed_and_those_there_go_on(
    address: str, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await post(client, "evt_1"))[0] == 200
    monkeypatch.setattr(server_module, "connections_max", lambda: 3)
    host, port = address.removeprefix("http://").split(":")
    silent = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
    refused, writer = await asyncio.open_connection(host, int(port))
    with suppress(ConnectionResetError):
        assert await refused.read() == b""
    assert (await post(client, "evt_2"))[0] == 200
    for _, one in (*silent, (refused, writer)):
        one.close()


async def test_bodies_nobody_has_verified_are_held_only_up_to_a_bound(
    address: str, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "HELD_MAX_BYTES", 1500)
    host, port = address.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /in/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 1900\r\n\r\n" + b"x" * 1400)
    await writer.drain()
    for _ in range(1000):  # until the intake has read it
        status, said = await post(client, "evt_1", *(f"evt_{number}" for number in range(20)))
        if status == 503:
            break
    assert (status, said["code"]) == (503, "intake.full")
    writer.close()
    for _ in range(1000):
        if (await post(client, "evt_2"))[0] == 200:
            return
    raise AssertionError("what was held was never given back")


async def test_a_sender_that_hangs_up_half_way_leaves_nothing(address: str, client: aiohttp.ClientSession, pool: Pool) -> None:
    host, port = address.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b'POST /in/stripe HTTP/1.1\r\nHost: x\r\nx-word: open\r\nContent-Length: 100\r\n\r\n{"ids": ["evt_1"')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await post(client, "evt_2") == (200, {"received": 1, "duplicates": 0})
    assert await count(pool) == 1


async def test_a_genuine_delivery_that_cannot_be_processed_is_kept_as_parked_with_one_case(
    client: aiohttp.ClientSession, pool: Pool
) -> None:
    for name in ("foreign_1", "foreign_2", "foreign_2"):
        assert (await post(client, name))[0] == 200
    async with pool.connection() as conn:
        assert (await receipts.counts(conn))["stripe"][ReceiptState.PARKED] == 2
        [case] = await cases.list_cases(conn)
        assert (case.code, case.count) == ("intake.parked", 2)
        assert "unknown account acct_9" in case.cause


async def test_health_is_told(client: aiohttp.ClientSession, committer: Committer) -> None:
    async with client.get("/health/live") as answer:
        assert answer.status == 200
    async with client.get("/health/ready") as answer:
        assert answer.status == 200
    await committer.stop()
    async with client.get("/health/ready") as answer:
        assert answer.status == 503
    async with client.get("/health/live") as answer:
        assert answer.status == 200


async def test_an_intake_that_is_stopping_asks_to_come_again(client: aiohttp.ClientSession, committer: Committer) -> None:
    await committer.stop()
    async with client.post("/in/stripe", data=json.dumps({"ids": ["evt_1"]}), headers={"x-word": "open"}) as answer:
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert (await answer.json())["code"] == "intake.stopping"


def test_an_address_that_is_taken_is_an_error_at_once() -> None:
    with bind("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", first.getsockname()[1])

"""Several intakes on one database: a delivery at two of them at once is kept once, and without a database nothing is promised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from tests.conftest import Server

from counterfoil.ingress import committer as committing
from counterfoil.ingress.app import Door, create_app
from counterfoil.ingress.committer import Committer
from counterfoil.ingress.server import serving
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Webhooks
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool, connect, open_pool

from .conftest import Arming


@pytest.fixture
async def clients(
    database: str, source: Webhooks, cipher: Cipher, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[aiohttp.ClientSession]]:
    """Yield a client of each of two intakes with nothing in common but the database."""
    monkeypatch.setattr(committing, "DATABASE_WAIT_S", 0.3)
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            pool = await stack.enter_async_context(open_pool(database, size_min=1, size_max=3))

            async def ready(pool: Pool = pool) -> bool:
                async with pool.connection(timeout=0.3) as conn:
                    await conn.execute("select 1")
                return True

            app = create_app({"stripe": Door("stripe", source, None)}, Committer(pool, cipher, clock, Arming()), clock, ready)
            address = await stack.enter_async_context(serving(app, "127.0.0.1", 0))
            found.append(await stack.enter_async_context(aiohttp.ClientSession(address)))
        yield found


async def post(client: aiohttp.ClientSession, *ids: str) -> tuple[int, int, str]:
    """Return status, duplicates, and when to come again."""
    async with client.post("/in/stripe", data=json.dumps({"ids": ids}), headers={"x-word": "open"}) as answer:
        said = await answer.json()
        return answer.status, said.get("duplicates", 0), answer.headers.get("retry-after", "")


async def kept(database: str) -> list[str]:
    async with await connect(database) as conn:
        return [row[0] for row in await (await conn.execute("select dedupe_key from receipt order by 1")).fetchall()]


async def test_a_delivery_at_two_intakes_at_once_is_kept_once(clients: list[aiohttp.ClientSession], database: str) -> None:
    names = [f"evt_{number:03}" for number in range(60)]
    answers = await asyncio.gather(*(post(client, name) for name in names for client in clients))
    assert {status for status, _, _ in answers} == {200}
    pairs = [answers[place : place + 2] for place in range(0, len(answers), 2)]
    assert [one[1] + other[1] for one, other in pairs] == [1] * len(names)
    assert await kept(database) == names


async def test_an_intake_without_its_database_asks_to_come_again_and_loses_nothing_it_took(
    clients: list[aiohttp.ClientSession], database: str, postgres_server: Server
) -> None:
    name = database.rpartition("/")[2].partition("?")[0]
    first, second = clients
    assert await post(first, "evt_1") == (200, 0, "")
    postgres_server.execute(f"alter database {name} allow_connections false")
    postgres_server.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
    for client in clients:
        assert await post(client, "evt_2") == (503, 0, "5")
    postgres_server.execute(f"alter database {name} allow_connections true")

    async def taken(client: aiohttp.ClientSession, *ids: str) -> int:
        for _ in range(100):
            status, duplicates, _ = await post(client, *ids)
            if status == 200:
                return duplicates
            await asyncio.sleep(0.1)
        raise AssertionError("it did not come back")

    assert await taken(second, "evt_1", "evt_2") == 1
    assert await taken(first, "evt_2") == 1
    assert await kept(database) == ["evt_1", "evt_2"]

"""A source that streams: what comes is kept with how far it came, once, whoever listens, and nothing is lost when a listener dies."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from tests.kit.trial_connectors.acme_feed import CONNECTOR
from tests.kit.trial_connectors.acme_feed.sandbox import FeedServer, serving

from counterfoil.app.hub import wait_until
from counterfoil.core.language.commands import Lane
from counterfoil.ingress.listening import Listening
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Listens, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.stage import Turn
from counterfoil.store import cursors, work
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

from .conftest import NOW, Arming


@dataclass
class Ending:
    """The context of a turn that is asked to end when the test says so."""

    limit: int | None = None
    is_ending: bool = False

    async def hold(self, items: Any) -> frozenset[str]:
        return frozenset()


@pytest.fixture
async def feed() -> AsyncIterator[FeedServer]:
    async with serving(FeedServer()) as served:
        yield served


@pytest.fixture
async def listening(feed: FeedServer, pool: Pool, cipher: Cipher, arming: Arming) -> AsyncIterator[Listening]:
    settings = CONNECTOR.config.model_validate({"target": feed.target, "token": feed.token})
    assert CONNECTOR.client is not None
    assert CONNECTOR.listens is not None
    async with CONNECTOR.client(settings) as client:
        ctx = Context("feed", settings, client, SettableClock(NOW))
        listens: Listens = CONNECTOR.listens
        yield Listening(pool, cipher, {"feed": (listens, ctx)}, ctx.clock, arming)


async def names(pool: Pool) -> list[str]:
    """Return the keys of all receipts, as they came."""
    async with pool.connection() as conn:
        return [row[0] for row in await (await conn.execute("select dedupe_key from receipt order by id")).fetchall()]


async def position(pool: Pool) -> str | None:
    async with pool.connection() as conn:
        found = await cursors.load(conn, "feed", cursors.LISTEN)
    return None if found is None else found.cursor


async def until(condition: Callable[[], Any]) -> None:
    async def holds() -> bool:
        found = condition()
        return bool(await found if asyncio.iscoroutine(found) else found)

    assert await wait_until(holds, timeout_s=20, every_s=0.02)


async def kept(pool: Pool, count: int) -> bool:
    return len(await names(pool)) >= count


async def ended(task: asyncio.Task[Turn], context: Ending) -> Turn:
    context.is_ending = True
    return await asyncio.wait_for(task, 20)


async def test_a_stream_begins_now_and_what_comes_is_kept_with_the_position(listening: Listening, feed: FeedServer, pool: Pool) -> None:
    feed.add("before us")
    context = Ending()
    task = asyncio.create_task(listening.turn("feed", context))
    await until(lambda: feed.open)
    feed.add("Blue Harbor", "Green Hill")
    await until(lambda: kept(pool, 2))
    assert await ended(task, context) == Turn(has_more=True)
    assert (feed.asked, await names(pool), await position(pool)) == ([None], ["2", "3"], "3")
    await until(lambda: feed.open == 0)


async def test_what_a_stream_brings_is_as_urgent_as_its_connection_is_said_to_be(
    listening: Listening, feed: FeedServer, pool: Pool, arming: Arming
) -> None:
    context = Ending()
    task = asyncio.create_task(replace(listening, lanes={"feed": Lane.BATCH}).turn("feed", context))
    await until(lambda: feed.open)
    feed.add("Blue Harbor")
    await until(lambda: kept(pool, 1))
    await ended(task, context)
    async with pool.connection() as conn:
        assert await (await conn.execute("select lane from receipt")).fetchall() == [(Lane.BATCH,)]
    assert [stage for stage, _ in arming.armed] == [work.NORMALIZE_BULK]


async def test_the_next_listener_goes_on_after_what_was_kept(listening: Listening, feed: FeedServer, pool: Pool) -> None:
    for name in ("one", "two"):
        context = Ending()
        task = asyncio.create_task(listening.turn("feed", context))
        await until(lambda: feed.open)
        feed.add(name)
        await until(lambda: kept(pool, len(feed.changes)))
        await ended(task, context)
        feed.add(f"while nobody listened after {name}")
    context = Ending()
    task = asyncio.create_task(listening.turn("feed", context))
    await until(lambda: kept(pool, 4))
    await ended(task, context)
    assert (feed.asked[1:], await names(pool)) == ([1, 3], ["1", "2", "3", "4"])


async def test_what_was_heard_and_not_kept_is_heard_again(
    listening: Listening, feed: FeedServer, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener dies between the stream and the commit."""
    died = asyncio.Event()

    async def dies(*_: Any) -> None:
        died.set()
        await asyncio.Event().wait()

    async with pool.connection() as conn, conn.transaction():
        await cursors.save(conn, cursors.Cursor("feed", cursors.LISTEN, "0"), NOW)
    feed.add("Blue Harbor")
    with monkeypatch.context() as patched:
        patched.setattr("counterfoil.ingress.listening.keep", dies)
        task = asyncio.create_task(listening.turn("feed", Ending()))
        await asyncio.wait_for(died.wait(), 20)
        task.cancel()
        await asyncio.wait([task])
    assert (await names(pool), await position(pool)) == ([], "0")
    context = Ending()
    task = asyncio.create_task(listening.turn("feed", context))
    await until(lambda: kept(pool, 1))
    await ended(task, context)
    assert (await names(pool), await position(pool)) == (["1"], "1")


async def test_a_listener_that_was_replaced_keeps_nothing(listening: Listening, feed: FeedServer, pool: Pool) -> None:
    """It was taken for dead, and does not know it yet: another moved the position meanwhile."""
    task = asyncio.create_task(listening.turn("feed", Ending()))
    await until(lambda: feed.open)
    async with pool.connection() as conn, conn.transaction():
        await cursors.save(conn, cursors.Cursor("feed", cursors.LISTEN, "7"), NOW)
    feed.add("Blue Harbor")
    assert await asyncio.wait_for(task, 20) == Turn(has_more=True)
    assert (await names(pool), await position(pool)) == ([], "7")


async def test_a_stream_that_ends_is_opened_again_after_a_pause(listening: Listening, feed: FeedServer, pool: Pool) -> None:
    feed.add("Blue Harbor")
    feed.ends_after = 1
    async with pool.connection() as conn, conn.transaction():
        await cursors.save(conn, cursors.Cursor("feed", cursors.LISTEN, "0"), NOW)
    assert await listening.turn("feed", Ending()) == Turn(has_more=False, wake_in_s=1.0)
    assert await names(pool) == ["1"]


async def cases(pool: Pool) -> list[tuple[str, bool]]:
    async with pool.connection() as conn:
        rows = await (await conn.execute('select cause, closed_at is null from "case" order by id')).fetchall()
    return [(str(row[0]), bool(row[1])) for row in rows]


async def test_a_feed_that_refuses_us_is_a_case_until_it_takes_us_again(listening: Listening, feed: FeedServer, pool: Pool) -> None:
    right, feed.token = feed.token, "another"
    assert (await listening.turn("feed", Ending())).has_more is False
    [(cause, is_open)] = await cases(pool)
    assert (is_open, "UNAUTHENTICATED" in cause, "another" in cause) == (True, True, False)
    feed.token = right
    context = Ending()
    task = asyncio.create_task(listening.turn("feed", context))
    await until(lambda: _closed(pool))
    await ended(task, context)


async def _closed(pool: Pool) -> bool:
    return [is_open for _, is_open in await cases(pool)] == [False]


async def test_a_feed_that_is_away_for_a_moment_is_no_case(listening: Listening, feed: FeedServer, pool: Pool) -> None:
    feed.refuses = grpc.StatusCode.UNAVAILABLE
    assert (await listening.turn("feed", Ending())).wake_in_s == 15.0
    assert (await cases(pool), await position(pool)) == ([], "")


class Flood:
    """Streams faster than anybody keeps, and fails as it is closed."""

    async def listen(self, ctx: Context, position: str) -> AsyncGenerator[Page, None]:
        del ctx, position
        try:
            for number in itertools.count(1):
                yield Page((), str(number), has_more=True)
        finally:
            raise TransientError("the other side had gone", code="feed.gone")


async def test_a_stream_that_fails_as_it_is_left_ends_the_turn_all_the_same(listening: Listening, pool: Pool) -> None:
    _, ctx = listening.sources["feed"]
    context = Ending()
    task = asyncio.create_task(replace(listening, sources={"feed": (Flood(), ctx)}).turn("feed", context))

    async def has_moved() -> bool:
        return bool(await position(pool))

    await until(has_moved)
    assert await ended(task, context) == Turn(has_more=True)

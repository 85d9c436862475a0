"""The engine's own loop: when it looks, what it begins, and what it does while its looks fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from counterfoil.engine import engine, membership
from counterfoil.engine.engine import LOOK_EVERY_S, Engine
from counterfoil.engine.membership import Membership
from counterfoil.store import work
from counterfoil.store.pool import Conn, Pool


@pytest.fixture
async def member(database: str) -> AsyncIterator[Membership]:
    joined = await membership.join(database, "w")
    await joined.beat()
    yield joined
    await joined.leave()


async def test_a_look_that_fails_is_not_tried_again_before_the_next_one_is_due(
    pool: Pool, member: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    ended = asyncio.Event()

    async def until(pulse: engine._Pulse, at: float) -> None:
        waits.append(min(at, pulse.due_at) - time.monotonic())
        if len(waits) == 4:
            ended.set()
            await asyncio.Event().wait()

    async def look(conn: Conn) -> tuple[bool, float | None]:
        raise psycopg.errors.ReadOnlySqlTransaction("a standby that was not promoted yet")

    monkeypatch.setattr(engine._Pulse, "until", until)
    monkeypatch.setattr(work, "look", look)
    runs = Engine(pool, str(pool.conninfo), {}, member)
    task = asyncio.create_task(runs._look_forever())
    await asyncio.wait_for(ended.wait(), 30)
    task.cancel()
    # The first look comes at once; after each that failed the loop rests as long as it does when it hears nothing.
    assert all(wait_s > LOOK_EVERY_S / 2 for wait_s in waits[1:]), waits

"""A worker killed while it erases what was kept long enough: nothing is erased that must stay, nothing counted twice, and the rest goes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.crash.books import put_between
from tests.crash.conftest import Note
from tests.crash.judging import Verdict, assert_whole
from tests.crash.matrix import erasing_kills
from tests.crash.proxy import Proxy
from tests.crash.workers import STRIKE_S, strike, worker
from tests.integration.path.house import House, house

from counterfoil.store import bundles
from counterfoil.store.retention import BODIES, EVENTS

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

DAYS, STEP = 35, 3
RETENTION = ("retention", "all")
OLD = "received_at < now() - interval '20 days'"
"""Of the story: what workers polled is of today."""
HELD, READ = f"select count(*) from receipt where key_id <> '' and {OLD}", f"select count(*) from event where {OLD}"
"""Deliveries whose bodies are still there, and events."""
TAKEN = f"select count(*) from receipt where {OLD}"
LONG_AGO = datetime.now(UTC) - timedelta(days=DAYS + 10)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(crash_database: str, tmp_path_factory: pytest.TempPathFactory, between: Proxy) -> AsyncIterator[House]:
    """Yield a hub that does no work itself, all of whose deliveries are older than they are kept."""

    home = Path(tmp_path_factory.mktemp("home"))
    async with house(crash_database, home, start=LONG_AGO, is_working=False, change=partial(put_between, between)) as made:
        await made.deliver(made.news())
        yield made


async def count(made: House, query: str) -> int:
    async with made.hub.pool.connection() as conn:
        row = await (await conn.execute(query.encode())).fetchone()
    return -1 if row is None else int(row[0])


async def age(made: House) -> None:
    """Have what was read today count as read when it came."""
    async with made.hub.pool.connection() as conn, conn.transaction():
        await conn.execute(f"update receipt r set normalized_at = received_at where {bundles.STATE} in ('normalized', 'ignored')")


async def test_what_a_killed_worker_was_erasing_is_erased_once_and_nothing_else_is(kept: House, note: Note) -> None:
    await kept.bill(20_000, is_paid=True)
    sent = kept.news()
    await kept.deliver(sent)
    async with worker(kept):
        await kept.settle()
    receipts, events = await count(kept, HELD), await count(kept, READ)
    commands, every = await count(kept, "select count(*) from command"), await count(kept, TAKEN)
    await age(kept)
    configured: Any = kept.values
    configured["retention"] = {"bodies_days": DAYS, "events_days": DAYS}
    for kill in erasing_kills():
        await kept.hub.wake([RETENTION])
        async with worker(kept, [strike("kill", kill.boundary, kill.kind)], erase_step=STEP) as one:
            assert await asyncio.wait_for(one.process.wait(), STRIKE_S) == -signal.SIGKILL
            assert one.strikes() == [["kill", kill.boundary, kill.kind]]
    left = await count(kept, HELD), await count(kept, READ)
    assert (0 < left[0] < receipts, 0 < left[1] < events) == (True, True), "the last killed worker left something to erase"
    async with worker(kept):
        await kept.hub.wake([RETENTION])
        await kept.until(partial(is_erased, kept))
        await kept.settle()
    assert await kept.deliver(sent) == [200] * len(sent)  # known for ever, and not taken a second time
    verdict = Verdict(doubled=await count(kept, TAKEN) - every)
    verdict.lost += ["a posting"] * (commands - await count(kept, "select count(*) from command"))
    verdict.stuck += await count(kept, HELD) + await count(kept, READ)
    counted = {payload: await count(kept, f"select erased from retention where payload = '{payload}'") for payload in (BODIES, EVENTS)}
    for kill in erasing_kills():
        note(f"retention {kill.kind}", f"killed: {kill.boundary}", verdict)
    assert (verdict.is_right, counted) == (True, {BODIES: receipts, EVENTS: events}), verdict
    await assert_whole(kept)


async def is_erased(made: House) -> bool:
    return await count(made, HELD) + await count(made, READ) == 0

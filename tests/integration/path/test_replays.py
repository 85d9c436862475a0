"""A month read again, from what was kept or from the source, changes nothing; and a rehearsal says so before."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import BOOKS, START, House, house
from tests.integration.path.replaying import everything_of, left_behind, rehearsed, replayed

from counterfoil.app.demo.casting import REPERTOIRE
from counterfoil.app.demo.entities import US
from counterfoil.store.replays import ReplayOrder

pytestmark = pytest.mark.asyncio(loop_scope="module")

END = START + timedelta(days=29)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def month(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub that has booked a month of one entity: every story of the repertoire once."""
    async with house(module_database, Path(tmp_path_factory.mktemp("home")), entities=[US]) as made:
        await made.tell()
        await made.poll()
        turn = itertools.count()
        due: list[tuple[datetime, int, Any]] = [(START, next(turn), part.story(made.story(tax="ca"))) for part in REPERTOIRE]
        while due and due[0][0] <= END:
            now, _, story = heapq.heappop(due)
            await made.at(now)
            if (pause := await anext(story, None)) is not None:
                heapq.heappush(due, (now + pause, next(turn), story))
        for _, _, story in due:
            await story.aclose()

        await made.at(END)
        await made.poll()
        await made.settle()
        yield made


async def test_a_month_read_again_changes_nothing_at_all(month: House) -> None:
    before = await left_behind(month)
    read = 0
    for connection in ("stripe_us", BOOKS):
        done = await replayed(month, ReplayOrder(selection=everything_of(connection)))
        assert done.changed_count == 0
        read += done.read_count
    assert read == len(before["receipts"]) > 500
    after = await left_behind(month)
    for name, known in before.items():
        assert after[name] == known, name
    await assert_balanced(month)


async def test_a_month_asked_of_its_source_again_is_booked_as_before(month: House) -> None:
    before = await left_behind(month)
    await replayed(month, ReplayOrder(selection=everything_of("stripe_us"), must_fetch=True))
    after = await left_behind(month)
    assert ([row[0] for row in after["commands"]], after["bindings"]) == ([row[0] for row in before["commands"]], before["bindings"])
    assert (after["books"], after["unnamed"]) == (before["books"], before["unnamed"])
    await assert_balanced(month)


async def test_a_rehearsal_of_a_month_says_that_nothing_would_differ(month: House) -> None:
    before = await left_behind(month)
    found = await rehearsed(month, ReplayOrder(selection=everything_of("stripe_us")))
    assert found.is_without_effect, found
    assert found.read == sum(found.outcomes.values())
    assert await left_behind(month) == before

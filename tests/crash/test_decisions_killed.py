"""A worker killed while what was declared or decided is carried out: it is done once, as if nobody had been killed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.crash.books import put_between
from tests.crash.conftest import Note
from tests.crash.decisions import START, Story, act, begin, declare, judge
from tests.crash.judging import all_in_one, strays
from tests.crash.matrix import Kill, decided_kills
from tests.crash.proxy import Proxy
from tests.crash.test_worker_killed import go_on, kill_at
from tests.crash.workers import deliver_shuffled, worker
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import BOOKS, House, house

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def declared(crash_database: str, tmp_path_factory: pytest.TempPathFactory, between: Proxy) -> AsyncIterator[House]:
    """Yield a hub that does no work itself, one entity of which changes its posting mode."""

    def change(values: dict[str, Any]) -> None:
        declare(values)
        put_between(between, values)

    home = Path(tmp_path_factory.mktemp("home"))
    async with house(crash_database, home, start=START, is_working=False, change=partial(change)) as made:
        await made.deliver(made.news())
        yield made


async def test_what_is_declared_or_decided_is_done_once_whenever_a_worker_is_killed(declared: House, note: Note) -> None:
    stories: list[tuple[Kill, Story]] = [(kill, await begin(declared, what)) for what, kill in decided_kills()]
    await deliver_shuffled(declared, 0)
    async with worker(declared):
        await declared.settle()
    await declared.later(days=1.5)
    for seed, (kill, story) in enumerate(stories):
        await act(declared, story, seed)
        await kill_at(declared, kill, story)
        await go_on(declared, seed)
    async with worker(declared):
        await declared.settle()
        await declared.poll(BOOKS)
        await declared.settle()
    ends = [(kill, story.what, await judge(declared, story, kill.kind)) for kill, story in stories]
    for kill, what, verdicts in ends:
        note(f"{kill.kind} {what}", f"killed: {kill.boundary}", verdicts[kill.kind])
    assert [one for one in ends if not all_in_one(one[2]).is_right] == [], await declared.where()
    assert await declared.cases() == []
    assert await strays(declared) == 0
    await assert_balanced(declared)

"""A worker that stands still past its lease while another takes over, and then goes on: nothing is doubled, and nothing waits for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

import pytest
from tests.crash.conftest import Note
from tests.crash.judging import all_in_one, assert_whole, judge
from tests.crash.matrix import BOOKED, IS_FULL, SECOND_CHAPTER
from tests.crash.stories import PlayedStory, begin, end
from tests.crash.workers import Worker, deliver_shuffled, strike, worker
from tests.integration.path.house import House

from counterfoil.app.hub import wait_until
from counterfoil.core.commands.books import BookCommand
from counterfoil.store import work

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

QUICK = ((work.DECIDE, "joint"), (BookCommand.POST_INVOICE.value, "sent"))
"""What stands still in a joint turn comes first: a partition whose turn another worker began and has not ended is worked alone."""
KINDS = tuple(kind.value for kind in BOOKED if kind not in SECOND_CHAPTER)
EVERY = (
    (work.NORMALIZE, "joint"),
    (work.DECIDE, "joint"),
    (work.DECIDE, "taken"),
    (BookCommand.POST_INVOICE.value, "settling"),  # it stands still in the middle of a transaction, with its locks
    *((kind, boundary) for kind in KINDS for boundary in ("sent", "answered")),
)
AT_ONCE = 3
"""Workers that stand still at once: more would make the partitions they have in common suspicious."""
ROUNDS = tuple(EVERY[start : start + AT_ONCE] for start in range(0, len(EVERY), AT_ONCE)) if IS_FULL else (QUICK,)
DEAD_AFTER_S = 8.0
TAKEN_OVER_S = 120.0


async def has_moved_on(made: House, told: PlayedStory) -> bool:
    """Tell whether a story's commands are all done, whoever did them."""
    async with made.hub.pool.connection() as conn:
        found = await conn.execute(
            "select count(*) from command where state not in ('done', 'canceled') and external_key ~ %s", ("|".join(told.ids),)
        )
        return await found.fetchone() == (0,)


async def locks(made: House) -> str:
    """Say what is still to be done, and what the database's connections are about."""
    async with made.hub.pool.connection() as conn:
        found = await conn.execute(
            "select pid, state, wait_event_type, pg_blocking_pids(pid), left(query, 100) from pg_stat_activity"
            " where datname = current_database() and state <> 'idle'"
        )
        return f"{await made.where()} {await found.fetchall()}"


@pytest.mark.parametrize("cases", ROUNDS)
async def test_a_worker_that_stood_still_past_its_lease_doubles_nothing(idle: House, note: Note, cases: Sequence[tuple[str, str]]) -> None:
    stories: list[tuple[str, str, PlayedStory]] = []
    async with AsyncExitStack() as stack:
        stopped: list[Worker] = []
        for seed, (kind, boundary) in enumerate(cases):
            told = await begin(idle)
            stories.append((kind, boundary, told))
            await deliver_shuffled(idle, seed)
            one = await stack.enter_async_context(
                worker(idle, [strike("stop", boundary, kind, told)], name=f"still-{seed}", dead_after_s=DEAD_AFTER_S)
            )
            await one.until_struck(1)
            stopped.append(one)
        async with worker(idle, name="other", dead_after_s=DEAD_AFTER_S):
            for _, _, told in stories:
                assert await wait_until(partial(has_moved_on, idle, told), timeout_s=TAKEN_OVER_S), await locks(idle)
            for one in stopped:
                os.kill(one.process.pid, signal.SIGCONT)
            for _, _, told in stories:
                await end(idle, told)
            await deliver_shuffled(idle, len(stories))
            await idle.settle()
            assert [one.process.returncode for one in stopped] == [None] * len(stopped), "a worker that was away goes on as another"
    for kind, boundary, told in stories:
        verdicts = await judge(idle, told)
        note(kind, f"stood still: {boundary}", verdicts.get(kind) or all_in_one(verdicts))
        assert all_in_one(verdicts).is_right, (kind, boundary, verdicts, await idle.where())
    await assert_whole(idle)

"""A worker killed by SIGKILL at step boundaries: the next one goes on, and nothing is lost, doubled or stuck."""

from __future__ import annotations

import asyncio
import signal

import pytest
from tests.crash.amends import Amended, begin_amends
from tests.crash.conftest import Note
from tests.crash.judging import all_in_one, assert_whole, judge
from tests.crash.judging_amends import judge_end, judge_refusals, take_up
from tests.crash.matrix import Kill, amend_kills, kills
from tests.crash.person import Person
from tests.crash.proxy import Proxy
from tests.crash.stories import PlayedStory, begin, end
from tests.crash.workers import STRIKE_S, HasIds, deliver_shuffled, strike, worker
from tests.integration.path.house import House

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]


async def kill_at(made: House, kill: Kill, told: HasIds) -> None:
    """Run workers that are killed at the boundary, and at those that must come before it."""
    for boundary in (*kill.before, kill.boundary):
        async with worker(made, [strike("kill", boundary, kill.kind, told)]) as one:
            try:
                ended = await asyncio.wait_for(one.process.wait(), STRIKE_S)
            except TimeoutError:
                raise AssertionError(f"{kill}: nothing came to {boundary}: {await made.where()} {await made.cases()}") from None
            struck = one.strikes()
        assert (ended, struck) == (-signal.SIGKILL, [["kill", boundary, kill.kind]]), f"{kill}: the worker ended with {ended}, {struck}"


async def go_on(made: House, count: int, every: int = 3) -> None:
    """Have a worker do what was left after so many kills: what many workers die of in a row is set aside as poison.

    It is killed only after its turns have ended: what a turn did is seen before that, and a partition whose turn began and never ended is
    worked alone by the next worker, which then has no joint turn to be struck in.
    """
    if count % every == every - 1:
        async with worker(made):
            await made.settle()
            await made.until(made.has_ended_turns)


async def test_a_worker_killed_at_any_step_leaves_nothing_lost_doubled_or_stuck(idle: House, note: Note) -> None:
    stories: list[tuple[Kill, PlayedStory]] = []
    for seed, kill in enumerate(kills()):
        if kill.boundary == "joint":
            await go_on(idle, seed, every=1)  # what another worker died of is worked alone
        told = await begin(idle)
        stories.append((kill, told))
        await deliver_shuffled(idle, seed)
        if not kill.is_late:
            await kill_at(idle, kill, told)
            await go_on(idle, seed, every=1 if kill.before else 3)  # several were killed for one boundary
    async with worker(idle):
        await idle.settle()
    for seed, (kill, told) in enumerate(stories):
        await end(idle, told)
        if kill.is_late:
            await deliver_shuffled(idle, seed)
            await kill_at(idle, kill, told)
            await go_on(idle, seed, every=1 if kill.before else 3)  # several were killed for one boundary
    await deliver_shuffled(idle, len(stories))
    async with worker(idle):
        await idle.settle()
        await idle.poll()
        await idle.settle()
    wrong = []
    for kill, told in stories:
        verdicts = await judge(idle, told)
        note(kill.kind or "any", f"killed: {kill.boundary}", verdicts.get(kill.kind) or all_in_one(verdicts))
        if not all_in_one(verdicts).is_right:
            wrong.append((kill, verdicts))
    assert wrong == [], await idle.where()
    await assert_whole(idle)


async def test_a_worker_killed_around_a_call_that_amends_leaves_every_refusal_with_its_case_and_nothing_half_done(
    idle: House, between: Proxy, note: Note
) -> None:
    stories: list[tuple[Kill, Amended]] = []
    person = Person(idle, [])
    between.rules[:] = person.rules()
    for seed, kill in enumerate(amend_kills()):
        told = await begin_amends(idle)
        person.stories.append(told)
        stories.append((kill, told))
        await deliver_shuffled(idle, seed)
        await kill_at(idle, kill, told)
        await go_on(idle, seed, every=1)  # several are killed for one boundary
    async with worker(idle, backoff_s=0.1):
        await idle.settle()
        refused = [(kill, await judge_refusals(idle, told)) for kill, told in stories]
        assert [(kill, one) for kill, one in refused if not all_in_one(one).is_right] == [], await idle.where()
        for _, told in stories:
            await person.leave(told)
        for _, told in stories:  # one case may hold what several stories were refused: nobody may be at any of it any more
            await take_up(idle, told)
        await idle.settle()
    ends = [(kill, await judge_end(idle, told)) for kill, told in stories]
    for kill, verdicts in ends:
        note(kill.kind, f"killed: {kill.boundary}", verdicts[kill.kind])
    assert [(kill, one) for kill, one in ends if not all_in_one(one).is_right] == [], await idle.where()
    await assert_whole(idle)

"""The target's answers dropped, cut, late or refused, at every writing call of every kind: nothing is lost, doubled or stuck."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.crash.amends import begin_amends
from tests.crash.books import Ground, ground
from tests.crash.conftest import Note
from tests.crash.judging import all_in_one, assert_whole, judge
from tests.crash.judging_amends import judge_end, judge_refusals, take_up
from tests.crash.matrix import IS_FULL, MIXED, STRUCK_APART, UNSTRUCK, amends, faults, rules, writes
from tests.crash.person import Person
from tests.crash.places import in_source
from tests.crash.stories import begin, end
from tests.crash.workers import deliver_shuffled

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

TIMEOUT_S = 1.0
ROUNDS = (MIXED, *faults(TIMEOUT_S)) if IS_FULL else (MIXED,)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books(crash_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """Yield a hub at work before a sandbox, with the proxy between them."""
    async with ground(crash_database, Path(tmp_path_factory.mktemp("home")), timeout_s=TIMEOUT_S) as found:
        yield found


async def play_through(books: Ground, note: Note, fault: str, timeout_s: float) -> None:
    """Play a story whose every writing call is struck by a fault, and judge what came of it."""
    made = books.house
    struck = rules(fault, timeout_s, writes())
    books.proxy.rules[:] = [rule for _, rule in struck]
    told, seed = await begin(made), zlib.crc32(fault.encode())
    await deliver_shuffled(made, seed)
    await books.hurry()
    await end(made, told)
    await deliver_shuffled(made, seed)
    await books.hurry()
    books.proxy.rules.clear()
    assert [(name, rule.kind, rule.name) for name, rule in struck if not rule.struck] == [], ("not struck", await made.where())
    verdicts = await judge(made, told)
    for name, rule in struck:
        note(f"{rule.kind} {rule.name}", name, verdicts[rule.kind])
    assert all_in_one(verdicts).is_right, (verdicts, await made.cases(), await made.where())
    await assert_whole(made)


async def play_amends(books: Ground, note: Note, fault: str, timeout_s: float) -> None:
    """Play a story that needs amends, every one of which is struck by a fault, and judge what came of it: refusals first, then the end."""
    made = books.house
    struck = rules(fault, timeout_s, amends())
    told = await begin_amends(made)
    person = Person(made, [told])
    books.proxy.rules[:] = [*person.rules(), *(rule for _, rule in struck)]
    await deliver_shuffled(made, zlib.crc32(fault.encode()))
    await books.hurry()
    assert [(name, rule.kind, rule.name) for name, rule in struck if not rule.struck] == [], ("not struck", await made.where())
    refused = await judge_refusals(made, told)
    assert all_in_one(refused).is_right, (refused, await made.where())
    await person.leave(told)
    await take_up(made, told)
    await books.hurry()
    books.proxy.rules.clear()
    verdicts = await judge_end(made, told)
    for name, rule in struck:
        note(f"{rule.kind} {rule.name}", name, verdicts[rule.kind])
    assert all_in_one(verdicts).is_right, (verdicts, await made.cases(), await made.where())
    await assert_whole(made)


@pytest.mark.parametrize("fault", ROUNDS)
async def test_every_write_that_fails_at_the_target_is_done_once(books: Ground, note: Note, fault: str) -> None:
    await play_through(books, note, fault, TIMEOUT_S)


@pytest.mark.parametrize("fault", ROUNDS)
async def test_what_is_amended_while_the_target_fails_is_refused_or_done_once(books: Ground, note: Note, fault: str) -> None:
    await play_amends(books, note, fault, TIMEOUT_S)


async def test_every_writing_call_the_hub_makes_is_in_the_matrix(books: Ground) -> None:
    assert set(books.proxy.seen) == {*writes(), *amends()}


async def test_every_writing_call_in_the_connectors_source_has_been_made_and_struck(books: Ground) -> None:
    unmade = [written for written in in_source() if not written.is_among(books.places)]
    assert {(written.module, written.function) for written in unmade} <= UNSTRUCK | STRUCK_APART

"""Leaving a target alone, step by step: what is noted of a fall, who is woken when it is over, and what a trial without work means."""

from __future__ import annotations

from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from tests.integration.delivery.scripted import START, Desk

from counterfoil.delivery.resting import TargetLink
from counterfoil.kit.windows import Dated
from counterfoil.store import outbox, rechecks, standing
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import End, EndStatus
from counterfoil.store.pool import Pool
from counterfoil.store.standing import ConnectionStanding, ConnectionTrouble

AWAY = ConnectionTrouble("http.away", "away")


@pytest.fixture
def desk(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher)


async def standing_of(desk: Desk, name: str = "books") -> ConnectionStanding:
    async with desk.pool.connection() as conn:
        return await standing.read(conn, name)


async def done(desk: Desk, *numbers: int) -> None:
    """Have commands be done, whichever way."""
    async with desk.pool.connection() as conn:
        await outbox.settle(conn, [End(row.id, row.created_at, EndStatus.DONE, "book/1") for row in await desk.rows(*numbers)], START)


async def test_a_fall_is_noted_with_its_reason_and_when_to_look_again(desk: Desk) -> None:
    with capture_logs() as logs:
        assert await desk.rest.went_down("books", AWAY, is_trial=False) == 0.5
    told = {"target": "books", "code": "http.away", "tries": 1, "log_level": "warning"}
    assert logs == [{"event": "target cannot be used", **told}]
    assert await standing_of(desk) == ConnectionStanding(
        "books", START, None, False, True, "http.away", "away", 1, START + timedelta(seconds=0.5), None, None
    )
    assert await desk.rest.went_down("books", AWAY, is_trial=True, is_by_sending=False) == 1.0
    found = await standing_of(desk)
    assert (found.tries, found.is_by_sending) == (2, True)
    await desk.rest.went_down("ledger", AWAY, is_trial=True, is_by_sending=False)
    assert not (await standing_of(desk, "ledger")).is_by_sending
    assert await desk.rest.went_down("third", ConnectionTrouble("http.busy", "busy", retry_after_s=7.0), is_trial=False) == 7.0


@pytest.mark.parametrize("code", ["target.maintenance", "target.budget_unavailable"])
@pytest.mark.parametrize(("asked_s", "wait_s"), [(None, 300.0), (1000.0, 300.0), (5.0, 5.0)])
async def test_what_says_nothing_of_the_target_is_waited_for_and_not_noted(
    desk: Desk, code: str, asked_s: float | None, wait_s: float
) -> None:
    with capture_logs() as logs:
        assert await desk.rest.went_down("books", ConnectionTrouble(code, "x", retry_after_s=asked_s), is_trial=False) == wait_s
    assert (logs, await standing_of(desk)) == ([], ConnectionStanding("books"))


async def test_a_target_that_can_be_used_again_wakes_every_partition_that_has_something_for_it(desk: Desk) -> None:
    await desk.wish(1)
    await desk.wish(2, batch_key="other")
    await desk.wish(3, target="ledger")
    await desk.wish(4, 5, batch_key="third")
    async with desk.pool.connection() as conn:
        await rechecks.note(conn, await desk.rows(4), START, START + timedelta(minutes=2))
    await done(desk, 4, 5)
    await desk.rest.came_back("books")
    assert desk.armed == []  # it was not down
    await desk.rest.went_down("books", AWAY, is_trial=False)
    desk.later(60)
    with capture_logs() as logs:
        await desk.rest.came_back("books")
        await desk.rest.came_back("books")
    assert logs == [{"event": "target can be used again", "target": "books", "log_level": "info"}]
    assert desk.armed == [("deliver", "books/all"), ("deliver", "books/other"), ("deliver", "books/third")]
    found = await standing_of(desk)
    assert (found.is_down, found.up_at, found.next_try_at) == (False, START + timedelta(seconds=60), None)


async def down(desk: Desk) -> None:
    """The target is down since a while and looked at by somebody who said so."""
    for _ in range(5):
        await desk.rest.went_down("books", AWAY, is_trial=True)
    desk.later(1)
    desk.armed.clear()


async def test_a_trial_without_work_is_left_at_once_to_a_partition_that_has_some(desk: Desk) -> None:
    await desk.wish(1, not_before=START + timedelta(hours=1))
    await desk.wish(2, batch_key="other")
    await down(desk)
    await desk.rest.idle("books")
    found = await standing_of(desk)
    assert (desk.armed, found.is_down, found.next_try_at) == ([("deliver", "books/other")], True, desk.clock.now())


async def test_a_trial_of_what_is_due_later_is_taken_up_five_seconds_later(desk: Desk) -> None:
    await desk.wish(1, not_before=START + timedelta(hours=1))
    await down(desk)
    await desk.rest.idle("books")
    found = await standing_of(desk)
    assert (desk.armed, found.is_down, found.next_try_at) == ([], True, desk.clock.now() + timedelta(seconds=5))


async def test_a_target_that_nothing_waits_for_is_taken_to_be_there(desk: Desk) -> None:
    await desk.wish(1, target="ledger")
    await down(desk)
    await desk.rest.idle("books")
    assert not (await standing_of(desk)).is_down
    await down(desk)
    await desk.rest.trial("books")
    assert (desk.armed, (await standing_of(desk)).is_down) == ([], False)


async def test_a_target_that_answers_reads_is_tried_at_once_by_whoever_has_something(desk: Desk) -> None:
    await desk.wish(1, not_before=START + timedelta(hours=1))
    await desk.wish(2, batch_key="other")
    await desk.wish(3, target="ledger")
    await down(desk)
    await desk.rest.trial("books")
    found = await standing_of(desk)
    assert desk.armed == [("deliver", "books/all"), ("deliver", "books/other")]
    assert (found.is_down, found.next_try_at) == (True, desk.clock.now())


def test_a_window_is_closed_until_its_end(desk: Desk) -> None:
    desk.windows = (Dated(START, START + timedelta(seconds=90)),)
    link: TargetLink = desk.deliverer().targets["books"]
    found = [link.closed_s(START + timedelta(seconds=after)) for after in (-1, 0, 30, 90)]
    assert found == [0.0, 90.0, 60.0, 0.0]

"""A target that is away, overloaded or refuses the key: commands wait as they are, however long, and then go out in order, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import psycopg
import pytest
from pydantic import BaseModel
from tests.integration.delivery.scripted import START, Desk

from counterfoil.core.language.commands import Command
from counterfoil.delivery.resting import Rest
from counterfoil.kit.connector import Connector
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.requirements import TargetState
from counterfoil.store import standing, workers
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.standing import ConnectionTrouble
from counterfoil.upkeep.upkeep import TARGET_EVERY_S, Upkeep


@pytest.fixture
def desk(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher)


def unreachable() -> TransientError:
    return TransientError("no connection could be made", code="http.unreachable", is_unavailable=True)


def only_resolving_fails(error: HubError) -> Callable[[str, Sequence[Command]], HubError | None]:
    return lambda call, _commands: error if call == "resolve" else None


class Readable:
    """A target of which only the state is read."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def state(self, ctx: Context) -> TargetState:
        await self.desk.books.probe(ctx)
        return TargetState("1", {"DE01": None})


def upkeep(desk: Desk) -> Upkeep:
    ctx = Context("books", None, HttpClient("http://127.0.0.1", budget=LocalBudget()), desk.clock)
    target = Connector("books", BaseModel, books=Readable(desk))  # type: ignore[arg-type]  # only its state is asked
    return Upkeep(desk.pool, desk.cipher, {"books": (target, ctx)}, desk.clock, desk._arm, desk.rest)


async def test_a_queue_stands_for_thirty_days_and_drains_in_order(desk: Desk) -> None:
    await desk.wish(*range(1, 41), order_key="cus_1")
    await desk.wish(*range(41, 61))
    desk.books.failing = lambda _call, _commands: unreachable()
    looks = 0
    while desk.clock.now() < START + timedelta(days=30):
        turn = await desk.turn()
        assert turn.wake_in_s is not None
        assert turn.wake_in_s <= 120
        looks += 1
        # Every two minutes for the first hours; then the partition is polled less often here, to save the test's time.
        desk.later(turn.wake_in_s if looks < 100 else 7200)
        if looks % 50 == 0:
            await desk.wish(1000 + looks, order_key="cus_1")
            await upkeep(desk).target_turn("books")
    added = [1000 + n for n in range(50, looks + 1, 50)]
    rows = await desk.rows(*range(1, 61), *added)
    assert {(row.state.value, row.attempts, row.in_doubt) for row in rows} == {("ready", 0, False)}
    [case] = await desk.cases()
    assert (case.case_class, case.count) == ("target_unavailable", 1)

    desk.books.failing = lambda _call, _commands: None
    await desk.settle(turns_max=200)
    assert set(await desk.states(*range(1, 61), *added)) == {"done"}
    assert await desk.cases() == []
    in_order = [key for key in desk.books.done if int(key[1:]) not in range(41, 61)]
    assert in_order == [f"k{n}" for n in (*range(1, 41), *added)]
    assert len(desk.books.done) == len(set(desk.books.done)) == 60 + len(added)


async def test_people_are_told_after_five_minutes_not_before(desk: Desk) -> None:
    await desk.wish(1)
    desk.books.failing = lambda _call, _commands: unreachable()
    while desk.clock.now() < START + standing.CASE_AFTER:
        assert await desk.cases() == []
        desk.later((await desk.turn()).wake_in_s or 0)
    await desk.turn()
    assert [case.code for case in await desk.cases()] == ["http.unreachable"]


async def test_a_refused_key_is_one_case_at_once_that_closes_by_itself(desk: Desk) -> None:
    await desk.wish(1, 2, 3)
    desk.batch_size_max = 1
    desk.books.failing = lambda _call, _commands: SetupError("the key was revoked", code="http.unauthorized")
    await desk.turn()
    [case] = await desk.cases()
    assert (case.case_class, case.code, case.fingerprint) == ("authentication_refused", "http.unauthorized", "authentication_refused|books")
    for _ in range(40):
        desk.later((await desk.turn()).wake_in_s or 0)
    assert len(await desk.cases()) == 1
    desk.books.failing = lambda _call, _commands: None
    await desk.settle()
    assert (await desk.cases(), await desk.states(1, 2, 3)) == ([], ["done"] * 3)


async def test_a_key_that_may_read_and_not_write_does_not_flap(desk: Desk) -> None:
    await desk.wish(1)
    refused = SetupError("the user may not post", code="odoo.forbidden")
    desk.books.failing = lambda call, _commands: None if call == "probe" else refused
    begun = desk.clock.now()
    for _ in range(60):
        desk.later((await desk.turn()).wake_in_s or 0)
        await upkeep(desk).target_turn("books")
        assert len(await desk.cases()) == 1
    assert desk.clock.now() - begun > timedelta(hours=1)
    assert [row.attempts for row in await desk.rows(1)] == [0]


async def test_a_case_about_a_target_without_work_closes_when_it_answers(desk: Desk) -> None:
    desk.books.failing = lambda _call, _commands: unreachable()
    for _ in range(30):
        await upkeep(desk).target_turn("books")
        desk.later(TARGET_EVERY_S)
    assert len(await desk.cases()) == 1
    desk.books.failing = lambda _call, _commands: None
    desk.later(standing.WAIT_MAX_S)
    await upkeep(desk).target_turn("books")
    assert await desk.cases() == []


async def test_only_one_worker_looks_at_a_target_that_is_down(desk: Desk) -> None:
    await desk.wish(1)
    desk.books.failing = lambda _call, _commands: unreachable()
    await desk.turn()
    desk.later(1.0)
    async with desk.pool.connection() as one, desk.pool.connection() as other:
        assert await standing.claim_probe(one, "books", desk.clock.now())
        await one.commit()
        assert not await standing.claim_probe(other, "books", desk.clock.now())


async def join(desk: Desk, name: str) -> str:
    async with desk.pool.connection() as conn:
        return (await workers.join(conn, name, "host", "1")).id


async def has_claimed(desk: Desk, worker: str, *, is_trying: bool = False) -> bool:
    async with desk.pool.connection() as conn:
        return await standing.claim_probe(conn, "books", desk.clock.now(), worker, is_trying=is_trying)


async def test_the_claim_of_a_worker_that_is_gone_is_free_and_of_a_living_one_is_not(desk: Desk) -> None:
    one, other = await join(desk, "one"), await join(desk, "other")
    await desk.wish(1)
    desk.books.failing = lambda _call, _commands: unreachable()
    await desk.turn()
    desk.later(1.0)
    assert await has_claimed(desk, one)
    assert not await has_claimed(desk, other)
    async with desk.pool.connection() as conn:
        await workers.leave(conn, one)
    assert await has_claimed(desk, other)


async def test_a_wait_that_the_target_earned_is_not_cut_short_by_a_worker_that_is_gone(desk: Desk) -> None:
    desk.worker = await join(desk, "one")
    await desk.wish(1)
    desk.books.failing = lambda _call, _commands: unreachable()
    for _ in range(5):
        desk.later((await desk.turn()).wake_in_s or 0)
    await desk.turn()  # looked at, found down: to be looked at again in many seconds
    async with desk.pool.connection() as conn:
        await workers.leave(conn, desk.worker)
    assert not await has_claimed(desk, await join(desk, "other"))


async def test_a_trial_cut_by_the_database_is_taken_up_again_at_once(desk: Desk) -> None:
    desk.worker = await join(desk, "one")
    await desk.wish(1)
    desk.books.failing = lambda call, _commands: None if call == "probe" else unreachable()
    desk.later((await desk.turn()).wake_in_s or 0)

    async def cut(self: Rest, *_: object) -> None:
        async with self.pool.connection() as conn:
            await conn.execute("select pg_terminate_backend(pg_backend_pid())")

    desk.books.failing = lambda _call, _commands: None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rest, "came_back", cut)
        patch.setattr(standing, "free_probe", cut_too)
        with pytest.raises(BaseExceptionGroup):
            await desk.turn()
    assert not await has_claimed(desk, await join(desk, "other"))
    assert desk.books.done == ["k1"]
    desk.later(1.0)
    await desk.settle()
    assert (await desk.states(1), await standing_of(desk)) == (["done"], False)
    assert desk.clock.now() < START + timedelta(seconds=10)


async def cut_too(*_: object) -> None:
    raise psycopg.OperationalError("terminated")


async def standing_of(desk: Desk) -> bool:
    async with desk.pool.connection() as conn:
        return (await standing.read(conn, "books")).is_down


async def test_a_database_that_cannot_be_asked_is_no_fault_of_the_target(desk: Desk) -> None:
    await desk.wish(1)
    away = TransientError("nobody could be asked", code="target.budget_unavailable", retry_after_s=2.0, is_unavailable=True)
    desk.books.failing = lambda _call, _commands: away
    turn = await desk.turn()
    assert (turn.wake_in_s, await standing_of(desk)) == (2.0, False)
    desk.books.failing = lambda _call, _commands: None
    desk.later(2.0)
    await desk.settle()
    assert await desk.states(1) == ["done"]


async def test_a_worker_that_starts_asks_at_once_what_refused_the_key_of_the_former_one(desk: Desk) -> None:
    await desk.wish(1)
    desk.books.failing = lambda _call, _commands: SetupError("revoked", code="http.unauthorized")
    for _ in range(12):
        desk.later((await desk.turn()).wake_in_s or 0)
    async with desk.pool.connection() as conn:
        assert await standing.note_down(conn, "away", ConnectionTrouble("x", "away"), desk.clock.now(), is_by_sending=True)
        await conn.execute("update standing set next_try_at = %s", (desk.clock.now() + timedelta(seconds=120),))
    desk.books.failing = lambda _call, _commands: None  # the key is mended
    await upkeep(desk).target_turn("books")
    assert (await desk.states(1), await standing_of(desk)) == (["ready"], True)  # left alone for two minutes
    async with desk.pool.connection() as conn:
        await standing.try_refused(conn, ["books", "away"], desk.clock.now())  # as a worker does that starts
        away = await standing.read(conn, "away")
    await upkeep(desk).target_turn("books")
    await desk.turn()
    assert (await desk.states(1), await standing_of(desk), await desk.cases()) == (["done"], False, [])
    assert away.wait_s(desk.clock.now()) == 120  # what is only away is asked when its time has come


async def test_a_trial_with_nothing_to_send_leaves_it_to_a_partition_that_has_something(desk: Desk) -> None:
    await desk.wish(1)
    await desk.wish(2, batch_key="other")
    desk.books.failing = lambda call, _commands: None if call == "probe" else unreachable()
    wait_s = (await desk.turn()).wake_in_s
    async with desk.pool.connection() as conn:
        await conn.execute("update command set next_try_at = %s where external_key = 'k1'", (START + timedelta(hours=1),))
    desk.books.failing = lambda _call, _commands: None
    desk.later(wait_s or 0)
    desk.armed.clear()
    await desk.turn()
    assert desk.armed == [("deliver", "books/other")]
    await desk.turn(partition="books/other")
    assert (await desk.states(1, 2), await standing_of(desk)) == (["ready", "done"], False)


async def test_a_trial_nobody_has_anything_for_neither_wakes_others_nor_closes_the_case(desk: Desk) -> None:
    await desk.wish(1)
    desk.books.failing = lambda call, _commands: None if call == "probe" else SetupError("may not post", code="odoo.forbidden")
    wait_s = (await desk.turn()).wake_in_s
    async with desk.pool.connection() as conn:
        await conn.execute("update command set next_try_at = %s", (START + timedelta(seconds=30),))
    desk.later(wait_s or 0)
    desk.armed.clear()
    looks = 0
    while desk.clock.now() < START + timedelta(seconds=29):
        await desk.turn()
        looks += 1
        desk.later(1.0)
    assert (desk.armed, await standing_of(desk), len(await desk.cases())) == ([], True, 1)
    probes = [call for call, _ in desk.books.calls if call == "probe"]
    assert 5 <= len(probes) <= 8 < looks  # one read of the target each five seconds, from whichever partition
    desk.books.failing = lambda _call, _commands: None
    desk.later(10)
    await desk.settle()
    assert (await desk.states(1), await desk.cases()) == (["done"], [])


async def test_what_is_in_doubt_stays_in_doubt_while_the_target_is_away(desk: Desk) -> None:
    await desk.wish(1)
    desk.books.losing = lambda _call, _commands: TransientError("the answer broke off", code="http.answer_cut", is_outcome_unknown=True)
    desk.later((await desk.turn()).wake_in_s or 0)
    away: list[HubError] = [unreachable(), SetupError("revoked", code="http.unauthorized"), TransientError("slow", code="http.timeout")]
    for error in away:
        desk.books.failing = only_resolving_fails(error)
        for _ in range(3):
            desk.later((await desk.turn()).wake_in_s or 0)
        assert [(row.state.value, row.in_doubt) for row in await desk.rows(1)] == [("unknown", True)], error.code
    desk.books.failing = lambda _call, _commands: None
    desk.later(300)
    await desk.settle()
    assert (desk.books.done, await desk.states(1)) == (["k1"], ["done"])


async def test_a_batch_that_times_out_after_sending_uses_up_its_attempts(desk: Desk) -> None:
    await desk.wish(1, 2)
    slow = TransientError("no answer within the time limit", code="http.timeout", is_outcome_unknown=True)
    desk.books.failing = lambda call, _commands: None if call == "probe" else slow
    await desk.settle()
    assert await desk.states(1, 2) == ["parked", "parked"]
    assert {(case.code, case.case_class) for case in await desk.cases()} == {("http.timeout", "target_unavailable")}


async def test_a_refused_command_does_not_make_the_target_unusable(desk: Desk) -> None:
    await desk.wish(1)
    desk.books.failing = lambda call, _commands: RejectedError("no such account", code="books.refused") if call == "send" else None
    await desk.settle()
    async with desk.pool.connection() as conn:
        assert not (await standing.read(conn, "books")).is_down


async def test_a_target_that_asks_for_time_gets_it_and_falls_back_into_long_waits(desk: Desk) -> None:
    async with desk.pool.connection() as conn:
        first = await standing.note_down(
            conn, "books", ConnectionTrouble("http.throttled", "slow", retry_after_s=7.0), START, is_by_sending=True
        )
        assert first.wait_s(START) == 7.0
        again = await standing.note_down(
            conn, "books", ConnectionTrouble("http.throttled", "slow", retry_after_s=7.0), START, is_by_sending=True
        )
        assert (again.tries, again.wait_s(START)) == (1, 7.0)  # the same fall, seen by another batch
        waits = []
        for _ in range(10):
            state = await standing.note_down(conn, "books", ConnectionTrouble("x", "away"), START, is_by_sending=True, is_probe=True)
            waits.append(state.wait_s(START))
        assert waits == [1, 2, 4, 8, 16, 32, 45, 45, 45, 45]  # no longer than until people are to be told, 45 s after the fall
        told = START + timedelta(seconds=45)
        assert (await standing.note_down(conn, "books", ConnectionTrouble("x", "away"), told, is_by_sending=True)).wait_s(told) == 120
        assert await standing.note_up(conn, "books", START)
        soon = await standing.note_down(conn, "books", ConnectionTrouble("x", "away"), START + timedelta(minutes=1), is_by_sending=True)
        assert soon.wait_s(START + timedelta(minutes=1)) == 45
        await standing.note_up(conn, "books", START + timedelta(minutes=2))
        much_later = START + timedelta(hours=1)
        assert (await standing.note_down(conn, "books", ConnectionTrouble("x", "away"), much_later, is_by_sending=True)).wait_s(
            much_later
        ) == 0.5

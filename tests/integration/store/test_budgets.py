"""Budgets shared by several workers over one database: what one learns all heed, and a call costs little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from counterfoil.app.hub import wait_until
from counterfoil.kit import sharing
from counterfoil.kit.errors import TransientError
from counterfoil.kit.limits import BreakerState, Feedback, Limits, Verdict, yielding
from counterfoil.store import budgets as budgets_module
from counterfoil.store.budgets import SEEN_CALLS, SHORT_S, Budgets, SharedBudget, list_budgets, open_budgets
from counterfoil.store.pool import Pool

FAST = Limits(rate_per_s=10_000, burst=1_000, concurrency_max=3, failures_max=3, open_s=0.3)
OK = Feedback(Verdict.OK)


@pytest.fixture
async def workers(database: str) -> AsyncIterator[list[Budgets]]:
    """Yield the budgets of three processes."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_budgets(database, f"worker-{n}")) for n in range(3)]


class Target:
    """Counts the calls it has at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.done = 0

    async def call(self, budget: SharedBudget, feedback: Feedback = OK, takes_s: float = 0.002) -> None:
        permit = await budget.acquire()
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(takes_s)
        self.now -= 1
        self.done += 1
        await budget.release(permit, feedback)


async def version(pool: Pool) -> int:
    async with pool.connection() as conn:
        row = await (await conn.execute("select version from budget")).fetchone()
        return 0 if row is None else int(row[0])


async def test_all_workers_together_keep_within_the_slots_and_none_starves(workers: list[Budgets]) -> None:
    target = Target()
    done: list[int] = []

    async def caller(number: int, budget: SharedBudget) -> None:
        for _ in range(15):
            await target.call(budget)
            done.append(number)

    shared = [budgets.of("books", FAST) for budgets in workers]
    await asyncio.wait_for(asyncio.gather(*(caller(n, budget) for n, budget in enumerate(shared) for _ in range(3))), 30)
    assert (target.done, target.most) == (135, 3)
    # Whoever came first does not finish before the others begin.
    assert set(done[:60]) == {0, 1, 2}


async def test_one_slot_goes_round(workers: list[Budgets]) -> None:
    target = Target()
    shared = [budgets.of("books", Limits(rate_per_s=10_000, burst=1_000, concurrency_max=1)) for budgets in workers]

    async def caller(budget: SharedBudget) -> None:
        for _ in range(4):
            await target.call(budget)

    await asyncio.wait_for(asyncio.gather(*(caller(budget) for budget in shared)), 30)
    assert (target.done, target.most) == (12, 1)


async def test_a_fast_reader_asks_for_a_fraction_of_its_calls(workers: list[Budgets], pool: Pool) -> None:
    budget = workers[0].of("source", Limits(rate_per_s=2_000, burst=10, concurrency_max=8))
    target = Target()
    await asyncio.gather(*(target.call(budget, takes_s=0.001) for _ in range(200)))
    assert (target.done, target.most) == (200, 8)
    assert await version(pool) < 60


async def test_the_rate_is_one_for_all(workers: list[Budgets]) -> None:
    limits = Limits(rate_per_s=100, burst=1, concurrency_max=8)
    target = Target()
    shared = [budgets.of("books", limits) for budgets in workers]
    begun = time.monotonic()
    await asyncio.gather(*(target.call(budget) for budget in shared for _ in range(10)))
    assert time.monotonic() - begun >= 0.25  # 30 calls are 29 steps of 10 ms; turns of a block nobody used are lost, never doubled


async def test_failures_of_all_open_the_breaker_and_one_probe_closes_it(workers: list[Budgets], pool: Pool) -> None:
    target = Target()
    shared = [budgets.of("books", FAST) for budgets in workers]
    for budget in shared:
        await target.call(budget, Feedback(Verdict.FAILED, code="http.unreachable"))
    for budget in shared:
        with pytest.raises(TransientError, match="left alone") as caught:
            await budget.acquire()
        assert (caught.value.code, caught.value.is_unavailable) == ("target.resting", True)
    async with pool.connection() as conn:
        [seen] = await list_budgets(conn)
        assert (seen.breaker, seen.last_code, seen.slots_max) == (BreakerState.OPEN, "http.unreachable", 3)
    await asyncio.sleep(FAST.open_s)
    answers = await asyncio.gather(*(budget.acquire() for budget in shared for _ in range(2)), return_exceptions=True)
    probes = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert [probe.is_probe for probe in probes] == [True]
    owner = next(budget for budget, answer in zip([b for b in shared for _ in range(2)], answers, strict=True) if answer in probes)
    await owner.release(probes[0], OK)
    for budget in shared:
        await target.call(budget)
    async with pool.connection() as conn:
        [seen] = await list_budgets(conn)
        assert seen.breaker is BreakerState.CLOSED


async def test_a_retry_after_told_to_one_is_heeded_by_all(workers: list[Budgets]) -> None:
    one, other = (budgets.of("books", FAST) for budgets in workers[:2])
    await Target().call(one, Feedback(Verdict.THROTTLED, retry_after_s=60.0, code="http.throttled"))
    with pytest.raises(TransientError) as caught:
        await other.acquire()
    assert caught.value.code == "target.throttled"
    assert 50 < (caught.value.retry_after_s or 0) <= 60


LONG = Feedback(Verdict.OK, latency_s=2 * SHORT_S)
SHORT = Feedback(Verdict.OK, latency_s=SHORT_S / 2)


@asynccontextmanager
async def bulk(target: Target, budgets: Sequence[SharedBudget], feedback: Feedback) -> AsyncIterator[None]:
    """Have three callers per worker send bulk calls, of which the budgets are told that they took so long."""
    stop = asyncio.Event()

    async def caller(budget: SharedBudget) -> None:
        with yielding():
            while not stop.is_set():
                await target.call(budget, feedback, takes_s=0.01)

    tasks = [asyncio.create_task(caller(budget)) for budget in budgets for _ in range(3)]
    await most_of(target, 2 * SEEN_CALLS)
    yield
    stop.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)


async def most_of(target: Target, calls: int) -> int:
    """Return how many calls the target had at once at most, during so many."""
    target.most, until = 0, target.done + calls

    async def are_through() -> bool:
        return target.done >= until

    assert await wait_until(are_through, timeout_s=20, every_s=0.01)
    return target.most


async def test_long_bulk_calls_of_all_workers_leave_a_slot_to_real_time(workers: list[Budgets]) -> None:
    target = Target()
    shared = [budgets.of("books", FAST) for budgets in workers]
    async with bulk(target, shared, LONG):
        assert 1 <= await most_of(target, 60) <= 2
        await asyncio.wait_for(target.call(shared[0], takes_s=0.0), 5)


async def test_short_bulk_calls_use_the_last_slot_until_somebody_comes(workers: list[Budgets], monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target()
    here, elsewhere = (budgets.of("books", FAST) for budgets in workers[:2])
    async with bulk(target, [here], SHORT):
        assert await most_of(target, 60) == FAST.concurrency_max
        for budget in (here, elsewhere):
            await asyncio.wait_for(target.call(budget, takes_s=0.0), 5)
        monkeypatch.setattr(budgets_module, "CALM_S", 3600.0)
        permit = await asyncio.wait_for(here.acquire(), 5)
        assert await most_of(target, 60) <= FAST.concurrency_max - 1, "somebody is there: his slot and theirs are all there are"
        await here.release(permit, SHORT)
        assert await most_of(target, 60) == FAST.concurrency_max - 1, "his next call may be about to come"
        monkeypatch.setattr(budgets_module, "CALM_S", 0.0)
        permit = await asyncio.wait_for(here.acquire(), 5)
        assert here.spare == 1
        await here.release(permit, SHORT)
        await most_of(target, 10)
        assert await most_of(target, 60) == FAST.concurrency_max


async def test_bulk_calls_that_become_long_leave_the_last_slot_again(workers: list[Budgets]) -> None:
    target = Target()
    here = workers[0].of("books", FAST)
    async with bulk(target, [here], SHORT):
        assert await most_of(target, 60) == FAST.concurrency_max
    async with bulk(target, [here], LONG):
        assert await most_of(target, 60) == FAST.concurrency_max - 1


async def test_slots_are_given_back_when_idle_and_at_the_end(workers: list[Budgets], pool: Pool) -> None:
    budget = workers[0].of("books", FAST)
    await asyncio.gather(*(Target().call(budget) for _ in range(3)))
    await budget.close()
    async with pool.connection() as conn:
        [seen] = await list_budgets(conn)
        assert (seen.slots_used, seen.slots_max) == (0, 3)


async def test_nothing_is_sent_within_a_maintenance_window(workers: list[Budgets]) -> None:
    budget = workers[0].of("books", FAST, lambda: 1800.0)
    with pytest.raises(TransientError) as caught:
        await budget.acquire()
    assert (caught.value.code, caught.value.retry_after_s) == ("target.maintenance", 1800.0)


async def test_nothing_is_sent_while_the_database_is_away() -> None:
    async with open_budgets("host=127.0.0.1 port=9 dbname=none connect_timeout=1", "worker") as budgets:
        with pytest.raises(TransientError) as caught:
            await budgets.of("books", FAST).acquire()
    assert (caught.value.code, caught.value.is_unavailable) == ("target.budget_unavailable", True)


async def test_the_slots_of_a_killed_worker_come_back(database: str, workers: list[Budgets], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "LEASE_S", 0.3)
    async with open_budgets(database, "killed") as killed:
        dying = killed.of("books", FAST)
        for _ in range(3):
            await dying.acquire()
        # It is gone without a word: nothing is given back, nothing kept. Another one gets its slots.
        permit = await asyncio.wait_for(workers[0].of("books", FAST).acquire(), 10)
        assert permit.id == 1

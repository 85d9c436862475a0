"""Budgets on a clock that stands still until moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.kit.errors import TransientError
from counterfoil.kit.forms import Nested, encode_form, flatten
from counterfoil.kit.limits import AdaptiveBatch, Aside, BreakerState, Feedback, LocalBudget, Permit, Verdict
from counterfoil.kit.paging import pages

OK = Feedback(Verdict.OK)
FAILED = Feedback(Verdict.FAILED)


class Time:
    """A clock in seconds; sleeping moves it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def budget(time: Time, **options: Any) -> LocalBudget:
    return LocalBudget(now=time, sleep=time.sleep, **options)


async def call(limits: LocalBudget, feedback: Feedback = OK) -> Permit:
    permit = await limits.acquire()
    await limits.release(permit, feedback)
    return permit


async def test_calls_go_at_the_rate_after_the_burst() -> None:
    time = Time()
    limits = budget(time, rate_per_s=10, burst=2)
    starts = []
    for _ in range(5):
        await call(limits)
        starts.append(round(time.now_s, 6))
    # Two at once, then one every tenth of a second.
    assert starts == [0.0, 0.0, 0.1, 0.2, 0.3]


async def test_idle_time_does_not_pile_up_more_than_the_burst() -> None:
    time = Time()
    limits = budget(time, rate_per_s=10, burst=2)
    await call(limits)
    time.now_s = 100.0
    for _ in range(3):
        await call(limits)
    assert round(time.now_s, 6) == 100.1


async def test_no_more_calls_are_in_flight_than_allowed() -> None:
    limits = budget(Time(), rate_per_s=1000, burst=100, concurrency_max=2)
    first, _second = await limits.acquire(), await limits.acquire()
    third = asyncio.create_task(limits.acquire())
    await asyncio.sleep(0)
    assert not third.done()
    await limits.release(first, OK)
    assert (await third).id == 3


async def test_being_throttled_halves_the_rate_and_it_creeps_back() -> None:
    time = Time()
    limits = budget(time, rate_per_s=100, burst=1, recover_s=5)
    await call(limits, Feedback(Verdict.THROTTLED, retry_after_s=3))
    assert limits.pace.rate_per_s == 50
    await call(limits)
    assert time.now_s >= 3
    time.now_s = 10.0  # two steps of a tenth of the full rate
    assert limits.pace.rate_per_s == 70
    time.now_s = 1000.0
    assert limits.pace.rate_per_s == 100


async def test_the_rate_never_falls_below_a_fiftieth() -> None:
    time = Time()
    limits = budget(time, rate_per_s=100, recover_s=1e9)
    for _ in range(30):
        limits.pace.slow_down(0)
    assert limits.pace.rate_per_s == pytest.approx(2.0)


async def test_a_pause_longer_than_anyone_waits_is_an_error_that_says_how_long() -> None:
    limits = budget(Time(), wait_max_s=30)
    await call(limits, Feedback(Verdict.THROTTLED, retry_after_s=120))
    with pytest.raises(TransientError) as caught:
        await limits.acquire()
    assert (caught.value.code, caught.value.retry_after_s, caught.value.is_outcome_unknown) == ("target.throttled", 120, False)
    assert "nothing was sent" in str(caught.value)


async def test_the_breaker_opens_after_failures_in_a_row_only() -> None:
    limits = budget(Time(), rate_per_s=1e6, burst=100, failures_max=3)
    for feedback in (FAILED, FAILED, OK, FAILED, FAILED):
        await call(limits, feedback)
    states = [limits.breaker.state]
    await call(limits, FAILED)
    states.append(limits.breaker.state)
    assert states == [BreakerState.CLOSED, BreakerState.OPEN]


async def test_failures_of_calls_beside_the_others_leave_those_alone_and_share_their_pace() -> None:
    time = Time()
    limits = budget(time, rate_per_s=10, burst=1, failures_max=2)
    beside = Aside(limits)
    for _ in range(5):
        await beside.release(await beside.acquire(), FAILED)
    assert (limits.breaker.state, round(time.now_s, 6)) == (BreakerState.CLOSED, 0.4)
    await beside.release(await beside.acquire(), Feedback(Verdict.THROTTLED, retry_after_s=7.0))
    await call(limits)
    assert round(time.now_s, 6) == 7.5, "what the target asks for holds for all"
    assert beside.spare == limits.spare


async def test_an_open_breaker_lets_one_probe_try_and_closes_when_it_succeeds() -> None:
    time = Time()
    limits = budget(time, rate_per_s=1e6, burst=100, failures_max=1, open_s=10)
    await call(limits, FAILED)
    with pytest.raises(TransientError) as caught:
        await limits.acquire()
    assert (caught.value.code, caught.value.retry_after_s) == ("target.resting", 10)
    time.now_s = 10.0
    probe = await limits.acquire()
    assert probe.is_probe
    with pytest.raises(TransientError):
        await limits.acquire()
    await limits.release(probe, OK)
    assert not (await call(limits)).is_probe


async def test_each_failed_probe_doubles_the_rest_up_to_its_bound() -> None:
    time = Time()
    limits = budget(time, rate_per_s=1e6, burst=100, failures_max=1, open_s=10, open_max_s=25)
    await call(limits, FAILED)
    rests = []
    for _ in range(3):
        with pytest.raises(TransientError) as caught:
            await limits.acquire()
        rests.append(caught.value.retry_after_s)
        time.now_s += caught.value.retry_after_s or 0
        await call(limits, FAILED)
    assert rests == [10, 20, 25]


async def test_a_probe_that_says_nothing_frees_its_place_for_another() -> None:
    time = Time()
    limits = budget(time, failures_max=1, open_s=10)
    await call(limits, FAILED)
    time.now_s = 10.0
    await call(limits, Feedback(Verdict.NEUTRAL))
    assert (await limits.acquire()).is_probe


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0.001, 10), st.booleans()), max_size=30))
def test_a_batch_size_stays_within_its_bounds(batches: list[tuple[int, float, bool]]) -> None:
    batch = AdaptiveBatch(5, 200, 2.0)
    for sent, latency_s, has_failed in batches:
        assert 5 <= batch.learn(sent, latency_s, has_failed=has_failed) <= 200


def test_a_batch_grows_when_fast_shrinks_when_slow_and_learns_nothing_from_small_ones() -> None:
    batch = AdaptiveBatch(1, 200, 2.0)
    assert batch.size == 200
    assert batch.learn(200, 3.0) == 100
    assert batch.learn(100, 3.0) == 50
    assert batch.learn(50, 0.5) == 62
    assert batch.learn(3, 0.01) == 62
    assert batch.learn(62, 1.5) == 62
    assert batch.learn(62, 4.0) == 31
    assert batch.learn(31, 0.1, has_failed=True) == 15


def test_nested_fields_become_bracketed_names() -> None:
    fields: dict[str, Nested] = {
        "customer": "cus_1",
        "items": [{"price": "p_1", "quantity": 2}],
        "expand": ["a", "b"],
        "metadata": {"k": ""},
    }
    assert flatten(fields) == [
        ("customer", "cus_1"),
        ("items[0][price]", "p_1"),
        ("items[0][quantity]", "2"),
        ("expand[0]", "a"),
        ("expand[1]", "b"),
        ("metadata[k]", ""),
    ]
    assert encode_form({"a": {"b": "x&y=ü"}}) == b"a%5Bb%5D=x%26y%3D%C3%BC"


def test_values_are_written_as_vendors_read_them_and_floats_are_refused() -> None:
    # 1767225600 is 2026-01-01T00:00:00Z.
    values: dict[str, Nested] = {"t": True, "n": None, "d": Decimal("1E+2"), "at": datetime(2026, 1, 1, tzinfo=UTC), "none": []}
    assert flatten(values) == [("t", "true"), ("n", ""), ("d", "100"), ("at", "1767225600")]
    with pytest.raises(TypeError, match=r"amount\[0\]"):
        flatten({"amount": [1.5]})  # type: ignore[list-item]
    with pytest.raises(ValueError, match="zone"):
        flatten({"at": datetime(2026, 1, 1)})  # noqa: DTZ001 - the missing zone is the point


class Numbered:
    """A page named by a number."""

    def __init__(self, cursor: str, *, has_more: bool) -> None:
        self.cursor = cursor
        self.has_more = has_more


async def test_pages_are_walked_to_the_end() -> None:
    async def fetch(cursor: str) -> Numbered:
        number = int(cursor or 0) + 1
        return Numbered(str(number), has_more=number < 3)

    assert [page.cursor async for page in pages(fetch)] == ["1", "2", "3"]
    assert [page.cursor async for page in pages(fetch, cursor="2")] == ["3"]


async def test_pages_that_never_end_or_point_to_themselves_are_stopped() -> None:
    async def endless(cursor: str) -> Numbered:
        return Numbered(cursor + "x", has_more=True)

    async def stuck(_cursor: str) -> Numbered:
        return Numbered("same", has_more=True)

    for fetch, code, count in ((endless, "paging.endless", 4), (stuck, "paging.stuck", 2)):
        seen: list[Numbered] = []
        with pytest.raises(TransientError) as caught:
            await _collect(pages(fetch, pages_max=4), seen)
        assert (caught.value.code, len(seen)) == (code, count)


async def _collect(walk: AsyncIterator[Numbered], seen: list[Numbered]) -> None:
    async for page in walk:
        seen.append(page)  # noqa: PERF401 - what was seen before the error counts

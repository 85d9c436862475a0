"""The shared budget's rules on a clock that stands still: never too many slots, one probe, waits that double, rates that follow."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.kit.limits import BreakerState, Feedback, Limits, Verdict
from counterfoil.kit.rate_headers import RateSeen, read_rate
from counterfoil.kit.sharing import LEASE_S, BudgetRequest, BudgetState, Hold, ask, keep, learn, rate_now

LIMITS = Limits(rate_per_s=10, burst=2, concurrency_max=3, failures_max=3, open_s=5, open_max_s=40)
FAILED = Feedback(Verdict.FAILED, code="http.unreachable")
OK = Feedback(Verdict.OK)


def test_calls_of_all_workers_go_at_one_rate_after_the_burst() -> None:
    state, first = ask(BudgetState(), LIMITS, BudgetRequest("a", 2, 0, 100.0))
    state, second = ask(state, LIMITS, BudgetRequest("b", 1, 0, 100.0))
    # Ten a second, two at once: the third goes a tenth later, whoever asks.
    assert ([round(turn - 100, 6) for turn in (*first.turns, *second.turns)], second.slots) == ([0.0, 0.0, 0.1], 1)


def test_turns_are_given_in_blocks_to_a_fast_reader() -> None:
    _, grant = ask(BudgetState(), replace(LIMITS, rate_per_s=100.0, burst=1), BudgetRequest("a", 1, 0, 0.0))
    assert [round(turn, 6) for turn in grant.turns] == [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09]


def test_the_breaker_counts_the_failures_of_all_and_lets_one_probe_through() -> None:
    state = BudgetState()
    for now in (1.0, 2.0, 3.0):
        state = learn(state, LIMITS, FAILED, is_probe=False, now=now)
    assert (state.breaker(3.0), state.since, state.code) == (BreakerState.OPEN, 3.0, "http.unreachable")
    assert ask(state, LIMITS, BudgetRequest("a", 1, 0, 6.0))[1].refused == "target.resting"
    state, probe = ask(state, LIMITS, BudgetRequest("a", 5, 0, 8.0))
    assert (probe.is_probe, probe.slots, len(probe.turns)) == (True, 1, 1)
    assert ask(state, LIMITS, BudgetRequest("b", 1, 0, 8.0))[1].refused == "target.resting"
    waits = []
    for _ in range(4):
        now = state.reopens_at
        state, probe = ask(state, LIMITS, BudgetRequest("a", 1, 0, now))
        state = learn(state, LIMITS, FAILED, is_probe=True, now=now)
        waits.append(state.reopens_at - now)
    assert waits == [10, 20, 40, 40]
    state = learn(state, LIMITS, OK, is_probe=True, now=500.0)
    assert (state.breaker(500.0), state.failures, state.since) == (BreakerState.CLOSED, 0, 500.0)


def test_a_probe_whose_worker_died_is_not_waited_for() -> None:
    state = replace(BudgetState(), is_open=True, open_s=5.0, reopens_at=10.0)
    state, _ = ask(state, LIMITS, BudgetRequest("a", 1, 0, 10.0))
    state, _ = keep(state, LIMITS, "a", 1, 15.0)
    assert ask(state, LIMITS, BudgetRequest("b", 1, 0, 15.0 + LEASE_S - 1))[1].refused == "target.resting"
    assert ask(state, LIMITS, BudgetRequest("b", 1, 0, 15.0 + LEASE_S))[1].is_probe


def test_slots_of_a_worker_that_died_come_back() -> None:
    state, _ = ask(BudgetState(), LIMITS, BudgetRequest("a", 3, 0, 0.0))
    state, none = ask(state, LIMITS, BudgetRequest("b", 1, 0, 5.0))
    assert (none.slots, none.turns) == (0, ())
    state, grant = ask(state, LIMITS, BudgetRequest("b", 1, 0, LEASE_S))
    assert grant.slots == 1


def test_whoever_waits_for_a_slot_goes_before_whoever_had_one() -> None:
    limits = replace(LIMITS, concurrency_max=1)
    state, _ = ask(BudgetState(), limits, BudgetRequest("a", 1, 0, 0.0))
    state, starved = ask(state, limits, BudgetRequest("b", 1, 0, 0.0))
    state, is_contended = keep(state, limits, "a", 0, 0.1)
    assert is_contended
    state, again = ask(state, limits, BudgetRequest("a", 1, 0, 0.1))
    state, turn = ask(state, limits, BudgetRequest("b", 1, 0, 0.2))
    assert (starved.slots, again.slots, turn.slots) == (0, 0, 1)


def test_yielding_calls_leave_one_slot() -> None:
    state, bulk = ask(BudgetState(), LIMITS, BudgetRequest("a", 9, 0, 0.0, is_yielding=True))
    _, real_time = ask(state, LIMITS, BudgetRequest("b", 1, 0, 0.0))
    assert (bulk.slots, real_time.slots) == (2, 1)


def test_no_slot_is_kept_back_for_yielding_calls_that_may_not_take_it() -> None:
    state, _ = ask(BudgetState(), LIMITS, BudgetRequest("a", 1, 0, 0.0, is_yielding=True))
    state, _ = ask(state, LIMITS, BudgetRequest("b", 1, 0, 0.0, is_yielding=True))
    state, bulk = ask(state, LIMITS, BudgetRequest("c", 1, 0, 0.0, is_yielding=True))
    assert bulk.slots == 0, "two of three are taken, the third is left to others"
    _, real_time = ask(state, LIMITS, BudgetRequest("a", 1, 1, 0.1))
    assert real_time.slots == 2
    state, _ = ask(state, LIMITS, BudgetRequest("c", 1, 0, 0.2))  # real-time work there, too, and it came first
    _, later = ask(state, LIMITS, BudgetRequest("a", 1, 1, 0.3))
    assert later.slots == 1


def test_being_asked_to_slow_down_halves_the_rate_for_all_and_it_recovers() -> None:
    state, _ = ask(BudgetState(), LIMITS, BudgetRequest("a", 1, 0, 0.0))
    state = learn(state, LIMITS, Feedback(Verdict.THROTTLED, retry_after_s=7.0, code="http.throttled"), is_probe=False, now=0.0)
    _, grant = ask(state, LIMITS, BudgetRequest("b", 1, 0, 1.0))
    assert grant.turns == (7.0,)
    assert [rate_now(state, LIMITS.recover_s, now) for now in (0.0, 5.0, 10.0, 60.0)] == [5.0, 6.0, 7.0, 10.0]


def test_the_pace_follows_what_the_headers_say_is_left() -> None:
    state, _ = ask(BudgetState(), LIMITS, BudgetRequest("a", 1, 0, 0.0))
    slower = learn(state, LIMITS, Feedback(Verdict.OK, rate=RateSeen(20, 10)), is_probe=False, now=0.0)
    assert rate_now(slower, LIMITS.recover_s, 0.0) == 2.0
    empty = learn(state, LIMITS, Feedback(Verdict.OK, rate=RateSeen(0, 12)), is_probe=False, now=0.0)
    assert ask(empty, LIMITS, BudgetRequest("a", 1, 0, 0.0))[1].turns == (12.0,)
    assert learn(state, LIMITS, Feedback(Verdict.OK, rate=RateSeen(5000, 10)), is_probe=False, now=0.0) is state


def test_headers_of_every_dialect_are_read() -> None:
    now = 1_767_225_600.0  # 2026-01-01
    assert read_rate({"RateLimit": '"default";r=50;t=30'}, now) == RateSeen(50, 30)
    assert read_rate({"RateLimit": '"burst";r=9;t=3, "day";r=10;t=3000'}, now) == RateSeen(10, 3000)
    assert read_rate({"RateLimit": "limit=100, remaining=50, reset=5"}, now) == RateSeen(50, 5)
    assert read_rate({"RateLimit-Remaining": "7", "RateLimit-Reset": "14"}, now) == RateSeen(7, 14)
    assert read_rate({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767225660"}, now) == RateSeen(0, 60)
    assert read_rate({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "1767225660000"}, now) == RateSeen(3, 60)
    assert read_rate({"X-RateLimit-Remaining": "3"}, now) is None
    assert read_rate({"RateLimit": "soon", "X-RateLimit-Remaining": "many", "X-RateLimit-Reset": "later"}, now) is None


ACTIONS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["ask", "modest", "done", "die"]), st.integers(1, 4), st.floats(0, 3)), max_size=60
)


@given(ACTIONS)
@settings(max_examples=150, deadline=None)
def test_never_more_calls_are_out_than_there_are_slots_and_waiting_ends(actions: list[tuple[str, str, int, float]]) -> None:
    state, now = BudgetState(), 0.0
    busy = dict.fromkeys("abcd", 0)
    died: dict[str, float] = {}
    for worker, action, calls, pause in actions:
        now += pause
        for living, used in busy.items():
            if used and living not in died:
                state, _ = keep(state, LIMITS, living, used, now)
        if worker in died:
            continue
        if action in ("ask", "modest"):
            state, grant = ask(state, LIMITS, BudgetRequest(worker, calls, busy[worker], now, is_yielding=action == "modest"))
            busy[worker] = grant.slots if grant.turns else busy[worker]
        elif action == "done":
            busy[worker] = max(0, busy[worker] - calls)
            state, _ = keep(state, LIMITS, worker, busy[worker], now)
        elif len(died) < 2:
            died[worker] = now
            busy[worker] = 0
        assert sum(busy.values()) <= state.slots_used(now) <= LIMITS.concurrency_max
    now += LEASE_S
    survivor = next(worker for worker in "abcd" if worker not in died)
    state, grant = ask(state, LIMITS, BudgetRequest(survivor, 1, 0, now))
    assert grant.slots >= 1
    assert all(isinstance(hold, Hold) for hold in state.holds.values())

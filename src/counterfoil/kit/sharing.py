"""The state of a budget that many workers share, and what each of their asks does to it. Pure: the store keeps it, one row per connection.

Instants are seconds of one clock that all workers agree on (the database's). A worker's slots are held until an instant it keeps moving on
while it lives; a dead worker's come back when that has passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from counterfoil.kit.limits import BreakerState, Feedback, Limits, Verdict

LEASE_S = 10.0
"""So long a worker's slots and its probe are kept for it without a word from it."""
BLOCK_S = 0.1
"""Turns are given out for about this long ahead, so that a fast reader need not ask for each of its calls."""
BLOCK_MAX = 20


@dataclass(frozen=True, slots=True)
class Hold:
    """What a worker has: ``slots`` it was given, ``wanted`` as many as it could use now, ``until``: forgotten from then on.

    ``is_yielding``: what it wants leaves one slot to others, so that none is kept back for it from those that want that one.
    """

    slots: int
    wanted: int
    until: float
    is_yielding: bool = False


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Everything shared about one connection's budget.

    Attributes:
        rate_base, rate_at: the rate that was in force at that instant; it recovers from there. 0: full speed.
        next_turn_at: the turn after the last one given. paused_until: no turns before.
        failures: failed calls in a row. is_open, open_s, reopens_at: the breaker. probe_by, probe_until: who tries a half-open target.
        since: when the breaker took its state. code, code_at: the last error.
        rate_full, slots_max: the limits, for people.
    """

    rate_base: float = 0.0
    rate_at: float = 0.0
    next_turn_at: float = 0.0
    paused_until: float = 0.0
    failures: int = 0
    is_open: bool = False
    open_s: float = 0.0
    reopens_at: float = 0.0
    probe_by: str = ""
    probe_until: float = 0.0
    since: float = 0.0
    code: str = ""
    code_at: float = 0.0
    rate_full: float = 0.0
    slots_max: int = 0
    holds: Mapping[str, Hold] = field(default_factory=dict)

    def breaker(self, now: float) -> BreakerState:
        """Return where the breaker stands."""
        if not self.is_open:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if now >= self.reopens_at else BreakerState.OPEN

    def slots_used(self, now: float) -> int:
        """Return how many slots living workers hold."""
        return sum(hold.slots for hold in self.holds.values() if hold.until > now)


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """What a worker wants: ``calls`` that wait for a turn, ``busy`` slots it uses now; ``now``: see :class:`BudgetState`.

    ``is_yielding``: its calls leave one slot of all to others.
    """

    worker: str
    calls: int
    busy: int
    now: float
    is_yielding: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What it got: ``slots`` in all, the instants of its ``turns``, whether its next call is the probe; or why not, and for how long.

    ``is_contended``: other workers wait for slots; those that are not used are to be given back, and used ones after their call.
    """

    slots: int = 0
    turns: tuple[float, ...] = ()
    is_probe: bool = False
    is_contended: bool = False
    refused: str = ""
    wait_s: float = 0.0


RESTING = "target.resting"
THROTTLED = "target.throttled"


def ask(state: BudgetState, limits: Limits, one: BudgetRequest) -> tuple[BudgetState, Grant]:
    """Return the state and the grant after a worker asked for slots and turns.

    A worker that gets no slot is noted as wanting one, which makes the others give way.
    """
    now, breaker = one.now, state.breaker(one.now)
    is_probing = state.probe_by != "" and now < state.probe_until
    if breaker is BreakerState.OPEN or (breaker is BreakerState.HALF_OPEN and is_probing):
        wait_s = state.reopens_at - now if breaker is BreakerState.OPEN else 1.0
        return state, Grant(refused=RESTING, wait_s=max(wait_s, 1.0))
    first = _turns(state, limits, 1, now)[0]
    if first - now > limits.wait_max_s:
        return state, Grant(refused=THROTTLED, wait_s=first - now)
    is_probe = breaker is BreakerState.HALF_OPEN
    state, slots, is_contended = _hold(state, limits, one, 1 if is_probe else one.busy + one.calls)
    if slots <= one.busy:
        return state, Grant(slots, is_contended=is_contended)
    if is_probe:
        state = replace(state, probe_by=one.worker, probe_until=now + LEASE_S)
    count = 1 if is_probe else max(one.calls, min(BLOCK_MAX, int(_rate(state, limits, now) * BLOCK_S)))
    turns = _turns(state, limits, count, now)
    step = 1 / _rate(state, limits, now)
    state = replace(state, next_turn_at=max(state.next_turn_at, now) + count * step)
    return state, Grant(slots, turns, is_probe, is_contended)


def keep(state: BudgetState, limits: Limits, worker: str, slots: int, now: float) -> tuple[BudgetState, bool]:
    """Note that a worker lives and needs this many slots (0: none); return whether others wait for slots."""
    state, _, is_contended = _hold(state, limits, BudgetRequest(worker, 0, slots, now), slots)
    if state.probe_by == worker and slots:
        state = replace(state, probe_until=now + LEASE_S)
    return state, is_contended


def learn(state: BudgetState, limits: Limits, feedback: Feedback, *, is_probe: bool, now: float) -> BudgetState:
    """Return the state after a call: the pace follows what the target said, the breaker its health."""
    if feedback.code:
        state = replace(state, code=feedback.code, code_at=now)
    if feedback.verdict is Verdict.THROTTLED:
        pause_s = 1.0 if feedback.retry_after_s is None else feedback.retry_after_s
        slower = max(_rate(state, limits, now) / 2, limits.rate_per_s / 50)
        state = replace(state, rate_base=slower, rate_at=now, paused_until=max(state.paused_until, now + pause_s))
    if feedback.rate is not None:
        if feedback.rate.remaining < 1:
            state = replace(state, paused_until=max(state.paused_until, now + feedback.rate.reset_s))
        elif feedback.rate.rate_per_s < _rate(state, limits, now):
            state = replace(state, rate_base=max(feedback.rate.rate_per_s, limits.rate_per_s / 50), rate_at=now)
    if is_probe:
        state = replace(state, probe_by="", probe_until=0.0)
    if feedback.verdict in (Verdict.OK, Verdict.THROTTLED):
        if is_probe and state.is_open:
            return replace(state, failures=0, is_open=False, open_s=0.0, reopens_at=0.0, since=now)
        return replace(state, failures=0) if state.failures and not state.is_open else state
    return _fail(state, limits, is_probe=is_probe, now=now) if feedback.verdict is Verdict.FAILED else state


def _fail(state: BudgetState, limits: Limits, *, is_probe: bool, now: float) -> BudgetState:
    failures = state.failures + 1
    if is_probe:
        open_s = min(max(state.open_s, limits.open_s) * 2, limits.open_max_s)
        return replace(state, failures=failures, is_open=True, open_s=open_s, reopens_at=now + open_s)
    if state.is_open or failures < limits.failures_max:
        return replace(state, failures=failures)
    return replace(state, failures=failures, is_open=True, open_s=limits.open_s, reopens_at=now + limits.open_s, since=now)


def _rate(state: BudgetState, limits: Limits, now: float) -> float:
    """The rate now: a tenth of the full one is regained every ``recover_s``."""
    if not state.rate_base:
        return limits.rate_per_s
    steps = (now - state.rate_at) / limits.recover_s
    return min(limits.rate_per_s, state.rate_base + steps * limits.rate_per_s / 10)


def rate_now(state: BudgetState, recover_s: float, now: float) -> float:
    """Return the rate in force, for people."""
    if not state.rate_base or not state.rate_full:
        return state.rate_full
    return _rate(state, Limits(rate_per_s=state.rate_full, recover_s=recover_s), now)


def _turns(state: BudgetState, limits: Limits, count: int, now: float) -> tuple[float, ...]:
    """When the next calls may go: ``burst`` at once after a rest, then one after the other."""
    step = 1 / _rate(state, limits, now)
    slack = (limits.burst - 1) * step
    start = max(now, state.next_turn_at)
    return tuple(max(now, state.paused_until, start + number * step - slack) for number in range(count))


def _hold(state: BudgetState, limits: Limits, one: BudgetRequest, wanted: int) -> tuple[BudgetState, int, bool]:
    """Give a worker slots: what is free, but no more than its part while others wait, who go first. What it uses now it keeps.

    Calls that do not yield need not wait for those that do.
    """
    mine = state.holds.get(one.worker)
    living = {worker: hold for worker, hold in state.holds.items() if hold.until > one.now and worker != one.worker}
    has_queued = mine is not None and mine.until > one.now and mine.slots == 0 and mine.wanted > 0
    rivals = [hold for hold in living.values() if hold.wanted > hold.slots and (one.is_yielding or not hold.is_yielding)]
    starving = sum(1 for hold in rivals if hold.slots == 0)
    free = limits.concurrency_max - sum(hold.slots for hold in living.values()) - (0 if has_queued else starving)
    if one.is_yielding and limits.concurrency_max > 1:
        free -= 1
    is_contended = any(hold.wanted > hold.slots for hold in living.values())
    given = min(wanted, max(free, 0))
    if rivals:
        given = min(given, max(1, limits.concurrency_max // (len(living) + 1)))
    slots = max(given, one.busy)
    holds = dict(living)
    if wanted or one.busy:
        holds[one.worker] = Hold(slots, wanted, one.now + LEASE_S, one.is_yielding)
    state = replace(state, holds=holds, rate_full=limits.rate_per_s, slots_max=limits.concurrency_max)
    return state, slots, is_contended

"""What goes wrong is decided by the seed: as data, within the period, and so that one thing about the same processes follows the other."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.app.simulation.period import SimulatedPeriod
from counterfoil.app.simulation.schedule import EXCLUSIVE, FaultKind, ScheduledFault, draw
from counterfoil.kit.sandbox import FAULT_KINDS

ENTITIES = ("US", "DE", "JP")
PERIODS = st.builds(SimulatedPeriod, st.dates(date(2024, 1, 1), date(2027, 12, 31)), st.integers(1, 400))


def overlaps(entries: list[ScheduledFault]) -> list[tuple[ScheduledFault, ScheduledFault]]:
    """Return neighbors of which the second begins before the first is over."""
    return [(a, b) for a, b in itertools.pairwise(entries) if b.at < (a.until or a.at)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), PERIODS)
def test_a_schedule_stays_within_its_period_and_is_in_order(seed: int, period: SimulatedPeriod) -> None:
    schedule = draw(seed, period, ENTITIES)
    instants = [entry.at for entry in schedule]
    assert instants == sorted(instants)
    assert all(period.start <= entry.at <= (entry.until or entry.at) <= period.end for entry in schedule)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), PERIODS)
def test_what_concerns_the_same_processes_or_the_same_target_never_overlaps(seed: int, period: SimulatedPeriod) -> None:
    schedule = draw(seed, period, ENTITIES)
    outages = (FaultKind.TARGET_MAINTENANCE, FaultKind.CREDENTIAL_EXPIRED)
    assert overlaps([entry for entry in schedule if entry.kind in EXCLUSIVE]) == []
    assert overlaps([entry for entry in schedule if entry.kind in outages]) == []


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), PERIODS)
def test_every_period_meets_every_kind_of_call_fault_and_a_killed_worker(seed: int, period: SimulatedPeriod) -> None:
    schedule = draw(seed, period, ENTITIES)
    assert {entry.detail["fault"] for entry in schedule if entry.kind is FaultKind.TARGET_CALLS} == set(FAULT_KINDS)
    assert set(FaultKind) - {entry.kind for entry in schedule} <= {FaultKind.HUB_STOPPED}
    assert not (period.days >= 5 and FaultKind.HUB_STOPPED not in {entry.kind for entry in schedule})


def test_the_same_seed_draws_the_same_schedule_and_another_seed_another() -> None:
    period = SimulatedPeriod(date(2026, 2, 1), 45)
    assert draw(3, period, ENTITIES) == draw(3, period, ENTITIES)
    assert draw(3, period, ENTITIES) != draw(4, period, ENTITIES)


def test_every_month_is_locked_some_days_after_its_end_for_every_entity() -> None:
    # December and January end within these 75 days; February does not.
    schedule = draw(1, SimulatedPeriod(date(2025, 12, 1), 75), ENTITIES)
    found = [(entry.detail["entity"], entry.detail["date"]) for entry in schedule if entry.kind is FaultKind.PERIOD_LOCKED]
    assert {(entity, day) for entity in ENTITIES for day in ("2025-12-31", "2026-01-31")} <= set(found)


def test_an_entry_is_plain_data() -> None:
    entry = ScheduledFault(datetime(2026, 1, 2, tzinfo=UTC), FaultKind.DRAFT_EDITED, None, {"calls": 2})
    assert entry.as_json() == {"at": "2026-01-02T00:00:00+00:00", "kind": "draft_edited", "until": None, "detail": {"calls": 2}}


@pytest.mark.parametrize("days", [0, 401])
def test_a_period_too_short_or_too_long_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="1 to 400 days"):
        SimulatedPeriod(date(2026, 1, 1), days)

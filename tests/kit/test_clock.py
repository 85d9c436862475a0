"""Clocks: one machine's, and the one that several share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from counterfoil.kit.clock import SharedClock

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_a_shared_clock_goes_by_what_it_was_told_halfway_through_the_asking() -> None:
    # Asked at 12:00:00 by the machine's clock, answered at 12:00:04 that it was 11:00:00: it is 11:00:02 by now.
    ticks = [NOON, NOON + timedelta(seconds=4), NOON + timedelta(seconds=4), NOON + timedelta(seconds=14)]
    clock = SharedClock(lambda: ticks.pop(0))
    asked_at = clock.machine()
    clock.set_by(NOON - timedelta(hours=1), asked_at)
    assert clock.now() == NOON - timedelta(hours=1) + timedelta(seconds=2)
    assert clock.now() == NOON - timedelta(hours=1) + timedelta(seconds=12)


def test_a_clock_that_nobody_set_is_the_machine_s() -> None:
    assert SharedClock(lambda: NOON).now() == NOON

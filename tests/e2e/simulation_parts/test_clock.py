"""One clock for all processes: set in one, read in the others, never back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from counterfoil.app.simulation.clock import ReadClock, WrittenClock

START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(minutes=1)
"""More than what passes while a test runs."""


def test_who_reads_the_clock_is_where_it_was_moved_to(tmp_path: Path) -> None:
    written = WrittenClock(START, tmp_path / "clock")
    read = ReadClock(tmp_path / "clock")
    assert START <= read.now() < START + MOMENT
    written.follow(START + timedelta(days=3))
    assert START + timedelta(days=3) <= read.now() < START + timedelta(days=3) + MOMENT


def test_the_clock_goes_on_between_moves_and_never_back(tmp_path: Path) -> None:
    written = WrittenClock(START, tmp_path / "clock")
    read = ReadClock(tmp_path / "clock")
    seen = [read.now()]
    for hours in (5, 1, 7):
        written.follow(START + timedelta(hours=hours))
        seen += [read.now(), read.now()]
    assert seen == sorted(seen)
    assert seen[-1] >= START + timedelta(hours=7)

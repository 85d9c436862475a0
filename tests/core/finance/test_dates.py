"""Accounting dates."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from tests.core.builders import at

from counterfoil.core.finance.dates import accounting_date, first_open_day, moved_memo


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("Europe/Berlin", "2026-03-31 21:59", date(2026, 3, 31)),  # 23:59, daylight saving time since 29 March
        ("Europe/Berlin", "2026-03-31 22:00", date(2026, 4, 1)),
        ("Europe/Berlin", "2026-10-31 22:59", date(2026, 10, 31)),  # 23:59, winter time since 25 October
        ("Europe/Berlin", "2026-10-31 23:00", date(2026, 11, 1)),
        ("Asia/Tokyo", "2026-12-31 15:00", date(2027, 1, 1)),
    ],
)
def test_an_instant_belongs_to_the_day_of_the_entitys_zone(zone: str, instant: str, day: date) -> None:
    assert accounting_date(at(instant), ZoneInfo(zone)) == day


def test_a_naive_instant_has_no_accounting_date() -> None:
    with pytest.raises(ValueError, match="aware"):
        accounting_date(at("2026-03-10 12:00").replace(tzinfo=None), ZoneInfo("UTC"))


def test_the_first_open_day_is_the_one_after_the_last_locked() -> None:
    assert first_open_day(date(2026, 3, 31), date(2026, 3, 31)) == date(2026, 4, 1)
    assert first_open_day(date(2026, 4, 1), date(2026, 3, 31)) == date(2026, 4, 1)
    assert first_open_day(date(2026, 1, 1), None) == date(2026, 1, 1)


def test_a_moved_document_refers_to_its_original_date() -> None:
    assert moved_memo("fee", date(2026, 3, 10)) == "fee (original date 2026-03-10)"

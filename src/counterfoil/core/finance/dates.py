"""Accounting dates: the day of an instant in the entity's zone, and the first open day of a locked one."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo


def accounting_date(instant: datetime, zone: tzinfo) -> date:
    """Return the day of an aware instant in a zone: the entity's own, so that month ends and clock changes are its own, too.

    Raises:
        ValueError: the instant is naive.
    """
    if instant.tzinfo is None:
        raise ValueError(f"instants are aware: {instant!r}")
    return instant.astimezone(zone).date()


def first_open_day(day: date, locked_until: date | None) -> date:
    """Return the day itself, or the day after the last locked one if it lies in the locked period (bounds inclusive)."""
    if locked_until is None or day > locked_until:
        return day
    return locked_until + timedelta(days=1)


def moved_memo(memo: str, original: date) -> str:
    """Return the memo of a document that was moved out of a locked period, with a reference to its original date."""
    note = f"original date {original.isoformat()}"
    return f"{memo} ({note})" if memo else note

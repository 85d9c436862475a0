"""The accounting day of a booking in books whose periods are locked: moved to the first open day, or a problem."""

from __future__ import annotations

from counterfoil.core.commands.books import PostDocument
from counterfoil.core.finance.dates import first_open_day

from . import refusals
from .findings import Findings
from .requests import Booking, booked_on, is_taxed, moved_to
from .rules import EntityRules, LockedPeriodPolicy


def open_booking(entity: EntityRules, key: str, arguments: Booking, findings: Findings) -> Booking | None:
    """Return a booking as it can be booked: as it is, or on the first open day; None, with a problem, where the entity wants it parked."""
    day = booked_on(arguments)
    locked_until = entity.last_locked_day(is_document=isinstance(arguments, PostDocument), is_taxed=is_taxed(arguments))
    open_day = first_open_day(day, locked_until)
    if open_day == day:
        return arguments
    if entity.locked_period_policy is LockedPeriodPolicy.FIRST_OPEN_DAY:
        return moved_to(arguments, open_day)
    findings.problem(refusals.period_locked(key, day, entity, locked_until, arguments.money))
    return None

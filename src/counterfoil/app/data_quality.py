"""How good what is known of customers is: the last count, which way it goes, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from counterfoil.app.database import Database
from counterfoil.core.identity.quality import QualityMeasure
from counterfoil.store import quality
from counterfoil.store.quality import CUSTOMERS, QualityCount

WEEK, MONTH = timedelta(days=7), timedelta(days=30)
_NEAR = timedelta(days=3)
"""A count so much older than the day asked for stands for it: a worker may have stood still."""

NEXT_STEPS: Mapping[QualityMeasure, str] = {
    QualityMeasure.DUPLICATES: "`counterfoil identity matches KEY` shows both and why; answer with `same-as`, `merge` or `not-same-as`.",
    QualityMeasure.MISSING_TAX_IDS: (
        "Ask the customer and enter the number in the system that owns it (`counterfoil why KEY tax_ids` says which); until then what is"
        " sold across a border may have to bear tax."
    ),
    QualityMeasure.WRONG_TAX_IDS: (
        "Compare the number with the customer's invoice or the register (VIES for the Union), and correct it where it is entered"
        " (`counterfoil why KEY tax_ids`)."
    ),
    QualityMeasure.UNLIKE_NAMES: (
        "`counterfoil why KEY name` says who tells which name: correct the wrong one at its source; or, if they are two customers,"
        " `counterfoil identity not-same-as KEY`."
    ),
    QualityMeasure.MIXED_CURRENCIES: (
        "`counterfoil trace KEY` lists the customer's documents with their currencies: correct the customer's currency at its source, or"
        " bill the other currency to a customer of its own."
    ),
}


@dataclass(frozen=True, slots=True)
class QualityLine:
    """One measure of an entity and an owner.

    Attributes:
        count: on the last day that was counted; of: among how many customers of the entity.
        week_ago, month_ago: the same then; None: nothing was counted about that day.
        examples: some of them by key, for `counterfoil trace` and `counterfoil why`.
    """

    measure: QualityMeasure
    entity: str
    owner: str
    count: int
    of: int
    week_ago: int | None
    month_ago: int | None
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The last count. ``day`` None: nothing was counted yet. ``customers``: how many were looked at, of the entity if one was named."""

    day: date | None
    lines: tuple[QualityLine, ...] = ()
    customers: int = 0


async def quality_report(database: Database, *, entity: str = "", owner: str = "") -> QualityReport:
    """Return the last count, of an entity or an owner alone if named; the most first."""
    async with database.pool.connection() as conn:
        days = await quality.counted_days(conn)
        if not days:
            return QualityReport(None)
        today, week, month = days[0], _about(days, days[0] - WEEK), _about(days, days[0] - MONTH)
        told = await quality.counts_of(conn, [day for day in (today, week, month) if day is not None])
    now, a_week, a_month = told.get(today, []), _by_place(told, week), _by_place(told, month)
    base = {one.entity: one.count for one in now if one.measure == CUSTOMERS}
    places = {(one.measure, one.entity, one.owner): one for one in now if one.measure != CUSTOMERS}
    for place in {**(a_week or {}), **(a_month or {})}:  # what is none any more is told with what it was
        places.setdefault(place, QualityCount(*place, 0))
    lines = [
        QualityLine(
            QualityMeasure(one.measure),
            one.entity,
            one.owner,
            one.count,
            base.get(one.entity, 0),
            None if a_week is None else a_week.get(place, 0),
            None if a_month is None else a_month.get(place, 0),
            one.examples,
        )
        for place, one in places.items()
        if (not entity or one.entity == entity) and (not owner or one.owner == owner)
    ]
    order = list(QualityMeasure)
    found = tuple(sorted(lines, key=lambda one: (order.index(one.measure), -one.count, one.entity, one.owner)))
    return QualityReport(today, found, base.get(entity, 0) if entity else sum(base.values()))


def _about(days: Sequence[date], wanted: date) -> date | None:
    """Return the day that was counted on a day, or last before it."""
    return next((day for day in days if wanted - _NEAR <= day <= wanted), None)


def _by_place(told: Mapping[date, Sequence[QualityCount]], day: date | None) -> dict[tuple[str, str, str], int] | None:
    """Return what was counted on a day, by measure, entity and owner; None: nothing was."""
    if day is None:
        return None
    return {(one.measure, one.entity, one.owner): one.count for one in told.get(day, ()) if one.measure != CUSTOMERS}

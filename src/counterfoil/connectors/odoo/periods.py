"""Lock dates: Odoo does not refuse to post into a locked period, it silently moves the date. So they are read, and we decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from counterfoil.connectors.odoo.catalog_read import find_company
from counterfoil.connectors.odoo.detect import Session
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError

_STATE_KEY = "odoo.locks"
_NEVER = date(1, 1, 1)
STALE = "odoo.draft_stale"


@dataclass(frozen=True, slots=True)
class Locks:
    """The last locked day of one company, None: nothing is locked. Bounds inclusive.

    ``everything`` holds for every journal, ``sales`` for customer documents, ``taxed`` for what carries taxes.
    """

    everything: date | None
    sales: date | None
    taxed: date | None
    read_at: datetime

    def last_day(self, *, is_document: bool, is_taxed: bool) -> date | None:
        """Return the last locked day for a kind of posting."""
        wanted = [self.everything, self.sales if is_document else None, self.taxed if is_taxed else None]
        return max((day for day in wanted if day is not None), default=None)

    def refusal(self, day: date, *, is_document: bool, is_taxed: bool) -> RejectedError | None:
        """Return why nothing may be posted on a day, or None if it may."""
        last = self.last_day(is_document=is_document, is_taxed=is_taxed)
        if last is None or day > last:
            return None
        return RejectedError(
            f"accounting date {day} is locked in Odoo up to {last}; post it on a later day or reopen the period",
            code="odoo.period_locked",
            case_class=CaseClass.PERIOD_LOCKED,
        )


def stale(locks: Locks, drafted_on: str, *, is_document: bool, is_taxed: bool) -> RejectedError | None:
    """Return why a draft must not be posted though its wish may: an earlier try dated it, and that day has been locked since.

    Odoo would move it by rules of its own. It is removed, and sending again makes it afresh on the day that is wished now.
    """
    error = locks.refusal(_date(drafted_on), is_document=is_document, is_taxed=is_taxed) if drafted_on else None
    if error is None:
        return None
    cause = f"an earlier try left a draft on {drafted_on}: {error}"
    return RejectedError(cause, code="odoo.draft_stale", case_class=error.case_class)


def locks_of(row: Mapping[str, object], fields: tuple[str, ...], now: datetime) -> Locks:
    """Return the locks from a company's fields; ``0001-01-01`` is Odoo's way to say never."""
    days: dict[str, date] = {}
    for name in fields:
        value = row.get(name)
        day = _date(value) if isinstance(value, str) else _NEVER
        if day > _NEVER:
            group = "taxed" if "_tax_" in f"_{name}" else "sales" if "_sale_" in name else "everything"
            days[group] = max(day, days.get(group, _NEVER))
    return Locks(days.get("everything"), days.get("sales"), days.get("taxed"), now)


def _date(value: str) -> date:
    """Return a date of Odoo's, which prints the first years without leading zeros (``1-01-01``)."""
    year, month, day = value[:10].split("-")
    return date(int(year), int(month), int(day))


async def company_locks(ctx: Context, session: Session, company_id: int) -> Locks:
    """Return a company's locks, read at most ``lock_cache_s`` ago."""
    cache: dict[int, Locks] = ctx.state.setdefault(_STATE_KEY, {})
    known = cache.get(company_id)
    if known is not None and ctx.clock.now() - known.read_at < timedelta(seconds=session.settings.lock_cache_s):
        return known
    cache[company_id] = found = await _read(ctx, session, company_id)
    return found


async def locks_by_entity(ctx: Context, session: Session) -> dict[str, Locks]:
    """Return the last locked days of each configured entity: what deciding must keep clear of, each kind of posting of its own.

    What is read here is trusted from now on, so that deciding and posting never know different locks for long.
    """
    cache: dict[int, Locks] = ctx.state.setdefault(_STATE_KEY, {})
    found: dict[str, Locks] = {}
    for entity in session.settings.companies:
        company = await find_company(session, entity)
        cache[company.id] = found[entity] = await _read(ctx, session, company.id)
    return found


async def _read(ctx: Context, session: Session, company_id: int) -> Locks:
    fields = session.dialect.lock_fields
    rows = await session.client.call(
        "res.company", "read", [company_id], fields=list(fields), load="", context={"allowed_company_ids": [company_id]}
    )
    return locks_of(rows[0] if rows else {}, fields, ctx.clock.now())

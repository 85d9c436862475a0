"""Lock dates: which apply to a journal, what they forbid, and where a posting date moves to."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import Any

from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.store import Row

LABELS = {
    "fiscalyear_lock_date": "Global Lock Date",
    "period_lock_date": "Journals Entries Lock Date",
    "tax_lock_date": "Tax Return Lock Date",
    "sale_lock_date": "Sales Lock Date",
    "purchase_lock_date": "Purchase Lock date",
    "hard_lock_date": "Hard Lock Date",
}


def effective(_env: Env, company: Row, name: str) -> str:
    """Return a lock date as it binds the calling user (``1-01-01`` when there is none); exceptions are not simulated."""
    return str(company[name] or "1-01-01")


def violated(env: Env, company: Row, journal_type: str, day: str, has_tax: bool) -> list[tuple[str, str]]:
    """Return the (date, name) of every lock that covers a day, earliest lock first."""
    names = ["fiscalyear_lock_date"]
    if env.version == 17:
        if not env.has_group("account.group_account_manager"):
            names.append("period_lock_date")
    else:
        names.append("hard_lock_date")
        if journal_type in ("sale", "purchase"):
            names.append(f"{journal_type}_lock_date")
    if has_tax:
        names.append("tax_lock_date")
    return sorted((company[n], n) for n in names if company[n] and day <= company[n])


def refuse(env: Env, company: Row, journal_type: str, day: str, has_tax: bool) -> None:
    """Raise the refusal to touch a posted entry in a locked period."""
    hit = violated(env, company, journal_type, day, has_tax)
    if not hit:
        return
    shown = [f"{LABELS[name]} ({_us(lock)})" for lock, name in hit]
    if env.version == 17:
        raise UserError(f"You cannot add/modify entries prior to and inclusive of the lock date {_us(hit[-1][0])}.")
    raise UserError(f"You cannot add/modify entries prior to and inclusive of: {', '.join(shown)}.")


def _us(day: str) -> str:
    return f"{day[5:7]}/{day[8:10]}/{day[:4]}"


def shifted(env: Env, is_sale: bool, reset: str, day: str, hit: list[tuple[str, str]]) -> str:
    """Return the accounting date of a document whose own date is locked.

    Sale documents go to today (at most the end of the first open period), entries to the end of the first open month, or today within it.
    """
    first_open = date.fromisoformat(hit[-1][0]) + timedelta(days=1) if hit else date.fromisoformat(day)
    today = date.fromisoformat(env.today)
    if is_sale:
        if not hit:
            return day
        if reset == "year":
            return min(today, date(first_open.year, 12, 31)).isoformat()
        return min(today, _month_end(first_open)).isoformat() if reset in ("month", "") else first_open.isoformat()
    if reset in ("month", ""):
        later = (today.year, today.month) > (first_open.year, first_open.month)
        return (_month_end(first_open) if later else max(first_open, today)).isoformat()
    if reset == "year":
        return (date(first_open.year, 12, 31) if today.year > first_open.year else max(first_open, today)).isoformat()
    return first_open.isoformat()


def _month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def check_change(env: Env, company: Row, values: dict[str, Any]) -> None:
    """Refuse taking back a hard lock date."""
    if env.version == 17 or not company["hard_lock_date"] or "hard_lock_date" not in values:
        return
    new = values["hard_lock_date"]
    if not new:
        raise UserError("The Hard Lock Date cannot be removed.")
    if new < company["hard_lock_date"]:
        raise UserError("A new Hard Lock Date must be posterior (or equal) to the previous one.")

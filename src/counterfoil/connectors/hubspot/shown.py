"""What companies and deals show: the properties the hub defines and writes, and a status as their values. PURE.

Definitions: https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide. A value is a text; a number is written with the
decimals of its currency and compared as a number, since HubSpot may write it otherwise; a date is ``2026-03-01``, and compared as
a day; empty is no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from counterfoil.core.commands.crm import Balance, ShowStatus, Standing
from counterfoil.core.language.money import Money, format_money, to_major

PREFIX = "counterfoil_"
"""Every property the hub writes begins so; nobody else's does."""
GROUP: Mapping[str, str] = {"name": "counterfoil", "label": "Billing status (Counterfoil)"}

_LABELS = {
    Standing.CURRENT: "Current",
    Standing.OVERDUE: "Overdue",
    Standing.DISPUTED: "Disputed",
    Standing.WRITTEN_OFF: "Written off",
}


@dataclass(frozen=True, slots=True)
class Property:
    """One property as HubSpot defines it."""

    name: str
    label: str
    type: str
    field_type: str
    description: str

    def definition(self) -> dict[str, Any]:
        """Return what HubSpot is asked to make."""
        found = {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": GROUP["name"],
            "description": self.description,
        }
        if self.type != "enumeration":
            return found
        options = [
            {"label": label, "value": standing.value, "displayOrder": place, "hidden": False}
            for place, (standing, label) in enumerate(_LABELS.items())
        ]
        return {**found, "options": options}


def _property(name: str, label: str, type: str, description: str) -> Property:
    fields = {"enumeration": "select", "number": "number", "date": "date", "datetime": "date", "string": "text"}
    return Property(PREFIX + name, label, type, fields[type], description)


PROPERTIES = (
    _property("standing", "Billing standing", "enumeration", "The worst that holds: written off, disputed, overdue, current."),
    _property("currency", "Billing currency", "string", "Currency of the amounts beside it: that of the last invoice."),
    _property("invoiced", "Invoiced", "number", "Invoices less credit notes, with taxes."),
    _property("paid", "Paid", "number", "Payments less refunds and lost disputes."),
    _property("open", "Open balance", "number", "Still to be paid; what was written off is left out."),
    _property("overdue", "Overdue", "number", "The part of the open balance that is due and not under way."),
    _property("overdue_since", "Overdue since", "date", "The day the oldest overdue invoice became due."),
    _property("last_invoice", "Last invoice", "string", "Number of the newest invoice."),
    _property("last_invoice_on", "Last invoice on", "date", "The day it was issued."),
    _property("last_payment", "Last payment", "string", "Amount of the newest payment, with its currency."),
    _property("last_payment_on", "Last payment on", "date", "The day it was made."),
    _property("dunning_stage", "Dunning stage", "string", "How far the reminding of what is overdue has come."),
    _property("blocked", "Blocked", "string", "What the customer may not have meanwhile: renewals, upgrades, orders, access, support."),
    _property(
        "subscription", "Subscription", "string", "active, trialing, past_due, unpaid, paused or canceled: of several the first of these."
    ),
    _property("renews_on", "Renews on", "date", "The day the next running subscription renews."),
    _property("ends_on", "Ends on", "date", "The day the next running subscription ends for good, as was agreed."),
    _property("other_currencies", "Billing in other currencies", "string", "What there is in currencies beside the first."),
    _property("written_at", "Billing status written at", "datetime", "When any of this was last written: that is done on change only."),
)
WRITTEN_AT = PROPERTIES[-1].name
"""Written with whatever else is, and never compared: no status calls for it."""
BY_NAME: Mapping[str, Property] = {one.name: one for one in PROPERTIES}


def values_of(status: ShowStatus) -> dict[str, str]:
    """Return the value of every property but ``WRITTEN_AT``; empty where there is none."""
    told = {
        "standing": "" if status.standing is None else status.standing.value,
        **_first(status.balances[:1]),
        "last_invoice": status.last_invoice,
        "last_invoice_on": _day(status.last_invoice_on),
        "last_payment": "" if status.last_payment is None else format_money(status.last_payment),
        "last_payment_on": _day(status.last_payment_on),
        "dunning_stage": status.dunning_stage,
        "blocked": ", ".join(status.blocked),
        "subscription": "" if status.subscription is None else status.subscription.value,
        "renews_on": _day(status.renews_on),
        "ends_on": _day(status.ends_on),
        "other_currencies": "; ".join(_words(one) for one in status.balances[1:]),
    }
    return {PREFIX + name: value for name, value in told.items()}


def _first(balances: tuple[Balance, ...]) -> dict[str, str]:
    """Return what stands in properties of its own: the first balance, or empty values."""
    if not balances:
        return dict.fromkeys(("currency", "invoiced", "paid", "open", "overdue", "overdue_since"), "")
    [first] = balances
    amounts = {"invoiced": first.invoiced, "paid": first.paid, "open": first.open, "overdue": first.overdue}
    numbers = {name: _number(money) for name, money in amounts.items()}
    return {"currency": first.currency, **numbers, "overdue_since": _day(first.overdue_since)}


def stamped(changes: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return changes of a record with when they are written; none of none."""
    return {**changes, WRITTEN_AT: now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")} if changes else {}


def differing(wanted: Mapping[str, str], found: Mapping[str, str | None]) -> dict[str, str]:
    """Return the values that are not there as they are wanted."""
    return {name: value for name, value in wanted.items() if not _same(name, value, found.get(name) or "")}


def _same(name: str, wanted: str, found: str) -> bool:
    if wanted == found or not wanted or not found:
        return wanted == found
    try:
        match BY_NAME[name].type:
            case "number":
                return Decimal(wanted) == Decimal(found)
            case "date":
                return wanted == _day_of(found)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    return False


def _day_of(text: str) -> str:
    """Return the day a date property holds: HubSpot keeps it as midnight in UTC, and may tell it as milliseconds or with that time."""
    if text.lstrip("-").isdecimal():
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
    else:
        at = datetime.fromisoformat(text)
    return at.date().isoformat() if at.time() == time.min else text


def _number(money: Money) -> str:
    return format(to_major(money), "f")


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _words(one: Balance) -> str:
    amounts = (("invoiced", one.invoiced), ("paid", one.paid), ("open", one.open), ("overdue", one.overdue))
    since = f" since {one.overdue_since.isoformat()}" if one.overdue_since is not None else ""
    return f"{one.currency}: " + ", ".join(f"{word} {_number(money)}" for word, money in amounts) + since

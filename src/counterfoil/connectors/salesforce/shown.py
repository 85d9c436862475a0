"""What accounts and opportunities show: the fields the hub defines and writes, and a status as their values. PURE.

A value is a text, empty where there is none. A number has two decimals, as its field has: amounts of a currency with more of them (dinars)
are rounded in it, and stand exactly in the text of all currencies. It is compared as a number, since Salesforce writes it otherwise.

Fields: https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/customfield.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

import msgspec

from counterfoil.core.commands.crm import Balance, ShowStatus, Standing
from counterfoil.core.language.money import Money, format_money, to_major

PREFIX, SUFFIX = "Counterfoil_", "__c"
"""Every field the hub writes has this form; nobody else's does."""
DECIMALS = 2
WORDS_MAX = 4_000

STANDINGS: Mapping[str, str] = {
    Standing.CURRENT.value: "Current",
    Standing.OVERDUE.value: "Overdue",
    Standing.DISPUTED.value: "Disputed",
    Standing.WRITTEN_OFF.value: "Written off",
}
"""Values of the picklist, and what people read."""

DESCRIBED = {
    "Picklist": "picklist",
    "Number": "double",
    "Date": "date",
    "DateTime": "datetime",
    "Text": "string",
    "LongTextArea": "textarea",
}
"""What a type is called where fields are described."""
_MORE: Mapping[str, Mapping[str, Any]] = {
    "Picklist": {
        "valueSet": {
            "restricted": True,
            "valueSetDefinition": {
                "sorted": False,
                "value": [{"fullName": value, "label": label, "default": False} for value, label in STANDINGS.items()],
            },
        }
    },
    "Number": {"precision": 18, "scale": DECIMALS},
    "Date": {},
    "DateTime": {},
    "Text": {"length": 255},
    "LongTextArea": {"length": WORDS_MAX, "visibleLines": 3},
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One field as Salesforce defines it."""

    name: str
    label: str
    type: str
    description: str

    def definition(self, object: str) -> dict[str, Any]:
        """Return what the Tooling API is asked to make of a type."""
        given = {"label": self.label, "type": self.type, "description": self.description, "required": False, **_MORE[self.type]}
        return {"FullName": f"{object}.{self.name}", "Metadata": given}


def _shown(name: str, label: str, type: str, description: str) -> Shown:
    return Shown(f"{PREFIX}{name}{SUFFIX}", label, type, description)


FIELDS = (
    _shown("Standing", "Billing standing", "Picklist", "The worst that holds: written off, disputed, overdue, current."),
    _shown("Currency", "Billing currency", "Text", "Currency of the amounts beside it: that of the last invoice."),
    _shown("Invoiced", "Invoiced", "Number", "Invoices less credit notes, with taxes."),
    _shown("Paid", "Paid", "Number", "Payments less refunds and lost disputes."),
    _shown("Open", "Open balance", "Number", "Still to be paid; what was written off is left out."),
    _shown("Overdue", "Overdue", "Number", "The part of the open balance that is due and not under way."),
    _shown("Overdue_Since", "Overdue since", "Date", "The day the oldest overdue invoice became due."),
    _shown("Last_Invoice", "Last invoice", "Text", "Number of the newest invoice."),
    _shown("Last_Invoice_On", "Last invoice on", "Date", "The day it was issued."),
    _shown("Last_Payment", "Last payment", "Text", "Amount of the newest payment, with its currency."),
    _shown("Last_Payment_On", "Last payment on", "Date", "The day it was made."),
    _shown("Dunning_Stage", "Dunning stage", "Text", "How far the reminding of what is overdue has come."),
    _shown("Blocked", "Blocked", "Text", "What the customer may not have meanwhile: renewals, upgrades, orders, access, support."),
    _shown(
        "Subscription", "Subscription", "Text", "active, trialing, past_due, unpaid, paused or canceled: of several the first of these."
    ),
    _shown("Renews_On", "Renews on", "Date", "The day the next running subscription renews."),
    _shown("Ends_On", "Ends on", "Date", "The day the next running subscription ends for good, as was agreed."),
    _shown("Other_Currencies", "Billing in other currencies", "LongTextArea", "What there is in currencies beside the first."),
    _shown("Written_At", "Billing status written at", "DateTime", "When any of this was last written: that is done on change only."),
)
WRITTEN_AT = FIELDS[-1].name
"""Written with whatever else is, and never compared: no status calls for it."""
BY_NAME: Mapping[str, Shown] = {one.name: one for one in FIELDS}
STANDING = FIELDS[0].name


def is_own(name: str) -> bool:
    """Tell whether a field is the hub's own."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)


def values_of(status: ShowStatus) -> dict[str, str]:
    """Return the value of every field but ``WRITTEN_AT``; empty where there is none."""
    told = {
        "Standing": "" if status.standing is None else status.standing.value,
        **_first(status.balances[:1]),
        "Last_Invoice": status.last_invoice[:255],
        "Last_Invoice_On": _day(status.last_invoice_on),
        "Last_Payment": "" if status.last_payment is None else format_money(status.last_payment),
        "Last_Payment_On": _day(status.last_payment_on),
        "Dunning_Stage": status.dunning_stage[:255],
        "Blocked": ", ".join(status.blocked),
        "Subscription": "" if status.subscription is None else status.subscription.value,
        "Renews_On": _day(status.renews_on),
        "Ends_On": _day(status.ends_on),
        "Other_Currencies": "; ".join(_words(one) for one in _in_words(status.balances))[:WORDS_MAX],
    }
    # Salesforce keeps no spaces around a text: what ends with one would be found otherwise than it was written.
    return {f"{PREFIX}{name}{SUFFIX}": value.strip() for name, value in told.items()}


def _first(balances: tuple[Balance, ...]) -> dict[str, str]:
    """Return what stands in fields of its own: the first balance, or empty values."""
    if not balances:
        return dict.fromkeys(("Currency", "Invoiced", "Paid", "Open", "Overdue", "Overdue_Since"), "")
    [first] = balances
    amounts = {"Invoiced": first.invoiced, "Paid": first.paid, "Open": first.open, "Overdue": first.overdue}
    numbers = {
        name: format(to_major(money).quantize(Decimal(1).scaleb(-DECIMALS), ROUND_HALF_EVEN), "f") for name, money in amounts.items()
    }
    return {"Currency": first.currency, **numbers, "Overdue_Since": _day(first.overdue_since)}


def _in_words(balances: tuple[Balance, ...]) -> tuple[Balance, ...]:
    """Return what is told in words: all but the first, and that too if its amounts have more decimals than the fields."""
    is_finer = bool(balances) and to_major(Money(1, balances[0].currency)).as_tuple().exponent < -DECIMALS  # type: ignore[operator]
    return balances if is_finer else balances[1:]


def stamped(changes: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return changes of a record with when they are written; none of none."""
    return {**changes, WRITTEN_AT: now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")} if changes else {}


def differing(wanted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Return the values that are not there as they are wanted."""
    return {name: value for name, value in wanted.items() if not _same(name, value, found.get(name, ""))}


def _same(name: str, wanted: str, found: str) -> bool:
    if wanted == found or not wanted or not found or BY_NAME[name].type != "Number":
        return wanted == found
    try:
        return Decimal(wanted) == Decimal(found)
    except InvalidOperation:
        return False


def as_json(values: Mapping[str, str]) -> dict[str, Any]:
    """Return values as a JSON body has them: a number with its digits, null where there is none."""
    return {
        name: (msgspec.Raw(value.encode()) if BY_NAME[name].type == "Number" else value) if value else None
        for name, value in values.items()
    }


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _words(one: Balance) -> str:
    amounts = (("invoiced", one.invoiced), ("paid", one.paid), ("open", one.open), ("overdue", one.overdue))
    since = f" since {one.overdue_since.isoformat()}" if one.overdue_since is not None else ""
    return f"{one.currency}: " + ", ".join(f"{word} {format(to_major(money), 'f')}" for word, money in amounts) + since

"""The company's sales system beside billing and the books: some customers have a company in it, which must show how they stand.

What it shows is read by its own plain client and compared, company by company, with what Stripe says: sums that happen to agree prove
nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from counterfoil.core.language.money import from_major

from .hubspot_plain import HubspotPlain
from .stripe_plain import StripePlain

SALES = "sales"
"""The name of the connection."""
ID_PROPERTY = "stripe_customer_id"
EVERY = 4
"""Every fourth customer has a company: of each entity some, as they take turns by three."""

FIGURES: Mapping[str, str] = {"invoiced": "Invoiced", "open": "Open balance", "overdue": "Overdue"}
"""What is compared, and its words."""
_OPEN, _BILLED = ("open",), ("open", "paid", "uncollectible")

Amounts = dict[tuple[str, str], int]
"""Minor units by (currency, figure) of one customer; nothing is left out."""


@dataclass(frozen=True, slots=True)
class SalesRow:
    """One figure in one currency over all companies: what billing says, what the sales system shows, and how many companies differ."""

    currency: str
    figure: str
    companies: int
    source_minor: int
    shown_minor: int
    apart: int

    @property
    def difference_minor(self) -> int:
        """What is shown less what is so."""
        return self.shown_minor - self.source_minor

    @property
    def is_equal(self) -> bool:
        """Whether every company shows what is so."""
        return self.difference_minor == 0 and self.apart == 0


def settings_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the connection's settings: it is polled alone."""
    return {
        "connector": "hubspot",
        "portal_id": details["portal_id"],
        "currency": "USD",
        "access_token": details["access_token"],
        "base_url": details["url"],
        "customer_ids": {ID_PROPERTY: "stripe"},
        "requests_per_s": 500.0,
        "searches_per_s": 100.0,
        "deleted_every_s": 0,
        "poll_overlap_s": 1,
    }


async def prepare(sales: HubspotPlain) -> None:
    """Give companies the property that names their customer."""
    await sales.add_property(ID_PROPERTY, "Stripe customer")


async def read_source(api: StripePlain, now: datetime) -> dict[str, Amounts]:
    """Return what an account says of each customer, as of now."""
    found: defaultdict[str, Amounts] = defaultdict(lambda: defaultdict(int))
    voided: set[str] = set()
    async for invoice in api.every("/v1/invoices"):
        currency, figures = invoice["currency"].upper(), found[invoice["customer"]]
        if invoice["status"] == "void":
            voided.add(invoice["id"])
        if invoice["status"] in _BILLED:
            figures[currency, "invoiced"] += invoice["total"]
        if invoice["status"] in _OPEN:
            figures[currency, "open"] += invoice["amount_remaining"]
            is_due = invoice["due_date"] is not None and invoice["due_date"] <= now.timestamp()
            figures[currency, "overdue"] += invoice["amount_remaining"] if is_due else 0
    async for note in api.every("/v1/credit_notes"):
        if note["status"] == "issued" and note["invoice"] not in voided:
            found[note["customer"]][note["currency"].upper(), "invoiced"] -= note["total"]
    return found


async def read_shown(sales: HubspotPlain) -> dict[str, Amounts]:
    """Return what each company shows, by the id of its customer; what is in other currencies has no place here and is taken for wrong."""
    names = {figure: f"counterfoil_{figure}" for figure in FIGURES}
    found: dict[str, Amounts] = {}
    async for values in sales.companies([ID_PROPERTY, "counterfoil_currency", "counterfoil_other_currencies", *names.values()]):
        currency = values["counterfoil_currency"]
        amounts = {(currency, figure): from_major(Decimal(values[name] or 0), currency).minor for figure, name in names.items() if currency}
        found[values[ID_PROPERTY]] = amounts | ({("", "other currencies"): 1} if values["counterfoil_other_currencies"] else {})
    return found


def compare(source: Mapping[str, Amounts], shown: Mapping[str, Amounts]) -> tuple[SalesRow, ...]:
    """Return a row for each currency and figure, over the customers that have a company."""
    keys = {key for amounts in _of(source, shown) for key in amounts} | {key for amounts in shown.values() for key in amounts}
    rows = []
    for currency, figure in sorted(keys, key=lambda key: (key[0], list(FIGURES).index(key[1]) if key[1] in FIGURES else 9)):
        pairs = [
            (source.get(customer, {}).get((currency, figure), 0), amounts.get((currency, figure), 0))
            for customer, amounts in shown.items()
            if (currency, figure) in amounts or (currency, figure) in source.get(customer, {})
        ]
        apart = sum(so != is_shown for so, is_shown in pairs)
        rows.append(SalesRow(currency, figure, len(pairs), sum(so for so, _ in pairs), sum(one for _, one in pairs), apart))
    return tuple(rows)


def _of(source: Mapping[str, Amounts], shown: Mapping[str, Amounts]) -> Iterable[Amounts]:
    return (amounts for customer, amounts in source.items() if customer in shown)


async def prove(sales: HubspotPlain, accounts: Sequence[tuple[str, str]], now: datetime) -> tuple[SalesRow, ...]:
    """Read both sides as they stand and compare them; ``accounts``: address and key of each processor account."""
    source: dict[str, Amounts] = {}
    for url, key in accounts:
        async with StripePlain(url, key) as api:
            source |= await read_source(api, now)
    return compare(source, await read_shown(sales))

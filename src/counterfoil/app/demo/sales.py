"""The company's sales systems beside billing and the books: some customers have a company there, which must show how they stand.

What one shows is read by its own plain client and compared, company by company, with what Stripe says: sums that happen to agree prove
nothing.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from counterfoil.core.language.money import from_major

from .control import SandboxControl
from .stripe_plain import StripePlain

EVERY = 4
"""Every fourth customer has a company: of each entity some, as they take turns by three."""
DOUBLED_EVERY = 3 * EVERY
"""Every third of those has two, until somebody notices and merges them."""

FIGURES: Mapping[str, str] = {"invoiced": "Invoiced", "open": "Open balance", "overdue": "Overdue"}
"""What is compared, and its words."""
_OPEN, _BILLED = ("open",), ("open", "paid", "uncollectible")

Amounts = dict[tuple[str, str], int]
"""Minor units by (currency, figure) of one customer; nothing is left out."""
ShownCompanies = list[tuple[str, Amounts]]
"""What companies show, each with the id of its customer: two companies of one customer are both looked at."""


class CompanySeen(NamedTuple):
    """What a company shows: its customer's id, its name, the currency, each figure as text, and whether there are other currencies."""

    customer: str
    name: str
    currency: str
    figures: Mapping[str, str]
    has_more: bool


@dataclass(frozen=True, slots=True)
class SalesFault:
    """One kind of fault that strikes a sales system: see the control interface of sandboxes."""

    kind: str
    requests: str
    more: Mapping[str, Any] = field(default_factory=dict)


class SalesSystem(ABC):
    """One sales system of the company, as those who sell use it and as its own plain client reads it.

    ``word``: its name. ``connection``: the hub's. ``rate``: how often each of ``faults`` strikes; such calls are few. ``hub_calls``: what
    of its interface the hub alone uses, so that it can be cut off; empty: it cannot be. ``companies``: (id, name) of all, as they were
    made; ``buyers``: of each the customer and the account he is of; ``named``: what each is called by now, by either of two who named it at
    once; ``doubled``: pairs that are one company.
    """

    word: str
    connection: str
    rate: float = 0.03
    faults: Sequence[SalesFault] = ()
    hub_calls: str = ""

    def __init__(self, details: Mapping[str, Any]) -> None:
        self.details = details
        self.control = SandboxControl(details["url"])
        self.companies: dict[str, str] = {}
        self.buyers: dict[str, tuple[str, str]] = {}
        self.named: dict[str, frozenset[str]] = {}
        self.doubled: list[tuple[str, str]] = []

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The connection's settings: it is polled alone."""

    @abstractmethod
    async def open(self, stack: AsyncExitStack) -> None:
        """Open its clients, and give companies a field that names their customer."""

    @abstractmethod
    async def add(self, name: str, customer: str) -> str:
        """Make a company of a customer and return its id."""

    @abstractmethod
    async def rename(self, company: str, name: str) -> None:
        """Give a company another name."""

    @abstractmethod
    async def merge(self, winner: str, loser: str) -> str:
        """Merge a company into another and return the id of what is left."""

    @abstractmethod
    def rows(self) -> AsyncIterator[CompanySeen]:
        """Yield what every company shows."""

    async def sign(self, name: str, customer: str, account: str = "", *, is_twice: bool) -> None:
        """Note a new customer of an account; ``is_twice``: two people do."""
        made = []
        for called in (name, f"{name} (2)") if is_twice else (name,):
            company = await self.add(called, customer)
            self.companies[company], self.named[company] = called, frozenset({called})
            self.buyers[company] = customer, account
            made.append(company)
        if is_twice:
            self.doubled.append((made[0], made[1]))

    async def name(self, company: str, *names: str) -> None:
        """Have people give a company a name, each another one in the same moment."""
        self.named[company] = frozenset(names)
        await asyncio.gather(*(self.rename(company, name) for name in names))

    def names_of(self, customer: str) -> set[str]:
        """Return what a customer's companies may be called by now."""
        return {name for company, (buyer, _) in self.buyers.items() if buyer == customer for name in self.named[company]}

    async def merge_doubled(self) -> None:
        """Make one company of each that was made twice; the older one and the younger one take turns in being kept."""
        while self.doubled:
            first, second = self.doubled.pop()
            winner, loser = (first, second) if len(self.companies) % 2 else (second, first)
            left = await self.merge(winner, loser)
            kept = self.companies.pop(winner), self.named.pop(winner), self.buyers.pop(winner)
            del self.companies[loser], self.named[loser], self.buyers[loser]
            self.companies[left], self.named[left], self.buyers[left] = kept

    async def show(self, instant: datetime) -> None:
        """Have its clock show an instant."""
        await self.control.call("POST", "/clock", show=instant.isoformat())

    async def spoil(self) -> None:
        """Have faults strike from now on."""
        for fault in self.faults:
            await self.control.arm(fault.kind, fault.requests, self.rate, **fault.more)

    async def cut_off(self) -> None:
        """Have every call of the hub refused from now on."""
        await self.control.arm("status", self.hub_calls, 1.0, status=503)

    async def let_in(self) -> None:
        """Let the hub in again, and have the same faults strike as before."""
        await self.control.disarm()
        await self.spoil()


@dataclass(frozen=True, slots=True)
class SalesRow:
    """One figure in one currency over a system's companies: what billing says, what is shown, and how many companies differ."""

    system: str
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


async def read_shown(system: SalesSystem) -> ShownCompanies:
    """Return what each company shows; what is in other currencies has no place here and is taken for wrong, as is a name that none of those
    who sell gave it last.
    """
    found: ShownCompanies = []
    async for row in system.rows():
        currency = row.currency
        amounts = {(currency, figure): from_major(Decimal(row.figures[figure] or 0), currency).minor for figure in FIGURES if currency}
        wrong = {"other currencies": row.has_more, "another's name": row.name not in system.names_of(row.customer)}
        found.append((row.customer, amounts | {("", what): 1 for what, is_so in wrong.items() if is_so}))
    return found


def compare(word: str, source: Mapping[str, Amounts], shown: Sequence[tuple[str, Amounts]]) -> tuple[SalesRow, ...]:
    """Return a row for each currency and figure, over the customers that have a company in the system of that name."""
    keys = {key for amounts in _of(source, shown) for key in amounts} | {key for _, amounts in shown for key in amounts}
    rows = []
    for currency, figure in sorted(keys, key=lambda key: (key[0], list(FIGURES).index(key[1]) if key[1] in FIGURES else 9)):
        pairs = [
            (source.get(customer, {}).get((currency, figure), 0), amounts.get((currency, figure), 0))
            for customer, amounts in shown
            if (currency, figure) in amounts or (currency, figure) in source.get(customer, {})
        ]
        apart = sum(so != is_shown for so, is_shown in pairs)
        rows.append(SalesRow(word, currency, figure, len(pairs), sum(so for so, _ in pairs), sum(one for _, one in pairs), apart))
    return tuple(rows)


def _of(source: Mapping[str, Amounts], shown: Sequence[tuple[str, Amounts]]) -> Iterable[Amounts]:
    return (source[customer] for customer, _ in shown if customer in source)


async def prove(systems: Sequence[SalesSystem], accounts: Sequence[tuple[str, str]], now: datetime) -> tuple[SalesRow, ...]:
    """Read both sides as they stand and compare them; ``accounts``: address and key of each processor account."""
    source: dict[str, Amounts] = {}
    for url, key in accounts:
        async with StripePlain(url, key) as api:
            source |= await read_source(api, now)
    return tuple([row for system in systems for row in compare(system.word, source, await read_shown(system))])

"""Summary posting: facts become items, a closed day becomes one entry per entity and currency (domain: summary posting)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from counterfoil.core.canonical.commands import Account, Arguments, CommandKind, EntryLine, PostEntry
from counterfoil.core.canonical.ids import digest
from counterfoil.core.canonical.money import Money

from .invariants import InvariantError, check_balanced
from .postings import postings_of


@dataclass(frozen=True, slots=True)
class SummaryItem:
    """What one document adds to one line of a daily entry: debit > 0, credit < 0.

    ``document_id`` names the document in the hub (its external key); ``tax`` the target's tax of a tax or revenue line.
    """

    entity: str
    day: date
    currency: str
    product_group: str
    tax: str
    account: Account
    amount: Money
    document_id: str

    @property
    def key(self) -> str:
        """Identity of the item: one document adds to one line once, however often it is decided."""
        return digest(self.entity, self.document_id, str(self.account), self.currency, self.product_group, self.tax)


def items_of(entity: str, document_id: str, day: date, kind: CommandKind, arguments: Arguments) -> tuple[SummaryItem, ...]:
    """Return what one booking adds to its day's entries, one item per account, product group, tax and currency; zeros are left out."""
    sums: defaultdict[tuple[Account, str, str, str], int] = defaultdict(int)
    for posting in postings_of(kind, arguments):
        sums[posting.account, posting.product_group, posting.tax, posting.amount.currency] += posting.amount.minor
    return tuple(
        SummaryItem(entity, day, currency, group, tax, account, Money(minor, currency), document_id)
        for (account, group, tax, currency), minor in sums.items()
        if minor
    )


Day = tuple[str, date, str]
"""Entity, day and currency: what one daily entry is made for."""


@dataclass(frozen=True, slots=True)
class DayEntry:
    """A closed day of one entity and currency: number 1, and 2, 3... for items that came later.

    ``entry`` is None if everything cancels out. ``documents`` are the documents in it, by external key; ``item_keys`` the items.
    """

    entity: str
    day: date
    currency: str
    number: int
    entry: PostEntry | None
    documents: tuple[str, ...]
    item_keys: tuple[str, ...]

    @property
    def id(self) -> str:
        """The entry's canonical id, e.g. ``DE:2026-01-31.EUR.1``."""
        return f"{self.entity}:{self.day.isoformat()}.{self.currency}.{self.number}"


def by_day(items: Iterable[SummaryItem]) -> dict[Day, tuple[SummaryItem, ...]]:
    """Return items by entity, day and currency, each once, in a fixed order."""
    unique = {item.key: item for item in items}
    days: defaultdict[Day, list[SummaryItem]] = defaultdict(list)
    for _, item in sorted(unique.items()):
        days[item.entity, item.day, item.currency].append(item)
    return {day: tuple(found) for day, found in sorted(days.items())}


def close_day(day: Day, items: Iterable[SummaryItem], number: int = 1) -> DayEntry:
    """Return the entry of a day: one line per account, product group and tax, over all documents.

    Give it the items that are in no entry of that day yet, and the number after the last one (1 for the first): late items make a
    supplementary entry, never a change of the first. The order of the items does not matter.

    Raises:
        InvariantError: an item is of another day, or the items do not balance.
    """
    entity, on, currency = day
    unique = {item.key: item for item in items}
    sums: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    accounts: dict[str, Account] = {}
    for item in unique.values():
        if (item.entity, item.day, item.currency) != day:
            raise InvariantError(f"{item.document_id} is of {item.entity}, {item.day}, {item.currency}, not of {day}")
        accounts[str(item.account)] = item.account
        sums[str(item.account), item.product_group, item.tax] += item.amount.minor
    lines = tuple(
        EntryLine(accounts[account], Money(minor, currency), " ".join(part for part in (group, tax) if part))
        for (account, group, tax), minor in sorted(sums.items())
        if minor
    )
    if lines:
        check_balanced(lines)
    memo = f"summary {entity} {on.isoformat()} {currency}" + (f", supplement {number}" if number > 1 else "")
    documents = tuple(sorted({item.document_id for item in unique.values()}))
    return DayEntry(entity, on, currency, number, PostEntry(on, lines, memo) if lines else None, documents, tuple(sorted(unique)))

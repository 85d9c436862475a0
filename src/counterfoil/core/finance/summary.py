"""Summary posting: facts become items, a closed day becomes one entry per entity and currency (domain: summary posting)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from counterfoil.core.commands.books import Account, AccountRole, DocumentLine, DocumentTax, EntryLine, PostDocument, PostEntry
from counterfoil.core.language.commands import Arguments, CommandKind
from counterfoil.core.language.ids import digest
from counterfoil.core.language.money import Money, total

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


@dataclass(frozen=True, slots=True)
class SummaryDocument:
    """What is kept of a document besides its items: ``content``, a digest of what the source said, and how its lines were booked.

    ``booked`` is an invoice or credit note without anything that names or describes: accounts, taxes and amounts; None for all else.
    """

    document_id: str
    content: str = ""
    booked: PostDocument | None = None


def bare(document: PostDocument) -> PostDocument:
    """Return a document without customer, number and words: how much of it is on which account, under which tax."""
    lines = tuple(DocumentLine("", line.amount, line.account, Decimal(1), line.taxes) for line in document.lines)
    return replace(document, customer_id="", number="", reverses="", memo="", lines=lines)


def document_of(items: Sequence[SummaryItem], *, is_credit_note: bool) -> PostDocument:
    """Return an invoice or credit note that books exactly these items, all of one document: it was summed up before lines were kept.

    A line for each account and tax; the whole of a tax is on the first line that names it.
    """
    currency, day = items[0].currency, items[0].day
    owed = total((item.amount for item in items if item.account.role is AccountRole.RECEIVABLE), currency)
    sign = 1 if owed.minor < 0 or (is_credit_note and not owed) else -1
    taxes = {item.tax: Money(sign * item.amount.minor, currency) for item in items if item.account.role is AccountRole.TAX}
    lines: list[DocumentLine] = []
    for item in items:
        if item.account.role in (AccountRole.RECEIVABLE, AccountRole.TAX):
            continue
        amount = Money(sign * item.amount.minor, currency)
        names = [name for name in item.tax.split("+") if name]
        named = tuple(DocumentTax(name, taxes.pop(name, Money(0, currency)), amount, is_inclusive=False) for name in names)
        lines.append(DocumentLine("", amount, item.account, Decimal(1), named))
    lines += [
        DocumentLine(
            "", Money(0, currency), Account(AccountRole.REVENUE), Decimal(1), (DocumentTax(name, left, Money(0, currency), False),)
        )
        for name, left in taxes.items()
    ]
    tax = total((tax.amount for line in lines for tax in line.taxes), currency)
    return PostDocument("", currency, day, day, day, abs(owed), tax, tuple(lines))


SummaryDay = tuple[str, date, str]
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


def by_day(items: Iterable[SummaryItem]) -> dict[SummaryDay, tuple[SummaryItem, ...]]:
    """Return items by entity, day and currency, each once, in a fixed order."""
    unique = {item.key: item for item in items}
    days: defaultdict[SummaryDay, list[SummaryItem]] = defaultdict(list)
    for _, item in sorted(unique.items()):
        days[item.entity, item.day, item.currency].append(item)
    return {day: tuple(found) for day, found in sorted(days.items())}


def close_day(day: SummaryDay, items: Iterable[SummaryItem], number: int = 1) -> DayEntry:
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

"""What a proof is made of: each side's amounts by kind and document, joined one by one, and what differs.

Everything is held once, by kind, currency and document; what both sides say alike is dropped as soon as it is known to be complete.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from enum import StrEnum

from counterfoil.core.language.money import Money

from .totals import TotalKind

STOCKS = frozenset(
    {
        TotalKind.OPEN_INVOICE,
        TotalKind.CUSTOMER_CREDIT,
        TotalKind.WRITE_OFF,
        TotalKind.DISPUTED_FUNDS,
        TotalKind.CLEARING,
        TotalKind.PENDING,
    }
)
"""Kinds that are not of a period: they are what stands now, on both sides."""


BALANCE = "balance"
"""What a source's balance is called as a document."""
OPEN_DISPUTES = "open disputes"
"""What the funds of all open disputes are called as a document."""
RECENT = "recent"
"""Stands among what explains an item that happened after its source was last read to its end: nobody can have booked it yet."""


@dataclass(frozen=True, slots=True)
class AccountingPeriod:
    """An accounting month of an entity: from its first day to the day before ``after``, in the entity's zone."""

    first: date
    after: date
    zone: tzinfo

    def has(self, day: date | None) -> bool:
        """Tell whether a day lies in it; what has no day is of now, and so of every period."""
        return day is None or self.first <= day < self.after

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"


def month(text: str, zone: tzinfo) -> AccountingPeriod:
    """Return the month written as ``2026-10``.

    Raises:
        ValueError: it is no month.
    """
    first = date.fromisoformat(f"{text}-01")
    return AccountingPeriod(first, date(first.year + first.month // 12, first.month % 12 + 1, 1), zone)


@dataclass(frozen=True, slots=True)
class ProofItem:
    """One amount of one document, as one side has it.

    Attributes:
        id: of the source's document (``in_1``); in the books as far as our external key names it, empty if it names none.
        on: accounting date; None for what stands now.
        name: what people call it there.
        of: ids of the source whose unfinished work explains it (the charge behind a fee).
        happened_at: when it came about at the source; None for what stands now.
        also: as what else the source may tell of it: of money that people booked where no journal says through whom it came.
    """

    kind: TotalKind
    currency: str
    minor: int
    id: str
    on: date | None = None
    name: str = ""
    of: tuple[str, ...] = ()
    happened_at: datetime | None = None
    also: tuple[TotalKind, ...] = ()


class Why(StrEnum):
    """How a document stands apart."""

    MISSING = "missing in the books"
    UNKNOWN = "not at the source"
    AMOUNT = "amounts differ"
    DATED = "booked in another month"
    IN_FLIGHT = "on its way"


@dataclass(frozen=True, slots=True)
class Apart:
    """One document on which the sides do not agree, or not in this period. ``is_difference`` False: it is explained.

    ``of``: what else it is of at the source, as the item says.
    """

    kind: TotalKind
    currency: str
    id: str
    source_minor: int
    books_minor: int
    why: Why
    source_name: str = ""
    books_name: str = ""
    booked_on: date | None = None
    of: tuple[str, ...] = ()

    @property
    def is_difference(self) -> bool:
        """Whether it is wrong, and not only late or dated otherwise."""
        return self.why not in (Why.DATED, Why.IN_FLIGHT)

    @property
    def difference(self) -> Money:
        """Books less source."""
        return Money(self.books_minor - self.source_minor, self.currency)


@dataclass(frozen=True, slots=True)
class ProofLine:
    """The sums of a kind in a currency, the documents that make them up, and what of the difference is explained."""

    kind: TotalKind
    currency: str
    source_minor: int
    books_minor: int
    count_source: int
    count_books: int
    apart_minor: int = 0

    @property
    def difference_minor(self) -> int:
        """Books less source, less what is explained; zero is right."""
        if self.kind is TotalKind.PENDING:
            return 0
        return self.books_minor - self.source_minor - self.apart_minor


@dataclass(slots=True)
class _Entry:
    """A document's amounts within the period and out of it, on both sides."""

    source: int = 0
    books: int = 0
    source_out: int = 0
    books_out: int = 0
    has_source: bool = False
    has_books: bool = False
    on: date | None = None
    source_name: str = ""
    books_name: str = ""
    of: tuple[str, ...] = ()


DocumentKey = tuple[TotalKind, str, str]


@dataclass(slots=True)
class Ledger:
    """Both sides joined. Add the whole source first, then the books."""

    period: AccountingPeriod
    entries: dict[DocumentKey, _Entry] = field(default_factory=dict)
    _lines: dict[tuple[TotalKind, str], list[int]] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def add_source(self, item: ProofItem) -> None:
        """Add an amount the source has."""
        key = (item.kind, item.currency, item.id)
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = _Entry(source_name=item.name, of=item.of)
        if self.period.has(item.on):
            self._count(item, 0, is_first=not entry.has_source)
            entry.source += item.minor
            entry.has_source = True
        else:
            entry.source_out += item.minor

    def add_books(self, item: ProofItem) -> None:
        """Add an amount the books have."""
        key = self._key_of(item)
        item = replace(item, kind=key[0])
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = _Entry()
        entry.books_name = entry.books_name or item.name
        if self.period.has(item.on):
            self._count(item, 1, is_first=not entry.has_books)
            entry.books += item.minor
            entry.has_books = True
        else:
            entry.books_out += item.minor
        entry.on = item.on if entry.on is None else entry.on

    def _count(self, item: ProofItem, side: int, *, is_first: bool) -> None:
        sums = self._lines.setdefault((item.kind, item.currency), [0, 0, 0, 0])
        sums[side] += item.minor
        sums[2 + side] += 1 if is_first else 0

    def _key_of(self, item: ProofItem) -> DocumentKey:
        """Return the key under which the source knows the document: our key may say more than the source's id."""
        for kind in (item.kind, *item.also):
            for id in spellings(item.id):
                key = (kind, item.currency, id)
                if key in self.entries:
                    return key
        return (item.kind, item.currency, item.id or item.name)

    def apart(self, in_flight: Collection[str] = ()) -> Iterator[Apart]:
        """Yield the documents on which the sides do not agree. ``in_flight``: ids of the source that are not done yet."""
        for (kind, currency, id), entry in self.entries.items():
            if entry.source == entry.books or kind is TotalKind.PENDING:
                continue
            why = _why(kind, entry, is_in_flight=id in in_flight or any(one in in_flight for one in entry.of))
            yield Apart(kind, currency, id, entry.source, entry.books, why, entry.source_name, entry.books_name, entry.on, entry.of)

    def lines(self, apart: Iterable[Apart]) -> tuple[ProofLine, ...]:
        """Return the sums, in a fixed order."""
        explained: dict[tuple[TotalKind, str], int] = {}
        for one in apart:
            if not one.is_difference:
                explained[one.kind, one.currency] = explained.get((one.kind, one.currency), 0) + one.difference.minor
        order = {kind: position for position, kind in enumerate(TotalKind)}
        keys = sorted(self._lines, key=lambda key: (key[1], order[key[0]]))
        return tuple(
            ProofLine(kind, currency, source, books, count_source, count_books, explained.get((kind, currency), 0))
            for kind, currency in keys
            for source, books, count_source, count_books in [self._lines[kind, currency]]
        )


def spellings(id: str) -> Iterator[str]:
    """Yield an id as an external key spells it and what may be the source's within it: ``oob_in_1`` is ``in_1``, ``in_1.2`` is ``in_1``."""
    for text in (id, id.partition(".")[0]):
        yield text
        rest = text
        while "_" in rest:
            rest = rest.partition("_")[2]
            yield rest


def _why(kind: TotalKind, entry: _Entry, *, is_in_flight: bool) -> Why:
    is_whole = entry.source + entry.source_out == entry.books + entry.books_out
    if is_whole and kind not in STOCKS and (entry.source_out or entry.books_out):
        return Why.DATED
    if is_in_flight:
        return Why.IN_FLIGHT
    if not entry.books:
        return Why.MISSING
    return Why.UNKNOWN if not entry.source else Why.AMOUNT

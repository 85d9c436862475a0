"""Adopting documents: which invoices, credit notes and payments of before are those the hub would post, by number and to the cent. Pure.

A document is certain by a number both bear, and only if customer, amount, currency and day are the same and nothing else fits. What differs
is said; of another amount or currency it is never bound: the books would not say what the source says.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from counterfoil.core.identity.adoption import LinkVerdict
from counterfoil.core.language.money import Money

NEAR = timedelta(days=31)
"""How far apart the days of two documents may be that have the same amount and customer and no number in common, to be shown to people."""
_NUMBER_MIN = 4
"""Signs of a number that tells anything; a shorter one is in too many texts."""
_SHOWN_MAX = 10
_SIGNS = re.compile(r"[^0-9A-Z]")


@dataclass(frozen=True, slots=True)
class ExistingDocument:
    """A posted document or payment a target holds, whoever made it.

    Attributes:
        external_id: the target's own id, as outcomes name it.
        kind: what it is a counterpart of: the name of a kind of object.
        name: what people call it.
        entity: the legal entity in whose books it is.
        customer: the external id of the record it is billed to, or was paid by.
        total: of a document what it says, of a payment what was paid; positive.
        days: its accounting day, and its own where that is another.
        references: all texts that may hold the source's number or id.
        keys: the external keys of ours it bears.
        open: what of it is not matched.
    """

    external_id: str
    kind: str
    name: str
    entity: str
    customer: str
    total: Money
    days: tuple[date, ...]
    references: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    open: Money | None = None


@dataclass(frozen=True, slots=True)
class WishedDocument:
    """A document or payment the hub would post: of which object, under which external key, for which record of a customer.

    ``customer``: empty while nobody knows which record it will be. ``numbers``: by which the source knows it.
    """

    kind: str
    id: str
    key: str
    entity: str
    customer: str
    total: Money
    days: tuple[date, ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentLink:
    """A wished document and an existing one it is, or may be; None: none is like it."""

    of: WishedDocument
    verdict: LinkVerdict
    record: ExistingDocument | None = None
    reasons: tuple[str, ...] = ()
    barred: str = ""


def document_links(wished: Sequence[WishedDocument], existing: Iterable[ExistingDocument]) -> list[DocumentLink]:
    """Return for each wished document the one it is, those it may be, or that there is none; in the order of the wished."""
    documents = list(existing)
    named = {key: one for one in documents for key in one.keys}
    shelf = _Shelf.of([one for one in documents if not one.keys])
    found = {one.key: [named[one.key]] if one.key in named else shelf.like(one) for one in wished}
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for one in wished:
        for record in found[one.key]:
            wanted[record.external_id].append(f"{one.kind}/{one.id}")
    links: list[DocumentLink] = []
    for one in wished:
        links += [_link(one, record, found[one.key], wanted[record.external_id]) for record in found[one.key][:_SHOWN_MAX]] or [
            DocumentLink(one, LinkVerdict.MISSING)
        ]
    return links


def barred_by(one: WishedDocument, record: ExistingDocument) -> str:
    """Return why an existing document cannot be a wished one whatever anybody says; empty: it can."""
    if one.kind != record.kind:
        return f"it is a {record.kind}"
    if one.entity != record.entity:
        return f"it is in the books of {record.entity}, and not of {one.entity}"
    if one.total.currency != record.total.currency:
        return f"the currencies differ: {one.total} at the source, {record.total} in the books"
    if one.total != record.total:
        return f"the amounts differ: {one.total} at the source, {record.total} in the books"
    if one.customer and one.customer != record.customer:
        return f"it is of {record.customer or 'nobody'}, and the customer is {one.customer}"
    return ""


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Existing documents by what they may be found by."""

    by_number: Mapping[str, Sequence[ExistingDocument]]
    by_money: Mapping[tuple[str, str, str, Money], Sequence[ExistingDocument]]

    @classmethod
    def of(cls, documents: Sequence[ExistingDocument]) -> _Shelf:
        """Return documents by each of their numbers, and by whose they are and what they come to."""
        by_number: defaultdict[str, list[ExistingDocument]] = defaultdict(list)
        by_money: defaultdict[tuple[str, str, str, Money], list[ExistingDocument]] = defaultdict(list)
        for one in documents:
            for number in {number for text in (one.name, *one.references) for number in _numbers(text)}:
                by_number[number].append(one)
            by_money[one.kind, one.entity, one.customer, one.total].append(one)
        return cls(by_number, by_money)

    def like(self, one: WishedDocument) -> list[ExistingDocument]:
        """Return those with a number of it; else those of its customer with its amount, of about its day."""
        numbers = dict.fromkeys(number for text in one.numbers for number in _numbers(text, is_whole=True))
        found = {record.external_id: record for number in numbers for record in self.by_number.get(number, ()) if record.kind == one.kind}
        if not found and one.customer:
            same = self.by_money.get((one.kind, one.entity, one.customer, one.total), ())
            found = {record.external_id: record for record in same if _days_apart(one, record) <= NEAR}
        return list(found.values())


def _link(one: WishedDocument, record: ExistingDocument, records: Sequence[ExistingDocument], wished: Sequence[str]) -> DocumentLink:
    """Return what one of the documents that are like a wished one is to it; ``wished``: all that are like that document."""
    if one.key in record.keys:
        return DocumentLink(one, LinkVerdict.CERTAIN, record, ("it bears the key already",))
    barred = barred_by(one, record)
    against = [barred] if barred else []
    against += _differences(one, record)
    if len(records) > 1:
        against.append(f"{', '.join(sorted(other.external_id for other in records))} are all like it")
    if len(wished) > 1:
        against.append(f"{', '.join(sorted(wished))} are all like {record.external_id}")
    common = sorted(_shared(one, record))
    reasons = [*against, f"the number is the same: {', '.join(common)}" if common else "customer and amount are the same"]
    return DocumentLink(one, LinkVerdict.DOUBTFUL if against else LinkVerdict.CERTAIN, record, tuple(reasons), barred)


def _differences(one: WishedDocument, record: ExistingDocument) -> Iterator[str]:
    if not _shared(one, record):
        yield "no number is in common"
    if not one.customer:
        yield "its customer is not bound yet"
    if not set(one.days) & set(record.days):
        yield f"the days differ: {_shown(one.days)} at the source, {_shown(record.days)} in the books"


def _shared(one: WishedDocument, record: ExistingDocument) -> set[str]:
    mine = {number for text in one.numbers for number in _numbers(text, is_whole=True)}
    return mine & {number for text in (record.name, *record.references) for number in _numbers(text)}


def _numbers(text: str, *, is_whole: bool = False) -> set[str]:
    """Return the numbers in a text, each without signs between: all of it, and of what people wrote each word of it."""
    words = [text] if is_whole else [text, *re.split(r"[\s,;:]+", text)]
    return {number for word in words if len(number := _SIGNS.sub("", word.upper())) >= _NUMBER_MIN and any(map(str.isdigit, number))}


def _days_apart(one: WishedDocument, record: ExistingDocument) -> timedelta:
    return min((abs(mine - theirs) for mine in one.days for theirs in record.days), default=timedelta.max)


def _shown(days: Iterable[date]) -> str:
    return " or ".join(day.isoformat() for day in sorted(set(days)))

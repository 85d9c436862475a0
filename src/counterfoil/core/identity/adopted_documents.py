"""Adopting documents: which invoices, credit notes and payments of before are those the hub would post, by number and to the cent. Pure.

A document is certain by a number both bear, and only if customer, amount, currency and day are the same and nothing else fits. What differs
is said; of another amount or currency it is never bound: the books would not say what the source says. What can never be bound is no rival.

People write on a payment or a credit note what *their* books call the invoice it is of, and no source knows that number. So invoices are
found first, and what the books call them is a number of all that pays or credits them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from counterfoil.core.identity.adoption import LinkVerdict
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.money import Money

NEAR = timedelta(days=31)
"""How far apart the days of two documents may be that have the same amount and customer and no number in common, to be shown to people."""
_NUMBER_MIN = 4
"""Signs of a number that tells anything; a shorter one is in too many texts."""
_SHOWN_MAX = 10
_SIGNS = re.compile(r"[^0-9A-Z]")


@dataclass(frozen=True, slots=True)
class ExistingDocument:
    """A document or payment a target holds, whoever made it.

    Attributes:
        external_id: the target's own id, as outcomes name it.
        kind: what it is a counterpart of: the name of a kind of object.
        name: what people call it.
        entity: the legal entity in whose books it is.
        customer: the external id of the record it is billed to, or was paid by.
        contact: the external id of the record it names, where that is another: a contact of ``customer``, such as a person of a company.
        total: of a document what it says, of a payment what was paid; positive.
        days: its accounting day, and its own where that is another.
        references: all texts that may hold the source's number or id.
        keys: the external keys of ours it bears.
        open: what of it is not matched.
        is_reversed: it is settled by what took it back, and by no money: the books say that nobody owes it.
        is_draft: it is entered and not posted: in no books yet, and so nothing can be bound to it.
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
    contact: str = ""
    is_reversed: bool = False
    is_draft: bool = False

    @property
    def whose(self) -> tuple[str, ...]:
        """Whose it is: the external ids of the records it may be bound for."""
        return tuple(dict.fromkeys(one for one in (self.customer, self.contact) if one))


@dataclass(frozen=True, slots=True)
class WishedDocument:
    """A document or payment the hub would post: of which object, under which external key, for which record of a customer.

    ``customer``: empty while nobody knows which record it will be. ``numbers``: by which the source knows it. ``bills``: the external keys
    of the invoices it pays or credits. ``open``: what the source says is to be paid of it; None: it is nothing that is paid.
    """

    kind: str
    id: str
    key: str
    entity: str
    customer: str
    total: Money
    days: tuple[date, ...]
    numbers: tuple[str, ...]
    bills: tuple[str, ...] = ()
    open: Money | None = None


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
    credited = frozenset(bill for one in wished if one.kind == CREDIT_NOTE.name for bill in one.bills)
    invoices = _found([_Sought(one, is_credited=one.key in credited) for one in wished if one.kind == INVOICE.name], shelf, named)
    certain = {link.of.key: link.record for some in invoices.values() for link in some if link.verdict is LinkVerdict.CERTAIN}
    bills = {key: record for key, record in (named | certain).items() if record is not None}
    rest = [_Sought(one, _names_of(one, bills)) for one in wished if one.kind != INVOICE.name]
    found = invoices | _found(rest, shelf, named)
    return [link for one in wished for link in found[one.key]]


def barred_by(one: WishedDocument, record: ExistingDocument) -> str:
    """Return why an existing document cannot be a wished one whatever anybody says; empty: it can."""
    if one.kind != record.kind:
        return f"it is a {record.kind}"
    if record.is_draft:
        return "it is a draft: post it and plan again, or delete it"
    if one.entity != record.entity:
        return f"it is in the books of {record.entity}, and not of {one.entity}"
    if one.total.currency != record.total.currency:
        return f"the currencies differ: {one.total} at the source, {record.total} in the books"
    if one.total != record.total:
        return f"the amounts differ: {one.total} at the source, {record.total} in the books"
    if one.customer and one.customer not in record.whose:
        return f"it is of {' or '.join(record.whose) or 'nobody'}, and the customer is {one.customer}"
    return ""


@dataclass(frozen=True, slots=True)
class _Sought:
    """A wished document with what it is looked for by.

    ``names``: what the books call the invoices it is of. ``is_credited``: a credit note that the source issued takes of it.
    """

    wish: WishedDocument
    names: tuple[str, ...] = ()
    is_credited: bool = False

    def numbers(self) -> dict[str, None]:
        """Return its numbers, in a fixed order."""
        return dict.fromkeys(number for text in (*self.wish.numbers, *self.names) for number in _numbers(text, is_whole=True))


def _names_of(one: WishedDocument, bills: Mapping[str, ExistingDocument]) -> tuple[str, ...]:
    """Return what the books call the invoices a document pays or credits: their name, and what stands on them for who pays."""
    return tuple(text for key in one.bills if key in bills for text in (bills[key].name, *bills[key].references))


def _found(sought: Sequence[_Sought], shelf: _Shelf, named: Mapping[str, ExistingDocument]) -> dict[str, list[DocumentLink]]:
    """Return the links of each wished document, by its key."""
    like = {one.wish.key: shelf.like(one) for one in sought if one.wish.key not in named}
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for one in sought:
        for record in like.get(one.wish.key, ()):
            if not barred_by(one.wish, record):
                wanted[record.external_id].append(f"{one.wish.kind}/{one.wish.id}")
    return {one.wish.key: list(_links(one, named.get(one.wish.key), like.get(one.wish.key, ()), wanted)) for one in sought}


def _links(
    one: _Sought, own: ExistingDocument | None, like: Sequence[ExistingDocument], wanted: Mapping[str, Sequence[str]]
) -> Iterator[DocumentLink]:
    if own is not None:
        yield DocumentLink(one.wish, LinkVerdict.CERTAIN, own, ("it bears the key already",))
    elif not like:
        yield DocumentLink(one.wish, LinkVerdict.MISSING)
    able = [record for record in like if not barred_by(one.wish, record)]
    for record in like[:_SHOWN_MAX]:
        yield _link(one, record, able, wanted[record.external_id])


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
            for number in _numbers_on(one):
                by_number[number].append(one)
            for whose in one.whose:
                by_money[one.kind, one.entity, whose, one.total].append(one)
        return cls(by_number, by_money)

    def like(self, one: _Sought) -> list[ExistingDocument]:
        """Return those with a number of it that it can be; else those of its customer with its amount, of about its day, beside what has
        its number and cannot be it.
        """
        wish = one.wish
        by_number = {
            record.external_id: record for number in one.numbers() for record in self.by_number.get(number, ()) if record.kind == wish.kind
        }
        if able := [record for record in by_number.values() if not barred_by(wish, record)]:
            return able
        same = self.by_money.get((wish.kind, wish.entity, wish.customer, wish.total), ()) if wish.customer else ()
        by_number |= {record.external_id: record for record in same if _days_apart(wish, record) <= NEAR}
        return list(by_number.values())


def _link(one: _Sought, record: ExistingDocument, able: Sequence[ExistingDocument], wished: Sequence[str]) -> DocumentLink:
    """Return what one of the documents that are like a wished one is to it; ``able``: those it can be; ``wished``: all that can be it."""
    barred = barred_by(one.wish, record)
    common = sorted(one.numbers().keys() & _numbers_on(record))
    against = [barred] if barred else []
    against += _differences(one, record, has_number=bool(common))
    if len(able) > 1:
        against.append(f"{', '.join(sorted(other.external_id for other in able))} are all like it")
    if len(wished) > 1:
        against.append(f"{', '.join(sorted(wished))} are all like {record.external_id}")
    reasons = [*against, f"the number is the same: {', '.join(common)}" if common else "customer and amount are the same"]
    reasons += _unlike_open(one.wish, record)
    return DocumentLink(one.wish, LinkVerdict.DOUBTFUL if against else LinkVerdict.CERTAIN, record, tuple(reasons), barred)


def _differences(one: _Sought, record: ExistingDocument, *, has_number: bool) -> Iterator[str]:
    wish = one.wish
    if not has_number:
        yield "no number is in common"
    if not wish.customer:
        yield "its customer is not bound yet"
    if not set(wish.days) & set(record.days):
        yield f"the days differ: {_shown(wish.days)} at the source, {_shown(record.days)} in the books"
    if record.is_reversed and not one.is_credited:
        yield "it was taken back in the books: what is paid at the source would find nothing open"


def _unlike_open(one: WishedDocument, record: ExistingDocument) -> Iterator[str]:
    """Yield that the sides do not say the same is to be paid; no reason against it: money may be on its way to either of them."""
    if one.open is not None and record.open is not None and one.open.currency == record.open.currency and one.open != record.open:
        yield f"open: {one.open} at the source, {record.open} in the books"


def _numbers_on(record: ExistingDocument) -> set[str]:
    return {number for text in (record.name, *record.references) for number in _numbers(text)}


def _numbers(text: str, *, is_whole: bool = False) -> set[str]:
    """Return the numbers in a text, each without signs between: all of it, and of what people wrote each word of it."""
    words = [text] if is_whole else [text, *re.split(r"[\s,;:]+", text)]
    return {number for word in words if len(number := _SIGNS.sub("", word.upper())) >= _NUMBER_MIN and any(map(str.isdigit, number))}


def _days_apart(one: WishedDocument, record: ExistingDocument) -> timedelta:
    return min((abs(mine - theirs) for mine in one.days for theirs in record.days), default=timedelta.max)


def _shown(days: Iterable[date]) -> str:
    return " or ".join(day.isoformat() for day in sorted(set(days)))

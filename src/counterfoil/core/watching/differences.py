"""A posted document as it was wished and read back, against what the books say of it now: how they differ, and by how much money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from counterfoil.core.commands.books import Allocate, PostDocument, PostEntry, PostPayment, Unmatch
from counterfoil.core.kinds.erp_document import ErpDocument, ErpState
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import digest
from counterfoil.core.language.keys import NeedKey, is_entry
from counterfoil.core.language.money import Money

"""What the binding keys of journal entries begin with; what is open on an entry is not reported."""


class DocumentChange(StrEnum):
    """What somebody did to a document."""

    DELETED = "deleted"
    CANCELED = "canceled"
    RESET = "reset"  # taken back to draft
    AMOUNT = "amount"
    DATE = "date"
    CUSTOMER = "customer"
    LINES = "lines"  # accounts, taxes or split of the amount
    UNMATCHED = "unmatched"
    MERGED = "merged"  # a customer: merged into another one
    HIDDEN = "hidden"  # there, and out of the sight of the connection's user


@dataclass(frozen=True, slots=True)
class DocumentDifference:
    """One way in which a document differs from what was posted; what it ``was`` and what it ``says`` now, ``money``: what is at stake."""

    change: DocumentChange
    money: Money | None
    was: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A document as it was first read after it was posted: what the target made of the wish. Empty parts were not looked at."""

    partner_id: str
    lines_digest: str
    total: Money
    dated: date | None


@dataclass(frozen=True, slots=True)
class Match:
    """A match that is made: the binding keys of its two documents, and its amount in their currency."""

    debit: NeedKey
    credit: NeedKey
    amount: Money


@dataclass(frozen=True, slots=True)
class PostedDocument:
    """A document the hub posted. ``matches``: those it made with it that stand. ``baseline`` None: not read since it was posted."""

    key: NeedKey
    command: Command
    baseline: Baseline | None = None
    matches: tuple[Match, ...] = ()

    @property
    def wished_total(self) -> Money | None:
        """What the document comes to by the wish; None of an entry, whose total the target states in its own way."""
        match self.command.arguments:
            case PostDocument() as document:
                return document.total
            case PostPayment() as payment:
                return payment.amount
            case _:
                return None

    @property
    def wished_day(self) -> date | None:
        """The accounting date of the wish."""
        match self.command.arguments:
            case PostDocument(accounting_on=day) | PostEntry(accounting_on=day) | PostPayment(paid_on=day):
                return day
            case _:
                return None

    def total_as(self, document: ErpDocument | None) -> Money | None:
        """Return what the document must come to: as wished, or as first read where the target books it in a form of its own."""
        wished = self.wished_total
        is_own_form = document is not None and (document.kind == "entry" or (wished is not None and wished.currency != document.currency))
        if wished is None or is_own_form:
            return self.baseline.total if self.baseline is not None else None
        return wished


def standing_matches(commands: Iterable[Command]) -> tuple[Match, ...]:
    """Return the matches that stand after commands that are done, in the order they were wished."""
    made: dict[tuple[str, str], Match] = {}
    for command in commands:
        match command.arguments:
            case Allocate(debit, credit, amount):
                made[debit, credit] = Match(NeedKey(debit), NeedKey(credit), amount)
            case Unmatch(debit, credit):
                made.pop((debit, credit), None)
            case _:
                pass
    return tuple(made.values())


def watched_at(match: Match) -> str:
    """Return the key of the document at which a match is looked for: its debit, unless that is an entry. So one undone is told once."""
    return match.credit if is_entry(match.debit) else match.debit


def differences(
    posted: PostedDocument, document: ErpDocument | None, successors: Mapping[str, str], *, is_hidden: bool = False
) -> tuple[DocumentDifference, ...]:
    """Return how a document differs from what was posted, the gravest first; nothing if it is as it should be.

    ``document`` None: the target has it no more, or (``is_hidden``) does not show it to the connection's user any more. ``successors``: who
    a customer of the target was merged into, by its id there: that is told of the customer, not of each of its documents. What the hub
    never looked at (no baseline) is compared with the wish alone.
    """
    total = posted.total_as(document)
    if is_hidden:
        return (DocumentDifference(DocumentChange.HIDDEN, total, was="posted", says="out of sight"),)
    if document is None or document.state is ErpState.DELETED:
        return (DocumentDifference(DocumentChange.DELETED, total, was="posted", says="gone"),)
    if document.state is not ErpState.POSTED:
        change = DocumentChange.CANCELED if document.state is ErpState.CANCELED else DocumentChange.RESET
        return (DocumentDifference(change, total, was="posted", says=document.state.value), *_contents(posted, document, successors))
    return (*_contents(posted, document, successors), *_unmatched(posted, document))


def is_merged(posted: PostedDocument, document: ErpDocument, successors: Mapping[str, str]) -> bool:
    """Tell whether the document is now of whom its customer was merged into."""
    baseline = posted.baseline
    return baseline is not None and document.partner_id != baseline.partner_id == _first(baseline.partner_id, document, successors)


def baseline_of(document: ErpDocument) -> Baseline:
    """Return what is kept of a document that is as it should be."""
    return Baseline(document.partner_id, document.lines_digest, document.total, document.accounting_date)


def content_of(found: Sequence[DocumentDifference]) -> str:
    """Return a digest of differences: the same while nothing changes any further."""
    return digest(*(f"{one.change.value}|{one.was}|{one.says}|{one.money}" for one in found)) if found else ""


def money_of(found: Sequence[DocumentDifference]) -> Money | None:
    """Return what is at stake, counted once: what the gravest difference says."""
    return next((one.money for one in found if one.money is not None), None)


def _contents(posted: PostedDocument, document: ErpDocument, successors: Mapping[str, str]) -> tuple[DocumentDifference, ...]:
    found = []
    total, day, baseline = posted.total_as(document), posted.wished_day, posted.baseline
    if total is not None and document.total != total:
        same = document.total.currency == total.currency
        money = abs(document.total - total) if same else total
        found.append(DocumentDifference(DocumentChange.AMOUNT, money, str(total), str(document.total)))
    if day is not None and document.accounting_date not in (None, day):
        found.append(DocumentDifference(DocumentChange.DATE, total, day.isoformat(), str(document.accounting_date)))
    if baseline is None:
        return tuple(found)
    is_other_partner = bool(baseline.partner_id) and document.partner_id != baseline.partner_id
    if is_other_partner and not is_merged(posted, document, successors):
        found.append(DocumentDifference(DocumentChange.CUSTOMER, total, baseline.partner_id, document.partner_id or "nobody"))
    is_other_lines = bool(baseline.lines_digest and document.lines_digest) and document.lines_digest != baseline.lines_digest
    if is_other_lines and not is_other_partner and not any(one.change is DocumentChange.AMOUNT for one in found):
        found.append(DocumentDifference(DocumentChange.LINES, total, says=document.lines_digest))
    return tuple(found)


def _first(partner: str, document: ErpDocument, successors: Mapping[str, str]) -> str:
    """Return ``partner`` if following who it was merged into leads to the document's, else nothing."""
    seen, current = set(), partner
    while current in successors and current not in seen:
        seen.add(current)
        current = successors[current]
    return partner if current == document.partner_id else ""


def _unmatched(posted: PostedDocument, document: ErpDocument) -> tuple[DocumentDifference, ...]:
    """Return what is open beyond what our matches leave, if one of them can be missing; what others match further is theirs to do."""
    mine = [one for one in posted.matches if watched_at(one) == posted.key and one.amount.currency == document.currency]
    if not mine or document.kind == "entry":
        return ()
    matched = sum(one.amount.minor for one in posted.matches if one.amount.currency == document.currency)
    beyond = document.residual.minor - (document.total.minor - matched)
    if beyond < min(one.amount.minor for one in mine):
        return ()
    left = Money(max(0, document.total.minor - matched), document.currency)
    return (DocumentDifference(DocumentChange.UNMATCHED, Money(beyond, document.currency), f"{left} open", f"{document.residual} open"),)

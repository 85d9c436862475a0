"""What looking at one document, or one customer, of the books comes to: the row kept of it, and the case if it differs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from counterfoil.core.commands.books import BookCommand
from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.erp_document import ErpDocument
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import CommandKind
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.money import Money
from counterfoil.core.watching.differences import (
    Baseline,
    DocumentChange,
    DocumentDifference,
    Match,
    PostedDocument,
    baseline_of,
    content_of,
    differences,
    is_merged,
    money_of,
    standing_matches,
    watched_at,
)
from counterfoil.core.watching.telling import tell
from counterfoil.kit.writing import OUT_OF_SIGHT
from counterfoil.store import cases
from counterfoil.store.commands import command_of
from counterfoil.store.opening import opening
from counterfoil.store.outbox import CommandRow, CommandState
from counterfoil.store.watching import Watched, settled
from counterfoil.store.work import BOOKS

CUSTOMER = "customer/"
"""What the binding keys of customers begin with."""
_DOCUMENTS: Mapping[CommandKind, str] = {
    BookCommand.POST_INVOICE: "invoice",
    BookCommand.POST_CREDIT_NOTE: "credit note",
    BookCommand.POST_PAYMENT: "payment",
    BookCommand.POST_ENTRY: "entry",
    BookCommand.UPSERT_CUSTOMER: "customer",
}
_AGAIN = {DocumentChange.DELETED: "post", DocumentChange.RESET: "post", DocumentChange.UNMATCHED: "match"}
"""What the hub can do again, by the gravest change."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look came to: the row, and the case to be open.

    ``old_partner``: the document is of another customer than before, who may have been merged. ``elsewhere``: keys of the documents it was
    matched with, one of which may be what was changed; ``matched``: the same of a document that is as it should be.
    """

    row: Watched
    opening: cases.Opening | None = None
    old_partner: str = ""
    elsewhere: tuple[NeedKey, ...] = ()
    matched: tuple[NeedKey, ...] = ()


def by_document(matches: Iterable[CommandRow]) -> dict[str, list[CommandRow]]:
    """Return commands that match, or undo a match, by the keys of both documents."""
    found: dict[str, list[CommandRow]] = {}
    for row in matches:
        for key in row.needs[:2]:
            found.setdefault(key, []).append(row)
    return found


def is_in_flight(matches: Iterable[CommandRow]) -> bool:
    """Tell whether the hub is about to undo a match of a document; ``matches``: its own."""
    moving = (CommandState.WAITING, CommandState.READY, CommandState.UNKNOWN)
    return any(row.kind == BookCommand.UNMATCH and row.state in moving for row in matches)


def posted_of(row: Watched, command: CommandRow, matches: Iterable[CommandRow]) -> PostedDocument:
    """Return what the hub posted as a document, and those of its ``matches`` that stand."""
    baseline = None
    if row.is_read and row.total_minor is not None:
        baseline = Baseline(row.partner, row.lines, Money(row.total_minor, row.currency), row.dated)
    mine = [command_of(one) for one in matches if one.state is CommandState.DONE]
    return PostedDocument(command.produces, command_of(command), baseline, standing_matches(mine))


def document_seen(
    row: Watched,
    posted: PostedDocument,
    document: ErpDocument | None,
    successors: Mapping[str, str],
    now: datetime,
    *,
    is_hidden: bool = False,
) -> Seen:
    """Return what a document came to. One that is as it should be is kept as it was first read, or with the customer it was merged into."""
    found = differences(posted, document, successors, is_hidden=is_hidden)
    if document is not None and not found:
        is_new = not row.is_read or is_merged(posted, document, successors)
        right = _with_baseline(settled(row), baseline_of(document)) if is_new else settled(row)
        return Seen(right, matched=tuple(_other(one, posted.key) for one in posted.matches))
    seen = _differing(row, posted, found, document, now)
    if any(one.change is DocumentChange.CUSTOMER for one in found):
        seen = replace(seen, old_partner=row.partner)
    if found[0].change is DocumentChange.UNMATCHED:
        seen = replace(seen, elsewhere=tuple(_other(one, posted.key) for one in posted.matches if watched_at(one) == posted.key))
    return seen


def customer_seen(row: Watched, command: CommandRow, place: str, billed: Money | None, now: datetime) -> Seen:
    """Return what a customer came to, who is at ``place`` now; ``billed``: what the invoices to them come to."""
    if place == row.document:
        return Seen(replace(settled(row), successor=""))
    change = DocumentChange.HIDDEN if place == OUT_OF_SIGHT else DocumentChange.MERGED if place else DocumentChange.DELETED
    place = "" if place == OUT_OF_SIGHT else place
    posted = PostedDocument(command.produces, command_of(command))
    seen = _differing(row, posted, (DocumentDifference(change, billed, row.document, place),), None, now)
    return replace(seen, row=replace(seen.row, successor=place, is_read=True))


def _other(match: Match, key: NeedKey) -> NeedKey:
    return match.credit if match.debit == key else match.debit


def _with_baseline(row: Watched, baseline: Baseline) -> Watched:
    return replace(
        row,
        is_read=True,
        partner=baseline.partner_id,
        lines=baseline.lines_digest,
        total_minor=baseline.total.minor,
        currency=baseline.total.currency,
        dated=baseline.dated,
    )


def _differing(
    row: Watched, posted: PostedDocument, found: Sequence[DocumentDifference], document: ErpDocument | None, now: datetime
) -> Seen:
    command, money = posted.command, money_of(found)
    told = tell(
        found,
        kind=_DOCUMENTS[command.kind],
        key=posted.key,
        number="" if document is None else document.number,
        target=row.target,
        posted=posted.wished_total or (posted.baseline.total if posted.baseline else None),
        by="" if document is None else document.changed_by,
        at=None if document is None else document.changed_at,
    )
    case = opening(
        fingerprint=f"watch.changed|{row.subject}",
        case_class=CaseClass.RECONCILIATION_BREAK,
        code="watch.changed",
        cause=told.cause,
        next_step=told.next_step,
        stage=BOOKS,
        subject=row.subject,
        label=posted.key,
        entity=command.entity,
        connection=row.target,
        money=money,
        now=now,
        concerns=_concerns(posted),
        detail=told.detail,
    )
    change = found[0].change
    since = row.changed_at if row.change == change.value and row.changed_at is not None else now
    changed = replace(row, due_at=None, differs=content_of(found), again=_AGAIN.get(change, ""), change=change.value, changed_at=since)
    return Seen(changed, case)


def _concerns(posted: PostedDocument) -> str:
    """Return the document whose money it is: a payment's or a credit's is that of what it was matched with."""
    key = next((one.debit for one in posted.matches if one.credit == posted.key), posted.key)
    return key if key.partition("/")[0] in KINDS else ""

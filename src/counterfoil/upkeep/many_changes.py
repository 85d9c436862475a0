"""What was done to many documents of a target at about the same time has one cause, and so is one case, not one of each document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.watching.differences import DocumentChange
from counterfoil.core.watching.telling import tell_many
from counterfoil.store import case_closing, case_subjects, watching
from counterfoil.store.cases import CaseSubject, Opening
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn
from counterfoil.store.watching import Watched
from counterfoil.store.work import BOOKS

MANY = 10
"""As many documents to which the same was done have one cause: a restored database, a clean-up, somebody who chose all of a list."""
WITHIN = timedelta(hours=1)
"""So far apart may it have been seen of the first and the last of them."""


async def gathered(conn: Conn, target: str, told: Sequence[tuple[Watched, Opening]], now: datetime) -> list[Opening]:
    """Return the openings of documents that differ (their rows are saved already), one case for many to which the same was done.

    Documents that came to a case of their own before there were many are among them. What the user may not see is one case from the first.
    """
    if not told:
        return []
    lately = await watching.changed_since(conn, target, now - WITHIN)
    is_open = await case_closing.open_fingerprints(conn, "watch.many_changed")
    known = {DocumentChange.HIDDEN, *(change for change in DocumentChange if _fingerprint(target, change) in is_open)}
    new = {change for change in DocumentChange if change not in known and len(lately.get(change.value, ())) >= MANY}
    found = [
        _of_many(target, DocumentChange(row.change), case, now) if DocumentChange(row.change) in known | new else case for row, case in told
    ]
    earlier = {f"{target}/{document}": change for change in new for document in lately[change.value]}
    for row, _ in told:
        earlier.pop(row.subject, None)
    return found + await _brought(conn, target, earlier, now)


async def _brought(conn: Conn, target: str, changes: Mapping[str, DocumentChange], now: datetime) -> list[Opening]:
    """Return the openings of documents that have an open case already, for the case of many."""
    held = await case_subjects.standing(conn, BOOKS, changes)
    return [_opening(target, changes[one.subject.subject], one.subject, one.entity, now) for one in held]


def _of_many(target: str, change: DocumentChange, case: Opening, now: datetime) -> Opening:
    return _opening(target, change, case.subject, case.entity, now)


def _opening(target: str, change: DocumentChange, subject: CaseSubject, entity: str, now: datetime) -> Opening:
    told = tell_many(change, target)
    code = "watch.out_of_sight" if change is DocumentChange.HIDDEN else "watch.many_changed"
    case = opening(
        fingerprint=_fingerprint(target, change),
        case_class=CaseClass.AUTHENTICATION_REFUSED if change is DocumentChange.HIDDEN else CaseClass.RECONCILIATION_BREAK,
        code=code,
        cause=told.cause,
        next_step=told.next_step,
        stage=BOOKS,
        subject=subject.subject,
        entity=entity,
        connection=target,
        now=now,
    )
    return replace(case, subject=subject)


def _fingerprint(target: str, change: DocumentChange) -> str:
    return f"watch.many|{target}|{change.value}"

"""The case of a posting that was refused or given up: one for everything that stands still for the same cause. Pure.

Its words name no record and no person: which records stand still, and what was said of each alone, is kept with the records.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from counterfoil.core.commands import SPECS, command_kind
from counterfoil.core.commands.books import Allocate, BookCommand, PostDocument
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Arguments, CommandKind
from counterfoil.core.language.ids import digest
from counterfoil.core.language.keys import wait_for_period
from counterfoil.core.language.masking import masked
from counterfoil.core.language.records import Purpose
from counterfoil.delivery.ends import released_by
from counterfoil.kit.codec import decode_arguments
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.writing import Outcome
from counterfoil.store import cases
from counterfoil.store.opening import opening
from counterfoil.store.outbox import CommandRow, End, EndStatus

_MASTERS: Mapping[CommandKind, str] = {BookCommand.UPSERT_CUSTOMER: "customers", BookCommand.UPSERT_PRODUCT: "products"}
_NOISE = (
    re.compile(r"\[(?:name|e-mail|phone|address|VAT id)\]"),
    re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b"),
    re.compile(r"\b\d{4}-\d\d-\d\d\b"),  # a day
    re.compile(r"\b[A-Z][A-Z0-9]*(?:/[A-Z0-9]+)*/\d+\b"),  # a document's number, such as INV/2026/00005
    re.compile(r"[-+]?\b\d[\d,]*\.\d+\b|[-+]?\b\d[\d,]*(?= [A-Z]{3}\b)"),  # an amount
    re.compile(r"'\d+'|\"\d+\"|(?<=/)\d+\b|\bids? \d+\b"),  # a database id
    re.compile(r"\b[a-z]{2,}_\w*\d\w*\b"),  # an id of the source, such as in_1NX
)


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a posting besides itself: what is personal in what it is about, and the document its money is of."""

    personal: tuple[tuple[str, str], ...] = ()
    concerns: str = ""


def discreet(outcome: Outcome, about: About) -> Outcome:
    """Return an outcome whose words tell nothing about a person."""
    return replace(outcome, message=masked(outcome.message, about.personal)) if outcome.message else outcome


def case_of(row: CommandRow, outcome: Outcome, end: End, now: datetime, about: About | None = None) -> cases.Opening:
    """Return the case of a command that was refused or given up. ``outcome``: with words that are discreet already."""
    is_unknown = end.status is EndStatus.GIVEN_UP
    code = outcome.code or ("deliver.unknown" if is_unknown else "deliver.refused")
    arguments = arguments_of(row)
    what, case_class = _what(row), outcome.case_class or CaseClass.REJECTED_BY_TARGET
    shared = outcome.about or shape(outcome.message, _own(row, outcome, arguments))
    return opening(
        now=now,
        fingerprint=f"{code}|{row.target}|{row.entity}|{digest('cause', what, shared, str(is_unknown))[:16]}",
        case_class=case_class,
        code=code,
        cause=_cause(row, outcome, what, is_unknown=is_unknown),
        next_step=outcome.remedy or _next_step(row.target, is_unknown=is_unknown),
        stage="deliver",
        subject=row.id,
        label=row.subject.key,
        entity=row.entity,
        connection=row.target,
        money=None if arguments is None else arguments.money,
        concerns=about.concerns if about is not None else "",
        detail=outcome.message,
        releases_on=wait_for_period(row.entity) if outcome.case_class == CaseClass.PERIOD_LOCKED else released_by(row),
        owner=SPECS[command_kind(row.kind)].purpose.terms.owner if case_class == CaseClass.REJECTED_BY_TARGET else "",
    )


def _what(row: CommandRow) -> str:
    """Return what a target did not take: of what is no posting, as the kind of command is titled."""
    spec = SPECS[command_kind(row.kind)]
    if spec.purpose is Purpose.BOOKS:
        return _MASTERS.get(spec.kind, "postings")
    return spec.title[0].lower() + spec.title[1:]


def whose(entity: str) -> str:
    """Return the name of a legal entity, or words for the whole company."""
    return entity or "the whole company"


def _cause(row: CommandRow, outcome: Outcome, what: str, *, is_unknown: bool) -> str:
    words = outcome.message or "no reason was given"
    if is_unknown:
        return f"It is not known whether {row.target} took {what} of {whose(row.entity)}: {words}"
    return f"{row.target} does not take {what} of {whose(row.entity)}: {words}"


def _next_step(target: str, *, is_unknown: bool) -> str:
    if is_unknown:
        return (
            f"Retry this case: each record is looked up in {target} by its key and never doubled. Should that fail too, look for it there."
        )
    return f"Mend in {target} what its words name, then retry this case: what is there already is found by its key and never doubled."


def arguments_of(row: CommandRow) -> Arguments | None:
    """Return a command's arguments, None if they cannot be read."""
    try:
        return decode_arguments(command_kind(row.kind), row.arguments)
    except RejectedError:
        return None


def shape(words: str, own: Iterable[str] = ()) -> str:
    """Return words without what is of one record alone: its ids, numbers, amounts and days. The same cause then has the same words."""
    for value in sorted({one for one in own if len(one) > 2}, key=len, reverse=True):
        words = words.replace(value, "*")
    for noise in _NOISE:
        words = noise.sub("*", words)
    return " ".join(words.split())


def _own(row: CommandRow, outcome: Outcome, arguments: Arguments | None) -> tuple[str, ...]:
    subject = row.subject.id
    numbers = (arguments.number,) if isinstance(arguments, PostDocument) else ()
    pair = (arguments.debit, arguments.credit) if isinstance(arguments, Allocate) else ()
    names = (row.external_key, row.subject.key, subject, subject.rpartition(":")[2], row.produces, *numbers, *pair, *row.needs)
    return (*names, outcome.external_id, outcome.external_name)

"""Pure: what capture wrote down of an Odoo document becomes the canonical fact of its ERP side."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from counterfoil.connectors.odoo.amounts import from_number
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.erp_document import ErpDocument, ErpDocumentEvent, ErpState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import DriftError, RejectedError

STATES = {
    "account.move": {"draft": ErpState.DRAFT, "posted": ErpState.POSTED, "cancel": ErpState.CANCELED},
    "account.payment": {
        "draft": ErpState.DRAFT,
        "posted": ErpState.POSTED,  # 17
        "in_process": ErpState.POSTED,
        "process": ErpState.POSTED,  # Online 19.2 and 19.3
        "paid": ErpState.POSTED,
        "reconciled": ErpState.POSTED,  # 20
        "cancel": ErpState.CANCELED,  # 17
        "canceled": ErpState.CANCELED,
        "rejected": ErpState.CANCELED,
    },
}
"""Odoo's states by model; one that is not here is schema drift, not a guess."""

KINDS = {"out_invoice": "invoice", "out_refund": "credit_note", "entry": "entry", "payment": "payment"}


class Snapshot(Struct, frozen=True, kw_only=True):
    """A document as capture keeps it: our own shape, the same for all versions of Odoo, so that its hash changes only with its meaning.

    ``total`` and ``residual`` are in ``currency``, as text. ``kind`` is the move's type, or ``payment``.
    ``is_deleted``: Odoo has it no more. ``partner``: id of its partner, 0 for none. ``lines``: digest of its lines. ``changed_by``: who
    wrote it last.
    """

    connection: str
    model: str
    id: int
    kind: str
    state: str
    number: str = ""
    currency: str = ""
    total: str = "0"
    residual: str = "0"
    date: str = ""
    external_key: str = ""
    is_deleted: bool = False
    partner: int = 0
    lines: str = ""
    changed_by: str = ""


class Capture(Struct, frozen=True):
    """A snapshot with when Odoo last wrote it (UTC, ``YYYY-MM-DD HH:MM:SS``)."""

    snapshot: Snapshot
    written_at: str


def parse(body: bytes) -> Capture:
    """Return what capture wrote. Raises RejectedError if it is something else."""
    try:
        return msgspec.json.decode(body, type=Capture)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(f"not a captured Odoo document: {error}") from error


def facts(body: bytes) -> tuple[Fact, ...]:
    """Return the one fact of a captured document. Raises RejectedError, DriftError."""
    capture = parse(body)
    snapshot = capture.snapshot
    written_at = instant(capture.written_at)
    total, residual = _money(snapshot.total, snapshot.currency), _money(snapshot.residual, snapshot.currency)
    state = _state(snapshot)
    document = ErpDocument(
        id=f"{snapshot.connection}:{snapshot.model}/{snapshot.id}",
        kind=KINDS.get(snapshot.kind, snapshot.kind),
        state=state,
        number=snapshot.number,
        currency=snapshot.currency,
        total=total,
        residual=residual,
        is_settled=state is ErpState.POSTED and not residual,
        accounting_date=_day(snapshot.date),
        external_key=snapshot.external_key,
        changed_at=written_at,
        partner_id=f"res.partner/{snapshot.partner}" if snapshot.partner else "",
        lines_digest=snapshot.lines,
        changed_by=snapshot.changed_by,
    )
    sequence = int(written_at.timestamp()) * 1_000_000
    return (Fact(ErpDocumentEvent.CHANGED, written_at, sequence, document),)


def instant(text: str) -> datetime:
    """Return one of Odoo's datetimes, which are UTC without saying so. Raises RejectedError."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise RejectedError(
            "the write date of a captured document is unreadable", code="odoo.capture_shape", case_class=CaseClass.SCHEMA_DRIFT
        ) from error


def _unreadable(words: str) -> RejectedError:
    return RejectedError(words, code="odoo.capture_shape", case_class=CaseClass.SCHEMA_DRIFT)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise _unreadable("a date of a captured document is unreadable") from error


def _state(snapshot: Snapshot) -> ErpState:
    if snapshot.is_deleted:
        return ErpState.DELETED
    state = STATES.get(snapshot.model, {}).get(snapshot.state)
    if state is None:
        raise DriftError(
            f"{snapshot.model}/{snapshot.id} is in state {snapshot.state!r}, which this connector does not know",
            code="odoo.state_unknown",
            drift_key=f"{snapshot.model}.state={snapshot.state}",
        )
    return state


def _money(number: str, currency: str) -> Money:
    if not currency:
        return Money(0, "XXX")
    try:
        return from_number(Decimal(number), currency)
    except (ArithmeticError, ValueError) as error:
        raise RejectedError(
            "an amount of a captured document is unreadable", code="odoo.capture_shape", case_class=CaseClass.SCHEMA_DRIFT
        ) from error

"""Credit notes: reductions of invoices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Record, Reference, Survivorship, never, newest
from counterfoil.core.language.states import States

from .invoice import InvoiceLine, amounts_of_lines, product_ids, tax_rate_ids


class CreditNoteState(StrEnum):
    """Canonical credit note states."""

    ISSUED = "issued"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class RefundPart:
    """What one refund pays out of a credit note."""

    refund_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class CreditNote(Record):
    """A reduction of one invoice. Amounts are positive.

    total = before_payment + after_payment; after_payment = refunded (by refund_ids) + to_balance + out_of_band. ``refund_parts``: how
    much of it each refund pays out, where the source says so; a refund may pay out several credit notes, and several one.
    """

    id: str
    invoice_id: str
    customer_id: str
    state: CreditNoteState
    currency: str
    total: Money
    tax: Money
    lines: tuple[InvoiceLine, ...]
    issued_at: datetime
    number: str = ""
    reason: str = ""
    before_payment: Money | None = None
    after_payment: Money | None = None
    to_balance: Money | None = None
    out_of_band: Money | None = None
    refund_ids: tuple[str, ...] = ()
    voided_at: datetime | None = None
    refund_parts: tuple[RefundPart, ...] = ()


class CreditNoteEvent(EventType):
    """What happens to a credit note."""

    ISSUED = "credit_note.issued"
    VOIDED = "credit_note.voided"


CREDIT_NOTE = Kind(
    name="credit_note",
    record=CreditNote,
    noun="credit note",
    events=CreditNoteEvent,
    lifecycle=States(CreditNoteState, {CreditNoteState.ISSUED: (CreditNoteState.VOID,), CreditNoteState.VOID: ()}),
    survivorship=Survivorship.WHOLE,
    keeps=newest,
    refers_to=(
        Reference("customer", lambda note: (note.customer_id,)),
        Reference("invoice", lambda note: (note.invoice_id,), is_link=True),
        Reference("refund", lambda note: note.refund_ids, is_link=True),
        Reference("product", lambda note: product_ids(note.lines)),
        Reference("tax_rate", lambda note: tax_rate_ids(note.lines)),
    ),
    affects=(Reference("customer", lambda note: (note.customer_id,)),),
    is_looked_back_from=never,
    total=lambda note: note.total,
    amounts=lambda note: amounts_of_lines(note.lines),
    customer_of=lambda note: note.customer_id,
    # One without a number has its id in that place: so what an older program wrote, which knew of no numbers, is told from it.
    found_by=lambda note: (note.number or note.id,),
    wait_limit=None,
    service_level=timedelta(seconds=60),
    is_made_again=False,
    ignored={},
)

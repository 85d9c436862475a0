"""Refunds: money given back on payments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Record, Reference, Survivorship, nothing
from counterfoil.core.language.settlement import Settlement, amounts_of
from counterfoil.core.language.states import States


class RefundState(StrEnum):
    """Canonical refund states; a succeeded refund may still fail later."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class CreditNotePart:
    """What a refund pays out of one credit note."""

    credit_note_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Refund(Record):
    """Money given back on one payment. ``reversal`` is set when the refund failed and the money came back.

    ``credit_note_id``: a credit note it pays out; ``credit_notes``: all of them with their amounts, where the source tells.
    """

    id: str
    payment_id: str
    state: RefundState
    amount: Money
    occurred_at: datetime
    customer_id: str = ""
    credit_note_id: str = ""
    settlement: Settlement | None = None
    reversal: Settlement | None = None
    reason: str = ""
    credit_notes: tuple[CreditNotePart, ...] = ()


class RefundEvent(EventType):
    """What happens to a refund."""

    CREATED = "refund.created"
    SUCCEEDED = "refund.succeeded"
    FAILED = "refund.failed"


_R = RefundState


def _parts(one: tuple[CreditNotePart, ...], other: tuple[CreditNotePart, ...]) -> tuple[CreditNotePart, ...]:
    by_id = {part.credit_note_id: part for part in (*other, *one)}
    return tuple(by_id[note_id] for note_id in sorted(by_id))


def _keeps(newer: Refund, older: Refund) -> Refund:
    """Keep both movements of the balance and what it is linked to; snapshots differ in whether they carry them."""
    return replace(
        newer,
        settlement=newer.settlement or older.settlement,
        reversal=newer.reversal or older.reversal,
        credit_note_id=newer.credit_note_id or older.credit_note_id,
        credit_notes=_parts(newer.credit_notes, older.credit_notes),
        customer_id=newer.customer_id or older.customer_id,
    )


REFUND = Kind(
    name="refund",
    record=Refund,
    noun="refund",
    events=RefundEvent,
    lifecycle=States(
        RefundState,
        {
            _R.PENDING: (_R.SUCCEEDED, _R.FAILED, _R.CANCELED),
            _R.SUCCEEDED: (_R.FAILED,),  # the bank sent the money back
            _R.FAILED: (),
            _R.CANCELED: (),
        },
    ),
    survivorship=Survivorship.WHOLE,
    keeps=_keeps,
    refers_to=(
        Reference("customer", lambda refund: (refund.customer_id,)),
        Reference("payment", lambda refund: (refund.payment_id,), is_link=True),
        Reference("credit_note", lambda refund: (refund.credit_note_id, *(part.credit_note_id for part in refund.credit_notes))),
    ),
    # Its payment, and so the payment's other refunds, are decided again when it changes.
    affects=(
        Reference("payment", lambda refund: (refund.payment_id,)),
        Reference("customer", lambda refund: (refund.customer_id,)),
    ),
    # What it pays out is all the credit notes that name it.
    is_looked_back_from=lambda _refund: True,
    total=lambda refund: refund.amount,
    amounts=lambda refund: amounts_of(refund.settlement, refund.reversal),
    customer_of=lambda refund: refund.customer_id,
    found_by=nothing,
    wait_limit=None,
    service_level=timedelta(seconds=60),
    is_made_again=False,
    ignored={},
)

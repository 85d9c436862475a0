"""Payments: money customers paid, and what of it pays which invoice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Record, Reference, Survivorship, nothing
from counterfoil.core.language.settlement import Settlement, amounts_of
from counterfoil.core.language.states import States


class PaymentState(StrEnum):
    """Canonical payment states."""

    AUTHORIZED = "authorized"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Application:
    """Part of a payment that pays one invoice, in the payment's currency. ``id``: the source's own, where it has one."""

    invoice_id: str
    amount: Money
    id: str = ""


@dataclass(frozen=True, slots=True)
class Payment(Record):
    """Money a customer paid, gross. ``applications`` may be empty or less than the amount: the rest is customer credit.

    ``is_out_of_band``: paid outside the processor (bank transfer marked by hand): it never touches its clearing account.
    ``earlier_parts``: what was paid outside the processor on the same invoice by the payments told before this one, ``first_part_id`` and
    later ones; None: the source tells of no parts.
    """

    id: str
    customer_id: str
    state: PaymentState
    amount: Money
    occurred_at: datetime
    applications: tuple[Application, ...] = ()
    settlement: Settlement | None = None
    failure_code: str = ""
    method: str = ""
    is_out_of_band: bool = False
    earlier_parts: Money | None = None
    first_part_id: str = ""


class PaymentEvent(EventType):
    """What happens to a payment."""

    AUTHORIZED = "payment.authorized"
    PENDING = "payment.pending"
    SUCCEEDED = "payment.succeeded"
    FAILED = "payment.failed"
    APPLIED = "payment.applied"


_P = PaymentState
_TRYING = (_P.AUTHORIZED, _P.PENDING, _P.FAILED)


def _keeps(newer: Payment, older: Payment) -> Payment:
    """Keep the movement of the balance and the invoices paid; snapshots differ in whether they carry them."""
    return replace(newer, settlement=newer.settlement or older.settlement, applications=newer.applications or older.applications)


PAYMENT = Kind(
    name="payment",
    record=Payment,
    noun="payment",
    events=PaymentEvent,
    lifecycle=States(
        PaymentState,
        {
            **dict.fromkeys(_TRYING, (*_TRYING, _P.SUCCEEDED, _P.CANCELED)),  # a failed try may be followed by another
            _P.SUCCEEDED: (),
            _P.CANCELED: (),
        },
    ),
    survivorship=Survivorship.WHOLE,
    keeps=_keeps,
    refers_to=(
        Reference("customer", lambda payment: (payment.customer_id,)),
        Reference("invoice", lambda payment: (application.invoice_id for application in payment.applications), is_link=True),
        Reference("payment", lambda payment: (payment.first_part_id,) if payment.first_part_id != payment.id else ()),
    ),
    affects=(Reference("customer", lambda payment: (payment.customer_id,)),),
    # What is given back of a payment is all its refunds.
    is_looked_back_from=lambda _payment: True,
    total=lambda payment: payment.amount,
    amounts=lambda payment: amounts_of(payment.settlement),
    customer_of=lambda payment: payment.customer_id,
    found_by=nothing,
    wait_limit=None,
    service_level=timedelta(seconds=10),
    is_made_again=False,
    ignored={},
)

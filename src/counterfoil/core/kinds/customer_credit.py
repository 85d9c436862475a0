"""Credits of customers: changes of their balance at the source that no document explains."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Record, Reference, Survivorship, never, newest, nothing
from counterfoil.core.language.states import Stateless


@dataclass(frozen=True, slots=True)
class CustomerCredit(Record):
    """A change of a customer's balance at the source that no invoice or credit note explains: granted or taken by hand, or paid in.

    ``amount`` is signed as the source's balance: negative = credit granted. ``is_paid``: it came of a payment, of more than the invoice
    ``invoice_id`` was due for or ahead of any invoice, and is no gift.
    """

    id: str
    customer_id: str
    amount: Money
    occurred_at: datetime
    description: str = ""
    is_paid: bool = False
    invoice_id: str = ""


class CustomerCreditEvent(EventType):
    """What happens to a customer's credit."""

    CHANGED = "customer.credit_changed"


CUSTOMER_CREDIT = Kind(
    name="customer_credit",
    record=CustomerCredit,
    noun="customer credit",
    events=CustomerCreditEvent,
    lifecycle=Stateless(),
    survivorship=Survivorship.WHOLE,
    keeps=newest,
    refers_to=(
        Reference("customer", lambda credit: (credit.customer_id,)),
        Reference("invoice", lambda credit: (credit.invoice_id,)),
    ),
    affects=(),
    is_looked_back_from=never,
    total=lambda credit: credit.amount,
    amounts=nothing,
    customer_of=lambda credit: credit.customer_id,
    found_by=nothing,
    wait_limit=None,
    service_level=timedelta(days=1),
    is_made_again=False,
    ignored={},
)

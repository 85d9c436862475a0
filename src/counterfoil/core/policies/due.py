"""What is to be paid of an invoice, what of that is under way, and what is overdue: one meaning for whoever duns it or shows it. Pure.

Money under way, such as a bank debit that takes days, is still to be paid, and nobody is asked for it: it is not overdue until it fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from counterfoil.core.kinds.credit_note import CreditNote, CreditNoteState
from counterfoil.core.kinds.invoice import Invoice, InvoiceState
from counterfoil.core.kinds.payment import Payment, PaymentState
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record

OPEN = frozenset({InvoiceState.ISSUED, InvoiceState.PARTIALLY_PAID})
"""The states in which something may still be to be paid."""
_BEGUN = frozenset({PaymentState.AUTHORIZED, PaymentState.PENDING})
_ENDED = frozenset({PaymentState.FAILED, PaymentState.CANCELED})


def open_of(bill: Invoice, documents: Iterable[Record]) -> Money:
    """Return what is still to be paid of an invoice: as its source says, else its total less what was paid and credited of it.

    A credit note takes off what it says to be before payment; what it says to be after is given back, and nothing less is to be paid.

    Args:
        bill: the invoice.
        documents: what names it, or is named by it: payments and credit notes. Others do not matter.
    """
    if bill.state not in OPEN:
        return Money(0, bill.currency)
    if bill.amount_remaining is not None:
        return bill.amount_remaining
    left = bill.total.minor
    for one in documents:
        match one:
            case CreditNote(invoice_id=bill.id, state=CreditNoteState.ISSUED):
                left -= (one.total if one.before_payment is None else one.before_payment).minor
            case Payment(state=PaymentState.SUCCEEDED):
                left -= _of(bill, one)
    return Money(max(left, 0), bill.currency)


def payments_under_way(bill: Invoice, documents: Iterable[Record]) -> Iterator[Payment]:
    """Yield the payments of an invoice that were begun and are not decided yet, as far as they are known."""
    named = {part.payment_id for part in bill.parts_under_way or ()}
    for one in documents:
        if isinstance(one, Payment) and one.state not in _ENDED:
            is_of_it = one.state in _BEGUN and _of(bill, one) if bill.parts_under_way is None else one.id in named
            if is_of_it:
                yield one


def under_way_of(bill: Invoice, documents: Iterable[Record]) -> Money:
    """Return how much of what is to be paid is under way, at most all of it: as the invoice's source says, else by its payments.

    A part whose payment is known to have failed is not under way any more, whatever the invoice still says.
    """
    known = tuple(documents)
    if bill.parts_under_way is None:
        begun = sum(_of(bill, one) for one in payments_under_way(bill, known))
    else:
        failed = {one.id for one in known if isinstance(one, Payment) and one.state in _ENDED}
        begun = sum(part.amount.minor for part in bill.parts_under_way if part.payment_id not in failed)
    return Money(min(begun, open_of(bill, known).minor), bill.currency)


def due_at(bill: Invoice) -> datetime | None:
    """Return when an invoice is to be paid: one that is collected by itself when it was issued, once that was tried; None: not yet."""
    if bill.due_at is not None:
        return bill.due_at
    return bill.issued_at if bill.attempt_count else None


def overdue_of(bill: Invoice, documents: Iterable[Record], now: datetime) -> Money:
    """Return how much of an invoice is overdue: to be paid by now, not paid, and not under way."""
    due, known = due_at(bill), tuple(documents)
    if due is None or due > now:
        return Money(0, bill.currency)
    return open_of(bill, known) - under_way_of(bill, known)


def _of(bill: Invoice, payment: Payment) -> int:
    return sum(part.amount.minor for part in payment.applications if part.invoice_id == bill.id)

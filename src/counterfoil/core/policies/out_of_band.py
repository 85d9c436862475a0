"""What is paid outside the processor in parts: a posting for each, and never more than the source says was paid in all.

Some sources tell only the sum paid so far. What it has more than was booked is booked beside it; and what was booked as a sum is not booked
again when the source comes to tell its parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from counterfoil.core.commands.books import BookCommand, PostPayment
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.kinds.payment import PAYMENT, Payment
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import digest, external_key
from counterfoil.core.language.keys import NeedKey, need_of
from counterfoil.core.language.money import Money, total
from counterfoil.core.language.text import canonical_text

from .bills import bill_of
from .booking import OUT_OF_BAND, EntityBooks, MatchableDocument
from .decision import Problem
from .draft import Draft
from .requests import BookingRequest
from .write_offs import make_room


@dataclass(frozen=True, slots=True)
class PaymentPart:
    """One posting of a payment: the first goes by the payment's id, later ones by that and their number."""

    object_id: str
    amount: Money
    day: date


def book(books: EntityBooks, state: Payment, invoice: Invoice) -> None:
    """Book a payment that is part of what was paid outside the processor on one invoice, and match it."""
    draft, parts = books.draft, _parts(books.draft, state.id, state.amount.currency)
    booked = total((part.amount for part in parts), state.amount.currency)
    missing = state.amount - _booked_with_first(draft, state) - booked
    if missing.minor < 0 and not (state.id == state.first_part_id and booked <= (invoice.paid_out_of_band or state.amount)):
        draft.findings.problem(_shrunk(books, state, booked))
        return
    if missing.minor > 0:
        object_id = state.id if not parts else f"{state.id}.{len(parts) + 1}"
        parts.append(PaymentPart(object_id, missing, books.entity.day_of(state.occurred_at)))
    if not parts:
        draft.findings.ignore("booked_with_what_was_paid_before")
    for part in parts:
        _post(books, part)
    _match(books, state, invoice, parts)


def _post(books: EntityBooks, part: PaymentPart) -> None:
    arguments = PostPayment(books.customer_id, part.amount, True, part.day, OUT_OF_BAND)
    needs, key = (books.customer_key,), _key(part)
    request = BookingRequest(books.entity, BookCommand.POST_PAYMENT, "payment", part.object_id, arguments, needs, key, books.customer_id)
    books.draft.outbox.wish(replace(request, content=digest(canonical_text(part.amount))))


def _match(books: EntityBooks, state: Payment, invoice: Invoice, parts: list[PaymentPart]) -> None:
    bill = bill_of(books.draft, invoice, books.entity)
    if bill is None or not bill.has_place_of(state):
        books.draft.findings.wait_for(INVOICE.ref(invoice.id))
        return
    start = bill.start_of(state)
    released = make_room(bill, is_known=bill.knows(state))
    if released is None:
        return
    for part in parts:
        bill.settle(MatchableDocument(_key(part), part.day), part.amount, start, released)
        start += part.amount.minor


def _key(part: PaymentPart) -> NeedKey:
    return need_of(PAYMENT.ref(part.object_id))


def _parts(draft: Draft, payment_id: str, currency: str) -> list[PaymentPart]:
    """Return what was wished or summed up of a payment before."""
    found: list[PaymentPart] = []
    while True:
        object_id = payment_id if not found else f"{payment_id}.{len(found) + 1}"
        key = external_key("payment", object_id)
        wish = draft.past.wished(key)
        items = [item for item in draft.view.summarized(key) if item.account == OUT_OF_BAND]
        if wish is not None and isinstance(wish.command.arguments, PostPayment):
            found.append(PaymentPart(object_id, wish.command.arguments.amount, wish.command.arguments.paid_on))
        elif items:
            found.append(PaymentPart(object_id, total((item.amount for item in items), currency), items[0].day))
        else:
            return found


def _booked_with_first(draft: Draft, state: Payment) -> Money:
    """Return how much of a later part was booked as the sum under the first part's id."""
    currency, earlier = state.amount.currency, state.earlier_parts
    if earlier is None or state.id == state.first_part_id:
        return Money(0, currency)
    booked = total((part.amount for part in _parts(draft, state.first_part_id, currency)), currency)
    return min(max(booked - earlier, Money(0, currency)), state.amount)


def _shrunk(books: EntityBooks, state: Payment, booked: Money) -> Problem:
    key = books.draft.event.subject.key
    return Problem(
        CaseClass.AMOUNT_MISMATCH,
        "decide.changed_after_posting",
        f"{key}, paid outside the processor, is {state.amount} at the source now; {booked} of it was sent to {books.entity.target} before.",
        f"Look which is right: correct it at the source, or undo {booked - state.amount} of the payment in the target and waive this case.",
        booked - state.amount,
        entity=books.entity.name,
    )

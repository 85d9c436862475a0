"""Write-offs: bad debt is at any moment what the source calls uncollectible, whatever is paid or credited in the meantime.

An invoice is written off for what it leaves open. When that changes, the write-off lets go of the invoice and is taken back as a whole, and
what is still open is written off anew, both on the day of the change: a posted entry is never edited, a closed day never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from counterfoil.core.commands.books import PostEntry
from counterfoil.core.finance.entries import transfer_lines
from counterfoil.core.kinds.credit_note import CreditNote, CreditNoteState
from counterfoil.core.kinds.invoice import INVOICE, Invoice, InvoiceState
from counterfoil.core.kinds.payment import PAYMENT, Payment, PaymentState
from counterfoil.core.kinds.refund import Refund
from counterfoil.core.language.ids import external_key
from counterfoil.core.language.keys import NeedKey, entry_need
from counterfoil.core.language.money import Money, total

from .bills import Bill
from .booking import BAD_DEBT, RECEIVABLE, MatchableDocument
from .decision import View
from .draft import Draft
from .refund_links import PAYMENT_FAILED

_SETTLED = frozenset({InvoiceState.PAID, InvoiceState.VOID})


@dataclass(frozen=True, slots=True)
class WriteOff:
    """One write-off of an invoice as it was wished or summed up, the first one, or one that took the place of an earlier one."""

    number: int
    amount: Money
    entry: MatchableDocument
    is_taken_back: bool


def write_offs(bill: Bill) -> tuple[WriteOff, ...]:
    """Return all write-offs of an invoice, oldest first."""
    found: list[WriteOff] = []
    while (booked := _booked(bill.books.draft, "bad_debt", bill.invoice, len(found) + 1)) is not None:
        number = len(found) + 1
        day = _day(bill, bill.invoice.uncollectible_at) if number == 1 else booked[1]
        taken_back = _booked(bill.books.draft, "recovery", bill.invoice, number) is not None
        found.append(WriteOff(number, booked[0], _entry(bill, number, day), taken_back))
    return tuple(found)


def write_off(bill: Bill) -> tuple[NeedKey, ...]:
    """Write off what an uncollectible invoice leaves open, and take back what was written off before; returns what was released.

    An invoice that was first seen when it was paid already was never written off here. While its state does not tell of a payment or a
    credit note that may be booked, a newer one is waited for: it has to say what is still uncollectible.
    """
    invoice = bill.invoice
    earlier = write_offs(bill)
    if invoice.state is not InvoiceState.UNCOLLECTIBLE and invoice.state not in _SETTLED:
        return ()
    if _is_behind(bill):
        bill.books.draft.findings.wait_for(INVOICE.ref(invoice.id))
        return ()
    left = _left(invoice, earlier)
    kept = _kept(earlier, left)
    released: tuple[NeedKey, ...] = ()
    for one in earlier:
        _book(bill, "bad_debt", one.number, one.amount, one.entry.day)
        if one is not kept:
            released += _take_back(bill, one)
    if kept is not None:
        _match(bill, kept.entry, left, released)
    elif left:
        number = len(earlier) + 1
        day = _day(bill, invoice.uncollectible_at) if number == 1 else _day_of_change(bill)
        _match(bill, _book(bill, "bad_debt", number, left, day), left, released)
    return released


def make_room(bill: Bill, *, is_known: bool) -> tuple[NeedKey, ...] | None:
    """Wish that write-offs let go of the invoice where a payment or a credit note takes their place; returns the keys of the releases.

    ``is_known``: the invoice's state tells of that payment or credit note: what it is written off for now leaves room for it. None, and a
    wait: not yet, or not of all that are known; a newer state of the invoice has to say what is still uncollectible.
    """
    invoice, draft = bill.invoice, bill.books.draft
    is_told = invoice.state is not InvoiceState.UNCOLLECTIBLE or invoice.amount_remaining is None or (is_known and not _is_behind(bill))
    if not is_told:
        draft.findings.wait_for(INVOICE.ref(invoice.id))
        return None
    earlier = write_offs(bill)
    kept = _kept(earlier, _left(invoice, earlier)) if is_known else None
    return tuple(key for one in earlier if one is not kept for key in _release(bill, one))


def _is_behind(bill: Bill) -> bool:
    """Tell whether an uncollectible invoice's state is older than a payment or a credit note of it that is known."""
    invoice, view = bill.invoice, bill.books.draft.view
    if invoice.state is not InvoiceState.UNCOLLECTIBLE or invoice.amount_remaining is None:
        return False
    linked = view.linked_to(INVOICE.ref(invoice.id))
    payments = [one for one in linked if isinstance(one, Payment) and one.state is PaymentState.SUCCEEDED and not _has_failed(view, one)]
    notes = (one for one in linked if isinstance(one, CreditNote) and one.state is CreditNoteState.ISSUED and one.before_payment)
    zero = Money(0, invoice.currency)
    credited = total((note.before_payment or zero for note in notes), invoice.currency)
    return credited > (invoice.credited_before_payment or zero) or not bill.knows_all(payments)


def _has_failed(view: View, payment: Payment) -> bool:
    """Tell whether the money of a payment went back because it failed after all."""
    found = view.linked_to(PAYMENT.ref(payment.id))
    return any(isinstance(one, Refund) and one.reason == PAYMENT_FAILED for one in found)


def _left(invoice: Invoice, earlier: tuple[WriteOff, ...]) -> Money:
    """Return what should be written off now; what was, as long as the source does not say what is open."""
    zero = Money(0, invoice.currency)
    if invoice.state is not InvoiceState.UNCOLLECTIBLE:
        return zero
    if invoice.amount_remaining is None and earlier:
        return earlier[-1].amount
    return invoice.amount_remaining or zero


def _kept(earlier: tuple[WriteOff, ...], left: Money) -> WriteOff | None:
    last = earlier[-1] if earlier else None
    return last if last is not None and last.amount == left and not last.is_taken_back else None


def _take_back(bill: Bill, one: WriteOff) -> tuple[NeedKey, ...]:
    released = _release(bill, one)
    before = _booked(bill.books.draft, "recovery", bill.invoice, one.number)
    recovery = _book(bill, "recovery", one.number, -one.amount, before[1] if before else _day_of_change(bill))
    bill.books.match(recovery, one.entry, one.amount, released)
    return released


def _release(bill: Bill, one: WriteOff) -> tuple[NeedKey, ...]:
    return (*bill.books.unmatch(bill.document, one.entry), *bill.books.unmatch(bill.balance, one.entry))


def _match(bill: Bill, entry: MatchableDocument, left: Money, released: tuple[NeedKey, ...]) -> None:
    """Match a write-off with what is last to be paid of the invoice."""
    bill.settle(entry, left, (bill.due - left).minor, released, is_undoable=True)


def _book(bill: Bill, name: str, number: int, amount: Money, day: date) -> MatchableDocument:
    invoice, books = bill.invoice, bill.books
    lines = transfer_lines(BAD_DEBT, RECEIVABLE, amount, credit_customer=books.customer_id)
    return books.entry(name, _object_id(invoice, number), lines, day, memo=f"uncollectible, invoice {invoice.number or invoice.id}")


def _booked(draft: Draft, name: str, invoice: Invoice, number: int) -> tuple[Money, date] | None:
    """Return amount and day of an entry as it was wished or summed up before, None if it was not."""
    key = external_key(name, _object_id(invoice, number))
    wish = draft.past.wished(key)
    if wish is not None and isinstance(wish.command.arguments, PostEntry):
        return abs(wish.command.arguments.lines[0].amount), wish.command.arguments.accounting_on
    items = [item for item in draft.view.summarized(key) if item.account == BAD_DEBT]
    return (abs(total((item.amount for item in items), invoice.currency)), items[0].day) if items else None


def _object_id(invoice: Invoice, number: int) -> str:
    return invoice.id if number == 1 else f"{invoice.id}.{number}"


def _entry(bill: Bill, number: int, day: date) -> MatchableDocument:
    return MatchableDocument(entry_need("bad_debt", _object_id(bill.invoice, number)), day)


def _day(bill: Bill, instant: datetime | None) -> date:
    return bill.books.entity.day_of(instant) if instant else bill.document.day


def _day_of_change(bill: Bill) -> date:
    """Return the day the invoice left the state it was written off in: its end, or when the source told of what is open now."""
    invoice = bill.invoice
    if invoice.state in _SETTLED:
        return _day(bill, invoice.paid_at if invoice.state is InvoiceState.PAID else invoice.voided_at)
    told_at = bill.books.draft.event.occurred_at
    return _day(bill, max(told_at, invoice.uncollectible_at or told_at))

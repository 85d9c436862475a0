"""How invoices end other than by payment: uncollectible (``write_offs``), and void after issue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from counterfoil.core.commands.books import BookCommand, DocumentLine, PostDocument
from counterfoil.core.finance.entries import customer_balance_lines
from counterfoil.core.finance.proportion import less_lines, scale_lines
from counterfoil.core.kinds.credit_note import CREDIT_NOTE, CreditNote, CreditNoteState
from counterfoil.core.kinds.invoice import INVOICE, InvoiceState
from counterfoil.core.language.keys import NeedKey, need_of
from counterfoil.core.language.money import Money, total

from .bills import Bill, booked_lines, posted_document
from .booking import RECEIVABLE, MatchableDocument
from .lines import document_lines
from .requests import BookingRequest
from .write_offs import write_off


def end(bill: Bill, document: PostDocument, product_needs: tuple[NeedKey, ...]) -> None:
    """Book how the invoice ended, if it did. ``document`` is the document it was posted as."""
    released = write_off(bill)
    if bill.invoice.state is InvoiceState.VOID:
        _void(bill, document, product_needs, released)


def _void(bill: Bill, document: PostDocument, product_needs: tuple[NeedKey, ...], released: tuple[NeedKey, ...]) -> None:
    """Reverse a voided invoice by a credit note of the void day, never by canceling it in place: its period may be closed.

    Credit notes issued before stand: only the rest is reversed. Customer credit that was used goes back to the customer, and what was paid
    stays his, open on the reversal.
    """
    invoice, books = bill.invoice, bill.books
    day = books.entity.day_of(invoice.voided_at) if invoice.voided_at else bill.document.day
    reversal = _reversal(bill, document, day)
    if reversal is None:
        return
    is_credit_note = invoice.total.minor >= 0
    kind = BookCommand.POST_CREDIT_NOTE if is_credit_note else BookCommand.POST_INVOICE
    void = MatchableDocument(need_of((CREDIT_NOTE if is_credit_note else INVOICE).ref(f"void.{invoice.id}")), day)
    needs = (books.customer_key, *((bill.document.key,) if books.has_document(bill.document) else ()), *product_needs)
    books.draft.outbox.wish(BookingRequest(books.entity, kind, "invoice_void", invoice.id, reversal, needs, void.key, books.customer_id))
    lines = customer_balance_lines(-bill.balance_change, books.customer_id, RECEIVABLE)
    returned = books.entry("balance_return", invoice.id, lines, day, memo=f"customer balance, void of {invoice.number or invoice.id}")
    if is_credit_note:
        paid_own, paid_carried = bill.settled()
        books.match(bill.document, void, bill.own_part - paid_own, released)
        books.match(returned, void, min(bill.balance_change, reversal.total))
        books.match(bill.balance, returned, bill.carried_part - paid_carried)
        return
    books.match(void, returned, min(-bill.balance_change, reversal.total))
    books.match(void, bill.document, reversal.total + min(bill.balance_change, Money(0, invoice.currency)))


def _reversal(bill: Bill, document: PostDocument, day: date) -> PostDocument | None:
    """Return what is to be reversed: the document as it was posted, less what was credited; None if nothing is left or not all is known."""
    invoice = bill.invoice
    credited = invoice.credited_before_payment
    lines, rest = document.lines, document.total
    if credited and rest:
        rest = rest - credited
        left = _less_credited(bill, lines, credited) if rest.minor > 0 else None
        if left is None:
            return None
        lines = left
    tax = total((tax.amount for line in lines for tax in line.taxes), invoice.currency)
    # A target may match a reversal with its original by itself: right only where no customer credit is to be given back by it.
    is_plain = invoice.total.minor >= 0 and bill.balance_change.minor <= 0
    reverses = bill.document.key if is_plain and bill.books.has_document(bill.document) else ""
    memo = f"void of {invoice.number or invoice.id}"
    dated = replace(document, customer_id=bill.books.customer_id, issued_on=day, accounting_on=day, due_on=day, number="", memo=memo)
    return replace(dated, lines=lines, total=rest, tax=tax, reverses=reverses)


def _less_credited(bill: Bill, lines: Sequence[DocumentLine], credited: Money) -> tuple[DocumentLine, ...] | None:
    """Return the lines without what credit notes took off them; in proportion where the source does not say which. None: wait for them."""
    document_total = _sum(lines, credited.currency)
    if bill.invoice.credit_note_ids is None:
        return scale_lines(lines, document_total - credited)
    taken: list[DocumentLine] = []
    for note_id in bill.invoice.credit_note_ids:
        found = _credited_by(bill, note_id)
        if found is None:
            return None
        taken += found
    left = less_lines(lines, taken)
    return left if _sum(taken, credited.currency) == credited else scale_lines(lines, document_total - credited)


def _credited_by(bill: Bill, note_id: str) -> tuple[DocumentLine, ...] | None:
    """Return the lines by which a credit note lowered the open invoice, as they were posted; None, and a wait, if it is not known."""
    draft = bill.books.draft
    note = draft.view.get(CREDIT_NOTE.ref(note_id))
    if not isinstance(note, CreditNote):
        draft.findings.wait_for(CREDIT_NOTE.ref(note_id))
        return None
    before = note.before_payment or Money(0, note.currency)
    if note.state is CreditNoteState.VOID or not before:
        return ()
    posted = posted_document(draft, "credit_note", note.id)
    booked = booked_lines(draft, bill.invoice, bill.books.entity)
    made = posted[0] if posted else document_lines(draft, bill.books.entity, note.lines, booked)
    if made is None:
        return None
    lines = made.lines
    return lines if before == note.total else scale_lines(lines, before)


def _sum(lines: Sequence[DocumentLine], currency: str) -> Money:
    exclusive = (tax.amount for line in lines for tax in line.taxes if not tax.is_inclusive)
    return total((line.amount for line in lines), currency) + total(exclusive, currency)

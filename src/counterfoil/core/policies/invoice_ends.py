"""How invoices end other than by payment: void after issue, uncollectible, and paid or voided after having been written off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from counterfoil.core.canonical.commands import CommandKind, PostDocument, PostEntry
from counterfoil.core.canonical.entities import Invoice, InvoiceState
from counterfoil.core.canonical.ids import ObjectKind, external_key
from counterfoil.core.canonical.money import Money, total
from counterfoil.core.finance.entries import customer_balance_lines, transfer_lines
from counterfoil.core.finance.proportion import scale_lines

from .bills import Bill
from .booking import BAD_DEBT, RECEIVABLE, Posted
from .draft import Draft, Wanted

_SETTLED = frozenset({InvoiceState.PAID, InvoiceState.VOID})


def end(bill: Bill, document: PostDocument, product_needs: tuple[str, ...]) -> None:
    """Book how the invoice ended, if it did. ``document`` is the document it was posted as."""
    released = _write_off(bill)
    if bill.invoice.state is InvoiceState.VOID:
        _void(bill, document, product_needs, released)


def _day(bill: Bill, instant: datetime | None) -> date:
    return bill.books.draft.day(bill.books.entity, instant) if instant else bill.document.day


def written_off(draft: Draft, invoice: Invoice) -> Money | None:
    """Return what was written off of an invoice as far as it was wished or summed up before; None if nothing was."""
    return _booked(draft, "bad_debt", invoice)


def _booked(draft: Draft, name: str, invoice: Invoice) -> Money | None:
    key = external_key(name, invoice.id)
    wish = draft.view.wished(key)
    if wish is not None and isinstance(wish.command.arguments, PostEntry):
        return abs(wish.command.arguments.lines[0].amount)
    items = [item.amount for item in draft.view.summarized(key) if item.account == BAD_DEBT]
    return abs(total(items, invoice.currency)) if items else None


@dataclass(frozen=True, slots=True)
class _WriteOff:
    """The write-off entry of a bill and what it takes to book one entry against bad debt."""

    bill: Bill
    entry: Posted

    def book(self, name: str, amount: Money, day: date) -> Posted:
        books = self.bill.books
        lines = transfer_lines(BAD_DEBT, RECEIVABLE, amount, credit_customer=books.customer_id)
        memo = f"uncollectible, invoice {self.bill.invoice.number or self.bill.invoice.id}"
        return books.entry(name, self.bill.invoice.id, lines, day, memo=memo)


def _write_off(bill: Bill) -> tuple[str, ...]:
    """Write off what an uncollectible invoice leaves open; take it back when it is paid or voided after all. Returns what was released.

    The write-off is kept as first booked, however often the invoice is decided. What is recovered while it stays uncollectible is
    taken back once it ends, in one entry. An invoice that was first seen when it was paid already was never written off here.
    """
    invoice, draft = bill.invoice, bill.books.draft
    written = written_off(draft, invoice)
    released: tuple[str, ...] = ()
    off = _WriteOff(bill, Posted(f"entry/bad_debt.{invoice.id}", _day(bill, invoice.uncollectible_at)))
    if invoice.state is InvoiceState.UNCOLLECTIBLE:
        open_part = written or invoice.amount_remaining or Money(0, invoice.currency)
        off.book("bad_debt", open_part, off.entry.day)
        bill.settle(off.entry, open_part, is_undoable=True)
    elif written is not None and invoice.state in _SETTLED:
        off.book("bad_debt", written, off.entry.day)
        released = release(bill)
        ended = invoice.paid_at if invoice.state is InvoiceState.PAID else invoice.voided_at
        recovery = off.book("recovery", -written, _day(bill, ended))
        bill.books.match(recovery, off.entry, written, released)
    return released


def release(bill: Bill) -> tuple[str, ...]:
    """Wish that the write-off lets go of the invoice, so that a payment can take its place; returns the keys of the releases."""
    invoice = bill.invoice
    entry = Posted(f"entry/bad_debt.{invoice.id}", _day(bill, invoice.uncollectible_at))
    return (*bill.books.unmatch(bill.document, entry), *bill.books.unmatch(bill.balance, entry))


def _void(bill: Bill, document: PostDocument, product_needs: tuple[str, ...], released: tuple[str, ...]) -> None:
    """Reverse a voided invoice by a credit note of the void day, never by canceling it in place: its period may be closed.

    Credit notes issued before stand: only the rest is reversed, in proportion. Customer credit that was used goes back to the customer.
    """
    invoice, books = bill.invoice, bill.books
    day = _day(bill, invoice.voided_at)
    reversal = _reversal(bill, document, day)
    if reversal is None:
        return
    is_credit_note = invoice.total.minor >= 0
    kind = CommandKind.POST_CREDIT_NOTE if is_credit_note else CommandKind.POST_INVOICE
    void = Posted(f"{(ObjectKind.CREDIT_NOTE if is_credit_note else ObjectKind.INVOICE).value}/void.{invoice.id}", day)
    needs = (books.customer_key, *((bill.document.key,) if books.has_document(bill.document) else ()), *product_needs)
    books.draft.wish(Wanted(books.entity, kind, "invoice_void", invoice.id, reversal, needs, void.key, books.customer_id))
    lines = customer_balance_lines(-bill.balance_change, books.customer_id, RECEIVABLE)
    returned = books.entry("balance_return", invoice.id, lines, day, memo=f"customer balance, void of {invoice.number or invoice.id}")
    if is_credit_note:
        books.match(bill.document, void, bill.own_part, released)
        books.match(returned, void, min(bill.balance_change, reversal.total))
        books.match(bill.balance, returned, bill.carried_part)
        return
    books.match(void, returned, min(-bill.balance_change, reversal.total))
    books.match(void, bill.document, reversal.total + min(bill.balance_change, Money(0, invoice.currency)))


def _reversal(bill: Bill, document: PostDocument, day: date) -> PostDocument | None:
    invoice = bill.invoice
    credited = invoice.credited_before_payment
    lines, rest = document.lines, document.total
    if credited and rest:
        rest = rest - credited
        if rest.minor <= 0:
            return None
        lines = scale_lines(lines, rest)
    tax = total((tax.amount for line in lines for tax in line.taxes), invoice.currency)
    # A target may match a reversal with its original by itself: right only where no customer credit is to be given back by it.
    is_plain = invoice.total.minor >= 0 and bill.balance_change.minor <= 0
    reverses = bill.document.key if is_plain and bill.books.has_document(bill.document) else ""
    memo = f"void of {invoice.number or invoice.id}"
    return replace(
        document, lines=lines, total=rest, tax=tax, issued_on=day, accounting_on=day, due_on=day, number="", reverses=reverses, memo=memo
    )

"""Invoices: the document and the use or creation of customer credit. What was paid, also out of band, are payments of their own."""

from __future__ import annotations

from dataclasses import replace

from counterfoil.core.commands.books import BookCommand, PostDocument
from counterfoil.core.finance.entries import customer_balance_lines
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.language.ids import digest
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.records import Purpose
from counterfoil.core.language.text import canonical_text

from . import invoice_ends
from .bills import IGNORED_STATES, Bill, balance_change_of, bill_of, country_of, posted_document
from .booking import RECEIVABLE
from .draft import Draft
from .lines import Lines, document_lines, negated
from .missing import account_billed, no_customer
from .policy import Policy, nobody
from .requests import BookingRequest
from .rules import ZeroInvoicePolicy
from .survivors import customer_of


def invoice(draft: Draft, state: Invoice) -> None:
    """Decide an invoice."""
    if state.state in IGNORED_STATES or state.issued_at is None:
        draft.findings.ignore(IGNORED_STATES.get(state.state, "invoice_never_issued"))
        return
    if not state.customer_id and state.customer_account:
        account_billed(draft, state.customer_account)
        return
    if not state.customer_id:
        no_customer(draft)
        return
    country = country_of(draft, state)
    customer = customer_of(draft, state.customer_id)
    if country is None or customer is None:
        return
    entity = draft.routes.route(INVOICE.ref(state.id), country, state.currency)
    if entity is None:
        return
    if entity.zero_invoice_policy is ZeroInvoicePolicy.SKIP and _is_all_zero(state):
        draft.findings.ignore("invoice_of_zero_skipped")
        return
    bill = bill_of(draft, state, entity)
    made = None if bill is None else _made(bill)
    if bill is None or made is None:
        return
    _post(bill, *made)
    _book_balance(bill)
    invoice_ends.end(bill, *made)


def _made(bill: Bill) -> tuple[PostDocument, tuple[NeedKey, ...]] | None:
    """Return the document and the products it needs: as it was posted, whatever is mapped by now; None if it cannot be made."""
    draft, state = bill.books.draft, bill.invoice
    posted = posted_document(draft, "invoice", state.id)
    if posted is not None:
        return posted
    lines = document_lines(draft, bill.books.entity, state.lines)
    return None if lines is None else (_document(bill, lines), lines.needs)


def _is_all_zero(state: Invoice) -> bool:
    return not state.total and not balance_change_of(state) and all(line.amount == line.discount for line in state.lines)


def _content(state: Invoice) -> str:
    lines = sorted(
        canonical_text((line.amount, line.discount, tuple((tax.rate_id, tax.amount, tax.is_inclusive) for tax in line.taxes)))
        for line in state.lines
    )
    return digest(canonical_text((state.currency, state.total, state.tax, state.issued_at)), *lines)


def _document(bill: Bill, lines: Lines) -> PostDocument:
    state, books = bill.invoice, bill.books
    is_owed = state.total.minor < 0  # to the customer
    return PostDocument(
        customer_id=books.customer_id,
        currency=state.currency,
        issued_on=bill.document.day,
        accounting_on=bill.document.day,
        due_on=books.entity.day_of(state.due_at) if state.due_at else bill.document.day,
        total=abs(state.total),
        tax=-state.tax if is_owed else state.tax,
        lines=negated(lines.lines) if is_owed else lines.lines,
        number=state.number,
        rounding_tolerance=books.entity.tolerance_minor(state.currency),
    )


def _post(bill: Bill, document: PostDocument, product_needs: tuple[NeedKey, ...]) -> None:
    """Wish the invoice; one of a negative total is a credit note with all signs turned, under the same external key."""
    kind = BookCommand.POST_CREDIT_NOTE if bill.invoice.total.minor < 0 else BookCommand.POST_INVOICE
    needs = (bill.books.customer_key, *product_needs)
    customer_id = bill.books.customer_id
    request = BookingRequest(bill.books.entity, kind, "invoice", bill.invoice.id, document, needs, bill.document.key, customer_id)
    bill.books.draft.outbox.wish(replace(request, content=_content(bill.invoice)))


def _book_balance(bill: Bill) -> None:
    """Book the use or creation of customer credit and match it with the invoice.

    A debt carried over (change < 0 on an invoice to be paid) is matched by the payments that pay it: ``Bill.settle``.
    """
    change, books = bill.balance_change, bill.books
    lines = customer_balance_lines(change, books.customer_id, RECEIVABLE)
    books.entry(
        "balance", bill.invoice.id, lines, bill.balance.day, memo=f"customer balance, invoice {bill.invoice.number or bill.invoice.id}"
    )
    if bill.invoice.total.minor < 0:
        books.match(bill.balance, bill.document, min(-change, -bill.invoice.total))
    else:
        books.match(bill.document, bill.balance, min(change, bill.invoice.total))


POLICIES = (Policy(kind=INVOICE, purpose=Purpose.BOOKS, decide=invoice, after=nobody, looks_back=False, sees_documents=False),)

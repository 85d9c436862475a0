"""PURE: documents of several rows: invoices, credit notes, journal entries. Parts must sum to the whole, or the document is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from counterfoil.connectors.files.row import Row
from counterfoil.core.kinds.credit_note import CreditNote, CreditNoteEvent, CreditNoteState
from counterfoil.core.kinds.invoice import Invoice, InvoiceEvent, InvoiceLine, InvoiceState, LineTax
from counterfoil.core.kinds.journal_entry import ImportedEntry, JournalEntryEvent, OpeningEntryLine
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Record

_INVOICE_COLUMNS = ("customer_id", "currency", "issued_on", "due_on", "total", "number", "state", "subscription_id", "country")
_CREDIT_NOTE_COLUMNS = (
    *("invoice_id", "customer_id", "currency", "issued_on", "total", "number", "reason", "state"),
    *("before_payment", "to_balance", "out_of_band", "refund_ids"),
)
_INVOICE_STATES = (InvoiceState.ISSUED, InvoiceState.PAID, InvoiceState.VOID, InvoiceState.UNCOLLECTIBLE)
_INVOICE_EVENTS = {
    InvoiceState.ISSUED: InvoiceEvent.ISSUED,
    InvoiceState.PAID: InvoiceEvent.PAID,
    InvoiceState.VOID: InvoiceEvent.VOIDED,
    InvoiceState.UNCOLLECTIBLE: InvoiceEvent.UNCOLLECTIBLE,
}


def same(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Refuse rows of one document that disagree on it; a later row may leave a column of the document empty."""
    for row in rows[1:]:
        for column in columns:
            if row.text(column) not in ("", rows[0].text(column)):
                raise row.refuse(column, "differs from the first row of the same document", case_class=CaseClass.AMOUNT_MISMATCH)


def invoice(rows: Sequence[Row], _modified_at: datetime) -> tuple[EventType, datetime, Record]:
    """Return the invoice of the rows, one row per line."""
    row = rows[0]
    same(rows, _INVOICE_COLUMNS)
    currency = row.currency()
    lines = tuple(_line(r, currency, index) for index, r in enumerate(rows))
    issued_at = row.instant("issued_on")
    state = row.choice("state", InvoiceState, InvoiceState.ISSUED, _INVOICE_STATES)
    found = Invoice(
        id=row.own_id(),
        customer_id=row.required_ref("customer_id"),
        state=state,
        currency=currency,
        total=_checked_total(row, lines, currency),
        tax=_tax_of(lines, currency),
        lines=lines,
        number=row.text("number"),
        subscription_id=row.ref("subscription_id"),
        issued_at=issued_at,
        due_at=row.instant_or_none("due_on"),
        created_at=issued_at,
        customer_country=row.text("country").upper(),
    )
    return _INVOICE_EVENTS[state], issued_at, found


def credit_note(rows: Sequence[Row], _modified_at: datetime) -> tuple[EventType, datetime, Record]:
    """Return the credit note of the rows, one row per line; all amounts are positive."""
    row = rows[0]
    same(rows, _CREDIT_NOTE_COLUMNS)
    currency = row.currency()
    lines = tuple(_line(r, currency, index) for index, r in enumerate(rows))
    total = _checked_total(row, lines, currency)
    if total.minor <= 0:
        raise row.refuse("total", "must be positive: it is what the invoice is reduced by", case_class=CaseClass.AMOUNT_MISMATCH)
    before = row.amount("before_payment", currency) if row.text("before_payment") else total
    issued_at = row.instant("issued_on")
    state = row.choice("state", CreditNoteState, CreditNoteState.ISSUED)
    found = CreditNote(
        id=row.own_id(),
        invoice_id=row.required_ref("invoice_id"),
        customer_id=row.required_ref("customer_id"),
        state=state,
        currency=currency,
        total=total,
        tax=_tax_of(lines, currency),
        lines=lines,
        issued_at=issued_at,
        number=row.text("number"),
        reason=row.text("reason"),
        before_payment=before,
        after_payment=total - before,
        to_balance=row.amount("to_balance", currency),
        out_of_band=row.amount("out_of_band", currency),
        refund_ids=tuple(f"{row.namespace}:{part}" for part in row.text("refund_ids").split()),
    )
    event_type = CreditNoteEvent.ISSUED if state is CreditNoteState.ISSUED else CreditNoteEvent.VOIDED
    return event_type, issued_at, found


def journal_entry(rows: Sequence[Row], _modified_at: datetime) -> tuple[EventType, datetime, Record]:
    """Return the entry of the rows, one row per line; debits must equal credits."""
    row = rows[0]
    same(rows, ("entity", "effective_on", "currency", "description"))
    currency = row.currency()
    lines = []
    for r in rows:
        debit, credit = r.amount("debit", currency), r.amount("credit", currency)
        if debit and credit:
            raise r.refuse("debit", "and credit cannot both be set; write two lines")
        lines.append(OpeningEntryLine(r.required("account"), debit - credit, r.text("line_description"), r.ref("customer_id")))
    difference = sum(line.amount.minor for line in lines)
    if difference:
        raise row.refuse(
            "debit",
            f"debits and credits of the entry differ by {Money(difference, currency)}",
            case_class=CaseClass.AMOUNT_MISMATCH,
            shared="debits and credits of the entry differ",
        )
    found = ImportedEntry(row.own_id(), row.required("entity"), row.day("effective_on"), tuple(lines), row.text("description"))
    return JournalEntryEvent.IMPORTED, row.instant("effective_on"), found


def _line(row: Row, currency: str, index: int) -> InvoiceLine:
    amount, discount = row.amount("amount", currency), row.amount("discount", currency)
    row.required("amount")
    return InvoiceLine(
        id=row.text("line_id") or f"{row.own_id()}/{index + 1}",
        description=row.required("description"),
        amount=amount,
        discount=discount,
        quantity=row.number("quantity", "1"),
        taxes=_taxes(row, amount - discount, currency),
        product_id=row.ref("product_id"),
        period_start=row.instant_or_none("period_start"),
        period_end=row.instant_or_none("period_end"),
    )


def _taxes(row: Row, after_discount: Money, currency: str) -> tuple[LineTax, ...]:
    rate = row.ref("tax_rate_id")
    if not rate:
        if row.text("tax_amount") or row.text("tax_percentage"):
            raise row.refuse("tax_rate_id", "is empty though the row has a tax", case_class=CaseClass.UNMAPPED_TAX)
        return ()
    amount = row.amount("tax_amount", currency)
    is_inclusive = row.flag("tax_inclusive", default=False)
    percentage = row.number("tax_percentage", "0") if row.text("tax_percentage") else None
    return (LineTax(rate, amount, after_discount - amount if is_inclusive else after_discount, is_inclusive, percentage),)


def _tax_of(lines: Sequence[InvoiceLine], currency: str) -> Money:
    return Money(sum(tax.amount.minor for line in lines for tax in line.taxes), currency)


def _checked_total(row: Row, lines: Sequence[InvoiceLine], currency: str) -> Money:
    row.required("total")
    total = row.amount("total", currency)
    exclusive = sum(tax.amount.minor for line in lines for tax in line.taxes if not tax.is_inclusive)
    computed = Money(sum(line.amount.minor - line.discount.minor for line in lines) + exclusive, currency)
    if computed != total:
        rule = "rows of one document must follow each other"
        raise row.refuse(
            "total",
            f"says {total}, but the lines of this document sum to {computed}; {rule}",
            code="files.total",
            case_class=CaseClass.AMOUNT_MISMATCH,
            shared=f"is not what the lines of the document sum to; {rule}",
        )
    return total

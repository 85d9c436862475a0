"""Which objects must be loaded before an object can be decided."""

from __future__ import annotations

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef


def _customer(customer_id: str) -> tuple[ObjectRef, ...]:
    return (ObjectRef(ObjectKind.CUSTOMER, customer_id),) if customer_id else ()


def _of_lines(lines: tuple[e.InvoiceLine, ...]) -> tuple[ObjectRef, ...]:
    products = (ObjectRef(ObjectKind.PRODUCT, line.product_id) for line in lines if line.product_id)
    rates = (ObjectRef(ObjectKind.TAX_RATE, tax.rate_id) for line in lines for tax in line.taxes if tax.rate_id)
    return (*products, *rates)


def _of_end(invoice: e.Invoice) -> tuple[ObjectRef, ...]:
    """Return what an invoice's end is booked by: the credit notes a voided one was credited by, the payments of one paid too much."""
    notes = invoice.credit_note_ids or () if invoice.state is e.InvoiceState.VOID else ()
    parts = invoice.paid_parts or () if invoice.amount_overpaid else ()
    return (
        *(ObjectRef(ObjectKind.CREDIT_NOTE, note_id) for note_id in notes),
        *(ObjectRef(ObjectKind.PAYMENT, part.payment_id) for part in parts if part.payment_id),
    )


def _refs(entity: e.Entity) -> tuple[ObjectRef, ...]:
    match entity:
        case e.Customer():
            return _customer(entity.merged_into)
        case e.Invoice():
            return (*_customer(entity.customer_id), *_of_lines(entity.lines), *_of_end(entity))
        case e.CreditNote():
            invoice = (ObjectRef(ObjectKind.INVOICE, entity.invoice_id),) if entity.invoice_id else ()
            refunds = tuple(ObjectRef(ObjectKind.REFUND, refund_id) for refund_id in entity.refund_ids)
            return (*_customer(entity.customer_id), *invoice, *refunds, *_of_lines(entity.lines))
        case e.Payment():
            invoices = tuple(ObjectRef(ObjectKind.INVOICE, application.invoice_id) for application in entity.applications)
            is_later = entity.first_part_id not in ("", entity.id)
            first = (ObjectRef(ObjectKind.PAYMENT, entity.first_part_id),) if is_later else ()
            return (*_customer(entity.customer_id), *invoices, *first)
        case e.Refund():
            note_ids = (entity.credit_note_id, *(part.credit_note_id for part in entity.credit_notes))
            credit_notes = tuple(ObjectRef(ObjectKind.CREDIT_NOTE, note_id) for note_id in note_ids if note_id)
            payment = (ObjectRef(ObjectKind.PAYMENT, entity.payment_id),) if entity.payment_id else ()
            return (*_customer(entity.customer_id), *payment, *credit_notes)
        case e.Dispute():
            return (ObjectRef(ObjectKind.PAYMENT, entity.payment_id),) if entity.payment_id else ()
        case e.CustomerCredit():
            invoice = (ObjectRef(ObjectKind.INVOICE, entity.invoice_id),) if entity.invoice_id else ()
            return (*_customer(entity.customer_id), *invoice)
        case _:
            return ()


def related(entity: e.Entity) -> tuple[ObjectRef, ...]:
    """Return the objects an entity refers to, each once, in the order they are named.

    Load them, call this again with what was loaded, and so on until nothing new is named (refund, credit note, invoice, customer,
    the customer it was merged into). What cannot be found is left out; the decision waits for it if it needs it.
    """
    return tuple(dict.fromkeys(_refs(entity)))

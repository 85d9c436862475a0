"""Which objects must be loaded before an object can be decided: those it names, and where that matters those that name it."""

from __future__ import annotations

from collections.abc import Mapping

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef

from .decision import View


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


def links(entity: e.Entity) -> tuple[ObjectRef, ...]:
    """Return what an object names that is decided by all that name it: a refund's payment, a payment's and a credit note's invoice, a
    credit note's refunds. Each once.
    """
    match entity:
        case e.Payment():
            found = [ObjectRef(ObjectKind.INVOICE, application.invoice_id) for application in entity.applications]
        case e.CreditNote():
            invoice = [ObjectRef(ObjectKind.INVOICE, entity.invoice_id)] if entity.invoice_id else []
            found = [*invoice, *(ObjectRef(ObjectKind.REFUND, refund_id) for refund_id in entity.refund_ids)]
        case e.Refund():
            found = [ObjectRef(ObjectKind.PAYMENT, entity.payment_id)] if entity.payment_id else []
        case _:
            found = []
    return tuple(dict.fromkeys(found))


def linked(entities: Mapping[ObjectRef, e.Entity]) -> dict[ObjectRef, tuple[ObjectRef, ...]]:
    """Return, by object, which of these name it."""
    found: dict[ObjectRef, list[ObjectRef]] = {}
    for ref, entity in entities.items():
        for named in links(entity):
            found.setdefault(named, []).append(ref)
    return {ref: tuple(others) for ref, others in found.items()}


def is_looked_back_from(entity: e.Entity) -> bool:
    """Tell whether what names an object (``links``) is loaded with it, too: its own decision, or that of what it was loaded for, needs it.

    What is given back of a payment is all its refunds, what a refund pays out all the credit notes that name it, and what is uncollectible
    of an invoice shall not be paid or credited by anything its state does not tell of yet.
    """
    is_lost = isinstance(entity, e.Invoice) and entity.state is e.InvoiceState.UNCOLLECTIBLE
    return is_lost or isinstance(entity, e.Payment | e.Refund)


FOLLOWED = (ObjectKind.PAYMENT, ObjectKind.CREDIT_NOTE)
"""The kinds of objects after which others are decided again: see ``decided_after``."""


def decided_with(entity: e.Entity) -> tuple[ObjectRef, ...]:
    """Return the objects to be decided again when an object changed, beside itself: the payment of a refund, and so its other refunds."""
    return tuple(ref for ref in links(entity) if isinstance(entity, e.Refund))


def decided_after(view: View, entity: e.Entity) -> tuple[ObjectRef, ...]:
    """Return the objects to be decided again after an object was.

    What a refund gives back of its payment is what the payment's other refunds leave: it is decided again whenever the payment is, which
    any of them has done when it changes, and any credit note that accounts for one of them. So the last of them to come has all of them
    decided in view of each other.
    """
    match entity:
        case e.Payment():
            found = view.linked_to(ObjectRef(ObjectKind.PAYMENT, entity.id))
            return tuple(ObjectRef(ObjectKind.REFUND, other.id) for other in found if isinstance(other, e.Refund))
        case e.CreditNote():
            refunds = [other for ref in links(entity) if isinstance(other := view.get(ref), e.Refund)]
            payments = [payment for refund in refunds for payment in links(refund)]
            return tuple(dict.fromkeys((*payments, *(ObjectRef(ObjectKind.REFUND, refund.id) for refund in refunds))))
        case _:
            return ()

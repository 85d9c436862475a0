"""Which entity a credit note belongs to: its invoice's, or by its own content where it has none."""

from __future__ import annotations

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef

from .bills import country_of, entity_of
from .draft import Draft
from .rules import EntityRules


def invoice_of_credit_note(draft: Draft, note: e.CreditNote) -> e.Invoice | None:
    """Return the credited invoice; None if there is none, or waits for it."""
    if not note.invoice_id:
        return None
    found = draft.view.get(ObjectRef(ObjectKind.INVOICE, note.invoice_id))
    if isinstance(found, e.Invoice):
        return found
    draft.wait_for(ObjectKind.INVOICE, note.invoice_id)
    return None


def route_credit_note(draft: Draft, note: e.CreditNote, invoice: e.Invoice | None, customer: e.Customer) -> EntityRules | None:
    """Return the entity; adds a problem if no route matches."""
    if invoice is None:
        ref = ObjectRef(ObjectKind.CREDIT_NOTE, note.id)
        return draft.route(ref, customer.address.country, note.currency, note.total)
    country = country_of(draft, invoice)
    if country is None:
        return None
    return draft.route(ObjectRef(ObjectKind.INVOICE, invoice.id), country, invoice.currency, note.total)


def entity_of_credit_note(draft: Draft, note: e.CreditNote) -> EntityRules | None:
    """Return the entity from another object's point of view: None, without a problem, if it is not known (yet)."""
    if note.invoice_id:
        invoice = invoice_of_credit_note(draft, note)
        return entity_of(draft, invoice) if invoice else None
    customer = draft.customer(note.customer_id) if note.customer_id else None
    if customer is None:
        return None
    return draft.find_route(ObjectRef(ObjectKind.CREDIT_NOTE, note.id), customer.address.country, note.currency)

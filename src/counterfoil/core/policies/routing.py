"""Which entity things belong to that follow others: a credit note its invoice, a movement on the balance what it came of."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.core.canonical.money import Money

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
    """Return the entity: where the note was booked, or its invoice was; adds a problem if no route matches."""
    ref = ObjectRef(ObjectKind.CREDIT_NOTE, note.id)
    if invoice is None or draft.place(note.id, "credit_note"):
        return draft.route(ref, customer.address.country, note.currency)
    country = country_of(draft, invoice)
    if country is None:
        return None
    return draft.route(ObjectRef(ObjectKind.INVOICE, invoice.id), country, invoice.currency)


def entity_of_credit_note(draft: Draft, note: e.CreditNote) -> EntityRules | None:
    """Return the entity from another object's point of view: None, without a problem, if it is not known (yet)."""
    if note.invoice_id and not draft.place(note.id, "credit_note"):
        invoice = invoice_of_credit_note(draft, note)
        return entity_of(draft, invoice) if invoice else None
    customer = draft.customer(note.customer_id)
    if customer is None:
        return None
    return draft.find_route(ObjectRef(ObjectKind.CREDIT_NOTE, note.id), customer.address.country, note.currency)


def owner_of_balance(draft: Draft, movements: Sequence[e.Settlement], money: Money) -> EntityRules | None:
    """Return the owner of the balance on which all of one thing moves: the entity its first movement was booked in, else as routed.

    A dispute follows its payment if that came into the same balance.
    """
    subject, names = draft.event.subject, ("dispute", "dispute_return", "payout", "payout_return", "balance_entry")
    balance = [movement for movement in movements if movement.gross.currency == money.currency]
    booked = next((place for movement in balance if (place := draft.place(movement.id, *names))), None)
    state = draft.view.get(subject)
    paid = draft.view.get(ObjectRef(ObjectKind.PAYMENT, state.payment_id)) if isinstance(state, e.Dispute) else None
    if not booked and isinstance(paid, e.Payment) and paid.settlement is not None and paid.settlement.gross.currency == money.currency:
        booked = draft.place(paid.id, "payment")
    return draft.declared(booked, subject, money) if booked else draft.route(subject, "", money.currency, money)

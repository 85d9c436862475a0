"""Which entity things belong to that follow others: a credit note its invoice, a movement on the balance what it came of."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.core.kinds.credit_note import CREDIT_NOTE, CreditNote
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.dispute import Dispute
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.kinds.payment import PAYMENT, Payment
from counterfoil.core.language.money import Money
from counterfoil.core.language.settlement import Settlement

from .bills import country_of, entity_of
from .draft import Draft
from .rules import EntityRules
from .survivors import customer_of


def invoice_of_credit_note(draft: Draft, note: CreditNote) -> Invoice | None:
    """Return the credited invoice; None if there is none, or waits for it."""
    if not note.invoice_id:
        return None
    found = draft.view.get(INVOICE.ref(note.invoice_id))
    if isinstance(found, Invoice):
        return found
    draft.findings.wait_for(INVOICE.ref(note.invoice_id))
    return None


def route_credit_note(draft: Draft, note: CreditNote, invoice: Invoice | None, customer: Customer) -> EntityRules | None:
    """Return the entity: where the note was booked, or its invoice was; adds a problem if no route matches."""
    ref = CREDIT_NOTE.ref(note.id)
    if invoice is None or draft.past.place(note.id, "credit_note"):
        return draft.routes.route(ref, customer.address.country, note.currency)
    country = country_of(draft, invoice)
    if country is None:
        return None
    return draft.routes.route(INVOICE.ref(invoice.id), country, invoice.currency)


def entity_of_credit_note(draft: Draft, note: CreditNote) -> EntityRules | None:
    """Return the entity from another object's point of view: None, without a problem, if it is not known (yet)."""
    if note.invoice_id and not draft.past.place(note.id, "credit_note"):
        invoice = invoice_of_credit_note(draft, note)
        return entity_of(draft, invoice) if invoice else None
    customer = customer_of(draft, note.customer_id)
    if customer is None:
        return None
    return draft.routes.find(CREDIT_NOTE.ref(note.id), customer.address.country, note.currency)


def owner_of_balance(draft: Draft, movements: Sequence[Settlement], money: Money) -> EntityRules | None:
    """Return the owner of the balance on which all of one thing moves: the entity its first movement was booked in, else as routed.

    A dispute follows its payment if that came into the same balance.
    """
    subject, names = draft.event.subject, ("dispute", "dispute_return", "payout", "payout_return", "balance_entry")
    balance = [movement for movement in movements if movement.gross.currency == money.currency]
    booked = next((place for movement in balance if (place := draft.past.place(movement.id, *names))), None)
    state = draft.view.get(subject)
    paid = draft.view.get(PAYMENT.ref(state.payment_id)) if isinstance(state, Dispute) else None
    if not booked and isinstance(paid, Payment) and paid.settlement is not None and paid.settlement.gross.currency == money.currency:
        booked = draft.past.place(paid.id, "payment")
    return draft.routes.declared(booked, subject, money) if booked else draft.routes.route(subject, "", money.currency, money)

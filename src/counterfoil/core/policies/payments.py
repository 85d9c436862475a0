"""Payments: gross into the processor's clearing, its fee, and what each invoice gets of it; the rest stays the customer's credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from counterfoil.core.commands.books import Account, AccountRole, BookCommand, PostPayment
from counterfoil.core.finance.entries import check_settlement, fee_lines
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.invoice import INVOICE, Invoice, InvoiceState
from counterfoil.core.kinds.payment import PAYMENT, Payment, PaymentState
from counterfoil.core.kinds.refund import REFUND, Refund
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.core.language.keys import NeedKey, need_of
from counterfoil.core.language.money import Money, total
from counterfoil.core.language.records import Purpose
from counterfoil.core.language.settlement import Settlement
from counterfoil.core.language.text import canonical_text

from . import out_of_band, refund_draws
from .bills import IGNORED_STATES, bill_of, booked_for, country_of, entity_of
from .booking import OUT_OF_BAND, EntityBooks, MatchableDocument
from .bridges import Bridge
from .decision import View
from .draft import Draft
from .missing import collecting_customer, no_customer
from .policy import Policy
from .requests import BookingRequest
from .rules import EntityRules
from .survivors import customer_of
from .write_offs import make_room


def clearing_of(draft: Draft) -> Account:
    """Return the clearing account of the processor the subject comes from."""
    return Account(AccountRole.CLEARING, draft.routes.origin_of(draft.event.subject).connection)


def settled_part(amount: Money, settlement: Settlement) -> Money | None:
    """Return what the processor's balance moved by if that is in another currency than the amount, unsigned; else None.

    Raises:
        InvariantError: the settlement does not add up, or differs from the amount in the same currency.
    """
    check_settlement(settlement)
    if settlement.gross.currency != amount.currency:
        return abs(settlement.gross)
    if abs(settlement.gross) != amount:
        raise InvariantError(f"balance transaction {settlement.id} moved {settlement.gross}, the payment or refund is of {amount}")
    return None


def moved_at(state: Payment) -> datetime:
    """Return when a payment's money moved: a cleared one is of the day the processor's balance moved, which is the capture's, not that of
    the authorization; so clearing equals the balance on every day.
    """
    return state.settlement.occurred_at if state.settlement is not None and not state.is_out_of_band else state.occurred_at


def book_fee(books: EntityBooks, name: str, settlement: Settlement) -> None:
    """Book the fee of a movement whose gross is booked as a payment or refund, on the day of the movement."""
    clearing = clearing_of(books.draft)
    lines = fee_lines(settlement, clearing)
    day = books.entity.day_of(settlement.occurred_at)
    books.entry(name, settlement.id, lines, day, memo=f"fee of {settlement.id}", journal=clearing.qualifier, lane=Lane.BATCH)


def invoices_of(draft: Draft, payment: Payment) -> dict[str, Invoice | None]:
    """Return the invoices a payment is applied to, None where not known; waits for those."""
    found: dict[str, Invoice | None] = {}
    for application in payment.applications:
        invoice = draft.view.get(INVOICE.ref(application.invoice_id))
        found[application.invoice_id] = invoice if isinstance(invoice, Invoice) else None
        if found[application.invoice_id] is None:
            draft.findings.wait_for(INVOICE.ref(application.invoice_id))
    return found


def customer_of_payment(draft: Draft, payment: Payment) -> str:
    """Return the id of a payment's customer, from its invoices where it names none; empty if nothing tells."""
    if payment.customer_id:
        return payment.customer_id
    invoices = (draft.view.get(INVOICE.ref(application.invoice_id)) for application in payment.applications)
    return next((invoice.customer_id for invoice in invoices if isinstance(invoice, Invoice)), "")


def payment(draft: Draft, state: Payment) -> None:
    """Decide a payment: booked once it succeeded and the processor's balance moved; applied as its invoices become known."""
    if state.state is not PaymentState.SUCCEEDED:
        draft.findings.ignore(f"payment_{state.state.value}")
        return
    if state.settlement is None and not state.is_out_of_band:
        draft.findings.wait_for(draft.event.subject)
        return
    invoices = invoices_of(draft, state)
    customer_id = customer_of_payment(draft, state) or _collecting(draft, state, invoices)
    customer = customer_of(draft, customer_id)
    if customer is None:
        return
    entity = _entity(draft, state, invoices, customer)
    if entity is None:
        return
    entity = _as_its_invoices(draft, entity, state, invoices)
    books = EntityBooks(draft, entity, _booked_for(draft, state, entity, invoices, customer_id) or customer.id)
    invoice = next(iter(invoices.values()), None)
    if state.is_out_of_band and state.earlier_parts is not None and invoice is not None:
        out_of_band.book(books, state, invoice)
        return
    posted = _post(books, state)
    released = refund_draws.make_room(books, state, posted)
    _apply(books, state, posted, invoices, released)


def _collecting(draft: Draft, state: Payment, invoices: dict[str, Invoice | None]) -> str:
    """Return the customer a payment of nobody is booked on; empty while an invoice may still tell, or with a problem."""
    if not all(invoices.values()):
        return ""
    if state.settlement is None or state.is_out_of_band:
        no_customer(draft, state.amount)
        return ""
    entity = draft.routes.route(draft.event.subject, "", state.settlement.gross.currency, state.amount)
    return collecting_customer(draft, entity, state.amount) if entity is not None else ""


def _entity(draft: Draft, state: Payment, invoices: dict[str, Invoice | None], customer: Customer) -> EntityRules | None:
    """Return whose money it is: of the owner of the processor's balance; out of band, of whoever issued the first invoice."""
    ref = draft.event.subject
    booked = draft.past.place(state.id, "payment")
    if booked is not None:
        return draft.routes.declared(booked, ref, state.amount)
    if state.settlement is not None and not state.is_out_of_band:
        return draft.routes.route(ref, "", state.settlement.gross.currency, state.amount)
    if not invoices:
        return draft.routes.route(ref, customer.address.country, state.amount.currency, state.amount)
    invoice = next(iter(invoices.values()))
    if invoice is None:
        return None
    country = country_of(draft, invoice)
    return None if country is None else draft.routes.route(INVOICE.ref(invoice.id), country, invoice.currency, state.amount)


def _as_its_invoices(draft: Draft, entity: EntityRules, state: Payment, invoices: dict[str, Invoice | None]) -> EntityRules:
    """Return the entity as it books the payment: as a document if one of its own invoices is one, whatever its posting mode is by now."""
    if draft.past.place(state.id, "payment") is not None:
        return entity
    owners = {invoice_id: entity_of(draft, invoice) for invoice_id, invoice in invoices.items() if invoice is not None}
    own = (INVOICE.ref(invoice_id) for invoice_id, owner in owners.items() if owner and owner.name == entity.name)
    return draft.routes.following(entity, *own)


def _booked_for(draft: Draft, state: Payment, entity: EntityRules, invoices: dict[str, Invoice | None], customer_id: str) -> str:
    """Return the customer a payment was booked for, or all its invoices were that were sent to who pays it; empty: it follows merges."""
    own = booked_for(draft, "payment", state.id)
    if own:
        return own
    known = [invoice for invoice in invoices.values() if invoice is not None]
    found = {booked_for(draft, "invoice", invoice.id) for invoice in known}
    is_of_payer = all(invoice.customer_id == customer_id for invoice in known)
    is_of_entity = all((owner := entity_of(draft, invoice)) is not None and owner.name == entity.name for invoice in known)
    return found.pop() if len(found) == 1 and is_of_payer and is_of_entity else ""


def _post(books: EntityBooks, state: Payment) -> MatchableDocument:
    draft, day = books.draft, books.entity.day_of(moved_at(state))
    key = need_of(draft.event.subject)
    is_cleared = state.settlement is not None and not state.is_out_of_band
    counterpart = clearing_of(draft) if is_cleared else OUT_OF_BAND
    arguments = PostPayment(books.customer_id, state.amount, True, day, counterpart)
    if state.settlement is not None and is_cleared:
        arguments = replace(arguments, settled=settled_part(state.amount, state.settlement))
    request = BookingRequest(
        books.entity, BookCommand.POST_PAYMENT, "payment", state.id, arguments, (books.customer_key,), key, books.customer_id
    )
    draft.outbox.wish(replace(request, content=digest(canonical_text(state.amount))))
    if state.settlement is not None and is_cleared:
        book_fee(books, "fee", state.settlement)
    return MatchableDocument(key, day)


def _apply(
    books: EntityBooks, state: Payment, posted: MatchableDocument, invoices: dict[str, Invoice | None], after: Sequence[NeedKey]
) -> None:
    if total((application.amount for application in state.applications), state.amount.currency) > state.amount:
        raise InvariantError(f"payment {state.id} of {state.amount} is applied for more than it is")
    for invoice in invoices.values():
        if invoice is not None:
            _apply_one(books, state, posted, invoice, after)


def _apply_one(books: EntityBooks, state: Payment, posted: MatchableDocument, invoice: Invoice, after: Sequence[NeedKey]) -> None:
    """Match a payment with one invoice; through the intercompany accounts if the invoice is another entity's.

    An invoice that is still a draft here is waited for. A write-off in its place lets go first, and so do refunds of what the invoice takes
    (``after``: the keys of their releases). What is beyond the invoice stays open on the payment, where the credit it gives the customer
    finds it.
    """
    draft = books.draft
    applied = (application.amount for application in state.applications if application.invoice_id == invoice.id)
    amount = total(applied, state.amount.currency)
    owner = entity_of(draft, invoice)
    if owner is None:
        if invoice.customer_id and customer_of(draft, invoice.customer_id):
            draft.routes.route(INVOICE.ref(invoice.id), country_of(draft, invoice) or "", invoice.currency, amount)
        return
    bill = bill_of(draft, invoice, owner)
    if bill is None:
        if invoice.state not in IGNORED_STATES or invoice.state is InvoiceState.DRAFT:
            draft.findings.wait_for(INVOICE.ref(invoice.id))
        return
    if not bill.has_place_of(state):
        draft.findings.wait_for(INVOICE.ref(invoice.id))
        return
    start = bill.start_of(state)
    released = make_room(bill, is_known=bill.knows(state))
    if released is None:
        return
    if owner.name == books.entity.name:
        bill.settle(posted, amount, start, (*released, *after))
        return
    taken = bill.taken(amount, start)
    bridge = Bridge(books, bill.books, f"{state.id}+{invoice.id}", owner.day_of(moved_at(state)))
    payer_side, owner_side = bridge.inbound("intercompany", taken)
    books.match(payer_side, posted, taken, after)
    bill.settle(owner_side, amount, start, released)


def _after(view: View, payment: Payment) -> tuple[ObjectRef, ...]:
    """Return a payment's refunds: what one gives back is what the others leave, so they are decided again whenever the payment is."""
    return tuple(REFUND.ref(other.id) for other in view.linked_to(PAYMENT.ref(payment.id)) if isinstance(other, Refund))


POLICIES = (Policy(kind=PAYMENT, purpose=Purpose.BOOKS, decide=payment, after=_after, looks_back=True, sees_documents=False),)

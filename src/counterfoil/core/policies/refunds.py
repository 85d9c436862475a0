"""Refunds: money given back, matched with its credit note or the payment's open credit; and money that came back again."""

from __future__ import annotations

from dataclasses import replace

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.commands import CommandKind, PostPayment
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef, digest
from counterfoil.core.canonical.money import Money, total
from counterfoil.core.canonical.text import canonical_text

from . import uncredited
from .booking import Books, Posted
from .bridges import Bridge
from .draft import Draft, Wanted
from .missing import collecting_customer
from .payments import book_fee, clearing_of, customer_of_payment, moved_at, settled_part
from .refund_links import came_back, notes_of, part_of
from .routing import entity_of_credit_note
from .rules import EntityRules
from .uncredited import GivenBack

PAYMENT_FAILED = "payment_failed"
"""The reason of a refund that only is the return of a payment that failed after all."""


def refund(draft: Draft, state: e.Refund) -> None:
    """Decide a refund: booked once the processor's balance moved, whatever its state is called by then.

    One that was canceled after money moved, without a movement back, stays as it moved: the balance says so, too.
    """
    if state.settlement is None:
        if state.state is e.RefundState.SUCCEEDED:
            draft.wait_for_self()
        else:
            draft.ignore(f"refund_{state.state.value}")
        return
    payment = _payment(draft, state)
    given = given_back(draft, state, payment)
    if given is None:
        return
    _post(given)
    if state.state is e.RefundState.FAILED and state.reversal is None:
        draft.wait_for_self()
    matched = _match(given, payment)
    if matched is not None and given.returned is not None:
        given.books.match(given.posted, given.returned, state.amount, matched)


def _match(given: GivenBack, payment: e.Payment | None) -> tuple[str, ...] | None:
    """Match a refund with what it gives back; if the money came back, undo that and return the keys of the release. None while the other
    side is not known: then the return of the money is not matched yet either, so that all orders of arrival lead to the same matches.
    """
    draft, note_ids = given.books.draft, notes_of(given.refund)
    if not note_ids:
        if given.refund.payment_id and payment is None:
            return None
        of_payment = _match_payment(given, payment) if payment is not None else ()
        keys = (*of_payment, *uncredited.settle(given, _beyond_payment(given, payment)))
        uncredited.undo(given, (), keys)
        return keys
    notes = [draft.view.get(ObjectRef(ObjectKind.CREDIT_NOTE, note_id)) for note_id in note_ids]
    known = sorted((note for note in notes if isinstance(note, e.CreditNote)), key=lambda note: (note.issued_at, note.id))
    for note_id, note in zip(note_ids, notes, strict=True):
        if not isinstance(note, e.CreditNote):
            draft.wait_for(ObjectKind.CREDIT_NOTE, note_id)
    parts = total((part_of(given.refund, note) for note in known), given.refund.amount.currency)
    owners = {note.id: entity_of_credit_note(draft, note) for note in known}
    if len(known) < len(note_ids) or None in owners.values():
        return None
    released = list(uncredited.settle(given, given.refund.amount - parts))
    for note in known:
        owner = owners[note.id]
        if owner is not None:
            released += match_credit_note(given, note, owner)
    uncredited.undo(given, known, released)
    return tuple(released)


def _beyond_payment(given: GivenBack, payment: e.Payment | None) -> Money:
    """Return what a refund without a credit note gives back beyond what its payment left open; nothing where the payment came back."""
    refund = given.refund
    if payment is None:
        return refund.amount
    rest = payment.amount - total((application.amount for application in payment.applications), payment.amount.currency)
    is_covered = payment.state is not e.PaymentState.SUCCEEDED or refund.reason == PAYMENT_FAILED or rest >= refund.amount
    return Money(0, refund.amount.currency) if is_covered else refund.amount


def _payment(draft: Draft, state: e.Refund) -> e.Payment | None:
    found = draft.view.get(ObjectRef(ObjectKind.PAYMENT, state.payment_id)) if state.payment_id else None
    if state.payment_id and not isinstance(found, e.Payment):
        draft.wait_for(ObjectKind.PAYMENT, state.payment_id)
    return found if isinstance(found, e.Payment) else None


def given_back(draft: Draft, state: e.Refund, payment: e.Payment | None) -> GivenBack | None:
    """Return a refund whose money moved as it stands in the books; None if its customer or entity is not known (yet)."""
    if state.settlement is None:
        return None
    ref = ObjectRef(ObjectKind.REFUND, state.id)
    customer_id = state.customer_id or (customer_of_payment(draft, payment) if payment else "") or _customer_of_notes(draft, state)
    if not customer_id and state.payment_id and payment is None:
        return None
    entity = _entity(draft, state, state.settlement, payment)
    if entity is None:
        return None
    customer_id = customer_id or collecting_customer(draft, entity, state.amount)
    customer = draft.customer(customer_id) if customer_id else None
    if customer is None:
        return None
    posted = Posted(ref.key, draft.day(entity, state.settlement.occurred_at))
    returned = None
    if state.reversal is not None:
        returned = Posted(f"{ObjectKind.PAYMENT.value}/reversal.{state.id}", draft.day(entity, state.reversal.occurred_at))
    return GivenBack(Books(draft, entity, customer.id), state, posted, returned)


def _entity(draft: Draft, state: e.Refund, settlement: e.Settlement, payment: e.Payment | None) -> EntityRules | None:
    """Return whose money it was: of the entity the refund or, out of the same balance, its payment was booked in; else as routed."""
    ref, balance = ObjectRef(ObjectKind.REFUND, state.id), settlement.gross.currency
    booked = draft.place(state.id, "refund")
    if booked is not None:
        return draft.declared(booked, ref, state.amount)
    paid = None
    if payment is not None and payment.settlement is not None and payment.settlement.gross.currency == balance:
        paid = draft.place(payment.id, "payment")
    entity = draft.declared(paid, ref, state.amount) if paid else draft.route(ref, "", balance, state.amount)
    if entity is None or not state.credit_note_id:
        return entity
    return draft.following(entity, ObjectRef(ObjectKind.CREDIT_NOTE, state.credit_note_id))


def _customer_of_notes(draft: Draft, state: e.Refund) -> str:
    notes = (draft.view.get(ObjectRef(ObjectKind.CREDIT_NOTE, note_id)) for note_id in notes_of(state))
    return next((note.customer_id for note in notes if isinstance(note, e.CreditNote) and note.customer_id), "")


def _post(given: GivenBack) -> None:
    state, settlement = given.refund, given.refund.settlement
    if settlement is None:
        return
    _post_payment(given, "refund", given.posted, settlement, is_inbound=False)
    book_fee(given.books, "fee", settlement)
    if state.reversal is not None and given.returned is not None:
        _post_payment(given, "refund_reversal", given.returned, state.reversal, is_inbound=True)
        book_fee(given.books, "fee", state.reversal)


def _post_payment(given: GivenBack, name: str, posted: Posted, settlement: e.Settlement, *, is_inbound: bool) -> None:
    books, amount = given.books, given.refund.amount
    arguments = PostPayment(books.customer_id, amount, is_inbound, posted.day, clearing_of(books.draft))
    arguments = replace(arguments, settled=settled_part(amount, settlement))
    wanted = Wanted(books.entity, CommandKind.POST_PAYMENT, name, given.refund.id, arguments, (books.customer_key,), posted.key)
    books.draft.wish(replace(wanted, order_key=books.customer_id, content=digest(canonical_text(amount))))


def _match_payment(given: GivenBack, payment: e.Payment) -> tuple[str, ...]:
    """Match a refund with what its payment left open: a payment that was never applied, or exactly the rest of one that was.

    Of several refunds of one payment none knows the others; these two cases can never match more than is open.
    """
    applied = total((application.amount for application in payment.applications), payment.amount.currency)
    rest = payment.amount - applied
    if payment.state is not e.PaymentState.SUCCEEDED or (applied and rest != given.refund.amount):
        return ()
    entity = given.books.entity
    key = ObjectRef(ObjectKind.PAYMENT, payment.id).key
    credit = Posted(key, given.books.draft.day(entity, moved_at(payment)))
    given.books.match(given.posted, credit, min(given.refund.amount, rest), is_undoable=True)
    return given.books.unmatch(given.posted, credit) if given.returned is not None else ()


def match_credit_note(given: GivenBack, credit_note: e.CreditNote, owner: EntityRules) -> tuple[str, ...]:
    """Match a refund with its part of a credit note, through the intercompany accounts if that is another entity's; return the keys of the
    release. Both sides' decisions say this, in the same words, so that it is wished once whichever knows of the other first.

    When the money came back, the match is undone: the credit note is open again, and the refund is matched with its return. A refund that
    was booked to the refunds account before the note was known is done with; the note then takes that back. One whose money had come back
    before the note was known pays nothing of it out.
    """
    if given.is_done_with(credit_note):
        return ()
    books, state = given.books, given.refund
    amount = part_of(state, credit_note)
    credit = Posted(ObjectRef(ObjectKind.CREDIT_NOTE, credit_note.id).key, books.draft.day(owner, credit_note.issued_at))
    debit = uncredited.taken_back(given, credit_note)
    return _match_one(replace(given, posted=debit or given.posted), credit_note, owner, credit, amount)


def _match_one(given: GivenBack, credit_note: e.CreditNote, owner: EntityRules, credit: Posted, amount: Money) -> tuple[str, ...]:
    draft, books, state = given.books.draft, given.books, given.refund
    if owner.name == books.entity.name:
        before = (key for other in came_back(draft.view, credit_note, state) for key in books.released(f"refund/{other}", credit.key))
        books.match(given.posted, credit, amount, tuple(before), is_undoable=True)
        return books.unmatch(given.posted, credit) if given.returned is not None else ()
    owner_books = Books(draft, owner, draft.survivor(credit_note.customer_id))
    object_id = f"{state.id}+{credit_note.id}"
    payer_side, owner_side = Bridge(books, owner_books, object_id, given.posted.day).outbound("intercompany", amount)
    books.match(given.posted, payer_side, amount, is_undoable=True)
    owner_books.match(owner_side, credit, amount, is_undoable=True)
    if given.returned is None:
        return ()
    released = books.unmatch(given.posted, payer_side)
    owner_released = owner_books.unmatch(owner_side, credit)
    back = Bridge(books, owner_books, object_id, given.returned.day)
    payer_back, owner_back = back.inbound("intercompany_return", amount)
    books.match(payer_back, payer_side, amount, released)
    owner_books.match(owner_side, owner_back, amount, owner_released)
    return released

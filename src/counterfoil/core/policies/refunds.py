"""Refunds: money given back, matched with its credit note or the payment's open credit; and money that came back again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from counterfoil.core.commands.books import BookCommand, PostPayment
from counterfoil.core.kinds.credit_note import CREDIT_NOTE, CreditNote
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PAYMENT, Payment, PaymentState
from counterfoil.core.kinds.refund import REFUND, Refund, RefundState
from counterfoil.core.language.ids import digest, external_key
from counterfoil.core.language.keys import NeedKey, need_of
from counterfoil.core.language.money import Money, total
from counterfoil.core.language.records import Purpose
from counterfoil.core.language.settlement import Settlement
from counterfoil.core.language.text import canonical_text

from . import uncredited
from .bills import booked_for
from .booking import EntityBooks, MatchableDocument
from .bridges import Bridge
from .draft import Draft
from .missing import collecting_customer
from .payments import book_fee, clearing_of, customer_of_payment, moved_at, settled_part
from .policy import Policy, nobody
from .refund_draws import draws, make_room, refunds_of, waits_of
from .refund_links import PAYMENT_FAILED, came_back, debits_of, notes_of, part_of
from .requests import BookingRequest
from .routing import entity_of_credit_note
from .rules import EntityRules
from .survivors import customer_of, survivor_of
from .uncredited import Draw, GivenBack, RefundPlan


def refund(draft: Draft, state: Refund) -> None:
    """Decide a refund: booked once the processor's balance moved, whatever its state is called by then.

    One that was canceled after money moved, without a movement back, stays as it moved: the balance says so, too.
    """
    if state.settlement is None:
        if state.state is RefundState.SUCCEEDED:
            draft.findings.wait_for(draft.event.subject)
        else:
            draft.findings.ignore(f"refund_{state.state.value}")
        return
    payment = _payment(draft, state)
    given = given_back(draft, state, payment)
    if given is None:
        return
    _post(given)
    if state.state is RefundState.FAILED and state.reversal is None:
        draft.findings.wait_for(draft.event.subject)
    matched = settle(given, payment)
    if matched is not None and given.returned is not None:
        given.books.match(given.posted, given.returned, state.amount, matched)


def settle(given: GivenBack, payment: Payment | None) -> tuple[NeedKey, ...] | None:
    """Match a refund with what it gives back: the credit notes it pays out, then what its payment left open; the rest is accounted for by
    the entity's rule. Whoever knows of both says this, in the same words, so that it is wished once whichever is known first.

    If the money came back, undo that and return the keys of the releases. None while the other side is not known: then the return of the
    money is not matched yet either, so that all orders of arrival lead to the same matches.
    """
    refund, zero = given.refund, Money(0, given.refund.amount.currency)
    known = _notes(given)
    if known is None:
        return None
    notes = [(note, owner) for note, owner in known if not given.let_go_of(note)]
    rest = max(refund.amount - total((part_of(refund, note) for note, _ in notes), zero.currency), zero)
    if rest and refund.payment_id and payment is None:
        return None
    if rest and payment is not None and not _is_certain(given, payment):
        return None
    draw = _draw(given, payment, rest) if payment is not None else None
    is_owed_again = payment is not None and (payment.state is not PaymentState.SUCCEEDED or refund.reason == PAYMENT_FAILED)
    is_accounted_for = is_owed_again or given.returned is not None
    needed = zero if is_accounted_for else rest - (draw.amount if draw else zero)
    has_invoice = bool(notes) or (payment is not None and bool(payment.applications))
    plan = uncredited.plan(given, [note for note, _ in notes], draw, needed, has_invoice=has_invoice)
    released = [key for debit, credit, amount in plan.pairs for key in given.books.loosen(debit, credit, amount)]
    if payment is not None and draw is not None and draw.amount:
        released += make_room(given.books, payment, draw.credit, but=refund.id)
    for note, owner in notes:
        released += _loosen_note(given, note, owner, plan)
    for note, owner in notes:
        released += _pay_out(given, note, owner, plan, released)
    for debit, credit, amount in plan.pairs:
        given.books.rematch(debit, credit, amount, released)
    return tuple(released)


def _notes(given: GivenBack) -> list[tuple[CreditNote, EntityRules]] | None:
    """Return the credit notes a refund pays out with the entities whose they are, by their day; None if not all of that is known."""
    draft, found, missing = given.books.draft, [], False
    for note_id in notes_of(draft.view, given.refund):
        note = draft.view.get(CREDIT_NOTE.ref(note_id))
        owner = entity_of_credit_note(draft, note) if isinstance(note, CreditNote) else None
        if isinstance(note, CreditNote) and owner is not None:
            found.append((note, owner))
            continue
        missing = True
        if given.is_own and not isinstance(note, CreditNote):
            draft.findings.wait_for(CREDIT_NOTE.ref(note_id))
    return None if missing else sorted(found, key=lambda one: (one[0].issued_at, one[0].id))


def _is_certain(given: GivenBack, payment: Payment) -> bool:
    """Tell whether all is known that says how much of its payment's open money a refund gives back; waits for what is not."""
    late = waits_of(given.books.draft.view, given.refund, payment)
    for ref in late if given.is_own else ():
        given.books.draft.findings.wait_for(ref)
    return not late


def _draw(given: GivenBack, payment: Payment, rest: Money) -> Draw:
    """Return how much of its payment's open money a refund gives back."""
    draft, entity = given.books.draft, given.books.entity
    taken = draws(draft.view, payment).get(given.refund.id, Money(0, rest.currency))
    back = [other.reversal for other in refunds_of(draft.view, payment) if other.reversal is not None]
    day = max((given.posted.day, *(entity.day_of(one.occurred_at) for one in back)))
    credit = MatchableDocument(need_of(PAYMENT.ref(payment.id)), entity.day_of(moved_at(payment)))
    return Draw(credit, min(taken, rest), day)


def _payment(draft: Draft, state: Refund) -> Payment | None:
    found = draft.view.get(PAYMENT.ref(state.payment_id))
    if state.payment_id and not isinstance(found, Payment):
        draft.findings.wait_for(PAYMENT.ref(state.payment_id))
    return found if isinstance(found, Payment) else None


def given_back(draft: Draft, state: Refund, payment: Payment | None) -> GivenBack | None:
    """Return a refund whose money moved as it stands in the books; None if its customer or entity is not known (yet)."""
    if state.settlement is None:
        return None
    ref = REFUND.ref(state.id)
    customer_id = _customer_id(draft, state, payment)
    entity = _entity(draft, state, state.settlement, payment) if customer_id is not None else None
    if entity is None:
        return None
    customer_id = customer_id or collecting_customer(draft, entity, state.amount)
    customer = customer_of(draft, customer_id)
    if customer is None:
        return None
    posted = MatchableDocument(need_of(ref), entity.day_of(state.settlement.occurred_at))
    returned = None
    if state.reversal is not None:
        returned = MatchableDocument(need_of(PAYMENT.ref(f"reversal.{state.id}")), entity.day_of(state.reversal.occurred_at))
    return GivenBack(
        EntityBooks(draft, entity, _booked_for(draft, state, payment, entity, customer_id) or customer.id), state, posted, returned
    )


def _booked_for(draft: Draft, state: Refund, payment: Payment | None, entity: EntityRules, customer_id: str) -> str:
    """Return the customer a refund was booked for, or the payment that it gives back was, or is wished for; empty: it follows merges."""
    own = booked_for(draft, "refund", state.id)
    if own or payment is None or customer_of_payment(draft, payment) != customer_id:
        return own
    wish = draft.past.booking(external_key("payment", payment.id))  # once that is another, its refunds are decided again
    if wish is None or wish.command.entity != entity.name or not isinstance(wish.command.arguments, PostPayment):
        return ""
    return wish.command.arguments.customer_id


def _entity(draft: Draft, state: Refund, settlement: Settlement, payment: Payment | None) -> EntityRules | None:
    """Return whose money it was: of the entity the refund or, out of the same balance, its payment was booked in; else as routed."""
    ref, balance = REFUND.ref(state.id), settlement.gross.currency
    booked = draft.past.place(state.id, "refund")
    if booked is not None:
        return draft.routes.declared(booked, ref, state.amount)
    paid = None
    if payment is not None and payment.settlement is not None and payment.settlement.gross.currency == balance:
        paid = draft.past.place(payment.id, "payment")
    entity = draft.routes.declared(paid, ref, state.amount) if paid else draft.routes.route(ref, "", balance, state.amount)
    if entity is None or not state.credit_note_id:
        return entity
    return draft.routes.following(entity, CREDIT_NOTE.ref(state.credit_note_id))


def _customer_id(draft: Draft, state: Refund, payment: Payment | None) -> str | None:
    """Return a refund's customer, from its payment and its credit notes where it names none; empty if nothing tells, None while what is
    not known yet may: it must not be booked on the customer for money of nobody before that.
    """
    told = state.customer_id or (customer_of_payment(draft, payment) if payment is not None else "")
    notes = [CREDIT_NOTE.ref(note_id) for note_id in notes_of(draft.view, state)]
    found = (told, *(note.customer_id for ref in notes if isinstance(note := draft.view.get(ref), CreditNote)))
    customer_id = next(filter(None, found), "")
    if customer_id:
        return customer_id
    bills = [INVOICE.ref(one.invoice_id) for one in payment.applications] if payment is not None else []
    missing = [ref for ref in (*bills, *notes) if draft.view.get(ref) is None]
    for ref in missing:
        draft.findings.wait_for(ref)
    return None if missing or (state.payment_id and payment is None) else ""


def _post(given: GivenBack) -> None:
    state, settlement = given.refund, given.refund.settlement
    if settlement is None:
        return
    _post_payment(given, "refund", given.posted, settlement, is_inbound=False)
    book_fee(given.books, "fee", settlement)
    if state.reversal is not None and given.returned is not None:
        _post_payment(given, "refund_reversal", given.returned, state.reversal, is_inbound=True)
        book_fee(given.books, "fee", state.reversal)


def _post_payment(given: GivenBack, name: str, posted: MatchableDocument, settlement: Settlement, *, is_inbound: bool) -> None:
    books, amount = given.books, given.refund.amount
    arguments = PostPayment(books.customer_id, amount, is_inbound, posted.day, clearing_of(books.draft))
    arguments = replace(arguments, settled=settled_part(amount, settlement))
    request = BookingRequest(books.entity, BookCommand.POST_PAYMENT, name, given.refund.id, arguments, (books.customer_key,), posted.key)
    books.draft.outbox.wish(replace(request, order_key=books.customer_id, content=digest(canonical_text(amount))))


def _loosen_note(given: GivenBack, note: CreditNote, owner: EntityRules, plan: RefundPlan) -> tuple[NeedKey, ...]:
    """Undo what was matched with a credit note of the same entity unless it is just what is to be matched with it now."""
    if given.returned is not None or owner.name != given.books.entity.name:
        return ()
    credit, later = _credit(given, note, owner), plan.later.get(note.id)
    released = given.books.loosen(given.posted, credit, plan.direct[note.id])
    if later is not None:
        return (*released, *given.books.loosen(later.entry, credit, later.amount))
    given.books.withdraw(uncredited.later_entry(given, note), credit)
    return released


def _credit(given: GivenBack, note: CreditNote, owner: EntityRules) -> MatchableDocument:
    return MatchableDocument(need_of(CREDIT_NOTE.ref(note.id)), owner.day_of(note.issued_at))


def _pay_out(given: GivenBack, note: CreditNote, owner: EntityRules, plan: RefundPlan, after: Sequence[NeedKey]) -> tuple[NeedKey, ...]:
    """Match a refund with its part of a credit note, and what stands in for it where that part had been booked to the refunds account;
    return the keys of the release.

    When the money came back, the match is undone: the credit note is open again, and the refund is matched with its return.
    """
    direct, later, object_id = plan.direct[note.id], plan.later.get(note.id), f"{given.refund.id}+{note.id}"
    released = _match_note(given, note, owner, direct, object_id, after)
    if later is not None:
        object_id = f"{object_id}+later" if direct else object_id
        released += _match_note(replace(given, posted=later.entry), note, owner, later.amount, object_id, after)
    return released


def _match_note(
    given: GivenBack, note: CreditNote, owner: EntityRules, amount: Money, object_id: str, after: Sequence[NeedKey]
) -> tuple[NeedKey, ...]:
    """Match a refund, or what stands in for it, with a credit note, through the intercompany accounts if that is another entity's."""
    if not amount:
        return ()
    draft, books = given.books.draft, given.books
    credit = _credit(given, note, owner)
    if owner.name == books.entity.name:
        before = _released_by_others(given, books, note, credit)
        if given.returned is None:
            books.rematch(given.posted, credit, amount, (*before, *after))
        elif not books.made(given.posted, credit) and books.is_direct(given.posted, credit):
            books.match(given.posted, credit, amount, (*before, *after), is_undoable=True)
            return books.unmatch(given.posted, credit)
        return books.loosen(given.posted, credit, amount if given.returned is None else None)
    owner_books = EntityBooks(draft, owner, booked_for(draft, "credit_note", note.id) or survivor_of(draft, note.customer_id))
    payer_side, owner_side = Bridge(books, owner_books, object_id, given.posted.day).outbound("intercompany", amount)
    books.match(given.posted, payer_side, amount, after, is_undoable=True)
    owner_books.match(owner_side, credit, amount, _released_by_others(given, owner_books, note, credit), is_undoable=True)
    if given.returned is None:
        return ()
    released = books.unmatch(given.posted, payer_side)
    owner_released = owner_books.unmatch(owner_side, credit)
    back = Bridge(books, owner_books, object_id, given.returned.day)
    payer_back, owner_back = back.inbound("intercompany_return", amount)
    books.match(payer_back, payer_side, amount, released)
    owner_books.match(owner_side, owner_back, amount, owner_released)
    return released


def _released_by_others(given: GivenBack, books: EntityBooks, note: CreditNote, credit: MatchableDocument) -> tuple[NeedKey, ...]:
    """Return the keys of the releases by which refunds that came back let go of a credit note: they come before another one takes it."""
    debits = (debit for other in came_back(books.draft.view, note, given.refund) for debit in debits_of(other, note.id))
    return tuple(key for debit in debits for key in books.released(debit, credit.key))


POLICIES = (Policy(kind=REFUND, purpose=Purpose.BOOKS, decide=refund, after=nobody, looks_back=False, sees_documents=False),)

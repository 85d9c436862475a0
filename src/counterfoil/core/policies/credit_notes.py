"""Credit notes: the reduction of an invoice before its payment, and what is given back after it: by refund, to the balance, out of band."""

from __future__ import annotations

from dataclasses import dataclass, replace

from counterfoil.core.commands.books import BookCommand, PostDocument, PostPayment
from counterfoil.core.finance.entries import customer_balance_lines
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.kinds.credit_note import CREDIT_NOTE, CreditNote, CreditNoteState
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.kinds.payment import PAYMENT, Payment
from counterfoil.core.kinds.refund import REFUND, Refund
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.core.language.keys import NeedKey, need_of
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose
from counterfoil.core.language.text import canonical_text

from .bills import Bill, bill_of, booked_for, booked_lines, posted_document
from .booking import OUT_OF_BAND, RECEIVABLE, EntityBooks, MatchableDocument
from .decision import View
from .draft import Draft
from .lines import Lines, document_lines
from .missing import no_customer
from .policy import Policy
from .refund_links import refunded_part
from .refunds import given_back, settle
from .related import links
from .requests import BookingRequest
from .routing import invoice_of_credit_note, route_credit_note
from .survivors import customer_of
from .write_offs import make_room


@dataclass(frozen=True, slots=True)
class Credit:
    """A credit note as it stands in the entity's books; ``bill`` is the invoice it credits, if any."""

    books: EntityBooks
    note: CreditNote
    document: MatchableDocument
    bill: Bill | None

    @property
    def before_payment(self) -> Money:
        """What it takes off the open invoice."""
        return self.note.before_payment or Money(0, self.note.currency)


def credit_note(draft: Draft, state: CreditNote) -> None:
    """Decide a credit note; it belongs to the entity of its invoice."""
    if not state.customer_id:
        no_customer(draft)
        return
    customer = customer_of(draft, state.customer_id)
    invoice = invoice_of_credit_note(draft, state)
    if customer is None or (state.invoice_id and invoice is None):
        return
    entity = route_credit_note(draft, state, invoice, customer)
    if entity is None:
        return
    _check_parts(state)
    document = MatchableDocument(need_of(draft.event.subject), entity.day_of(state.issued_at))
    bill = bill_of(draft, invoice, entity) if invoice else None
    credit = Credit(EntityBooks(draft, entity, _booked_for(draft, state, invoice) or customer.id), state, document, bill)
    made = _made(credit)
    if made is None:
        return
    _post(credit, *made)
    _give_back(credit)
    _match_refunds(credit)
    if state.state is CreditNoteState.VOID:
        _void(credit, *made)


def _booked_for(draft: Draft, state: CreditNote, invoice: Invoice | None) -> str:
    """Return the customer a credit note was booked for, or its invoice was; empty: it follows merges."""
    own = booked_for(draft, "credit_note", state.id)
    is_of_billed = invoice is not None and invoice.customer_id == state.customer_id
    return own or (booked_for(draft, "invoice", state.invoice_id) if is_of_billed else "")


def _made(credit: Credit) -> tuple[PostDocument, tuple[NeedKey, ...]] | None:
    """Return the document and the products it needs: as it was posted, whatever is mapped by now; None if it cannot be made."""
    posted = posted_document(credit.books.draft, "credit_note", credit.note.id)
    if posted is not None:
        return posted
    draft, entity = credit.books.draft, credit.books.entity
    booked = booked_lines(draft, credit.bill.invoice, entity) if credit.bill is not None else {}
    lines = document_lines(draft, entity, credit.note.lines, booked)
    return None if lines is None else (_document(credit, lines), lines.needs)


def _check_parts(state: CreditNote) -> None:
    if state.before_payment is None and state.after_payment is None:
        return
    zero = Money(0, state.currency)
    if (state.before_payment or zero) + (state.after_payment or zero) != state.total or refunded_part(state) < zero:
        raise InvariantError(f"credit note {state.id}: the parts before and after payment are not its total of {state.total}")


def _content(state: CreditNote) -> str:
    lines = sorted(
        canonical_text((line.amount, line.discount, tuple((tax.rate_id, tax.amount) for tax in line.taxes))) for line in state.lines
    )
    return digest(canonical_text((state.currency, state.total, state.tax, state.issued_at)), *lines)


def _document(credit: Credit, lines: Lines) -> PostDocument:
    books, note, bill = credit.books, credit.note, credit.bill
    # A target may match a reversal with its original by itself. That is right only where all of it is taken off the open invoice:
    # what is given back after payment must not eat what a payment, still to be matched, will settle.
    is_all_before = credit.before_payment == note.total
    reverses = bill.document.key if bill is not None and is_all_before and books.has_document(bill.document) else ""
    return PostDocument(
        customer_id=books.customer_id,
        currency=note.currency,
        issued_on=credit.document.day,
        accounting_on=credit.document.day,
        due_on=credit.document.day,
        total=note.total,
        tax=note.tax,
        lines=lines.lines,
        number=note.number,
        reverses=reverses,
        memo=f"credits invoice {bill.invoice.number or bill.invoice.id}" if bill else "",
        rounding_tolerance=books.entity.tolerance_minor(note.currency),
    )


def _post(credit: Credit, document: PostDocument, product_needs: tuple[NeedKey, ...]) -> None:
    """Wish the document, and its match with the open invoice for the part before payment."""
    books, note, bill = credit.books, credit.note, credit.bill
    needs = (books.customer_key, *((document.reverses,) if document.reverses else ()), *product_needs)
    request = BookingRequest(books.entity, BookCommand.POST_CREDIT_NOTE, "credit_note", note.id, document, needs, credit.document.key)
    books.draft.outbox.wish(replace(request, order_key=books.customer_id, content=_content(note)))
    if bill is None:
        return
    if note.state is not CreditNoteState.VOID:
        room = _room(credit, bill)
        if room is not None:
            books.match(bill.document, credit.document, credit.before_payment, room, is_undoable=True)
    elif books.may_be_matched(bill.document, credit.document):
        books.match(bill.document, credit.document, credit.before_payment, is_undoable=True)


def _room(credit: Credit, bill: Bill) -> tuple[NeedKey, ...] | None:
    """Have the write-off of an uncollectible invoice let go of it; returns the keys of the releases, None while that has to wait."""
    if not credit.before_payment:
        return ()
    credited = bill.invoice.credited_before_payment or Money(0, credit.note.currency)
    return make_room(bill, is_known=credited >= credit.before_payment)


def _give_back(credit: Credit) -> None:
    books, note = credit.books, credit.note
    if note.to_balance:
        lines = customer_balance_lines(-note.to_balance, books.customer_id, RECEIVABLE)
        entry = books.entry(
            "credit_to_balance", note.id, lines, credit.document.day, memo=f"customer balance, credit note {note.number or note.id}"
        )
        books.match(entry, credit.document, note.to_balance)
    if note.out_of_band:
        payment = MatchableDocument(need_of(PAYMENT.ref(f"out_of_band.{note.id}")), credit.document.day)
        arguments = PostPayment(books.customer_id, note.out_of_band, False, payment.day, OUT_OF_BAND, memo="refunded out of band")
        request = BookingRequest(
            books.entity, BookCommand.POST_PAYMENT, "out_of_band", note.id, arguments, (books.customer_key,), payment.key
        )
        books.draft.outbox.wish(replace(request, order_key=books.customer_id))
        books.match(payment, credit.document, note.out_of_band)


def _match_refunds(credit: Credit) -> None:
    """Match the refunds that pay the note out, in the words of their own decisions: either side may be the first to know of the other."""
    draft = credit.books.draft
    for refund_id in credit.note.refund_ids:
        refund = draft.view.get(REFUND.ref(refund_id))
        if not isinstance(refund, Refund):
            draft.findings.wait_for(REFUND.ref(refund_id))
            continue
        if refund.settlement is None:
            continue
        paid = draft.view.get(PAYMENT.ref(refund.payment_id))
        payment = paid if isinstance(paid, Payment) else None
        given = given_back(draft, refund, payment)
        if given is not None:
            settle(given, payment)


def _void(credit: Credit, document: PostDocument, product_needs: tuple[NeedKey, ...]) -> None:
    """Reverse a voided credit note by an invoice of the void day, matched with it; the credited invoice is open again."""
    books, note = credit.books, credit.note
    day = books.entity.day_of(note.voided_at) if note.voided_at else credit.document.day
    void = MatchableDocument(need_of(INVOICE.ref(f"void.{note.id}")), day)
    memo = f"void of credit note {note.number or note.id}"
    dated = replace(document, issued_on=day, accounting_on=day, due_on=day, number="", reverses="", memo=memo)
    reversal = replace(dated, customer_id=books.customer_id)
    needs = (books.customer_key, *product_needs)
    request = BookingRequest(
        books.entity, BookCommand.POST_INVOICE, "credit_note_void", note.id, reversal, needs, void.key, books.customer_id
    )
    books.draft.outbox.wish(request)
    released = books.unmatch(credit.bill.document, credit.document) if credit.bill is not None else ()
    rest = note.total
    if note.to_balance:
        back = customer_balance_lines(note.to_balance, books.customer_id, RECEIVABLE)
        returned = books.entry("credit_to_balance_return", note.id, back, day, memo=memo)
        books.match(void, returned, note.to_balance)
        rest = rest - note.to_balance
    books.match(void, credit.document, rest, released)


def _after(view: View, note: CreditNote) -> tuple[ObjectRef, ...]:
    """Return the payments of the refunds a credit note accounts for, and those refunds: whichever comes last has all of them decided."""
    refunds = [other for ref in links(note) if isinstance(other := view.get(ref), Refund)]
    payments = [payment for refund in refunds for payment in links(refund)]
    return tuple(dict.fromkeys((*payments, *(REFUND.ref(refund.id) for refund in refunds))))


POLICIES = (Policy(kind=CREDIT_NOTE, purpose=Purpose.BOOKS, decide=credit_note, after=_after, looks_back=False, sees_documents=False),)

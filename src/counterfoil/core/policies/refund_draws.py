"""What refunds give back of the money a payment left open: each in its turn, as much as those before it left."""

from __future__ import annotations

from collections.abc import Mapping

from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.invoice import INVOICE, Invoice, InvoiceState
from counterfoil.core.kinds.payment import PAYMENT, Payment, PaymentState
from counterfoil.core.kinds.refund import REFUND, Refund
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import NeedKey, need_of
from counterfoil.core.language.money import Money, total
from counterfoil.core.language.settlement import Settlement

from .bills import due_of
from .booking import EntityBooks, MatchableDocument
from .decision import View
from .refund_links import accounted_for, notes_of
from .uncredited import taken_back_before


def refunds_of(view: View, payment: Payment) -> tuple[Refund, ...]:
    """Return the refunds of a payment as far as they are known, in the order they were made."""
    found = (other for other in view.linked_to(PAYMENT.ref(payment.id)) if isinstance(other, Refund))
    return tuple(sorted(found, key=lambda refund: (refund.occurred_at, refund.id)))


def left_open(view: View, payment: Payment) -> Money:
    """Return what a payment left open: what no invoice took of it and what did not become the customer's balance at the source either."""
    left = payment.amount - total((application.amount for application in payment.applications), payment.amount.currency)
    for invoice_id in dict.fromkeys(application.invoice_id for application in payment.applications):
        invoice = view.get(INVOICE.ref(invoice_id))
        if isinstance(invoice, Invoice):
            left -= min(_to_balance(view, invoice, payment), left)
    return left


def _to_balance(view: View, invoice: Invoice, payment: Payment) -> Money:
    """Return how much of a payment became the customer's balance because an invoice was paid too much, beyond what it is applied for.

    The last payments come first. Sources differ in whether a payment is applied for all that was paid or for what the invoice took.
    """
    zero = Money(0, invoice.currency)
    parts = invoice.paid_parts or ()
    untold = (invoice.amount_overpaid or zero) - max(total((part.amount for part in parts), invoice.currency) - due_of(invoice), zero)
    for part in reversed(parts):
        paid = view.get(PAYMENT.ref(part.payment_id)) if part.payment_id else None
        if not isinstance(paid, Payment) or untold.minor <= 0:
            continue
        rest = min(paid.amount - total((application.amount for application in paid.applications), paid.amount.currency), untold)
        if paid.id == payment.id:
            return rest
        untold -= rest
    return zero


def draws(view: View, payment: Payment) -> dict[str, Money]:
    """Return, by refund, how much of what a payment left open it gives back: what no credit note accounts for, in the order they were made.

    A refund that came back gives nothing back, and neither does one of a payment that failed.
    """
    if payment.state is not PaymentState.SUCCEEDED:
        return {}
    left, found = left_open(view, payment), {}
    for refund in refunds_of(view, payment):
        if refund.settlement is None or refund.reversal is not None or refund.amount.currency != left.currency:
            continue
        found[refund.id] = min(refund.amount - accounted_for(view, refund), left)
        left -= found[refund.id]
    return found


def waits_of(view: View, refund: Refund, payment: Payment) -> tuple[ObjectRef, ...]:
    """Return what has to come before it is certain what a refund gives back of its payment's open money; nothing where none is open.

    A state of an invoice that tells of the payment, which may have been too much; the credit notes of the refunds before it.
    """
    if not left_open(view, payment):
        return ()
    invoices = dict.fromkeys(application.invoice_id for application in payment.applications)
    late = [INVOICE.ref(invoice_id) for invoice_id in invoices if _is_behind(view, invoice_id, payment)]
    for other in refunds_of(view, payment):
        if other.id == refund.id:
            break
        if other.settlement is not None and other.reversal is None:
            notes = (CREDIT_NOTE.ref(note_id) for note_id in notes_of(view, other))
            late += [note for note in notes if view.get(note) is None]
    return tuple(late)


def _is_behind(view: View, invoice_id: str, payment: Payment) -> bool:
    """Tell whether an invoice is not known yet, or its source lists its payments and its state does not tell of this one."""
    invoice = view.get(INVOICE.ref(invoice_id))
    if not isinstance(invoice, Invoice):
        return True
    ids = {application.id for application in payment.applications if application.invoice_id == invoice_id}
    is_told = invoice.paid_parts is None or "" in ids or ids <= {part.id for part in invoice.paid_parts}
    return not is_told and invoice.state not in (InvoiceState.PAID, InvoiceState.VOID)


def make_room(books: EntityBooks, payment: Payment, credit: MatchableDocument, but: str = "") -> tuple[NeedKey, ...]:
    """Wish that refunds let go of what they give back of a payment no longer: an invoice or an earlier refund takes it, or the money came
    back; return the keys of the releases. ``but``: a refund that sees to that itself. ``credit``: the payment as it is posted.

    Whoever takes their place says so in the words of their own decisions, so that it does not wait for those.
    """
    found = draws(books.draft.view, payment)
    released: list[NeedKey] = []
    for refund in refunds_of(books.draft.view, payment):
        if refund.id != but and refund.settlement is not None:
            released += _loosen(books, refund, refund.settlement, credit, found)
    return tuple(released)


def _loosen(
    books: EntityBooks, refund: Refund, settlement: Settlement, credit: MatchableDocument, found: Mapping[str, Money]
) -> list[NeedKey]:
    posted = MatchableDocument(need_of(REFUND.ref(refund.id)), books.entity.day_of(settlement.occurred_at))
    debits = (posted, *(one.entry for one in taken_back_before(books, refund, posted.day)))
    standing = sum(books.standing(debit, credit) for debit in debits)
    zero = Money(0, refund.amount.currency)
    is_too_much = standing > found.get(refund.id, zero).minor
    return [key for debit in debits for key in (books.loosen(debit, credit) if is_too_much else books.releases(debit, credit))]

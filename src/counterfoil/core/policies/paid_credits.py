"""Customer credit that came of a payment: of more than an invoice was due for, or of a payment ahead of any invoice.

The payment is booked gross against the receivable; what no invoice takes of it becomes the customer's credit when it does so at the source,
so that the credit account always equals the customers' balances there.
"""

from __future__ import annotations

from dataclasses import replace

from counterfoil.core.finance.entries import customer_balance_lines
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.kinds.payment import PAYMENT, Payment
from counterfoil.core.language.keys import need_of
from counterfoil.core.language.money import Money, total

from .bills import Bill, bill_of, country_of
from .booking import RECEIVABLE, EntityBooks, MatchableDocument
from .bridges import Bridge
from .draft import Draft
from .payments import moved_at
from .rules import EntityRules


def paid_credit(draft: Draft, state: CustomerCredit, customer: Customer) -> None:
    """Book the credit: Dr receivable / Cr customer credit (the other way where it was taken back), matched with the payment it came of."""
    invoice = draft.view.get(INVOICE.ref(state.invoice_id)) if state.invoice_id else None
    if state.invoice_id and not isinstance(invoice, Invoice):
        draft.findings.wait_for(INVOICE.ref(state.invoice_id))
        return
    bill_ref = INVOICE.ref(invoice.id) if isinstance(invoice, Invoice) else draft.event.subject
    country = country_of(draft, invoice) if isinstance(invoice, Invoice) else customer.address.country
    entity = None if country is None else draft.routes.route(bill_ref, country, state.amount.currency, state.amount)
    if entity is None:
        return
    books = EntityBooks(draft, entity, customer.id)
    bill = bill_of(draft, invoice, entity) if isinstance(invoice, Invoice) else None
    # What was paid too much stands where the invoice was booked; the credit is the survivor's, who may use it.
    payer = bill.books.customer_id if bill is not None and bill.invoice.customer_id == state.customer_id else customer.id
    lines = customer_balance_lines(state.amount, customer.id, RECEIVABLE)
    lines = tuple(replace(line, customer_id=payer) if line.account == RECEIVABLE else line for line in lines)
    day = entity.day_of(state.occurred_at)
    entry = books.entry("paid_credit", state.id, lines, day, memo=state.description or "customer balance, paid in")
    if bill is not None and state.amount.minor < 0:
        _match(bill, state, entry)


def _match(bill: Bill, state: CustomerCredit, entry: MatchableDocument) -> None:
    """Match the credit with what the invoice did not take of its payments, the last one first."""
    draft, invoice = bill.books.draft, bill.invoice
    if invoice.paid_parts is not None and not invoice.amount_overpaid:
        draft.findings.wait_for(INVOICE.ref(invoice.id))
        return
    left = -state.amount
    for part in reversed(invoice.paid_parts or ()):
        if not left or not part.payment_id:
            continue
        payment = draft.view.get(PAYMENT.ref(part.payment_id))
        if not isinstance(payment, Payment):
            draft.findings.wait_for(PAYMENT.ref(part.payment_id))
            return
        rest = min(_rest(bill, payment), left)
        left = left - rest
        _match_one(bill, state, entry, payment, rest)


def _rest(bill: Bill, payment: Payment) -> Money:
    """Return what a payment has left when the invoice, and whatever else it pays, took theirs."""
    others = total((a.amount for a in payment.applications if a.invoice_id != bill.invoice.id), payment.amount.currency)
    applied = total((application.amount for application in bill.applications_of(payment)), payment.amount.currency)
    return payment.amount - others - bill.taken(applied, bill.start_of(payment))


def _match_one(bill: Bill, state: CustomerCredit, entry: MatchableDocument, payment: Payment, amount: Money) -> None:
    if amount.minor <= 0:
        return
    draft, books = bill.books.draft, bill.books
    payer = _payer(draft, payment, books.entity)
    if payer is None:
        return
    ref = PAYMENT.ref(payment.id)
    day = payer.day_of(moved_at(payment))
    if payer.name == books.entity.name:
        books.match(entry, MatchableDocument(need_of(ref), day), amount)
        return
    payer_books = EntityBooks(draft, payer, books.customer_id)
    object_id, moved_on = f"{payment.id}+{state.id}", books.entity.day_of(state.occurred_at)
    payer_side, owner_side = Bridge(payer_books, books, object_id, moved_on).inbound("intercompany", amount)
    payer_books.match(payer_side, MatchableDocument(need_of(ref), day), amount)
    books.match(entry, owner_side, amount)


def _payer(draft: Draft, payment: Payment, owner: EntityRules) -> EntityRules | None:
    """Return whose books hold a payment: of the owner of the processor's balance, or of whoever issued the invoice."""
    if payment.is_out_of_band or payment.settlement is None:
        return owner
    return draft.routes.find(PAYMENT.ref(payment.id), "", payment.settlement.gross.currency)

"""An issued invoice as it stands in an entity's books, as invoices, payments and credit notes see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counterfoil.core.commands.books import PostDocument, PostPayment
from counterfoil.core.kinds.invoice import INVOICE, Invoice, InvoiceState
from counterfoil.core.kinds.payment import Application, Payment
from counterfoil.core.kinds.product import PRODUCT
from counterfoil.core.language.keys import NeedKey, entry_need, need_of
from counterfoil.core.language.money import Money, total

from .booking import EntityBooks, MatchableDocument
from .draft import Draft
from .lines import BookedLine, booked_line
from .rules import EntityRules
from .survivors import customer_of, survivor_of

IGNORED_STATES = {InvoiceState.DRAFT: "invoice_draft", InvoiceState.DELETED: "invoice_draft_deleted"}
"""States of an invoice that was never a document, and the rule they are ignored by."""
_OVER = frozenset({InvoiceState.PAID, InvoiceState.VOID})


@dataclass(frozen=True, slots=True)
class Bill:
    """An issued invoice as it stands in the entity's books. ``balance_change`` > 0: customer credit was used; < 0: created or collected."""

    books: EntityBooks
    invoice: Invoice
    document: MatchableDocument
    balance: MatchableDocument
    balance_change: Money

    @property
    def own_part(self) -> Money:
        """What the document itself leaves open after credit and earlier credit notes; never negative."""
        return own_part_of(self.invoice)

    @property
    def carried_part(self) -> Money:
        """An older debt of the customer that was collected with this invoice."""
        return carried_part_of(self.invoice)

    @property
    def due(self) -> Money:
        """What is to be paid by this invoice: its own part and the debt it collects."""
        return due_of(self.invoice)

    def taken(self, amount: Money, start: int) -> Money:
        """Return how much of a payment the invoice takes: never more than is left to be paid after the ``start`` minor units before it."""
        return Money(max(min(amount.minor, self.due.minor - start), 0), amount.currency)

    def start_of(self, payment: Payment) -> int:
        """Return how much was paid on the invoice before a payment, in minor units: all there is, if the invoice does not tell of it yet.

        Of a payment that does not say which of the invoice's parts it is, nothing is taken to be too much.
        """
        applications = self.applications_of(payment)
        ids = {application.id for application in applications if application.id}
        before = 0
        for part in self.invoice.paid_parts or ():
            if part.id in ids or (not ids and part.payment_id == payment.id):
                return before
            before += part.amount.minor
        applied = sum(application.amount.minor for application in applications)
        return before if ids else min(before, max(self.due.minor - applied, 0))

    def applications_of(self, payment: Payment) -> tuple[Application, ...]:
        """Return what a payment is applied to this invoice by."""
        return tuple(application for application in payment.applications if application.invoice_id == self.invoice.id)

    def knows(self, payment: Payment) -> bool:
        """Tell whether the invoice's state is as new as a payment: what it says to be open is open beside that payment."""
        applications = self.applications_of(payment)
        if self.invoice.paid_parts is not None and all(application.id for application in applications):
            return {application.id for application in applications} <= {part.id for part in self.invoice.paid_parts}
        applied = total((application.amount for application in applications), self.invoice.currency)
        remaining = self.invoice.amount_remaining
        return remaining is not None and self.due - remaining >= applied

    def knows_all(self, payments: Sequence[Payment]) -> bool:
        """Tell whether the invoice's state is as new as all of these payments of it: those that are not told apart only as their sum."""
        told = [payment for payment in payments if self.invoice.paid_parts is not None and all(a.id for a in self.applications_of(payment))]
        ids = {payment.id for payment in told}
        untold = (a.amount for payment in payments if payment.id not in ids for a in self.applications_of(payment))
        paid = self.due - (self.invoice.amount_remaining or Money(0, self.invoice.currency))
        return all(self.knows(payment) for payment in told) and total(untold, self.invoice.currency) <= paid

    def has_place_of(self, payment: Payment) -> bool:
        """Tell whether it is known which part of the invoice a payment pays: all that is left, or as the invoice's list of payments says.

        Until that list names a part payment, others that came before it may be missing, too.
        """
        ids = {application.id for application in self.applications_of(payment)}
        parts = self.invoice.paid_parts
        if parts is None or "" in ids or ids <= {part.id for part in parts} or self.invoice.state in _OVER:
            return True
        applied = sum(application.amount.minor for application in self.applications_of(payment))
        return self.start_of(payment) + applied == self.due.minor

    def shares(self, amount: Money, start: int) -> tuple[Money, Money]:
        """Return what a payment pays of the invoice itself and of the debt it collects; ``start`` minor units were paid before it.

        The older debt is paid first, and nothing beyond what is due: so that the shares of all payments sum to the whole, whenever a credit
        note comes between them. A source that does not list the payments has them split in proportion, cut to the minor unit.
        """
        own, carried = self.own_part.minor, self.carried_part.minor
        if carried and self.invoice.paid_parts is None:
            paid = min(amount.minor, own + carried)
            of_own, of_carried = own * paid // (own + carried), carried * paid // (own + carried)
        else:
            of_carried = _overlap(start, amount.minor, 0, carried)
            of_own = _overlap(start, amount.minor, carried, carried + own)
        return Money(of_own, amount.currency), Money(of_carried, amount.currency)

    def settle(
        self, credit: MatchableDocument, amount: Money, start: int, after: Sequence[NeedKey] = (), *, is_undoable: bool = False
    ) -> None:
        """Match a credit with the invoice, and with the debt it carried over; ``start``: minor units paid before it."""
        own, carried = self.shares(amount, start)
        self.books.match(self.document, credit, own, after, is_undoable=is_undoable)
        self.books.match(self.balance, credit, carried, after, is_undoable=is_undoable)

    def settled(self) -> tuple[Money, Money]:
        """Return what was paid of the invoice itself and of the debt it collects, as far as the source tells."""
        paid = self.invoice.amount_paid or Money(0, self.invoice.currency)
        return self.shares(paid, 0)


def _overlap(start: int, length: int, low: int, high: int) -> int:
    return max(min(start + length, high) - max(start, low), 0)


def balance_change_of(invoice: Invoice) -> Money:
    """Return how the invoice changed the customer's balance: ending less starting, zero where the source says nothing."""
    if invoice.starting_balance is None or invoice.ending_balance is None:
        return Money(0, invoice.currency)
    return invoice.ending_balance - invoice.starting_balance


def own_part_of(invoice: Invoice) -> Money:
    """Return what an invoice itself leaves open after credit and earlier credit notes; never negative."""
    used = max(balance_change_of(invoice).minor, 0)
    credited = invoice.credited_before_payment.minor if invoice.credited_before_payment else 0
    return Money(max(invoice.total.minor - used - credited, 0), invoice.currency)


def carried_part_of(invoice: Invoice) -> Money:
    """Return what an invoice collects of an older debt of the customer."""
    return Money(max(-balance_change_of(invoice).minor, 0) if invoice.total.minor >= 0 else 0, invoice.currency)


def due_of(invoice: Invoice) -> Money:
    """Return what is to be paid by an invoice: its own part and the debt it collects."""
    return own_part_of(invoice) + carried_part_of(invoice)


def country_of(draft: Draft, invoice: Invoice) -> str | None:
    """Return the billing country an invoice is routed by; None (and a wait) if only the unknown customer could tell."""
    if invoice.customer_country:
        return invoice.customer_country
    customer = customer_of(draft, invoice.customer_id)
    return customer.address.country if customer else None


def bill_of(draft: Draft, invoice: Invoice, entity: EntityRules) -> Bill | None:
    """Return an issued invoice as it stands in the entity's books; None if it was never issued."""
    if invoice.issued_at is None or invoice.state in IGNORED_STATES:
        return None
    day = entity.day_of(invoice.issued_at)
    document = MatchableDocument(need_of(INVOICE.ref(invoice.id)), day)
    customer_id = booked_for(draft, "invoice", invoice.id) or survivor_of(draft, invoice.customer_id)
    books = EntityBooks(draft, entity, customer_id)
    return Bill(books, invoice, document, MatchableDocument(entry_need("balance", invoice.id), day), balance_change_of(invoice))


def entity_of(draft: Draft, invoice: Invoice) -> EntityRules | None:
    """Return the entity an invoice is booked in, from whatever object's point of view; None if it is not routed (yet)."""
    country = country_of(draft, invoice)
    return None if country is None else draft.routes.find(INVOICE.ref(invoice.id), country, invoice.currency)


def booked_for(draft: Draft, name: str, object_id: str) -> str:
    """Return the customer a document or payment was booked for; empty: it was not. Whoever he was merged into since: what settles it is
    booked beside it, so that neither customer's account shows what is not open.
    """
    arguments = draft.past.booked_arguments(name, object_id)
    return arguments.customer_id if isinstance(arguments, PostDocument | PostPayment) else ""


def posted_document(draft: Draft, name: str, object_id: str) -> tuple[PostDocument, tuple[NeedKey, ...]] | None:
    """Return a document as it may have been posted, or was summed up, and the products it needed; None if it certainly was not."""
    command = draft.past.booked(name, object_id)
    if command is None:
        summed_up = draft.past.summed_up_document(name, object_id)
        return None if summed_up is None else (summed_up, ())
    if not isinstance(command.arguments, PostDocument):
        return None
    product = f"{PRODUCT.name}/"
    return command.arguments, tuple(need for need in command.needs if need.startswith(product))


def booked_lines(draft: Draft, invoice: Invoice, entity: EntityRules) -> Mapping[str, BookedLine]:
    """Return how the lines of an invoice were booked by an entity, by their id; nothing if they were not, or cannot be told apart."""
    place, posted = draft.past.place(invoice.id, "invoice"), posted_document(draft, "invoice", invoice.id)
    if place is None or place.entity != entity.name or posted is None:
        return {}
    booked = posted[0].lines
    amounts = [abs(line.amount - line.discount) for line in invoice.lines]
    if amounts == [abs(line.amount) for line in booked]:
        return {line.id: booked_line(line, made) for line, made in zip(invoice.lines, booked, strict=True)}
    alike = {(line.account, tuple(tax.target_tax for tax in line.taxes)) for line in booked}
    if len(alike) != 1:
        return {}
    return {line.id: booked_line(line, booked[0]) for line in invoice.lines}

"""An issued invoice as it stands in an entity's books, as invoices, payments and credit notes see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.core.canonical.money import Money

from .booking import Books, Posted
from .draft import Draft
from .rules import EntityRules

IGNORED_STATES = {e.InvoiceState.DRAFT: "invoice_draft", e.InvoiceState.DELETED: "invoice_draft_deleted"}
"""States of an invoice that was never a document, and the rule they are ignored by."""


@dataclass(frozen=True, slots=True)
class Bill:
    """An issued invoice as it stands in the entity's books. ``balance_change`` > 0: customer credit was used; < 0: created or collected."""

    books: Books
    invoice: e.Invoice
    document: Posted
    balance: Posted
    balance_change: Money

    @property
    def own_part(self) -> Money:
        """What the document itself leaves open after credit and earlier credit notes; never negative."""
        used = max(self.balance_change.minor, 0)
        credited = self.invoice.credited_before_payment.minor if self.invoice.credited_before_payment else 0
        return Money(max(self.invoice.total.minor - used - credited, 0), self.invoice.currency)

    @property
    def carried_part(self) -> Money:
        """An older debt of the customer that was collected with this invoice."""
        return Money(max(-self.balance_change.minor, 0) if self.invoice.total.minor >= 0 else 0, self.invoice.currency)

    def settle(self, credit: Posted, amount: Money, after: Sequence[str] = (), *, is_undoable: bool = False) -> None:
        """Match a credit with the invoice, and with the debt it carried over.

        A payment of all that is due pays both. A partial one is split in proportion, cut to the minor unit, so that whatever the order and
        number of payments neither is ever overpaid.
        """
        own, carried = self.own_part, self.carried_part
        if not carried:
            self.books.match(self.document, credit, amount, after, is_undoable=is_undoable)
            return
        due = own.minor + carried.minor
        paid = min(amount.minor, due)
        for debit, part in ((self.document, own), (self.balance, carried)):
            share = Money(part.minor * paid // due, amount.currency)
            self.books.match(debit, credit, share, after, is_undoable=is_undoable)


def balance_change_of(invoice: e.Invoice) -> Money:
    """Return how the invoice changed the customer's balance: ending less starting, zero where the source says nothing."""
    if invoice.starting_balance is None or invoice.ending_balance is None:
        return Money(0, invoice.currency)
    return invoice.ending_balance - invoice.starting_balance


def country_of(draft: Draft, invoice: e.Invoice) -> str | None:
    """Return the billing country an invoice is routed by; None (and a wait) if only the unknown customer could tell."""
    if invoice.customer_country:
        return invoice.customer_country
    customer = draft.customer(invoice.customer_id) if invoice.customer_id else None
    return customer.address.country if customer else None


def bill_of(draft: Draft, invoice: e.Invoice, entity: EntityRules) -> Bill | None:
    """Return an issued invoice as it stands in the entity's books; None if it was never issued."""
    if invoice.issued_at is None or invoice.state in IGNORED_STATES:
        return None
    day = draft.day(entity, invoice.issued_at)
    document = Posted(f"{ObjectKind.INVOICE.value}/{invoice.id}", day)
    books = Books(draft, entity, draft.survivor(invoice.customer_id))
    return Bill(books, invoice, document, Posted(f"entry/balance.{invoice.id}", day), balance_change_of(invoice))


def entity_of(draft: Draft, invoice: e.Invoice) -> EntityRules | None:
    """Return the entity an invoice is booked in, from whatever object's point of view; None if it is not routed (yet)."""
    country = country_of(draft, invoice)
    return None if country is None else draft.find_route(ObjectRef(ObjectKind.INVOICE, invoice.id), country, invoice.currency)

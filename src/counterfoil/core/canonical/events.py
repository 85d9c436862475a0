"""Past facts: what a normalizer returns (Fact) and what the event log keeps (Event), with the registry of types and versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from . import entities as e
from .ids import ObjectKind, ObjectRef


class EventType(StrEnum):
    """Every canonical event type (domain: canonical events)."""

    CUSTOMER_CREATED = "customer.created"
    CUSTOMER_UPDATED = "customer.updated"
    CUSTOMER_MERGED = "customer.merged"
    CUSTOMER_SUSPENDED = "customer.suspended"
    CUSTOMER_CREDIT_CHANGED = "customer.credit_changed"
    PRODUCT_RELEASED = "product.released"
    PRODUCT_RETIRED = "product.retired"
    PRICE_RELEASED = "price.released"
    PRICE_RETIRED = "price.retired"
    TAX_RATE_CHANGED = "tax_rate.changed"
    SUBSCRIPTION_STARTED = "subscription.started"
    SUBSCRIPTION_AMENDED = "subscription.amended"
    SUBSCRIPTION_RENEWED = "subscription.renewed"
    SUBSCRIPTION_PAUSED = "subscription.paused"
    SUBSCRIPTION_RESUMED = "subscription.resumed"
    SUBSCRIPTION_CANCELED = "subscription.canceled"
    SUBSCRIPTION_EXPIRED = "subscription.expired"
    SUBSCRIPTION_UPDATED = "subscription.updated"
    INVOICE_DRAFTED = "invoice.drafted"
    INVOICE_ISSUED = "invoice.issued"
    INVOICE_UPDATED = "invoice.updated"
    INVOICE_PAID = "invoice.paid"
    INVOICE_VOIDED = "invoice.voided"
    INVOICE_UNCOLLECTIBLE = "invoice.marked_uncollectible"
    INVOICE_OVERDUE = "invoice.overdue"
    INVOICE_DELETED = "invoice.deleted"
    CREDIT_NOTE_ISSUED = "credit_note.issued"
    CREDIT_NOTE_VOIDED = "credit_note.voided"
    PAYMENT_AUTHORIZED = "payment.authorized"
    PAYMENT_PENDING = "payment.pending"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_APPLIED = "payment.applied"
    REFUND_CREATED = "refund.created"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_UPDATED = "dispute.updated"
    DISPUTE_WON = "dispute.won"
    DISPUTE_LOST = "dispute.lost"
    PAYOUT_CREATED = "payout.created"
    PAYOUT_PAID = "payout.paid"
    PAYOUT_FAILED = "payout.failed"
    FEE_CHARGED = "fee.charged"
    BALANCE_MOVED = "balance.moved"
    ERP_DOCUMENT_CHANGED = "erp.document_changed"
    ENTRY_IMPORTED = "entry.imported"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact as a normalizer read it; it has no hub identity yet.

    Attributes:
        sequence: the source's own order of states of this subject; a state with a smaller one never wins over a larger one.
            Microseconds since the epoch of the moment the state was true.
        account: the source's account the fact belongs to (``acct_...``), used for routing; empty when the connection has only one.
        correlation_id: one business process, e.g. the subscription or the invoice it belongs to.
    """

    type: EventType
    occurred_at: datetime
    sequence: int
    data: e.Entity
    account: str = ""
    correlation_id: str = ""

    @property
    def subject(self) -> ObjectRef:
        """The object this fact is about."""
        return ref_of(self.data)


@dataclass(frozen=True, slots=True)
class Event:
    """A canonical event of the log: a fact with its identity, its source connection and its causation.

    ``id`` derives from the receipt and the fact's index in it, so normalizing twice writes nothing new.
    """

    id: str
    type: EventType
    version: int
    connection: str
    subject: ObjectRef
    occurred_at: datetime
    received_at: datetime
    sequence: int
    data: e.Entity
    account: str = ""
    correlation_id: str = ""
    causation_id: str = ""


KIND_OF_ENTITY: dict[type, ObjectKind] = {
    e.Customer: ObjectKind.CUSTOMER,
    e.Product: ObjectKind.PRODUCT,
    e.Price: ObjectKind.PRICE,
    e.TaxRate: ObjectKind.TAX_RATE,
    e.Subscription: ObjectKind.SUBSCRIPTION,
    e.Invoice: ObjectKind.INVOICE,
    e.CreditNote: ObjectKind.CREDIT_NOTE,
    e.Payment: ObjectKind.PAYMENT,
    e.Refund: ObjectKind.REFUND,
    e.Dispute: ObjectKind.DISPUTE,
    e.Payout: ObjectKind.PAYOUT,
    e.BalanceEntry: ObjectKind.BALANCE_ENTRY,
    e.CustomerCredit: ObjectKind.CUSTOMER_CREDIT,
    e.ErpDocument: ObjectKind.ERP_DOCUMENT,
    e.ImportedEntry: ObjectKind.JOURNAL_ENTRY,
}
ENTITY_OF_KIND: dict[ObjectKind, type] = {kind: entity for entity, kind in KIND_OF_ENTITY.items()}

EVENT_VERSION = 1
"""Version of every event's data schema; raised per type when a schema changes incompatibly."""


def ref_of(entity: e.Entity) -> ObjectRef:
    """Return the reference of an entity."""
    return ObjectRef(KIND_OF_ENTITY[type(entity)], entity.id)

"""The state of things as every source reports them, in one shape: frozen values, minor units, aware UTC instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from .books import ErpDocument as ErpDocument
from .books import ErpState as ErpState
from .books import ImportedEntry as ImportedEntry
from .books import OpeningEntryLine as OpeningEntryLine
from .links import CreditNotePart, RefundPart
from .money import Money
from .parties import NOWHERE
from .parties import Address as Address
from .parties import TaxExemption as TaxExemption
from .parties import TaxId as TaxId


@dataclass(frozen=True, slots=True)
class Customer:
    """Who buys. ``merged_into`` holds the surviving customer's id once this one was merged. ``is_business``: the source calls it one."""

    id: str
    name: str
    email: str = ""
    phone: str = ""
    address: Address = NOWHERE
    currency: str = ""
    tax_exemption: TaxExemption = TaxExemption.NONE
    tax_ids: tuple[TaxId, ...] = ()
    balance: Money | None = None  # the source's own balance: negative = credit of the customer
    locale: str = ""
    is_deleted: bool = False
    merged_into: str = ""
    is_business: bool = False


@dataclass(frozen=True, slots=True)
class Product:
    """What is sold. ``group`` is the product group used in summary posting; empty: ungrouped."""

    id: str
    name: str
    description: str = ""
    sku: str = ""
    group: str = ""
    tax_code: str = ""
    is_active: bool = True
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """A price of a product; unit_amount is decimal minor units of the currency, None when tiered or custom."""

    id: str
    product_id: str
    currency: str
    unit_amount: Decimal | None
    nickname: str = ""
    interval: str = ""  # day, week, month, year; empty: one-off
    interval_count: int = 0
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A tax rate of the source; percentage 19 means 19 %."""

    id: str
    name: str
    percentage: Decimal
    is_inclusive: bool
    country: str = ""
    jurisdiction: str = ""
    type: str = ""  # vat, sales_tax, jct, gst...


class SubscriptionState(StrEnum):
    """Canonical subscription states; only ``trialing`` and later ones were ever started."""

    INCOMPLETE = "incomplete"
    EXPIRED = "expired"  # never started
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class SubscriptionItem:
    """One priced position of a subscription, with the current service period [start, end)."""

    id: str
    price_id: str
    product_id: str
    quantity: int
    period_start: datetime | None = None
    period_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a customer has bought to run on."""

    id: str
    customer_id: str
    state: SubscriptionState
    currency: str
    started_at: datetime
    items: tuple[SubscriptionItem, ...] = ()
    trial_end: datetime | None = None
    cancel_at: datetime | None = None
    canceled_at: datetime | None = None
    ended_at: datetime | None = None


class InvoiceState(StrEnum):
    """Canonical invoice states at the source; the ERP side is a separate fact (domain: canonical state maps)."""

    DRAFT = "draft"
    ISSUED = "issued"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    DELETED = "deleted"  # a draft that was thrown away


@dataclass(frozen=True, slots=True)
class LineTax:
    """One tax on one line. ``amount`` is signed like the line; ``taxable`` is the base the source used."""

    rate_id: str  # canonical id of the source's tax rate
    amount: Money
    taxable: Money
    is_inclusive: bool
    percentage: Decimal | None = None
    jurisdiction: str = ""
    reason: str = ""  # the source's taxability reason: standard_rated, reverse_charge, zero_rated...


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of an invoice or credit note.

    ``amount`` is the line's amount as the source prints it: before discounts, with inclusive taxes in it and exclusive
    taxes not; ``discount`` (>= 0 on a positive line) is to be taken off it. Both may be negative (prorations).
    net = amount - discount - inclusive taxes.
    """

    id: str
    description: str
    amount: Money
    discount: Money
    quantity: Decimal = Decimal(1)
    taxes: tuple[LineTax, ...] = ()
    product_id: str = ""
    price_id: str = ""
    period_start: datetime | None = None
    period_end: datetime | None = None
    is_proration: bool = False
    of_line_id: str = ""  # of a credit note's line: the invoice line it credits


@dataclass(frozen=True, slots=True)
class PaidPart:
    """One payment of an invoice, as the invoice tells it: ``id`` is the application's (``Application.id``), ``payment_id`` the payment's.

    ``amount`` is what was paid, or only what the invoice took of it: sources differ.
    """

    id: str
    amount: Money
    paid_at: datetime | None = None
    payment_id: str = ""


@dataclass(frozen=True, slots=True)
class Invoice:
    """A bill. ``total`` is what the document says (lines - discounts + exclusive taxes) and may be zero or negative.

    ``starting_balance`` and ``ending_balance``: the customer balance at the source before and after finalization
    (negative = credit); their difference is the use or creation of customer credit.
    ``credited_before_payment``: sum of credit notes issued while it was open.
    ``paid_parts``: its payments, oldest first; ``credit_note_ids``: the credit notes issued on it. None: the source does not tell.
    """

    id: str
    customer_id: str
    state: InvoiceState
    currency: str
    total: Money
    tax: Money
    lines: tuple[InvoiceLine, ...]
    number: str = ""
    subscription_id: str = ""
    issued_at: datetime | None = None  # finalized; None while draft
    due_at: datetime | None = None
    created_at: datetime | None = None
    amount_due: Money | None = None
    amount_paid: Money | None = None
    amount_remaining: Money | None = None
    starting_balance: Money | None = None
    ending_balance: Money | None = None
    credited_before_payment: Money | None = None
    paid_out_of_band: Money | None = None  # settled outside the processor; booked by the Payment that says so, not from here
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    uncollectible_at: datetime | None = None
    billing_reason: str = ""
    attempt_count: int = 0
    next_attempt_at: datetime | None = None
    customer_name: str = ""
    customer_country: str = ""
    customer_account: str = ""  # an account of the source that is billed in place of a customer
    amount_overpaid: Money | None = None  # paid beyond what was due, and added to the customer's balance
    paid_parts: tuple[PaidPart, ...] | None = None
    credit_note_ids: tuple[str, ...] | None = None


class CreditNoteState(StrEnum):
    """Canonical credit note states."""

    ISSUED = "issued"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class CreditNote:
    """A reduction of one invoice. Amounts are positive.

    total = before_payment + after_payment; after_payment = refunded (by refund_ids) + to_balance + out_of_band. ``refund_parts``: how
    much of it each refund pays out, where the source says so; a refund may pay out several credit notes, and several one.
    """

    id: str
    invoice_id: str
    customer_id: str
    state: CreditNoteState
    currency: str
    total: Money
    tax: Money
    lines: tuple[InvoiceLine, ...]
    issued_at: datetime
    number: str = ""
    reason: str = ""
    before_payment: Money | None = None
    after_payment: Money | None = None
    to_balance: Money | None = None
    out_of_band: Money | None = None
    refund_ids: tuple[str, ...] = ()
    voided_at: datetime | None = None
    refund_parts: tuple[RefundPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one fact did to the processor's balance: gross - fee = net, in settlement currency.

    ``gross`` is signed from our side: a charge is positive, a refund, dispute or payout negative. ``exchange_rate``: settlement per
    presentment currency unit, None when both are the same. ``fee_tax`` is the part of ``fee`` that is input tax, ``withheld_tax`` the part
    that is a tax withheld from us.
    """

    id: str  # canonical id of the balance transaction
    gross: Money
    fee: Money
    net: Money
    occurred_at: datetime
    available_at: datetime | None = None
    exchange_rate: Decimal | None = None
    fee_tax: Money | None = None
    type: str = ""  # the processor's own type, for the trace
    withheld_tax: Money | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """Part of a payment that pays one invoice, in the payment's currency. ``id``: the source's own, where it has one."""

    invoice_id: str
    amount: Money
    id: str = ""


class PaymentState(StrEnum):
    """Canonical payment states."""

    AUTHORIZED = "authorized"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Payment:
    """Money a customer paid, gross. ``applications`` may be empty or less than the amount: the rest is customer credit.

    ``is_out_of_band``: paid outside the processor (bank transfer marked by hand): it never touches its clearing account.
    ``earlier_parts``: what was paid outside the processor on the same invoice by the payments told before this one, ``first_part_id`` and
    later ones; None: the source tells of no parts.
    """

    id: str
    customer_id: str
    state: PaymentState
    amount: Money
    occurred_at: datetime
    applications: tuple[Application, ...] = ()
    settlement: Settlement | None = None
    failure_code: str = ""
    method: str = ""
    is_out_of_band: bool = False
    earlier_parts: Money | None = None
    first_part_id: str = ""


class RefundState(StrEnum):
    """Canonical refund states; a succeeded refund may still fail later."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back on one payment. ``reversal`` is set when the refund failed and the money came back.

    ``credit_note_id``: a credit note it pays out; ``credit_notes``: all of them with their amounts, where the source tells.
    """

    id: str
    payment_id: str
    state: RefundState
    amount: Money
    occurred_at: datetime
    customer_id: str = ""
    credit_note_id: str = ""
    settlement: Settlement | None = None
    reversal: Settlement | None = None
    reason: str = ""
    credit_notes: tuple[CreditNotePart, ...] = ()


class DisputeState(StrEnum):
    """Canonical dispute states."""

    WARNING = "warning"  # an inquiry: no money has moved
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A chargeback. The money moves by its settlements: withdrawn at opening (with a fee), reinstated when won."""

    id: str
    payment_id: str
    state: DisputeState
    amount: Money
    opened_at: datetime
    customer_id: str = ""
    reason: str = ""
    withdrawals: tuple[Settlement, ...] = ()
    reinstatements: tuple[Settlement, ...] = ()
    closed_at: datetime | None = None


class PayoutState(StrEnum):
    """Canonical payout states; a paid payout may later fail."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Payout:
    """Money the processor sent to our bank; negative when it debited it.

    ``settlement`` is its own movement on the balance; ``reversal`` the movement back when it failed or was canceled. ``items`` are
    the canonical ids of the balance entries it pays out (automatic payouts only).
    """

    id: str
    state: PayoutState
    amount: Money
    created_at: datetime
    arrives_on: date
    settlement: Settlement | None = None
    reversal: Settlement | None = None
    is_automatic: bool = True
    items: tuple[str, ...] = ()
    failure_code: str = ""


@dataclass(frozen=True, slots=True)
class BalanceEntry:
    """A movement on the processor's balance that no other object explains: its own fees, tax on them, adjustments, top-ups, reserves.

    ``category``: ``fee``, ``fee_tax``, ``adjustment``, ``topup``, ``reserve``, ``transfer`` or ``other``.
    """

    id: str
    category: str
    settlement: Settlement
    description: str = ""


@dataclass(frozen=True, slots=True)
class CustomerCredit:
    """A change of a customer's balance at the source that no invoice or credit note explains: granted or taken by hand, or paid in.

    ``amount`` is signed as the source's balance: negative = credit granted. ``is_paid``: it came of a payment, of more than the invoice
    ``invoice_id`` was due for or ahead of any invoice, and is no gift.
    """

    id: str
    customer_id: str
    amount: Money
    occurred_at: datetime
    description: str = ""
    is_paid: bool = False
    invoice_id: str = ""


Entity = (
    Customer
    | Product
    | Price
    | TaxRate
    | Subscription
    | Invoice
    | CreditNote
    | Payment
    | Refund
    | Dispute
    | Payout
    | BalanceEntry
    | CustomerCredit
    | ErpDocument
    | ImportedEntry
)

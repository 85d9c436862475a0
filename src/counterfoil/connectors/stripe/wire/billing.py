"""Invoices and credit notes with their lines, taxes and payments, before and since basil.

Sources: https://docs.stripe.com/api/invoices/object, https://docs.stripe.com/api/credit_notes/object,
https://docs.stripe.com/changelog/basil/2025-03-31/adds-new-parent-field-to-invoicing-objects
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from . import Address, Expandable, ListOf, TaxRate


class DiscountAmount(Struct, frozen=True):
    """What one discount takes off a line."""

    amount: int


class PretaxCreditAmount(Struct, frozen=True):
    """A discount (told by ``discount_amounts`` too) or an applied billing credit, taken off before tax."""

    amount: int
    type: str


class TaxRateDetails(Struct, frozen=True):
    """Names the rate of a tax."""

    tax_rate: Expandable = None


class Tax(Struct, frozen=True):
    """A tax on a line since basil."""

    amount: int
    tax_behavior: str
    taxable_amount: int | None = None
    taxability_reason: str | None = None
    tax_rate_details: TaxRateDetails | None = None


class TaxAmount(Struct, frozen=True):
    """A tax on a line before basil."""

    amount: int
    inclusive: bool
    tax_rate: str | TaxRate | None = None
    taxable_amount: int | None = None
    taxability_reason: str | None = None


class ShippingTax(Struct, frozen=True):
    """A tax on the shipping cost; carries the whole rate."""

    amount: int
    rate: TaxRate
    taxable_amount: int | None = None
    taxability_reason: str | None = None


class ShippingCost(Struct, frozen=True):
    """Shipping stands beside the lines and is part of the total; ``amount_subtotal`` is before any tax."""

    amount_subtotal: int
    amount_total: int
    amount_tax: int = 0
    taxes: list[ShippingTax] | None = None


class Period(Struct, frozen=True):
    """Service period, Unix seconds."""

    start: int
    end: int


class PriceRef(Struct, frozen=True):
    """The price (or legacy plan) of a line before basil."""

    id: str
    product: Expandable = None


class PriceDetails(Struct, frozen=True):
    """The price of a line since basil."""

    price: Expandable = None
    product: str | None = None


class Pricing(Struct, frozen=True):
    """https://docs.stripe.com/api/invoice-line-item/object."""

    price_details: PriceDetails | None = None


class ItemDetails(Struct, frozen=True):
    """Where a line came from since basil: an invoice item or a subscription item."""

    proration: bool = False
    subscription: str | None = None


class LineParent(Struct, frozen=True):
    """See :class:`ItemDetails`."""

    invoice_item_details: ItemDetails | None = None
    subscription_item_details: ItemDetails | None = None


class Line(Struct, frozen=True):
    """One line of an invoice, both generations."""

    id: str
    amount: int
    currency: str
    description: str | None = None
    quantity: int | None = None
    quantity_decimal: Decimal | None = None
    period: Period | None = None
    discount_amounts: list[DiscountAmount] | None = None
    pretax_credit_amounts: list[PretaxCreditAmount] | None = None
    # since basil
    taxes: list[Tax] | None = None
    pricing: Pricing | None = None
    parent: LineParent | None = None
    # before basil
    tax_amounts: list[TaxAmount] | None = None
    tax_rates: list[TaxRate] | None = None
    price: PriceRef | None = None
    plan: PriceRef | None = None
    proration: bool = False


class Intent(Struct, frozen=True):
    """A payment intent, as far as it leads to its charge, and how it stands."""

    id: str
    latest_charge: Expandable = None
    status: str | None = None


class PaymentOf(Struct, frozen=True):
    """What pays an invoice: an intent, a bare charge, or a record of money received outside Stripe."""

    type: str
    charge: Expandable = None
    payment_intent: str | Intent | None = None
    payment_record: Expandable = None


class PaymentTimes(Struct, frozen=True):
    """Unix seconds."""

    paid_at: int | None = None
    canceled_at: int | None = None


class InvoicePayment(Struct, frozen=True):
    """One (partial) payment of one invoice, since basil: https://docs.stripe.com/api/invoice-payment/object."""

    id: str
    invoice: Expandable
    currency: str
    status: str
    payment: PaymentOf
    amount_paid: int | None = None
    amount_requested: int | None = None
    created: int | None = None
    status_transitions: PaymentTimes = PaymentTimes()


class Transitions(Struct, frozen=True):
    """When an invoice changed its state, Unix seconds."""

    finalized_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None
    marked_uncollectible_at: int | None = None


class SubscriptionDetails(Struct, frozen=True):
    """The subscription of an invoice since basil."""

    subscription: Expandable = None


class InvoiceParent(Struct, frozen=True):
    """See :class:`SubscriptionDetails`."""

    subscription_details: SubscriptionDetails | None = None


class InvoiceExtra(Struct, frozen=True):
    """What fetching adds: the tax rates the lines name by id, and the credit notes of a voided invoice."""

    account: str = ""
    tax_rates: list[TaxRate] = []
    credit_notes: list[str] | None = None


class Invoice(Struct, frozen=True):
    """https://docs.stripe.com/api/invoices/object."""

    id: str
    currency: str
    total: int
    lines: ListOf[Line]
    customer: Expandable = None
    customer_account: str | None = None
    status: str | None = None
    deleted: bool | None = None
    number: str | None = None
    created: int | None = None
    due_date: int | None = None
    effective_at: int | None = None
    status_transitions: Transitions = Transitions()
    amount_due: int | None = None
    amount_paid: int | None = None
    amount_remaining: int | None = None
    amount_overpaid: int | None = None
    amount_shipping: int | None = None
    starting_balance: int | None = None
    ending_balance: int | None = None
    pre_payment_credit_notes_amount: int | None = None
    billing_reason: str | None = None
    attempt_count: int | None = None
    next_payment_attempt: int | None = None
    customer_name: str | None = None
    customer_address: Address | None = None
    shipping_cost: ShippingCost | None = None
    default_tax_rates: list[TaxRate] | None = None
    metadata: dict[str, str] | None = None
    # since basil
    total_taxes: list[Tax] | None = None
    parent: InvoiceParent | None = None
    payments: ListOf[InvoicePayment] | None = None
    amount_paid_off_stripe: int | None = None
    # before basil
    tax: int | None = None
    total_tax_amounts: list[TaxAmount] | None = None
    subscription: Expandable = None
    charge: Expandable = None
    paid_out_of_band: bool | None = None
    counterfoil: InvoiceExtra = InvoiceExtra()


class NoteRefund(Struct, frozen=True):
    """A refund a credit note pays out by; without ``refund`` it is a record of a refund made outside Stripe."""

    amount_refunded: int = 0
    refund: Expandable = None


class BalanceChange(Struct, frozen=True):
    """The customer balance transaction of a credit note."""

    id: str
    amount: int


class NoteLine(Struct, frozen=True):
    """One line of a credit note: https://docs.stripe.com/api/credit_notes/line_item."""

    id: str
    amount: int
    description: str | None = None
    discount_amount: int = 0
    invoice_line_item: str | None = None
    quantity: int | None = None
    pretax_credit_amounts: list[PretaxCreditAmount] | None = None
    taxes: list[Tax] | None = None
    tax_amounts: list[TaxAmount] | None = None
    tax_rates: list[TaxRate] | None = None


class NoteExtra(Struct, frozen=True):
    """What fetching adds: the credited invoice's lines (they name the products) and the tax rates."""

    account: str = ""
    invoice_lines: list[Line] = []
    tax_rates: list[TaxRate] = []


class CreditNote(Struct, frozen=True):
    """https://docs.stripe.com/api/credit_notes/object."""

    id: str
    currency: str
    total: int
    status: str
    created: int
    lines: ListOf[NoteLine]
    invoice: Expandable = None
    customer: Expandable = None
    number: str | None = None
    reason: str | None = None
    effective_at: int | None = None
    voided_at: int | None = None
    out_of_band_amount: int | None = None
    amount_shipping: int | None = None
    shipping_cost: ShippingCost | None = None
    customer_balance_transaction: str | BalanceChange | None = None
    # since basil
    pre_payment_amount: int | None = None
    post_payment_amount: int | None = None
    refunds: list[NoteRefund] | None = None
    total_taxes: list[Tax] | None = None
    # before basil
    type: str | None = None
    refund: Expandable = None
    tax_amounts: list[TaxAmount] | None = None
    counterfoil: NoteExtra = NoteExtra()

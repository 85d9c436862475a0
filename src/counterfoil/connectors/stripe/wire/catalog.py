"""Who buys and what is sold: customers, products, prices, subscriptions.

Sources: https://docs.stripe.com/api/customers/object, .../products/object, .../prices/object, .../subscriptions/object
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from . import Address, Expandable, ListOf, Stub
from .billing import PriceRef


class TaxId(Struct, frozen=True):
    """A tax registration of a customer."""

    type: str
    value: str | None = None


class Billed(Struct, frozen=True):
    """Whom an invoice billed, as it was copied onto it: https://docs.stripe.com/api/invoices/object#invoice_object-customer_name."""

    customer_name: str | None = None
    customer_email: str | None = None
    customer_phone: str | None = None
    customer_address: Address | None = None
    customer_tax_exempt: str | None = None
    customer_tax_ids: list[TaxId] = []


class CustomerExtra(Struct, frozen=True):
    """What fetching adds to a deleted customer: what its newest invoice says of it."""

    account: str = ""
    billed: Billed | None = None


class Customer(Struct, frozen=True):
    """A deleted customer is a stub of id and ``deleted`` (https://docs.stripe.com/api/customers/delete)."""

    id: str
    name: str | None = None
    business_name: str | None = None
    individual_name: str | None = None
    description: str | None = None
    email: str | None = None
    phone: str | None = None
    address: Address | None = None
    currency: str | None = None
    balance: int | None = None
    tax_exempt: str | None = None
    tax_ids: ListOf[TaxId] | None = None
    preferred_locales: list[str] | None = None
    created: int | None = None
    deleted: bool | None = None
    counterfoil: CustomerExtra = CustomerExtra()


class TaxIdEvent(Struct, frozen=True):
    """The object of a ``customer.tax_id.*`` event."""

    id: str
    customer: Expandable = None


class Product(Struct, frozen=True):
    """What is sold."""

    id: str
    name: str | None = None
    description: str | None = None
    active: bool = True
    deleted: bool | None = None
    tax_code: Expandable = None
    metadata: dict[str, str] | None = None
    created: int | None = None


class Recurring(Struct, frozen=True):
    """How often a price is due."""

    interval: str
    interval_count: int = 1


class Price(Struct, frozen=True):
    """What it costs; ``unit_amount_decimal`` is in the currency's smallest unit with up to 12 decimals."""

    id: str
    currency: str
    product: Expandable = None
    unit_amount: int | None = None
    unit_amount_decimal: Decimal | None = None
    billing_scheme: str | None = None
    nickname: str | None = None
    recurring: Recurring | None = None
    active: bool = True
    deleted: bool | None = None
    created: int | None = None


class SubscriptionItem(Struct, frozen=True):
    """One position; carries its period since basil, its price since 2020, its plan before."""

    id: str
    price: Price | None = None
    plan: PriceRef | None = None
    quantity: int | None = None
    current_period_start: int | None = None
    current_period_end: int | None = None


class Subscription(Struct, frozen=True):
    """What a customer runs on."""

    id: str
    customer: Expandable
    status: str
    items: ListOf[SubscriptionItem]
    start_date: int
    currency: str | None = None
    created: int | None = None
    current_period_start: int | None = None  # before basil
    current_period_end: int | None = None  # before basil
    trial_end: int | None = None
    cancel_at: int | None = None
    canceled_at: int | None = None
    ended_at: int | None = None
    metadata: dict[str, str] | None = None


class FormerItem(Struct, frozen=True):
    """A subscription item in an event's previous attributes: only what changed is there."""

    id: str | None = None
    quantity: int | None = None
    price: Stub | None = None
    plan: Stub | None = None
    current_period_start: int | None = None


class FormerSubscription(Struct, frozen=True):
    """An event's previous attributes of a subscription."""

    status: str | None = None
    quantity: int | None = None
    current_period_start: int | None = None
    items: ListOf[FormerItem] | None = None


__all__ = [
    "Customer",
    "FormerItem",
    "FormerSubscription",
    "Price",
    "Product",
    "Recurring",
    "Subscription",
    "SubscriptionItem",
    "TaxId",
    "TaxIdEvent",
]

"""Money that moves: charges, refunds, disputes, payouts and the movements on Stripe's balance.

Sources: https://docs.stripe.com/api/charges/object, .../refunds/object, .../disputes/object, .../payouts/object,
https://docs.stripe.com/api/balance_transactions/object
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from . import Expandable, ListOf, Stub
from .billing import InvoicePayment


class FeeDetail(Struct, frozen=True):
    """One part of a fee: ``stripe_fee``, ``application_fee``, ``tax``, ``withheld_tax``, ``payment_method_passthrough_fee``."""

    amount: int
    type: str


class BalanceTransaction(Struct, frozen=True):
    """One movement: amount - fee = net, in the settlement currency."""

    id: str
    amount: int
    fee: int
    net: int
    currency: str
    created: int
    type: str
    available_on: int | None = None
    exchange_rate: Decimal | None = None
    fee_details: list[FeeDetail] = []
    reporting_category: str | None = None
    source: Expandable = None
    description: str | None = None


Movement = str | BalanceTransaction | None


class MethodDetails(Struct, frozen=True):
    """How it was paid."""

    type: str | None = None


class ChargeExtra(Struct, frozen=True):
    """What fetching adds: the invoice payments of the charge's intent; None when they were not asked for."""

    account: str = ""
    invoice_payments: list[InvoicePayment] | None = None


class Charge(Struct, frozen=True):
    """One try to take money."""

    id: str
    amount: int
    currency: str
    status: str
    created: int
    captured: bool = True
    refunded: bool = False
    amount_captured: int | None = None
    customer: Expandable = None
    payment_intent: Expandable = None
    balance_transaction: Movement = None
    failure_balance_transaction: Movement = None
    failure_code: str | None = None
    payment_method_details: MethodDetails | None = None
    invoice: Expandable = None  # before basil
    counterfoil: ChargeExtra = ChargeExtra()


class IntentCharges(Struct, frozen=True):
    """All charges of one payment intent, or of one invoice, put together by fetching."""

    data: list[Charge] = []


class PaymentIntent(Struct, frozen=True):
    """https://docs.stripe.com/api/payment_intents/object - only what leads to its charges and its invoice."""

    id: str
    latest_charge: Expandable = None
    charges: ListOf[Stub] | None = None  # before 2022-11-15
    invoice: Expandable = None  # before basil


class ChargeRef(Struct, frozen=True):
    """The expanded charge of a refund or a dispute."""

    id: str
    customer: Expandable = None
    captured: bool = True
    amount: int = 0
    amount_captured: int | None = None


class PaidOut(Struct, frozen=True):
    """A credit note that is paid out by a refund, and how much of it."""

    id: str
    amount: int


class RefundExtra(Struct, frozen=True):
    """What fetching adds: the credit notes that are paid out by this refund. ``credit_note``: as kept before there could be several."""

    account: str = ""
    credit_note: str = ""
    credit_notes: list[PaidOut] = []


class Refund(Struct, frozen=True):
    """Money given back."""

    id: str
    amount: int
    currency: str
    created: int
    status: str | None = None
    charge: str | ChargeRef | None = None
    customer: Expandable = None
    reason: str | None = None
    balance_transaction: Movement = None
    failure_balance_transaction: Movement = None
    counterfoil: RefundExtra = RefundExtra()


class ChargeRefunds(Struct, frozen=True):
    """All refunds of one charge, put together by fetching."""

    data: list[Refund] = []


class DisputeExtra(Struct, frozen=True):
    """What fetching adds: when one that is lost or was prevented was closed; None if no event tells that any more."""

    account: str = ""
    closed_at: int | None = None


class Dispute(Struct, frozen=True):
    """A chargeback or an inquiry; its balance transactions are always whole objects."""

    id: str
    amount: int
    currency: str
    status: str
    created: int
    charge: str | ChargeRef | None = None
    reason: str | None = None
    balance_transactions: list[BalanceTransaction] = []
    counterfoil: DisputeExtra = DisputeExtra()


class PayoutExtra(Struct, frozen=True):
    """What fetching adds: the balance transactions an automatic payout settles."""

    account: str = ""
    balance_transactions: list[BalanceTransaction] = []


class Payout(Struct, frozen=True):
    """Money sent to the bank."""

    id: str
    amount: int
    currency: str
    status: str
    created: int
    arrival_date: int
    automatic: bool = True
    balance_transaction: Movement = None
    failure_balance_transaction: Movement = None
    failure_code: str | None = None
    reconciliation_status: str | None = None
    counterfoil: PayoutExtra = PayoutExtra()


class CustomerBalanceTransaction(Struct, frozen=True):
    """A change of a customer's balance: https://docs.stripe.com/api/customer_balance_transactions/object."""

    id: str
    amount: int
    currency: str
    created: int
    type: str
    customer: Expandable
    invoice: Expandable = None
    credit_note: Expandable = None
    description: str | None = None


class CustomerBalance(Struct, frozen=True):
    """All changes of one customer's balance, put together by fetching."""

    data: list[CustomerBalanceTransaction] = []

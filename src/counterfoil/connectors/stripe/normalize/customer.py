"""Customers: their master data, and the changes of their balance that no invoice or credit note explains."""

from __future__ import annotations

import msgspec

from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire import ListOf, id_of
from counterfoil.connectors.stripe.wire.catalog import Billed, TaxIdEvent
from counterfoil.connectors.stripe.wire.catalog import Customer as WireCustomer
from counterfoil.connectors.stripe.wire.money import CustomerBalance, CustomerBalanceTransaction
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.customer import Address, Customer, CustomerEvent, TaxExemption, TaxId
from counterfoil.core.kinds.customer_credit import CustomerCredit, CustomerCreditEvent
from counterfoil.kit.connector import Ignored, Normalized

from .amounts import currency_code, instant, money, optional_money
from .places import address_of
from .reading import DeliveryNotice, FetchedNotice, ObjectState, decode, look_up

_CUSTOMER = msgspec.json.Decoder(WireCustomer)
_TAX_ID = msgspec.json.Decoder(TaxIdEvent)
_BALANCE = msgspec.json.Decoder(CustomerBalance)
_BALANCE_TRANSACTION = msgspec.json.Decoder(CustomerBalanceTransaction)

KEPT_FIELDS = frozenset(
    {
        "name",
        "business_name",
        "individual_name",
        "description",
        "email",
        "phone",
        "address",
        "currency",
        "balance",
        "invoice_credit_balance",
        "tax_exempt",
        "tax_ids",
        "preferred_locales",
        "deleted",
    }
)
"""What :func:`customer_of` reads. An update of anything else (default card, delinquency, invoice numbering) changes nothing here."""

EXEMPTIONS = {"none": TaxExemption.NONE, "exempt": TaxExemption.EXEMPT, "reverse": TaxExemption.REVERSE_CHARGE}

PAID_TYPES = frozenset({"invoice_overpaid", "checkout_session_subscription_payment", "checkout_session_subscription_payment_canceled"})
"""Credits by a payment: of more than an invoice was due for, or in a checkout before there was an invoice; and what took one back."""

CREDIT_TYPES: dict[str, bool] = {
    "adjustment": True,
    "initial": True,
    "migration": True,
    "unspent_receiver_credit": True,
    "applied_to_invoice": False,
    "credit_note": False,
    "invoice_overpaid": True,
    "invoice_too_large": False,
    "invoice_too_small": False,
    "unapplied_from_invoice": False,
    "checkout_session_subscription_payment": True,
    "checkout_session_subscription_payment_canceled": True,
}
"""Types of balance changes: True is a credit by itself, False is explained by an invoice or a credit note.

Source: https://docs.stripe.com/billing/customer/balance#types
"""


def needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """An update is fetched, because events leave out the tax ids; a changed balance is explained by its transactions."""
    own = notice.ref("customer", notice.object_id)
    if not notice.snapshot:
        return (own,)
    refs: list[str] = []
    if notice.kind == "customer.updated" and not _is_beside_us(notice):
        refs.append(own)
        if "balance" in notice.previous:
            refs.append(notice.ref("customer_balance", notice.object_id))
    elif notice.kind == "customer.created" and decode(_CUSTOMER, notice.snapshot).balance:
        refs.append(notice.ref("customer_balance", notice.object_id))
    return tuple(refs)


def facts(fetched: FetchedNotice) -> Normalized:
    """Return the customer, and its credits where the balance changed."""
    if fetched.kind == "customer.updated" and _is_beside_us(fetched.notice):
        return Ignored("customer_fields_not_kept")
    state = fetched.own("customer")
    customer = customer_of(fetched, state)
    kind = CustomerEvent.UPDATED
    if customer.is_deleted:
        kind = CustomerEvent.SUSPENDED
    elif fetched.kind != "customer.updated":
        kind = CustomerEvent.CREATED
    created = decode(_CUSTOMER, state.body).created
    own_time = instant(created) if created is not None else fetched.notice.occurred_at
    return (fetched.fact(kind, customer, state, own_time), *credits_of(fetched, fetched.notice.object_id))


def tax_id_needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """A tax id is shown by its customer."""
    owner = id_of(decode(_TAX_ID, notice.snapshot).customer) if notice.snapshot else ""
    return (notice.ref("customer", owner),) if owner else ()


def tax_id_facts(fetched: FetchedNotice) -> Normalized:
    """Return the customer with its tax ids as they are now."""
    owner = id_of(decode(_TAX_ID, fetched.notice.snapshot).customer) if fetched.notice.snapshot else ""
    if not owner:
        return Ignored("tax_id_of_own_account")
    state = fetched.needed("customer", owner)
    if state is None:
        return Ignored("object_gone")
    return (fetched.fact(CustomerEvent.UPDATED, customer_of(fetched, state), state, fetched.notice.occurred_at),)


def customer_of(fetched: FetchedNotice, state: ObjectState) -> Customer:
    """Return the canonical customer. A deleted one keeps what the delivery, or else its newest invoice, still tells of it."""
    wire = decode(_CUSTOMER, state.body)
    is_deleted = bool(wire.deleted) or state.is_gone or fetched.kind == "customer.deleted"
    if wire.deleted and fetched.notice.snapshot and fetched.notice.object == "customer":
        wire = decode(_CUSTOMER, fetched.notice.snapshot)
    billed = decode(_CUSTOMER, state.body).counterfoil.billed
    if billed is not None and not (wire.name or wire.email):
        wire = _as_billed(wire.id, billed)
    currency = currency_code(wire.currency) if wire.currency else ""
    return Customer(
        id=canonical(wire.id),
        name=wire.name or wire.business_name or wire.individual_name or wire.email or wire.description or wire.id,
        email=wire.email or "",
        phone=wire.phone or "",
        address=address_of(wire.address) if wire.address is not None else Address(),
        currency=currency,
        tax_exemption=look_up(EXEMPTIONS, wire.tax_exempt or "none", "customer.tax_exempt"),
        tax_ids=tuple(TaxId(t.type, t.value) for t in wire.tax_ids.data if t.value) if wire.tax_ids is not None else (),
        balance=optional_money(wire.balance, currency) if currency else None,
        locale=wire.preferred_locales[0] if wire.preferred_locales else "",
        is_deleted=is_deleted,
        is_business=bool(wire.business_name),
    )


def _as_billed(customer_id: str, billed: Billed) -> WireCustomer:
    return WireCustomer(
        id=customer_id,
        name=billed.customer_name,
        email=billed.customer_email,
        phone=billed.customer_phone,
        address=billed.customer_address,
        tax_exempt=billed.customer_tax_exempt,
        tax_ids=ListOf(billed.customer_tax_ids),
    )


def balance_transaction_facts(fetched: FetchedNotice) -> Normalized:
    """Return the credit of one listed change of a customer's balance, unless something else explains it."""
    state = fetched.own("customer_balance_transaction")
    wire = decode(_BALANCE_TRANSACTION, state.body)
    if not look_up(CREDIT_TYPES, wire.type, "customer_balance_transaction.type"):
        return Ignored("balance_change_explained_by_document")
    return (_credit_fact(fetched, wire, state),)


def credits_of(fetched: FetchedNotice, customer_id: str) -> tuple[Fact, ...]:
    """Return a customer's credits that stand for themselves, where the changes of the balance were fetched."""
    state = fetched.other("customer_balance", customer_id)
    if state is None:
        return ()
    changes = decode(_BALANCE, state.body).data
    return tuple(
        _credit_fact(fetched, change, state)
        for change in changes
        if look_up(CREDIT_TYPES, change.type, "customer_balance_transaction.type")
    )


def _credit_fact(fetched: FetchedNotice, wire: CustomerBalanceTransaction, state: ObjectState) -> Fact:
    occurred_at = instant(wire.created)
    credit = CustomerCredit(
        id=canonical(wire.id),
        customer_id=canonical(id_of(wire.customer)),
        amount=money(wire.amount, wire.currency),
        occurred_at=occurred_at,
        description=wire.description or "",
        is_paid=wire.type in PAID_TYPES,
        invoice_id=canonical(id_of(wire.invoice)) if wire.type in PAID_TYPES else "",
    )
    return fetched.side_fact(CustomerCreditEvent.CHANGED, credit, state, occurred_at)


def _is_beside_us(notice: DeliveryNotice) -> bool:
    """Whether an update says that only fields changed which are not kept."""
    return bool(notice.snapshot) and bool(notice.previous) and not notice.previous.keys() & KEPT_FIELDS

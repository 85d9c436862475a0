"""Customers: who buys, where they are, and how they stand towards tax."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Record, Reference, Survivorship, never, nothing, of_no_amount
from counterfoil.core.language.states import Deletable


class TaxExemption(StrEnum):
    """How a customer stands towards sales tax."""

    NONE = "none"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; country is ISO 3166-1 alpha-2. Empty string: not given."""

    line1: str = ""
    line2: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""


NOWHERE = Address()
"""No address given."""


@dataclass(frozen=True, slots=True)
class TaxId:
    """A tax registration, e.g. type ``eu_vat``, value ``DE123456789``."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Customer(Record):
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


class CustomerEvent(EventType):
    """What happens to a customer."""

    CREATED = "customer.created"
    UPDATED = "customer.updated"
    MERGED = "customer.merged"
    SUSPENDED = "customer.suspended"


def _kept(deleted: Customer, known: Customer) -> Customer:
    """Return a deleted customer with what was known of it: what is told of it now may be no more than its id, or an old bill's copy."""
    is_named = known.name not in ("", known.id.partition(":")[2])
    return replace(
        deleted,
        name=known.name if is_named else deleted.name,
        email=known.email or deleted.email,
        phone=known.phone or deleted.phone,
        address=known.address if known.address != NOWHERE else deleted.address,
        currency=known.currency or deleted.currency,
        tax_exemption=deleted.tax_exemption if known.tax_exemption is TaxExemption.NONE else known.tax_exemption,
        tax_ids=known.tax_ids or deleted.tax_ids,
        locale=known.locale or deleted.locale,
    )


def _keeps(newer: Customer, older: Customer) -> Customer:
    """Keep the survivor of a merge, and of a deleted customer all that was known."""
    return replace(_kept(newer, older) if newer.is_deleted else newer, merged_into=newer.merged_into or older.merged_into)


def personal(customer: Customer) -> tuple[tuple[str, str], ...]:
    """Return what is personal of a customer: values and what each is. Country, currency and language tell nobody apart."""
    address = customer.address
    found = [(customer.name, "name"), (customer.email, "e-mail"), (customer.phone, "phone")]
    found += [(value, "address") for value in (address.line1, address.line2, address.postal_code)]
    found += [(tax_id.value, "VAT id") for tax_id in customer.tax_ids]
    return tuple((value, what) for value, what in found if value)


CUSTOMER = Kind(
    name="customer",
    record=Customer,
    noun="customer",
    events=CustomerEvent,
    lifecycle=Deletable(),
    survivorship=Survivorship.BY_FIELD,
    keeps=_keeps,
    refers_to=(Reference("customer", lambda customer: (customer.merged_into,), is_link=True),),
    affects=(Reference("customer", lambda customer: (customer.merged_into,)),),
    is_looked_back_from=never,
    total=of_no_amount,
    amounts=nothing,
    customer_of=lambda customer: customer.id,
    found_by=lambda customer: tuple(text for text in (customer.name, customer.email) if text),
    wait_limit=None,
    service_level=timedelta(seconds=60),
    is_made_again=True,
    ignored={},
)

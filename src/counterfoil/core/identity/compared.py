"""What of a customer's record tells who it is, and so is compared with others. Pure."""

from __future__ import annotations

from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.records import Record

from .matching.details import CustomerDetails


def details_of(customer: Customer) -> CustomerDetails:
    """Return what tells who a customer is."""
    address = customer.address
    return CustomerDetails(
        id=customer.id,
        name=customer.name,
        email=customer.email,
        phone=customer.phone,
        tax_ids=tuple(one.value for one in customer.tax_ids),
        street=" ".join(filter(None, (address.line1, address.line2))),
        city=address.city,
        state=address.state,
        postal_code=address.postal_code,
        country=address.country,
    )


def stands_alone(customer: Customer) -> bool:
    """Tell whether a customer is one to be compared: not deleted, and merged into nobody."""
    return not (customer.is_deleted or customer.merged_into)


def tells_otherwise(before: Record | None, after: Record) -> bool:
    """Tell whether a record says otherwise who it is than it did before, or is no longer, or again, one to be compared."""
    if not isinstance(after, Customer):
        return False
    if not isinstance(before, Customer):
        return stands_alone(after)
    return (details_of(before), stands_alone(before)) != (details_of(after), stands_alone(after))

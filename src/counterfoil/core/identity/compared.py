"""What of a customer's record tells who it is, and so is compared with others. Pure."""

from __future__ import annotations

from counterfoil.core.kinds.customer import Customer, TaxId
from counterfoil.core.language.records import Record

from .matching.details import CustomerDetails
from .matching.tax_numbers import has_numbers

TEXT_MAX = 2_000
"""Characters of a detail that are compared, as of a list's cell: what follows tells nobody apart, and costs every look."""
TAX_IDS_MAX = 20


def details_of(customer: Customer) -> CustomerDetails:
    """Return what tells who a customer is."""
    address = customer.address
    return CustomerDetails(
        id=customer.id,
        name=customer.name[:TEXT_MAX],
        email=customer.email[:TEXT_MAX],
        phone=customer.phone[:TEXT_MAX],
        tax_ids=tuple(with_country(one)[:TEXT_MAX] for one in customer.tax_ids[:TAX_IDS_MAX]),
        street=" ".join(filter(None, (address.line1, address.line2)))[:TEXT_MAX],
        city=address.city[:TEXT_MAX],
        state=address.state[:TEXT_MAX],
        postal_code=address.postal_code[:TEXT_MAX],
        country=address.country[:TEXT_MAX],
    )


def with_country(tax_id: TaxId) -> str:
    """Return a tax id with the country its kind names in front, as far as it names none itself: ``no_vat`` ``995525828MVA`` is Norway's,
    wherever the customer is.

    Source: https://docs.stripe.com/billing/customer/tax-ids (kinds begin with a country's code; ``eu_`` is none's; read 2026-12-01).
    """
    kind, _, rest = tax_id.type.partition("_")
    country, value = kind.upper(), tax_id.value.strip()
    is_named = value[:2].isalpha() or country == "EU" or not rest
    return value if is_named or not has_numbers(country) else f"{country}{value}"


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

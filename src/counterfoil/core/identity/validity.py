"""Which legal and tax fields of a customer cannot be right, whatever they should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.currencies import EXPONENTS

from .compared import stands_alone
from .matching.places import country_of
from .quality import has_wrong_tax_id


class LegalField(StrEnum):
    """A field that is looked at."""

    TAX_IDS = "tax_ids"
    COUNTRY = "country"
    CURRENCY = "currency"


def flaws(customer: Customer) -> Iterator[LegalField]:
    """Yield the fields of a customer that cannot be right; one that is deleted or merged has none, and what is not told is none."""
    if not stands_alone(customer):
        return
    country = customer.address.country
    if has_wrong_tax_id(customer):
        yield LegalField.TAX_IDS
    if country and country_of(country) != country.upper():
        yield LegalField.COUNTRY
    if customer.currency and customer.currency not in EXPONENTS:
        yield LegalField.CURRENCY


def meant_country(customer: Customer) -> str:
    """Return the code of the country a customer's text of one may mean, such as GB of ``UK``; empty: none that is known."""
    return country_of(customer.address.country)

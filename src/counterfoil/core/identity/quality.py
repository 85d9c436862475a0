"""How good what is known of a customer is: what is missing, wrong, or said in two ways. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from counterfoil.core.kinds.customer import Customer, TaxId

from .compared import with_country
from .matching.names import spelled_name
from .matching.places import country_of
from .matching.tax_numbers import has_numbers, is_another_number, is_wrong


class QualityMeasure(StrEnum):
    """What is counted."""

    DUPLICATES = "duplicates"
    """Pairs that may be one customer, and nobody has said."""
    MISSING_TAX_IDS = "missing_tax_ids"
    WRONG_TAX_IDS = "wrong_tax_ids"
    UNLIKE_NAMES = "unlike_names"
    MIXED_CURRENCIES = "mixed_currencies"


OWNERS: dict[QualityMeasure, str] = {
    QualityMeasure.DUPLICATES: "sales operations",
    QualityMeasure.MISSING_TAX_IDS: "finance",
    QualityMeasure.WRONG_TAX_IDS: "finance",
    QualityMeasure.UNLIKE_NAMES: "sales operations",
    QualityMeasure.MIXED_CURRENCIES: "finance",
}
"""Who sets it right, where nobody else is declared."""

_NO_NUMBER_DUE = frozenset({"US"})
"""Countries whose companies give no tax id to who sells to them."""
_OF_VAT = ("_vat", "_ein")
_OF_ANOTHER_KIND = frozenset({"eu_oss_vat"})


@dataclass(frozen=True, slots=True)
class CustomerSeen:
    """A customer as all know it.

    Attributes:
        names: as each source says it, and whoever is the same customer.
        currencies: of its invoices and subscriptions.
    """

    customer: Customer
    names: tuple[str, ...] = ()
    currencies: Collection[str] = ()


def shortcomings(seen: CustomerSeen) -> Iterator[QualityMeasure]:
    """Yield what is to be set right of a customer; duplicates are counted elsewhere."""
    customer = seen.customer
    country = country_of(customer.address.country)
    if not customer.tax_ids and is_company(customer) and has_numbers(country) and country not in _NO_NUMBER_DUE:
        yield QualityMeasure.MISSING_TAX_IDS
    if has_wrong_tax_id(customer):
        yield QualityMeasure.WRONG_TAX_IDS
    if are_unlike([customer.name, *seen.names]):
        yield QualityMeasure.UNLIKE_NAMES
    if len({*seen.currencies, customer.currency} - {""}) > 1:
        yield QualityMeasure.MIXED_CURRENCIES


def has_wrong_tax_id(customer: Customer) -> bool:
    """Tell whether one of a customer's tax ids certainly is none of the country it names, else of the address's."""
    country = country_of(customer.address.country)
    return any(_is_wrong(one, country) for one in customer.tax_ids)


def _is_wrong(tax_id: TaxId, country: str) -> bool:
    if not _is_checked(tax_id) or not is_wrong(with_country(tax_id), country):
        return False
    return bool(tax_id.type) or not is_another_number(tax_id.value, country)


def is_company(customer: Customer) -> bool:
    """Tell whether a customer is a company: its source says so, or its name bears a legal form."""
    return customer.is_business or bool(spelled_name(customer.name).form)


def _is_checked(tax_id: TaxId) -> bool:
    """Tell whether a tax id is a number for value added tax, or of no kind told; others have other forms, nobody checks them here."""
    kind = tax_id.type.lower()
    return kind in ("", "vat") or (kind.endswith(_OF_VAT) and kind not in _OF_ANOTHER_KIND)


def are_unlike(names: Collection[str]) -> bool:
    """Tell whether names are not spellings of one: other words, or two legal forms. Case, accents and a form left out do not matter."""
    spelled = [spelled_name(name) for name in names if name.strip()]
    words = {"".join(one.words) for one in spelled}
    forms = {one.form for one in spelled} - {""}
    return len(words) > 1 or len(forms) > 1

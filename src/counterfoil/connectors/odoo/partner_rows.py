"""Pure: a customer as the columns of a partner that we own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from counterfoil.core.canonical.entities import Address, Customer

VAT = "vat"
_VAT_TYPES = frozenset(
    {"eu_vat", "gb_vat", "ch_vat", "no_vat", "au_abn", "nz_gst", "in_gst", "br_cnpj", "mx_rfc", "sg_gst", "jp_trn", "za_vat"}
)


@dataclass(frozen=True, slots=True)
class PartnerWords:
    """What this Odoo knows: country code -> id, (country code, state code or name in lower case) -> id, installed language codes."""

    countries: Mapping[str, int]
    states: Mapping[tuple[str, str], int]
    languages: tuple[str, ...]

    def language(self, locale: str) -> str:
        """Return the installed language of a locale: the very one (de-DE), else the first of the same tongue, else empty."""
        wanted = locale.replace("-", "_").lower()
        if not wanted:
            return ""
        exact = [code for code in self.languages if code.lower() == wanted]
        close = [code for code in self.languages if code.lower().partition("_")[0] == wanted.partition("_")[0]]
        return next(iter(exact or close), "")


def partner_cells(customer: Customer, xid: str, words: PartnerWords) -> dict[str, str]:
    """Return column -> value. What the source leaves blank is left out, so that it is not cleared in Odoo; an address is one unit."""
    source_id = customer.id.rpartition(":")[2]
    cells = {"id": xid, "name": customer.name or customer.email or source_id}
    cells["ref"] = source_id
    optional = {"email": customer.email, "phone": customer.phone, VAT: _vat(customer), "lang": words.language(customer.locale)}
    cells.update({name: value for name, value in optional.items() if value})
    if customer.address != Address():
        cells.update(_address_cells(customer.address, words))
    return cells


def is_insert_only(customer: Customer) -> bool:
    """Whether a partner that exists is kept as it is: a deleted customer is nobody's to change, a merged one speaks for another."""
    return customer.is_deleted or bool(customer.merged_into)


def _vat(customer: Customer) -> str:
    """Return the first tax id that is a VAT number in Odoo's sense."""
    return next((tax_id.value.replace(" ", "") for tax_id in customer.tax_ids if tax_id.type in _VAT_TYPES and tax_id.value), "")


def _address_cells(address: Address, words: PartnerWords) -> dict[str, str]:
    country = address.country.upper()
    country_id = words.countries.get(country, 0)
    state_id = words.states.get((country, address.state.lower()), 0)
    return {
        "street": address.line1,
        "street2": address.line2,
        "city": address.city,
        "zip": address.postal_code,
        "country_id/.id": str(country_id or ""),
        "state_id/.id": str(state_id or ""),
    }

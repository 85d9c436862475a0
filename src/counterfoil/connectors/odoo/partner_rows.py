"""Pure: a customer as the columns of a partner that we own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct

from counterfoil.connectors.odoo.wire import Ref, Text, ref, text
from counterfoil.core.kinds.customer import Address, Customer

VAT = "vat"
COUNTRY = ("country_id/.id", "state_id/.id")
_ADDRESS = ("street", "street2", "city", "zip", *COUNTRY)
IS_COMPANY = "is_company"
_PERSONAL = frozenset({"br_cpf"})
"""Tax ids that people have, too; all others are those of businesses."""
_VAT_TYPES = frozenset(
    {"eu_vat", "gb_vat", "ch_vat", "no_vat", "au_abn", "nz_gst", "in_gst", "br_cnpj", "mx_rfc", "sg_gst", "jp_trn", "za_vat"}
)


class PartnerRow(Struct, frozen=True):
    """A partner as Odoo has it: the columns we own, and what it hangs on."""

    id: int
    name: Text
    ref: Text
    email: Text
    phone: Text
    vat: Text
    lang: Text
    street: Text
    street2: Text
    city: Text
    zip: Text
    country_id: Ref
    state_id: Ref
    is_company: bool
    type: Text
    parent_id: Ref
    commercial_partner_id: Ref

    @property
    def is_linked(self) -> bool:
        """Whether it was put under a company: VAT id and, of a plain contact, address are the company's then."""
        return bool(ref(self.parent_id)) and ref(self.commercial_partner_id) != self.id

    @property
    def has_address_of_another(self) -> bool:
        """Whether its address is that of what it hangs on: a plain contact has none of its own."""
        return bool(ref(self.parent_id)) and text(self.type) == "contact"


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
    optional = {"email": customer.email, "phone": customer.phone, VAT: vat_of(customer), "lang": words.language(customer.locale)}
    cells.update({name: value for name, value in optional.items() if value})
    if customer.address != Address():
        cells.update(_address_cells(customer.address, words))
    return cells


def is_insert_only(customer: Customer) -> bool:
    """Whether a partner that exists is kept as it is: a deleted customer is nobody's to change, a merged one speaks for another."""
    return customer.is_deleted or bool(customer.merged_into)


def is_business(customer: Customer) -> bool:
    """Whether the source tells that a customer is a company: it calls it one, or knows a tax id of a business."""
    return customer.is_business or any(tax_id.value and tax_id.type not in _PERSONAL for tax_id in customer.tax_ids)


def changes(cells: Mapping[str, str], partner: PartnerRow) -> tuple[dict[str, str], bool]:
    """Return the cells a partner is to be written with, and whether any were held back because it belongs to a company.

    Only what differs: writing a name, an e-mail address or a VAT id counts as a change of all invoices of the partner, also if it is the
    same as before. A contact's VAT id and address would become its company's (19), or be overwritten by the company's (17, 18). A reference
    that people wrote, as their own customer number, stays theirs; so does a name, where the source tells none.
    """
    known = _cells_of(partner)
    kept = {"id", *(("ref",) if text(partner.ref) else ()), *(("name",) if _is_named_by_people(cells, partner) else ())}
    differing = {name: cell for name, cell in cells.items() if name not in kept and _compared(name, cell) != _compared(name, known[name])}
    if differing.keys() & set(_ADDRESS):
        differing.update({name: cells[name] for name in _ADDRESS})
    theirs = {VAT} if partner.is_linked else set()
    if partner.has_address_of_another:
        theirs |= set(_ADDRESS)
    wanted = {name: cell for name, cell in differing.items() if name not in theirs}
    return {"id": cells["id"], **{name: wanted[name] for name in cells if name in wanted}}, len(wanted) < len(differing)


def _is_named_by_people(cells: Mapping[str, str], partner: PartnerRow) -> bool:
    """Tell whether a partner has a name and its customer goes by an address or an id, for want of one."""
    stand_ins = {cells.get("email", ""), cells["ref"]}
    former = {"", text(partner.email).strip(), text(partner.ref).strip()}
    return cells["name"] in stand_ins and text(partner.name).strip() not in former | stand_ins


def _cells_of(partner: PartnerRow) -> dict[str, str]:
    texts = {name: text(getattr(partner, name)) for name in ("name", "ref", "email", "phone", VAT, "lang", *_ADDRESS[:4])}
    places = (partner.country_id, partner.state_id)
    return {**texts, **{name: str(ref(place) or "") for name, place in zip(COUNTRY, places, strict=True)}}


def _compared(name: str, cell: str) -> str:
    """Return a cell as it compares: Odoo rewrites VAT ids (no spaces, dots or small letters; on 19 EL for GR)."""
    if name != VAT:
        return cell.strip()
    plain = "".join(letter for letter in cell if letter.isalnum()).upper()
    return "EL" + plain[2:] if plain.startswith("GR") else plain


def vat_of(customer: Customer) -> str:
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

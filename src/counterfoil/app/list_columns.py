"""Which column of a list of customers says what: by its name, or as the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counterfoil.kit.errors import SetupError

_KNOWN = {
    "id": "id record_id rec_id customer_id account_id company_id contact_id customer_number account_number",
    "name": "name company_name company customer_name account_name legal_name organization organisation full_name display_name",
    "given_name": "given_name first_name firstname forename",
    "family_name": "family_name surname last_name lastname",
    "email": "email e_mail email_address e_mail_address mail",
    "domain": "domain domain_name website web_site website_url web url homepage",
    "phone": "phone phone_number telephone telephone_number tel mobile",
    "tax_id": "tax_id tax_ids tax_number taxid vat vat_id vat_number vatid vat_no ust_id ustid ein gstin abn",
    "external_id": "external_id external_key",
    "national_id": "national_id soc_sec_id ssn social_security_number registration_number company_registration_number registry_number",
    "born_on": "born_on date_of_birth dob birth_date birthdate birthday",
    "street": "street_number house_number street street_address address line1 address_1 address1 address_line_1 address_line1"
    " line2 address_2 address2 address_line_2 address_line2",
    "city": "city town suburb locality municipality",
    "state": "state province region county",
    "postal_code": "postal_code postcode post_code zip zip_code zipcode plz",
    "country": "country country_code country_name",
}
"""Names of columns by what they say; the first that a list has counts, of streets, tax ids and external ids all, in this order."""
_MANY = frozenset({"street", "tax_id", "external_id"})
_LEADING = re.compile(r"^(?:billing|mailing|primary|main|company|customer|account|contact|legal)_")

FIELDS = tuple(_KNOWN)
"""What a column can say."""


@dataclass(frozen=True, slots=True)
class ListColumns:
    """Which columns of a list say what.

    Attributes:
        places: by what they say, the places of the columns in a row, with their names; external ids by ``external_id`` and their namespace.
        unused: names of the columns that say nothing that is compared.
    """

    places: Mapping[str, tuple[tuple[int, str], ...]]
    unused: tuple[str, ...]


def given_columns(options: Sequence[str], flag: str) -> dict[str, list[str]]:
    """Return options such as ``name=Company`` by what they say. Raises SetupError: one is no such pair, or says nothing known."""
    found: dict[str, list[str]] = {}
    for option in options:
        says, is_pair, column = option.partition("=")
        if not is_pair or not column.strip():
            raise SetupError(f"{flag} {option!r} is to be FIELD=COLUMN, such as name=Company", code="identity.option")
        if says.partition(".")[0] not in FIELDS or ("." in says and not says.startswith("external_id.")):
            raise SetupError(f"{flag} {option!r}: there is no field {says!r}; there are {', '.join(FIELDS)}", code="identity.option")
        found.setdefault(says, []).append(column.strip())
    return found


def columns_of(file: str, header: Sequence[str], given: Mapping[str, Sequence[str]]) -> ListColumns:
    """Return which columns of a list say what; what the user gives counts alone for that field.

    Raises:
        SetupError: a column is named twice, or given and not there; there is none for the ids, or none to compare.
    """
    names = [name.strip() for name in header]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise SetupError(f"{file}: row 1 has more than one column {twice[0]!r}; rename all but one", code="identity.columns")
    places = {says: tuple(_given(file, names, column) for column in columns) for says, columns in given.items()}
    taken = {place for many in places.values() for place, _ in many}
    by_word: dict[str, int] = {}
    for place, name in enumerate(names):
        if place not in taken:
            by_word.setdefault(_word(name), place)
    settled = {says.partition(".")[0] for says in given}
    for says in FIELDS:
        if says not in settled:
            found = [by_word[word] for word in _KNOWN[says].split() if word in by_word] or _shortened(says, by_word)
            if found:
                places[says] = tuple((place, names[place]) for place in (found if says in _MANY else found[:1]))
    _refuse(file, names, places)
    used = {place for many in places.values() for place, _ in many}
    return ListColumns(places, tuple(name for place, name in enumerate(names) if place not in used))


def _given(file: str, names: Sequence[str], column: str) -> tuple[int, str]:
    word = _word(column)
    for same in (lambda name: name == column, lambda name: word != "" and _word(name) == word):
        place = next((place for place, name in enumerate(names) if same(name)), None)
        if place is not None:
            return place, names[place]
    raise SetupError(f"{file}: row 1 has no column {column!r}; it has {', '.join(names)}", code="identity.columns")


def _word(name: str) -> str:
    """Return a column's name in lower case with underscores: ``Company Name`` and ``companyName`` are ``company_name``."""
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name.strip())
    return re.sub(r"[\W_]+", "_", parts.lower()).strip("_")


def _shortened(says: str, by_word: Mapping[str, int]) -> list[int]:
    """Return columns whose name says whose or which value it is, such as ``Billing City``."""
    if says == "id":
        return []
    known = _KNOWN[says].split()
    short = {_LEADING.sub("", word): place for word, place in reversed(list(by_word.items())) if _LEADING.match(word)}
    return [short[word] for word in known if word in short]


def _refuse(file: str, names: Sequence[str], places: Mapping[str, object]) -> None:
    there = f"it has {', '.join(name for name in names if name) or 'no named column'}"
    if "id" not in places:
        raise SetupError(f"{file}: no column is known to hold the ids; {there}. Name it: --column id=COLUMN", code="identity.columns")
    if not places.keys() - {"id", "country", "state", "city", "postal_code"}:
        raise SetupError(
            f"{file}: nothing in it tells customers apart; {there}. Name columns: --column name=COLUMN", code="identity.columns"
        )

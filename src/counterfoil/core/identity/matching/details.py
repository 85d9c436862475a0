"""What a record of a customer says that tells who it is, as its system says it. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CustomerDetails:
    """What one record says of one customer; empty: it does not say.

    Attributes:
        id: the record's own id in its system; never compared.
        name: of the company, or the whole name of a person; given_name and family_name: of a person, used where there is no name.
        domain: web site or domain, in any form a browser takes.
        tax_ids: with or without their country's prefix.
        external_ids: pairs of namespace and id in a third system both sides may know, such as ``("billing", "c17")``.
        national_id: a number a state gives a person or a company that is no tax id, such as a social security number.
        born_on: a person's date of birth, year first; punctuation does not matter.
        street: with the house number. country: a code of two or three letters, or a name.
    """

    id: str
    name: str = ""
    given_name: str = ""
    family_name: str = ""
    email: str = ""
    domain: str = ""
    phone: str = ""
    tax_ids: tuple[str, ...] = ()
    external_ids: tuple[tuple[str, str], ...] = ()
    national_id: str = ""
    born_on: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""

"""Profiles: a record's details in one form, which is what is compared. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .contacts import domain_of, email_of, phone_of
from .details import CustomerDetails
from .names import spelled_name
from .places import city_of, country_of, postal_code_of, street_of
from .spelling import signs_of
from .tax_numbers import TaxNumber, tax_number


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Details in one form; empty: not told, or nothing that tells anybody apart.

    Attributes:
        id: the record's own.
        shown: the name as it is told, for reasons.
        words: the words of the name, each once, see ``SpelledName``; form: the legal form's family.
        name: the words as one text without spaces, so that ``Blue Sky`` and ``Bluesky`` are one.
        domains: those registered, of the web site and of the e-mail address, free-mail hosts left out.
        tax: tax ids, those of a valid form and others.
        external: ids in third systems, ``namespace:id``.
        street: with the house number.
    """

    id: str
    shown: str = ""
    words: tuple[str, ...] = ()
    name: str = ""
    form: str = ""
    email: str = ""
    domains: tuple[str, ...] = ()
    phone: str = ""
    tax: tuple[TaxNumber, ...] = ()
    external: tuple[str, ...] = ()
    national_id: str = ""
    born_on: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""


def profile_of(details: CustomerDetails) -> Profile:
    """Return a record's details in one form."""
    shown = " ".join((details.name or f"{details.given_name} {details.family_name}").split())
    name = spelled_name(shown)
    email, country = email_of(details.email), country_of(details.country)
    domains = (domain_of(details.domain), domain_of(email.rpartition("@")[2]))
    numbers = (tax_number(text, country) for text in details.tax_ids if text)
    return Profile(
        id=details.id,
        shown=shown,
        words=tuple(dict.fromkeys(name.words)),
        name="".join(name.words),
        form=name.form,
        email=email,
        domains=tuple(dict.fromkeys(domain for domain in domains if domain)),
        phone=phone_of(details.phone),
        tax=tuple({one.key: one for one in numbers if one is not None}.values()),
        external=tuple(dict.fromkeys(f"{space}:{id.strip()}" for space, id in details.external_ids if id.strip())),
        national_id=_number(details.national_id),
        born_on=re.sub(r"\D", "", details.born_on),
        street=street_of(details.street),
        city=city_of(details.city),
        state=city_of(details.state),
        postal_code=postal_code_of(details.postal_code),
        country=country,
    )


def _number(text: str) -> str:
    signs = signs_of(text)
    return signs if len(set(signs)) > 1 else ""

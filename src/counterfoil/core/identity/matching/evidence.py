"""What speaks for and against two records being one customer, each piece with its weight in bits. Pure.

A weight is the logarithm of how much more often two records of one customer agree (or differ) so than two records of different ones
(Fellegi and Sunter 1969, https://doi.org/10.1080/01621459.1969.10501049). For agreeing, how often others do is counted, value by value
(``Frequencies``); the weights of differing, and of being alike, are constants here, chosen once and written down in ADR 50.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from rapidfuzz.distance import OSA, Indel

from .frequencies import Feature, Frequencies
from .names_compared import compare_names
from .profiles import Profile


class Agreement(StrEnum):
    """How two values stand to each other."""

    SAME = "same"
    ALIKE = "alike"
    DIFFERENT = "different"


class Evidence(NamedTuple):
    """One piece of evidence: what was compared, how it agrees, and what that tells in bits (below zero: against)."""

    about: str
    agreement: Agreement
    bits: float
    left: str
    right: str


TAX_DIFFERS, EXTERNAL_DIFFERS, COUNTRY_DIFFERS = -10.0, -3.0, -5.0
_NATIONAL_ID_ALIKE, _NATIONAL_ID_DIFFERS = 9.0, -4.0
_TAX_ALIKE, _TAX_OF_NO_FORM = 7.0, 6.0
_BORN_ALIKE, _BORN_DIFFERS = 6.0, -4.0
_EMAIL_DIFFERS, _DOMAIN_DIFFERS, _PHONE_DIFFERS = -0.5, -1.5, -1.0
_FORM_DIFFERS, _FORM_SAME = -2.0, 0.5
_STREET_ALIKE, _STREET_DIFFERS = 6.0, -1.5
_CITY_ALIKE_LESS, _CITY_DIFFERS = 3.0, -1.5
_POSTAL_CODE_ALIKE, _POSTAL_CODE_DIFFERS = 2.0, -1.5
_STATE_DIFFERS = -1.0
_STREET_LIKENESS, _CITY_LIKENESS = 0.8, 0.78
_DOMAIN_SHARED, _PHONE_SHARED = 6.0, 4.0
"""What a domain or a telephone tells at most that several records of one side have: it is a group's."""
_PLACE_BITS_MIN = -3.0
"""Customers move: a street, a city, a postal code and a state that all differ are one piece of evidence."""


def evidence_of(left: Profile, right: Profile, seen: Frequencies) -> list[Evidence]:
    """Return all that can be compared of two records; the order of the two does not matter."""
    found: list[Evidence] = []
    if left.external and right.external:
        found += _external(left, right, seen)
    if left.tax and right.tax:
        found += _tax(left, right, seen)
    if left.national_id and right.national_id:
        found.append(_national_id(left.national_id, right.national_id, seen))
    name = compare_names(left, right, seen)
    if name is not None:
        found.append(Evidence("name", Agreement(name.agreement), name.bits, left.shown, right.shown))
        if left.form and right.form:
            is_same = left.form == right.form
            agreement = Agreement.SAME if is_same else Agreement.DIFFERENT
            found.append(Evidence("legal form", agreement, _FORM_SAME if is_same else _FORM_DIFFERS, left.form, right.form))
    _add_contacts(found, left, right, seen)
    if left.born_on and right.born_on:
        found.append(_born_on(left.born_on, right.born_on, seen))
    found += _place(left, right, seen)
    if left.country and right.country:
        if left.country == right.country:
            found.append(Evidence("country", Agreement.SAME, seen.bits(Feature.COUNTRY, left.country), left.country, left.country))
        else:
            found.append(Evidence("country", Agreement.DIFFERENT, COUNTRY_DIFFERS, left.country, right.country))
    return found


def _external(left: Profile, right: Profile, seen: Frequencies) -> Iterator[Evidence]:
    """Yield ids in third systems: the same one, or two of one system."""
    common = [one for one in left.external if one in right.external]
    for one in common:
        yield Evidence("external id", Agreement.SAME, _unshared(seen, Feature.EXTERNAL, one), one, one)
    settled = {one.partition(":")[0] for one in common}
    for mine in left.external:
        space = mine.partition(":")[0]
        other = next((one for one in right.external if one.partition(":")[0] == space), "")
        if other and space not in settled:
            settled.add(space)
            yield Evidence("external id", Agreement.DIFFERENT, EXTERNAL_DIFFERS, mine, other)


def _tax(left: Profile, right: Profile, seen: Frequencies) -> Iterator[Evidence]:
    """Yield the best that tax ids tell: the same, one mistyped, or two valid ones of one country."""
    common = [one for one in left.tax if any(one.key == other.key for other in right.tax)]
    if common:
        best = max(common, key=lambda one: (one.is_valid, one.key))
        bits = _unshared(seen, Feature.TAX, best.key)
        yield Evidence("tax id", Agreement.SAME, bits if best.is_valid else min(bits, _TAX_OF_NO_FORM), best.key, best.key)
        return
    pairs = [(one, other) for one in left.tax for other in right.tax if one.country == other.country or "" in (one.country, other.country)]
    for one, other in pairs:
        if one.number == other.number or (
            not (one.is_valid and other.is_valid) and OSA.distance(one.number, other.number, score_cutoff=1) <= 1
        ):
            yield Evidence("tax id", Agreement.ALIKE, _TAX_ALIKE, one.key, other.key)
            return
    for one, other in pairs:
        if one.is_valid and other.is_valid and one.country == other.country:
            yield Evidence("tax id", Agreement.DIFFERENT, TAX_DIFFERS, one.key, other.key)
            return


def _national_id(one: str, other: str, seen: Frequencies) -> Evidence:
    if one == other:
        return Evidence("national id", Agreement.SAME, _unshared(seen, Feature.NATIONAL_ID, one), one, other)
    if OSA.distance(one, other, score_cutoff=1) <= 1:
        return Evidence("national id", Agreement.ALIKE, _NATIONAL_ID_ALIKE, one, other)
    return Evidence("national id", Agreement.DIFFERENT, _NATIONAL_ID_DIFFERS, one, other)


def _add_contacts(found: list[Evidence], left: Profile, right: Profile, seen: Frequencies) -> None:
    """Add e-mail, domain and telephone; the domain of a common e-mail address tells nothing beside it."""
    is_one_address = bool(left.email) and left.email == right.email
    if is_one_address:
        found.append(Evidence("e-mail", Agreement.SAME, _unshared(seen, Feature.EMAIL, left.email), left.email, right.email))
    elif left.email and right.email:
        found.append(Evidence("e-mail", Agreement.DIFFERENT, _EMAIL_DIFFERS, left.email, right.email))
    if left.domains and right.domains and not is_one_address:
        common = [one for one in left.domains if one in right.domains]
        if common:
            bits, best = max((_unshared(seen, Feature.DOMAIN, one, _DOMAIN_SHARED), one) for one in common)
            found.append(Evidence("domain", Agreement.SAME, bits, best, best))
        else:
            found.append(Evidence("domain", Agreement.DIFFERENT, _DOMAIN_DIFFERS, left.domains[0], right.domains[0]))
    if left.phone and right.phone:
        if left.phone == right.phone:
            bits = _unshared(seen, Feature.PHONE, left.phone, _PHONE_SHARED)
            found.append(Evidence("phone", Agreement.SAME, bits, left.phone, right.phone))
        else:
            found.append(Evidence("phone", Agreement.DIFFERENT, _PHONE_DIFFERS, left.phone, right.phone))


def _unshared(seen: Frequencies, feature: Feature, value: str, shared: float = 0.0) -> float:
    """Return what a value that is made for one customer tells: as much as it is rare, or next to nothing if several of one side bear it."""
    bits = seen.bits(feature, value)
    return bits if max(seen.borne(feature, value)) <= 1 else min(bits, shared)


def _born_on(one: str, other: str, seen: Frequencies) -> Evidence:
    if one == other:
        return Evidence("date of birth", Agreement.SAME, seen.bits(Feature.BORN_ON, one), one, other)
    if OSA.distance(one, other, score_cutoff=1) <= 1 or one == other[:4] + other[6:8] + other[4:6]:
        return Evidence("date of birth", Agreement.ALIKE, _BORN_ALIKE, one, other)
    return Evidence("date of birth", Agreement.DIFFERENT, _BORN_DIFFERS, one, other)


def _place(left: Profile, right: Profile, seen: Frequencies) -> list[Evidence]:
    """Return street, city, postal code and state. A city and its postal code that both agree tell little more than the rarer of them."""
    found = []
    if left.street and right.street:
        found.append(_street(left.street, right.street, seen))
    area = []
    if left.postal_code and right.postal_code:
        area.append(_postal_code(left.postal_code, right.postal_code, seen))
    if left.city and right.city:
        area.append(_city(left.city, right.city, seen))
    if len(area) == 2 and min(one.bits for one in area) > 0:
        rarer = max(area, key=lambda one: one.bits)
        area = [one if one is rarer else _weighed(one, 1 / 4) for one in area]
    found += area
    if left.state and right.state:
        if left.state == right.state:
            bits = 0.0 if any(one.bits > 0 for one in area) else seen.bits(Feature.STATE, left.state)
            found.append(Evidence("state", Agreement.SAME, bits, left.state, right.state))
        else:
            found.append(Evidence("state", Agreement.DIFFERENT, _STATE_DIFFERS, left.state, right.state))
    against = sum(one.bits for one in found if one.bits < 0)
    if against < _PLACE_BITS_MIN:
        found = [_weighed(one, _PLACE_BITS_MIN / against) if one.bits < 0 else one for one in found]
    return found


def _weighed(one: Evidence, share: float) -> Evidence:
    return Evidence(one.about, one.agreement, one.bits * share, one.left, one.right)


def _street(one: str, other: str, seen: Frequencies) -> Evidence:
    if one == other:
        return Evidence("street", Agreement.SAME, seen.bits(Feature.STREET, one), one, other)
    if Indel.normalized_similarity(one, other, score_cutoff=_STREET_LIKENESS):
        numbers, others = _numbers(one), _numbers(other)
        if numbers & others or not (numbers and others):
            return Evidence("street", Agreement.ALIKE, _STREET_ALIKE, one, other)
    return Evidence("street", Agreement.DIFFERENT, _STREET_DIFFERS, one, other)


def _numbers(street: str) -> set[str]:
    return {word for word in street.split() if word[0].isdigit()}


def _city(one: str, other: str, seen: Frequencies) -> Evidence:
    if one == other:
        return Evidence("city", Agreement.SAME, seen.bits(Feature.CITY, one), one, other)
    if OSA.normalized_similarity(one, other, score_cutoff=_CITY_LIKENESS):
        rarer = min(seen.bits(Feature.CITY, one), seen.bits(Feature.CITY, other))
        return Evidence("city", Agreement.ALIKE, max(0.5, rarer - _CITY_ALIKE_LESS), one, other)
    return Evidence("city", Agreement.DIFFERENT, _CITY_DIFFERS, one, other)


def _postal_code(one: str, other: str, seen: Frequencies) -> Evidence:
    if one == other:
        return Evidence("postal code", Agreement.SAME, seen.bits(Feature.POSTAL_CODE, one), one, other)
    if OSA.distance(one, other, score_cutoff=1) <= 1:
        return Evidence("postal code", Agreement.ALIKE, _POSTAL_CODE_ALIKE, one, other)
    return Evidence("postal code", Agreement.DIFFERENT, _POSTAL_CODE_DIFFERS, one, other)

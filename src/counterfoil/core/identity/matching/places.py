"""Streets, cities, postal codes and countries in one form. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern

import iso3166

from .spelling import signs_of, spelled

_SHORT = {
    "street": "st", "strasse": "st", "str": "st", "avenue": "av", "ave": "av", "road": "rd", "boulevard": "bd", "blvd": "bd", "drive": "dr",
    "lane": "ln", "place": "pl", "platz": "pl", "square": "sq", "court": "ct", "crescent": "cr", "circuit": "cct", "highway": "hwy",
    "suite": "ste", "north": "n", "south": "s", "east": "e", "west": "w", "floor": "fl", "building": "bldg", "saint": "st",
    "terrace": "tce", "parade": "pde", "close": "cl", "number": "no", "apartment": "apt", "rue": "r", "via": "v", "calle": "c",
}  # fmt: skip
"""Words of streets that are often shortened, each with its short form."""

_STREETS = ("strasse", "str")
_GLUED = re.compile(r"(?<=[a-z]{3})(?:strasse|str)$")

_COUNTRY_WORDS = {
    "uk": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "great britain": "GB", "united kingdom": "GB", "northern ireland": "GB",
    "usa": "US", "united states": "US", "us": "US", "deutschland": "DE", "osterreich": "AT", "schweiz": "CH", "suisse": "CH",
    "espana": "ES", "italia": "IT", "nederland": "NL", "holland": "NL", "the netherlands": "NL",
    "belgie": "BE", "belgique": "BE", "polska": "PL",
    "sverige": "SE", "norge": "NO", "danmark": "DK", "suomi": "FI", "brasil": "BR", "mexiko": "MX", "nippon": "JP", "czech republic": "CZ",
    "russia": "RU", "south korea": "KR", "korea": "KR", "taiwan": "TW", "vietnam": "VN", "turkey": "TR", "iran": "IR", "bolivia": "BO",
    "venezuela": "VE", "tanzania": "TZ", "moldova": "MD", "macedonia": "MK", "ivory coast": "CI", "uae": "AE", "el": "GR",
}  # fmt: skip
"""Names of countries that ISO 3166 has not."""


def street_of(text: str) -> str:
    """Return a street with its number in one form: in one spelling, its frequent words shortened."""
    words = spelled(text).split()
    return " ".join([_SHORT[word] if word in _SHORT else _GLUED.sub(" st", word) if word.endswith(_STREETS) else word for word in words])


@lru_cache(maxsize=65536)
def city_of(text: str) -> str:
    """Return a city, state or district in one spelling."""
    return intern(spelled(text))


def postal_code_of(text: str) -> str:
    """Return a postal code without spaces, hyphens and the zeros a spreadsheet takes away; of an American one of nine digits five."""
    signs = signs_of(text)
    return intern((signs[:5] if len(signs) == 9 and signs.isdigit() else signs).lstrip("0"))


@lru_cache(maxsize=4096)
def country_of(text: str) -> str:
    """Return a country's code of two letters, of a code or a name; empty: none that is known."""
    text = text.strip()
    if not text:
        return ""
    found = iso3166.countries.get(text, None)
    if found is not None:
        return str(found.alpha2)
    word = spelled(text)
    return _COUNTRY_WORDS.get(word) or _names().get(word, "")


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    named = {spelled(name): str(one.alpha2) for one in iso3166.countries for name in (one.name, one.apolitical_name)}
    return {spelled(one.name.partition(",")[0]): str(one.alpha2) for one in iso3166.countries} | named

"""Tax ids in one form, each with the country whose number it is and whether it can be one. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from stdnum import get_cc_module
from stdnum.exceptions import ValidationError
from stdnum.us import ein

from .spelling import signs_of

_COUNTRIES = {"EL": "GR", "XI": "GB", "UK": "GB"}
"""Prefixes of tax ids that are not the country's code. Northern Ireland's numbers (XI) are Great Britain's."""
_SUFFIXES = {"NO": "MVA", "CH": "MWST"}
"""What stands behind a number that is one for value added tax; Switzerland has it in four languages."""
_SUFFIX = re.compile(r"(?:MVA|MWST|TVA|IVA|TPV|VAT)$")
_DIGITS_MIN = 5


@dataclass(frozen=True, slots=True)
class TaxNumber:
    """A tax id in one form.

    Attributes:
        country: whose number it is; empty: nobody can tell.
        number: without the country's prefix, letters in upper case.
        is_valid: it has the form and the check digits of its country's numbers.
    """

    country: str
    number: str
    is_valid: bool

    @property
    def key(self) -> str:
        """The number with its country, by which two are the same."""
        return f"{self.country}:{self.number}"


def tax_number(text: str, country: str = "") -> TaxNumber | None:
    """Return a tax id in one form; None: it is none.

    By the country its prefix names, if it is a number of that country, else by ``country`` (ISO 3166-1 alpha-2, of the address). Checked by
    python-stdnum, by the module of that country: GB and XI, Switzerland (CHE) and Norway are not the European Union's.
    """
    signs = signs_of(text)
    if sum(sign.isdigit() for sign in signs) < _DIGITS_MIN or len(set(signs.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))) == 1:
        return None
    if signs.startswith("CHE"):
        return _checked("CH", signs) or TaxNumber("CH", signs, is_valid=False)
    prefix = signs[:2] if signs[:2].isalpha() else ""
    named = _COUNTRIES.get(prefix, prefix)
    home = _COUNTRIES.get(country, country)
    found = (_checked(named, signs[2:]) if named else None) or (_checked(home, signs) if home else None)
    if found is not None:
        return found
    if named and _validate(named) is not None and signs[2:3].isdigit():
        return TaxNumber(named, signs[2:], is_valid=False)
    return TaxNumber(home, signs, is_valid=False)


def has_numbers(country: str) -> bool:
    """Tell whether a country (ISO 3166-1 alpha-2) has tax ids whose form is known here."""
    return _validate(_COUNTRIES.get(country, country)) is not None


def is_wrong(text: str, country: str = "") -> bool:
    """Tell whether a text certainly is no tax id: of the country it names, else of ``country``. What nobody can check is not wrong."""
    found = tax_number(text, country)
    if found is None:
        return True
    return not found.is_valid and has_numbers(found.country)


def _checked(country: str, signs: str) -> TaxNumber | None:
    """Return the number if it is one of that country."""
    validate = _validate(country)
    if validate is None:
        return None
    suffix = _SUFFIXES.get(country, "")
    try:
        number = validate(_SUFFIX.sub("", signs) + suffix if suffix else signs)
    except (ValidationError, ValueError, IndexError):
        return None
    return TaxNumber(country, signs_of(number).removesuffix(suffix), is_valid=True)


@cache
def _validate(country: str) -> Callable[[str], str] | None:
    """Return what checks a country's tax ids, its VAT numbers where it has them, and gives them in one form; it raises ValidationError."""
    if country == "US":
        return ein.validate
    if not (len(country) == 2 and country.isalpha()):
        return None
    module = get_cc_module(country.lower(), "vat")
    return None if module is None else module.validate

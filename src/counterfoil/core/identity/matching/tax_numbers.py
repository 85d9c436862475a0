"""Tax ids in one form, each with the country whose number it is and whether it can be one. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

from .spelling import signs_of

_COUNTRIES = {"EL": "GR", "XI": "GB", "UK": "GB"}
"""Prefixes of tax ids that are not the country's code. Northern Ireland's numbers (XI) are Great Britain's."""
_SUFFIXES = {"NO": "MVA", "CH": "MWST"}
"""What stands behind a number that is one for value added tax; Switzerland has it in four languages."""
_SUFFIX = re.compile(r"(?:MVA|MWST|TVA|IVA|TPV|VAT)$")
_MODULES = {"US": ("ein",), "TH": ("moa", "pin"), "IL": ("hp", "idnr"), "TR": ("vkn", "tckimlik")}
"""Modules of countries without a value added tax, or where people are registered for it by their personal number: the library's module for
that tax knows companies' alone."""
_BESIDE_THE_NUMBER = {
    # Invoices bear T before the corporate number: https://www.nta.go.jp, qualified invoice system, Consumption Tax Act, article 57-2
    "JP": re.compile(r"^T(?=\d{13}$)"),
    # At home, a digit for the kind of taxation and two for the county stand behind the eight: https://nav.gov.hu
    "HU": re.compile(r"(?<=^\d{8})[1-5]\d\d$"),
}
"""What a number for value added tax has more on a country's own invoices than by the library."""
_OF_FORMS_NOT_CHECKED = {
    "JP": re.compile(r"\d{13}"),  # of sole traders, whose check digit is not made as corporations' is
    "SG": re.compile(r"M[0-9A-Z]\d{7}[0-9A-Z]"),  # of who is registered for goods and services tax without being an entity there
    "VN": re.compile(r"\d{12}"),  # of people, since July 2025 their personal number: Circular 86/2024/TT-BTC
}
"""Numbers that are given beside those the library knows: nobody can tell whether one is wrong."""
_OF_ANYBODY = {
    "MX": re.compile(r"X[AE]XX010101000"),  # the public, and residents abroad: https://www.sat.gob.mx, Anexo 20, guide to CFDI 4.0
    "PT": re.compile(r"999999990"),  # the final consumer: SAF-T (PT), field CustomerTaxID, Portaria 302/2016
    "AR": re.compile(r"5[05]00000\d{4}|5160000\d{4}"),  # all people, companies or others of one country abroad: ARCA, table of CUIT país
    "MY": re.compile(r"EI000000000[1-4]0"),  # the public, buyers and suppliers abroad, authorities: IRBM, e-Invoice Guideline, appendix 1
}
"""Numbers an authority has invoices bear where the customer has none, by whose number it is. Many customers have the same, and its form and
check digits are right."""
_DIGITS_MIN = 5
_OTHERS = {
    "AT": ("tin", "businessid"), "AU": ("acn", "tfn"), "BR": ("cpf",), "DE": ("stnr", "idnr"), "FR": ("siren", "siret", "nif"),
    "GB": ("utr",), "IN": ("pan",), "IT": ("codicefiscale",), "NL": ("bsn",), "PL": ("regon", "pesel"), "SE": ("orgnr", "personnummer"),
    "TR": ("tckimlik",), "US": ("tin",), "CH": ("uid",), "ES": ("nif",), "FI": ("ytunnus",),
}  # fmt: skip
"""What else people enter as a tax id, by country: numbers of tax offices and registers, by their modules in python-stdnum. They are no
numbers for value added tax, and no mistake where nobody said which number is meant."""


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
    """Return a tax id in one form; None: it is none, or stands for whoever has none.

    By the country its prefix names, if it is a number of that country, else by ``country`` (ISO 3166-1 alpha-2, of the address). Checked by
    python-stdnum, by the module of that country: GB and XI, Switzerland (CHE) and Norway are not the European Union's.
    """
    found = _read(text, country)
    return None if found is None or _is_of_anybody(found) else found


def has_numbers(country: str) -> bool:
    """Tell whether a country (ISO 3166-1 alpha-2) has tax ids whose form is known here."""
    return bool(_validators(_COUNTRIES.get(country, country)))


def is_wrong(text: str, country: str = "") -> bool:
    """Tell whether a text certainly is no tax id: of the country it names, else of ``country``. What nobody can check is not wrong."""
    found = _read(text, country)
    if found is None:
        return True
    form = _OF_FORMS_NOT_CHECKED.get(found.country)
    is_unchecked = form is not None and form.fullmatch(found.number) is not None
    return not (found.is_valid or is_unchecked or _is_of_anybody(found)) and has_numbers(found.country)


def _read(text: str, country: str) -> TaxNumber | None:
    """Return a tax id in one form, whoever bears it; None: it is none."""
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
    if named and has_numbers(named) and signs[2:3].isdigit():
        return TaxNumber(named, _bare(named, signs[2:]), is_valid=False)
    return TaxNumber(home, _bare(home, signs), is_valid=False)


def _is_of_anybody(found: TaxNumber) -> bool:
    """Tell whether a number stands for whoever has none: one of its country, or, as customers abroad bear it, of any other."""
    forms = [form for country, form in _OF_ANYBODY.items() if country == found.country or not found.is_valid]
    return any(form.fullmatch(found.number) for form in forms)


def _bare(country: str, signs: str) -> str:
    """Return a number without what a country's own invoices have beside it."""
    beside = _BESIDE_THE_NUMBER.get(country)
    return beside.sub("", signs) if beside is not None else signs


def is_another_number(text: str, country: str) -> bool:
    """Tell whether a text is another number a country gives who pays taxes there, such as that of the tax office or of the register."""
    return any(_passes(one, text) is not None for one in _others(_COUNTRIES.get(country, country)))


@cache
def _others(country: str) -> tuple[Callable[[str], str], ...]:
    package = f"stdnum.{country.lower()}{'_' if country == 'IN' else ''}"
    return tuple(import_module(f"{package}.{name}").validate for name in _OTHERS.get(country, ()))


def _checked(country: str, signs: str) -> TaxNumber | None:
    """Return the number if it is one of that country."""
    suffix = _SUFFIXES.get(country, "")
    written = _SUFFIX.sub("", signs) + suffix if suffix else _bare(country, signs)
    passing = (_passes(validate, written) for validate in _validators(country))
    number = next((one for one in passing if one is not None), None)
    return None if number is None else TaxNumber(country, signs_of(number).removesuffix(suffix), is_valid=True)


def _passes(validate: Callable[[str], str], text: str) -> str | None:
    """Return a number in its one form; None: it is none."""
    try:
        return validate(text)
    except (ValidationError, ValueError, IndexError):
        return None


@cache
def _validators(country: str) -> tuple[Callable[[str], str], ...]:
    """Return what checks a country's tax ids, its VAT numbers where it has them, and gives them in one form. They raise ValidationError."""
    if not (len(country) == 2 and country.isalpha()):
        return ()
    modules = (get_cc_module(country.lower(), name) for name in _MODULES.get(country, ("vat",)))
    return tuple(module.validate for module in modules if module is not None)

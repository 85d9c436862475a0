"""The form of the keys taxes are mapped by: whether a key that a person wrote can ever match, and the right form nearest to it."""

from __future__ import annotations

import re
from decimal import Decimal

from counterfoil.core.language.text import decimal_text

MODES = ("exclusive", "inclusive")
_PERCENTAGE = re.compile(r"(\d+(?:[.,]\d+)?)\s*%?")
_REASON = re.compile(r"[a-z][a-z_]*")
_FORMS = "19|exclusive, DE/19|inclusive, DE/vat/19|exclusive, <source>:<tax rate id>|exclusive or <taxability reason>|exclusive"


def tax_key_problem(key: str) -> str:
    """Return why no tax of a source can ever have this key, with the form that was probably meant; empty if one can.

    Keys are made by :func:`counterfoil.core.policies.taxes.tax_keys`: percentages without a percent sign, with a point, without zeros at
    their end, and always whether the tax is in the price.
    """
    what, _, mode = key.rpartition("|") if "|" in key else (key, "", "")
    near = _near(what.strip())
    if near and mode in MODES:
        meant = f"{near}|{mode}"
        return "" if meant == key else f"the key {key!r} can never match a tax; write {meant!r}"
    if near and not mode:
        return f"the key {key!r} does not say whether the tax is in the price; write '{near}|exclusive', or '{near}|inclusive' if it is"
    if near:
        return f"the key {key!r} ends in {mode!r}; write '{near}|exclusive', or '{near}|inclusive' if the tax is in the price"
    return f"the key {key!r} can never match a tax; write one of the forms {_FORMS}"


def _near(what: str) -> str:
    """Return the part before the bar as sources' taxes are named, empty if it is no such name."""
    place, slash, last = what.rpartition("/")
    percentage = _PERCENTAGE.fullmatch(last.strip())
    if percentage:
        text = decimal_text(Decimal(percentage.group(1).replace(",", ".")))
        return f"{place}/{text}" if place else "" if slash else text
    if slash:
        return ""
    return what if ":" in what.strip(":") or _REASON.fullmatch(what) else ""

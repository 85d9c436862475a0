"""Words of others without what they say about a person: what a target answers may name a customer, and cases are read by many. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

KNOWN_MIN = 3
"""A known value shorter than this is left: it would be found inside of ordinary words."""

_MAIL = re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.,-])\+\d(?:[ ()./-]{0,3}\d){7,14}(?!\d)")
_VAT = re.compile(
    r"\b(?:AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|GR|HR|HU|IE|IT|LT|LU|LV|MT|NL|NO|PL|PT|RO|SE|SI|SK|XI|CHE)[ -]?"
    r"(?=(?:[0-9A-Z]*[0-9]){7})[0-9A-Z]{8,12}\b"
)
"""A VAT id as most countries write it: two letters, then eight to twelve characters of which at least seven are digits."""


def masked(words: str, known: Iterable[tuple[str, str]] = ()) -> str:
    """Return words with e-mail addresses, VAT ids, phone numbers and known values replaced by what they are: ``[name]``, ``[e-mail]``.

    ``known``: values and what each is. A known value that the end of the words cut off is replaced too, from three characters on.
    """
    for value, what in sorted(known, key=lambda one: -len(one[0])):
        words = _without(words, value.strip(), what)
    words = _MAIL.sub("[e-mail]", words)
    words = _PHONE.sub("[phone]", words)
    return _VAT.sub("[VAT id]", words)


def _without(words: str, value: str, what: str) -> str:
    if len(value) < KNOWN_MIN or value.isdigit():
        return words
    words = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", f"[{what}]", words, flags=re.IGNORECASE)
    body = words.removesuffix("...")
    if body == words:
        return words
    for length in range(min(len(value) - 1, len(body)), KNOWN_MIN - 1, -1):
        if body[-length:].casefold() == value[:length].casefold():
            return f"{body[:-length]}[{what}]..."
    return words

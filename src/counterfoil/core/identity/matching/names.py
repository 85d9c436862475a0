"""Names of companies and people: the words that tell, and the legal form apart from them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from cleanco.termdata import terms_by_type

from .spelling import spelled, words_of

_MORE_FORMS = {
    "Limited": (
        "limited",
        "ltd",
        "co ltd",
        "pty limited",
        "private limited",
        "pvt ltd",
        "pte ltd",
        "ug haftungsbeschrankt",
        "mbh",
        "ges mbh",
    ),
    "Corporation": ("aktiengesellschaft", "spa", "se", "incorporation", "kabushiki kaisha", "kk", "co", "company"),
    "Limited Liability Company": ("sarl", "sa rl", "sas", "sl", "slu", "srl", "godo kaisha", "gk", "pjsc"),
}
"""Forms the library's list has not, or only with dots."""

_BEFORE = frozenset(
    {"ooo", "oao", "zao", "pao", "ao", "pt", "tov", "sia", "uab", "ab", "cv", "ltd", "zhushihuishe", "sarl", "sas", "sasu", "eurl", "snc"}
)
"""Forms that also stand before the name."""

_FORMS_OF_ASIA = ("株式会社", "有限会社", "合同会社", "주식회사", "有限公司", "有限责任公司")
"""Forms written without a space: they are taken off before letters are changed."""

_WITH_DOTS = re.compile(r"[\s,]([A-Z\u0391\u0395\u039f])\s?\.\s?([A-Z\u0395])\s?\.?\s*$", re.IGNORECASE)
_GREEK = str.maketrans("\u0391\u0395\u039f", "AEO")
_DOTTED = {
    "EU": "Sole Proprietorship", "NL": "No Liability", "EE": "Limited Partnership", "AE": "Limited Liability Company",
    "OE": "General Partnership", "EV": "Non-Profit", "SP": "Sole Proprietorship", "EC": "Sole Proprietorship",
    "SF": "General Partnership", "SS": "General Partnership",
}  # fmt: skip
"""Forms that are told from a place, a letter or another short word by their dots alone: ``Acme EU`` and ``Plan A`` are other companies than
``Acme`` and ``Plan``, and ``AE`` is written as ``A`` in one spelling."""
_OF_PLACES = frozenset({"eu", "nl", "ee", "pt", "ev", "sp", "ec", "sf", "ss"})

_FILLERS = frozenset({"and", "und", "et", "y", "e", "the", "of"})
_FORM_WORDS_MAX = 4


@dataclass(frozen=True, slots=True)
class SpelledName:
    """A name in one spelling.

    Attributes:
        words: those that tell, in order; never empty where there is a name.
        form: the legal form's family, such as ``Limited``; empty: none told, or none that is known.
    """

    words: tuple[str, ...] = ()
    form: str = ""


def spelled_name(name: str) -> SpelledName:
    """Return a company's or a person's name in one spelling: without its legal form, articles and conjunctions."""
    form = ""
    if not name.isascii():
        for written in _FORMS_OF_ASIA:
            if written in name:
                name, form = name.replace(written, " "), "Corporation"
    if not form:
        name, form = _without_dotted(name)
    words = words_of(name.replace("&", " and ").replace("+", " and "))
    told = tuple(word for word in words if word not in _FILLERS) or words
    rest, found = _without_form(told)
    return SpelledName(rest, form or found)


def _without_dotted(name: str) -> tuple[str, str]:
    """Take a form of two letters with dots off the end; what is left is no longer a name if it is empty, and then it stays."""
    found = _WITH_DOTS.search(name)
    family = _DOTTED.get((found[1] + found[2]).upper().translate(_GREEK), "") if found else ""
    rest = name[: found.start()] if found else ""
    return (rest, family) if family and rest.strip() else (name, "")


def _without_form(words: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Take the legal forms off the end, the longest first, then one off the beginning; the last word that is left stays."""
    forms, form = _forms(), ""
    while len(words) > 1:
        length = next((n for n in range(min(_FORM_WORDS_MAX, len(words) - 1), 0, -1) if words[-n:] in forms), 0)
        if not length:
            break
        form = form or forms[words[-length:]]
        words = words[:-length]
    if len(words) > 1 and words[0] in _BEFORE:
        form = form or forms.get(words[:1], "Corporation")
        words = words[1:]
    return words, form


@cache
def _forms() -> dict[tuple[str, ...], str]:
    return dict(_listed_forms())


def _listed_forms() -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each form's words with its family; of the library's double entries the first counts, of both lists ours.

    A single letter is none, nor is what is oftener a place: those have their dots looked at.
    """
    for family, forms in reversed((terms_by_type | {}).items()):
        spelled_forms = (tuple(spelled(form).split()) for form in reversed(forms))
        yield from ((words, family) for words in spelled_forms if len("".join(words)) > 1 and not _OF_PLACES.issuperset(words))
    for family, more in _MORE_FORMS.items():
        yield from ((tuple(form.split()), family) for form in more)

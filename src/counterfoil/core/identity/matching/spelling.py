"""Texts in one spelling: Latin letters without marks, lower case, words apart. Pure."""

from __future__ import annotations

import re
from sys import intern

from anyascii import anyascii

_DROPPED = frozenset(".'’`´")
"""Signs that stand inside words."""


class _Letters(dict[int, str]):
    """What becomes of each sign: its Latin letters, nothing, or the space between words; made when it is first asked for."""

    def __missing__(self, sign: int) -> str:
        latin = "" if chr(sign) in _DROPPED else anyascii(chr(sign)).lower()
        kept = "".join(one if one.isalnum() else "" if one in _DROPPED else " " for one in latin)
        self[sign] = kept
        return kept


_LETTERS = _Letters()
_UMLAUTS = re.compile(r"ae|oe|ue(?!$)")
_PLACEHOLDERS = frozenset(
    {"", "-", "na", "n a", "none", "null", "unknown", "nan", "test", "tbd", "not available", "not applicable", "keine", "nil", "xxx"}
)


def spelled(text: str) -> str:
    """Return a text in one spelling: transliterated to lower-case Latin letters and digits, one space between words.

    ``S.A.R.L.`` is ``sarl``, ``Müller``, ``Mueller`` and ``MULLER`` are ``muller``; what only fills a field (``n/a``) is empty.
    """
    found = " ".join(text.translate(_LETTERS).split())
    if "e" in found:
        found = _UMLAUTS.sub(lambda pair: pair[0][0], found)
    return "" if found in _PLACEHOLDERS else found


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text in one spelling; equal words are one object, as many records hold them."""
    return tuple(intern(word) for word in spelled(text).split())


def signs_of(text: str) -> str:
    """Return the letters and digits of a number that people group as they like: ``DE 136.695-976`` is ``DE136695976``."""
    return re.sub(r"[^A-Z0-9]", "", (text if text.isascii() else anyascii(text)).upper())

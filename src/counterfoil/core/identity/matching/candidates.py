"""Pairs worth comparing, among all: those that share what few others bear. Pure.

Each record gives some keys: its numbers, addresses and names as they are, and parts of them that a slip of the pen spares. A key tells the
more the fewer records bear it; a pair is worth comparing when the keys it shares tell enough together. So the work grows with the
records, not with their square, and what comes of it depends neither on the order of the records nor on which side is which.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import log2

from .profiles import Profile

PAIRS_MAX = 2_500
"""A key that would make more pairs than this is no key: fifty records of each side."""
_LESS_BITS = 2.0
"""How much less the keys two records share may tell than it takes to find one among all: what is only alike tells the rest."""
SHARES = {"w": 0.6, "<": 0.2, ">": 0.2, "2": 0.4, "n": 0.5, "P": 0.5, "C": 0.5, "B": 0.5, "I": 0.6, "J": 0.6, "h": 0.7}
"""Of keys that are parts of others, or made of them, only a share counts: they would tell the same thing again."""
_PART = 4
_KEYED_WORDS = 12
"""Words of a name that are keys: a name may be a text of thousands."""


def keys_of(profile: Profile) -> set[str]:
    """Return a record's keys."""
    keys = {f"x{one}" for one in profile.external}
    keys.update(f"t{one.number}" for one in profile.tax)
    keys.update(f"d{one}" for one in profile.domains)
    for letter, value in (
        ("e", profile.email),
        ("p", profile.phone),
        ("i", profile.national_id),
        ("b", profile.born_on),
        ("s", profile.street),
    ):
        if value:
            keys.add(letter + value)
    keys.update(_name_keys(profile))
    keys.update(_number_parts(profile))
    return keys


def _name_keys(profile: Profile) -> Iterator[str]:
    words, name = profile.words[:_KEYED_WORDS], profile.name
    if not name:
        return
    yield f"n{name}"
    for word in words:
        if len(word) > 1:
            yield f"w{word}"
        if len(word) > _PART:
            yield f"<{word[:_PART]}"
            yield f">{word[-_PART:]}"
    for one, other in pairwise(words):
        yield f"2{min(one, other)} {max(one, other)}"
    first = name[:3]
    for letter, value in (("P", profile.postal_code), ("C", profile.city), ("B", profile.born_on[:4])):
        if value:
            yield f"{letter}{value} {first}"


def _number_parts(profile: Profile) -> Iterator[str]:
    number = next((word for word in profile.street.split() if word[0].isdigit()), "")
    if number and profile.postal_code:
        yield f"h{profile.postal_code} {number}"
    if len(profile.national_id) > _PART:
        half = len(profile.national_id) // 2
        yield f"I{profile.national_id[:half]}"
        yield f"J{profile.national_id[half:]}"


def candidates(left: Sequence[Profile], right: Sequence[Profile]) -> Iterator[tuple[int, int]]:
    """Yield the places of pairs worth comparing, of each left record in turn."""
    if not left or not right:
        return
    places = _places(right)
    shared = [tuple(sys.intern(key) for key in keys_of(profile) if key in places) for profile in left]
    weights = _weights(places, Counter(key for keys in shared for key in keys), log2(len(left) * len(right)))
    needed = max(0.0, log2(max(len(left), len(right))) - _LESS_BITS)
    for place, keys in enumerate(shared):
        found: dict[int, float] = {}
        for key in keys:
            if key in weights:
                weight, at = weights[key], places[key]
                for other in (at,) if isinstance(at, int) else at:
                    found[other] = found.get(other, 0.0) + weight
        for other, weight in found.items():
            if weight >= needed:
                yield place, other


def _places(profiles: Sequence[Profile]) -> dict[str, int | list[int]]:
    """Return where each key is borne; of one borne once just the place, as a list would weigh more."""
    places: dict[str, int | list[int]] = {}
    for place, profile in enumerate(profiles):
        for key in keys_of(profile):
            at = places.get(key)
            if at is None:
                places[key] = place
            elif isinstance(at, int):
                places[key] = [at, place]
            elif len(at) < PAIRS_MAX + 1:
                at.append(place)
    return places


def _weights(places: Mapping[str, int | list[int]], counts: Mapping[str, int], everything: float) -> dict[str, float]:
    """Return what each shared key tells, in bits; those that too many bear are left out."""
    found = {}
    for key, count in counts.items():
        at = places[key]
        pairs = count * (1 if isinstance(at, int) else len(at))
        if pairs <= PAIRS_MAX:
            found[key] = (everything - log2(pairs)) / 2 * SHARES.get(key[0], 1.0)
    return found

"""How two names stand to each other, word by word: rare words tell much, frequent ones little. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import OSA, Indel

from .frequencies import NOTHING_SEEN, Feature, Frequencies
from .profiles import Profile

NAME_BITS_MAX, NAME_BITS_MIN = 18.0, -8.0
_ALIKE_LESS = 4.0
"""What a word spelled differently tells less than the same word: about sixteen words are as near to it."""
_WORD_DIFFERS, _WORD_MISSING = 5.0, 2.0
_COMMON_BITS = 6.0
"""A word that tells less than this is no great loss where it is missing: ``group``, ``international``."""
_LIKENESS, _WHOLE_LIKENESS = 0.74, 0.88
_WORDS_MAX = 8
_ACRONYM_BITS = 3.0


@dataclass(frozen=True, slots=True)
class NameComparison:
    """How two names agree (``same``, ``alike``, ``different``) and what that tells."""

    agreement: str
    bits: float


def compare_names(left: Profile, right: Profile, seen: Frequencies) -> NameComparison | None:
    """Return how two names stand to each other; None: one has none."""
    one, other = left.words, right.words
    if not one or not other:
        return None
    whole, other_whole = left.name, right.name
    if whole == other_whole or (len(one) == len(other) and sorted(one) == sorted(other)):
        words = min(_sum(one, seen), _sum(other, seen))
        rarity = min(seen.bits(Feature.NAME, whole), seen.bits(Feature.NAME, other_whole))
        return NameComparison("same", min(NAME_BITS_MAX, words, rarity))
    common, rest, other_rest = _split(one, other)
    bits = _sum(common, seen)
    bits, alike, rest, other_rest = _take_alike(bits, rest, other_rest, seen)
    bits -= _missing(rest, other_rest, seen)
    if bits <= 0 and _is_acronym(one, other):
        return NameComparison("alike", _ACRONYM_BITS)
    if Indel.normalized_similarity(whole, other_whole, score_cutoff=_WHOLE_LIKENESS):
        bits = max(bits, min(_sum(one, seen), _sum(other, seen)) - _ALIKE_LESS - 1)
    if _are_numbered_otherwise(one, other):
        return NameComparison("different", max(NAME_BITS_MIN, min(0.0, bits)))
    is_alike = bits > 0 and (len(rest) + len(other_rest) <= len(common) + alike)
    return NameComparison("alike" if is_alike or bits > _COMMON_BITS else "different", max(NAME_BITS_MIN, min(NAME_BITS_MAX, bits)))


def unmatched(left: Profile, right: Profile) -> tuple[int, int]:
    """Return how many words of each name the other has none like: ``Acme Holding`` and ``Acme`` are 1 and 0. Of a missing name, none."""
    if not (left.words and right.words):
        return 0, 0
    _, rest, other_rest = _split(left.words, right.words)
    _, _, rest, other_rest = _take_alike(0.0, rest, other_rest, NOTHING_SEEN)
    return len(rest), len(other_rest)


def _sum(words: tuple[str, ...] | list[str], seen: Frequencies) -> float:
    bits = seen.bits
    return sum(bits(Feature.WORD, word) for word in words)


def _split(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[list[str], list[str], list[str]]:
    common = [word for word in one if word in other]
    return common, [word for word in one[:_WORDS_MAX] if word not in other], [word for word in other[:_WORDS_MAX] if word not in one]


def _take_alike(bits: float, rest: list[str], other_rest: list[str], seen: Frequencies) -> tuple[float, int, list[str], list[str]]:
    """Take pairs of words that are spelled alike out of the rests, the most alike first, and add what they tell."""
    if not rest or not other_rest:
        return bits, 0, rest, other_rest
    pairs = sorted((-near, *sorted((a, b)), a, b) for a in rest for b in other_rest if (near := likeness(a, b)))
    rest, other_rest, taken = rest.copy(), other_rest.copy(), 0
    for _, _, _, a, b in pairs:
        if a in rest and b in other_rest:
            rest.remove(a)
            other_rest.remove(b)
            taken += 1
            if min(len(a), len(b)) > 1:
                bits += max(0.5, min(seen.bits(Feature.WORD, a), seen.bits(Feature.WORD, b)) - _ALIKE_LESS)
    return bits, taken, rest, other_rest


def likeness(one: str, other: str) -> float:
    """Return how alike two different words are, from 0 (not) to 1: spelled nearly the same, or one the other's initial or beginning."""
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    if long.startswith(short) and (len(short) == 1 or len(short) >= 4):
        return 0.75
    return float(OSA.normalized_similarity(one, other, score_cutoff=_LIKENESS if len(short) > 3 else 0.75))


def _missing(rest: list[str], other_rest: list[str], seen: Frequencies) -> float:
    """Return what the words without a counterpart tell against."""
    ours, theirs = (sorted((_loss(word, seen) for word in words), reverse=True) for words in (rest, other_rest))
    paired = min(len(ours), len(theirs))
    instead = sum(_WORD_DIFFERS * max(one, other) for one, other in zip(ours, theirs, strict=False))
    return instead + sum(_WORD_MISSING * loss for loss in (ours[paired:] + theirs[paired:])[:3])


def _loss(word: str, seen: Frequencies) -> float:
    return 1.0 if seen.bits(Feature.WORD, word) >= _COMMON_BITS else 0.5


def _are_numbered_otherwise(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether both names bear a number, and not the same: two branches, two years' events; a number is no word mistyped."""
    ours, theirs = ({word.lstrip("0") for word in words if word.isdigit()} for words in (one, other))
    return bool(ours and theirs) and not ours & theirs


def _is_acronym(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    return len(short) == 1 and len(long) >= 3 and short[0] == "".join(word[0] for word in long)

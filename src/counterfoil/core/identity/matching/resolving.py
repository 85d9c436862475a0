"""Who goes with whom: each record is the same as one of the other side at most, and what fits several is for people. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from .judging import RULES, Judgment, MatchRule, MatchVerdict
from .profiles import Profile

MARGIN_BITS = 5.0
"""A score makes two records the same only where each fits nobody else within so many bits: one in 32."""
_RIVALS_MAX = 10
"""Pairs of one record that are looked at as rivals, those of the most bits."""

AreDuplicates = Callable[[Profile, Profile], bool]
"""Whether two records of one side are one customer."""

_End = tuple[str, str]


def resolved(judgments: Iterable[Judgment], are_duplicates: AreDuplicates) -> list[Judgment]:
    """Return judgments with each record the same as at most one of the other side, the surest first.

    What is certain by an earlier rule goes before a later one, and both before a score. A record that fits two about as well is the same
    as neither, unless those two are duplicates: then it is the same as the one it fits better. What would be the same, but one of both
    already is somebody's, is for review.
    """
    ordered = sorted(judgments, key=_rank)
    resolving = _Resolving(_near(ordered), are_duplicates)
    return [resolving.placed(one) for one in ordered]


def _rank(one: Judgment) -> tuple[bool, int, float, list[str]]:
    """Return a pair's place, the surest first; of two as sure it is the same one whichever side is which."""
    return (one.verdict is not MatchVerdict.SAME, RULES.index(one.rule), -one.bits, sorted((one.left.id, one.right.id)))


def _ends(one: Judgment) -> tuple[_End, _End]:
    return ("left", one.left.id), ("right", one.right.id)


def _near(judgments: Sequence[Judgment]) -> dict[_End, list[Judgment]]:
    """Return for each record the pairs that may be the same customer, those of the most bits first."""
    found: defaultdict[_End, list[Judgment]] = defaultdict(list)
    for one in sorted(judgments, key=lambda one: (-one.bits, sorted((one.left.id, one.right.id)))):
        if one.verdict is not MatchVerdict.DIFFERENT:
            for end in _ends(one):
                if len(found[end]) < _RIVALS_MAX:
                    found[end].append(one)
    return found


@dataclass(slots=True)
class _Resolving:
    near: dict[_End, list[Judgment]]
    are_duplicates: AreDuplicates
    taken: dict[_End, Judgment] = field(default_factory=dict)

    def placed(self, one: Judgment) -> Judgment:
        """Return what a pair is taken for, after all that are surer."""
        if one.verdict is MatchVerdict.DIFFERENT:
            return one
        other = next((self.taken[end] for end in _ends(one) if end in self.taken), None)
        if other is not None:
            return _beaten(one, other)
        if one.verdict is MatchVerdict.SAME:
            rival = self._rival(one) if one.rule is MatchRule.SCORE else None
            if rival is not None:
                return replace(one, verdict=MatchVerdict.REVIEW, remarks=(*one.remarks, f"{_pair(rival)} fit about as well"))
            self.taken.update(dict.fromkeys(_ends(one), one))
        return one

    def _rival(self, one: Judgment) -> Judgment | None:
        """Return a pair that one of both records makes with somebody else, about as well."""
        for end in _ends(one):
            for other in self.near[end]:
                if other is not one and other.bits > one.bits - MARGIN_BITS:
                    mine, theirs = (one.right, other.right) if one.left is other.left else (one.left, other.left)
                    if not self.are_duplicates(mine, theirs):
                        return other
        return None


def _beaten(one: Judgment, other: Judgment) -> Judgment:
    """Return what becomes of a pair one of whose records is another's: still for people where it would have been the same by itself."""
    is_strong = one.verdict is MatchVerdict.SAME or one.rule is not MatchRule.SCORE or bool(one.remarks)
    verdict = MatchVerdict.REVIEW if is_strong else MatchVerdict.DIFFERENT
    return replace(one, verdict=verdict, remarks=(*one.remarks, f"{_pair(other)} are the same by {other.rule.value}"))


def _pair(one: Judgment) -> str:
    return f"{one.left.id} and {one.right.id}"

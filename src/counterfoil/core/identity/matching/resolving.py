"""Who goes with whom: each record is the same as one of the other side at most, and what fits several is for people. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from .judging import RULES, Judgment, MatchRule, MatchVerdict

MARGIN_BITS = 5.0
"""A score makes two records the same only where each fits nobody else within so many bits: one in 32."""


def resolved(judgments: Iterable[Judgment]) -> list[Judgment]:
    """Return judgments with each record the same as at most one of the other side, the surest first.

    What is certain by an earlier rule goes before a later one, and both before a score. A record that fits two about as well is the same
    as neither. What would be the same, but one of both already is somebody's, is for review.
    """
    ordered = sorted(judgments, key=_rank)
    near = _near(ordered)
    taken: dict[tuple[str, str], Judgment] = {}
    return [_placed(one, near, taken) for one in ordered]


def _rank(one: Judgment) -> tuple[bool, int, float, str, str]:
    return (one.verdict is not MatchVerdict.SAME, RULES.index(one.rule), -one.bits, one.left.id, one.right.id)


def _ends(one: Judgment) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("left", one.left.id), ("right", one.right.id)


def _near(judgments: Sequence[Judgment]) -> dict[tuple[str, str], list[Judgment]]:
    """Return for each record the pairs that may be the same customer, those of the most bits first; two of them tell all."""
    found: defaultdict[tuple[str, str], list[Judgment]] = defaultdict(list)
    for one in sorted(judgments, key=lambda one: -one.bits):
        if one.verdict is not MatchVerdict.DIFFERENT:
            for end in _ends(one):
                if len(found[end]) < 2:
                    found[end].append(one)
    return found


def _placed(one: Judgment, near: dict[tuple[str, str], list[Judgment]], taken: dict[tuple[str, str], Judgment]) -> Judgment:
    ends = _ends(one)
    if one.verdict is not MatchVerdict.DIFFERENT:
        other = next((taken[end] for end in ends if end in taken), None)
        if other is not None:
            return _beaten(one, other)
    if one.verdict is MatchVerdict.SAME and one.rule is MatchRule.SCORE:
        rival = next((rival for end in ends for rival in near[end] if rival is not one and rival.bits > one.bits - MARGIN_BITS), None)
        if rival is not None:
            return replace(one, verdict=MatchVerdict.REVIEW, remarks=(*one.remarks, f"{_pair(rival)} fit about as well"))
    if one.verdict is MatchVerdict.SAME:
        taken.update(dict.fromkeys(ends, one))
    return one


def _beaten(one: Judgment, other: Judgment) -> Judgment:
    """Return what becomes of a pair one of whose records is another's: still for people where it would have been the same by itself."""
    is_strong = one.verdict is MatchVerdict.SAME or one.rule is not MatchRule.SCORE or bool(one.remarks)
    verdict = MatchVerdict.REVIEW if is_strong else MatchVerdict.DIFFERENT
    return replace(one, verdict=verdict, remarks=(*one.remarks, f"{_pair(other)} are the same by {other.rule.value}"))


def _pair(one: Judgment) -> str:
    return f"{one.left.id} and {one.right.id}"

"""The matcher: two sides of records in, the pairs that are or may be one customer out. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .candidates import candidates
from .details import CustomerDetails
from .evidence import Agreement, Evidence
from .frequencies import frequencies_of
from .judging import Judgment, MatchRule, MatchVerdict, Thresholds, are_duplicates, judge, prior_bits
from .profiles import profile_of
from .resolving import resolved

_KEPT_BITS = -7.0
"""Pairs less likely than one to a hundred are not worth a word."""


def match(left: Iterable[CustomerDetails], right: Iterable[CustomerDetails], thresholds: Thresholds | None = None) -> list[Judgment]:
    """Return the pairs of records that are the same customer, may be, or look so and are not; the surest first.

    Args:
        left: the records of one system, each id once.
        right: those of the other.
        thresholds: from which scores on; see ``Thresholds``.
    """
    thresholds = thresholds or Thresholds()
    ours, theirs = [profile_of(one) for one in left], [profile_of(one) for one in right]
    seen = frequencies_of(ours, theirs)
    prior = prior_bits(len(ours), len(theirs))
    found = (judge(ours[i], theirs[j], seen, prior, thresholds) for i, j in candidates(ours, theirs))
    kept = (one for one in found if one.bits >= _KEPT_BITS or one.verdict is not MatchVerdict.DIFFERENT)
    return resolved(kept, lambda one, other: are_duplicates(one, other, seen, prior, thresholds))


def reasons_of(one: Judgment) -> list[str]:
    """Return why two records are taken for what they are: the rule, each piece of evidence with its bits, what stands in the way."""
    by = "the score" if one.rule is MatchRule.SCORE else f"the rule {one.rule.value!r}"
    return [f"by {by}", *(words_of_evidence(piece) for piece in sorted(one.evidence, key=lambda piece: -piece.bits)), *one.remarks]


def words_of_evidence(one: Evidence) -> str:
    """Return a piece of evidence in words: what was compared, how it agrees, both values and the bits."""
    values = f"{one.left!r}" if one.left == one.right else f"{one.left!r} and {one.right!r}"
    verb = {Agreement.SAME: "the same", Agreement.ALIKE: "alike", Agreement.DIFFERENT: "different"}[one.agreement]
    return f"{one.about} {verb}: {values} ({one.bits:+.1f} bits)"

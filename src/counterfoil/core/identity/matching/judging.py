"""Verdicts: what the evidence on two records comes to, by which rule, and what stands in the way. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log2

from .evidence import Agreement, Evidence, evidence_of
from .frequencies import Feature, Frequencies
from .names_compared import unmatched
from .profiles import Profile


class MatchVerdict(StrEnum):
    """What two records are taken for."""

    SAME = "same"
    REVIEW = "review"
    DIFFERENT = "different"


class MatchRule(StrEnum):
    """By what a verdict was found; the certain ones first, in the order in which they count."""

    EXTERNAL_ID = "external id"
    TAX_ID = "tax id"
    DOMAIN_AND_NAME = "domain and name"
    EMAIL = "e-mail"
    SCORE = "score"


RULES = tuple(MatchRule)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which score on two records are the same, and from which on people look at them; both between 0 and 1.

    Raises ValueError: they are not in that order.
    """

    same: float = 0.999
    review: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.review <= self.same <= 1:
            raise ValueError(f"the thresholds must be 0 < review <= same <= 1, and not review {self.review} and same {self.same}")


@dataclass(frozen=True, slots=True)
class Judgment:
    """What two records are taken for, and why.

    Attributes:
        bits: the evidence for them being one customer, less what it takes among so many records; 0: as likely as not.
        score: the same as a probability; 1 where a certain rule holds.
        rule: by which the verdict was found.
        remarks: what else led to the verdict, in words.
    """

    left: Profile
    right: Profile
    bits: float
    score: float
    verdict: MatchVerdict
    rule: MatchRule
    evidence: tuple[Evidence, ...]
    remarks: tuple[str, ...] = ()


RECORDS_MIN = 1000
"""Fewer records on a side count as that many: a short list is part of a longer one."""

_KINDS = {
    "external id": 0, "tax id": 0, "national id": 0, "e-mail": 1, "domain": 1, "phone": 1, "name": 2, "date of birth": 3,
    "street": 4, "city": 4, "postal code": 4,
}  # fmt: skip
_NUMBERS = {"external id": Feature.EXTERNAL, "tax id": Feature.TAX}
NAME_AGAINST_BITS = -3.0
"""A name that tells so much against forbids what a score says, not only what a rule does."""
STRONG_BITS = 4.0
"""A score alone makes two records the same only by two kinds of evidence that each tell at least so much: a rare name is not enough."""


def prior_bits(left: int, right: int) -> float:
    """Return the bits for two records being one customer before anything is compared: one of so many is."""
    return -log2(max(left, right, RECORDS_MIN))


def judge(left: Profile, right: Profile, seen: Frequencies, prior: float, thresholds: Thresholds) -> Judgment:
    """Return what two records, each looked at alone, are taken for."""
    evidence = evidence_of(left, right, seen)
    bits = prior + sum(one.bits for one in evidence)
    score, rule, reused = score_of(bits), _certain(left, right, seen, evidence), _reused(evidence, seen)
    if score < thresholds.review and rule is None and not reused:
        return Judgment(left, right, bits, score, MatchVerdict.DIFFERENT, MatchRule.SCORE, tuple(evidence))
    against = [*reused, *_contradictions(evidence, rule)]
    against += _other_words(left, right, rule, evidence)
    if not against and (rule is not None or (score >= thresholds.same and _is_manifold(evidence))):
        return Judgment(left, right, bits, score if rule is None else 1.0, MatchVerdict.SAME, rule or MatchRule.SCORE, tuple(evidence))
    if not against and score >= thresholds.same:
        against = ["there is only one kind of evidence"]
    return Judgment(left, right, bits, score, MatchVerdict.REVIEW, rule or MatchRule.SCORE, tuple(evidence), tuple(against))


def is_in_doubt(one: Judgment) -> bool:
    """Tell whether two records that were taken for one do not look so, or contradict each other; that others bear the same is no doubt."""
    return one.verdict is MatchVerdict.DIFFERENT or any(
        _contradictions(one.evidence, one.rule if one.rule is not MatchRule.SCORE else None)
    )


def are_duplicates(one: Profile, other: Profile, seen: Frequencies, prior: float, thresholds: Thresholds) -> bool:
    """Tell whether two records of one side are one customer, by score; what both bear is no proof, as two of a side bear it."""
    evidence = evidence_of(one, other, seen)
    is_sure = score_of(prior + sum(piece.bits for piece in evidence)) >= thresholds.same
    return is_sure and _is_manifold(evidence) and not any(_contradictions(evidence, None))


def score_of(bits: float) -> float:
    """Return the probability that so many bits stand for."""
    return 1 / (1 + 2**-bits) if bits > -1000 else 0.0


def _certain(left: Profile, right: Profile, seen: Frequencies, evidence: Iterable[Evidence]) -> MatchRule | None:
    """Return the first rule that holds by itself. What several records of one side bear proves nothing."""
    if any(one in right.external and _is_unshared(seen, Feature.EXTERNAL, one) for one in left.external):
        return MatchRule.EXTERNAL_ID
    other_tax = {one.key for one in right.tax}
    if any(one.is_valid and one.key in other_tax and _is_unshared(seen, Feature.TAX, one.key) for one in left.tax):
        return MatchRule.TAX_ID
    name = next((one for one in evidence if one.about == "name"), None)
    if name is not None and name.agreement is Agreement.SAME:
        common = [domain for domain in left.domains if domain in right.domains]
        names = {left.name, right.name}  # the same words may stand in another order
        if any(all(_is_unshared(seen, Feature.DOMAIN_AND_NAME, f"{domain}/{name}") for name in names) for domain in common):
            return MatchRule.DOMAIN_AND_NAME
    if left.email and left.email == right.email and _is_unshared(seen, Feature.EMAIL, left.email):
        return MatchRule.EMAIL
    return None


def _is_unshared(seen: Frequencies, feature: Feature, value: str) -> bool:
    return max(seen.borne(feature, value)) <= 1


def _reused(evidence: Iterable[Evidence], seen: Frequencies) -> list[str]:
    """Return what several records of one side bear although it is made for one."""
    found = []
    for one in evidence:
        feature = _NUMBERS.get(one.about)
        if feature is not None and one.agreement is Agreement.SAME:
            count = max(seen.borne(feature, one.left))
            if count > 1:
                found.append(f"{one.about} {one.left} is borne by {count} records of one side and proves nothing")
    return found


def _contradictions(evidence: Iterable[Evidence], rule: MatchRule | None) -> Iterator[str]:
    """Yield what forbids taking two records for one without a person's look, by the rule that holds."""
    evidence = list(evidence)
    is_numbered = rule in (MatchRule.EXTERNAL_ID, MatchRule.TAX_ID)
    may_rename = rule is MatchRule.EXTERNAL_ID or (rule is None and _is_one_person(evidence))
    for one in evidence:
        if one.agreement is not Agreement.DIFFERENT:
            continue
        if one.about == "tax id":
            yield f"both tax ids are valid and differ: {one.left}, {one.right}"
        elif one.about == "external id":
            yield f"external ids of one system differ: {one.left}, {one.right}"
        elif one.about == "name" and not may_rename and (rule is not None or one.bits <= NAME_AGAINST_BITS):
            yield f"the names differ: {one.left!r}, {one.right!r}"
        elif one.about == "country" and not is_numbered:
            yield f"the countries differ: {one.left}, {one.right}"
        elif one.about == "legal form" and not is_numbered:
            yield f"the legal forms differ: {one.left}, {one.right}"


def _other_words(left: Profile, right: Profile, rule: MatchRule | None, evidence: Sequence[Evidence]) -> Iterator[str]:
    """Yield what speaks of two of one group: they share a mailbox, or a domain and nothing else, and a name has a word of its own."""
    ours, theirs = unmatched(left, right) if rule in (None, MatchRule.EMAIL) else (0, 0)
    has_more = rule is None and _is_manifold(one for one in evidence if one.about != "domain")
    if (ours and theirs and not has_more) or (rule is MatchRule.EMAIL and (ours or theirs)):
        yield f"the names say other things: {left.shown!r}, {right.shown!r}"


def _is_manifold(evidence: Iterable[Evidence]) -> bool:
    return len({_KINDS[one.about] for one in evidence if one.bits >= STRONG_BITS and one.about in _KINDS}) > 1


def _is_one_person(evidence: Iterable[Evidence]) -> bool:
    """Tell whether the national id and the date of birth both agree: people change their names."""
    agreed = {one.about for one in evidence if one.agreement is Agreement.SAME}
    return {"national id", "date of birth"} <= agreed

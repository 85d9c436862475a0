"""What is found of two customers that may be one: kept as it was found, told in words, and made a case. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from counterfoil.core.identity.matching.among_known import speaking_for
from counterfoil.core.identity.matching.evidence import Agreement, Evidence
from counterfoil.core.identity.matching.judging import Judgment, MatchRule
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.policies.rules import MatchingPolicy
from counterfoil.store.cases import Opening
from counterfoil.store.matches import STAGE, MatchPair, pair_of, subjects_of
from counterfoil.store.opening import opening


@dataclass(frozen=True, slots=True)
class FoundPair:
    """Two customers and what is found of them.

    Attributes:
        one, other: their ids, in order; of each piece of evidence the first value is that of ``one``.
        verdict: ``same`` or ``review``; rule: by which it was found; score: how likely they are one.
        known: all that ever spoke for the two being one: what is not among it is a reason to ask again.
        is_asked: whether people were asked of the two.
        says_more: something speaks for them that did not before.
    """

    one: str
    other: str
    verdict: str
    rule: str
    score: float
    evidence: tuple[Evidence, ...]
    remarks: tuple[str, ...]
    known: frozenset[tuple[str, str, str]]
    is_asked: bool = False
    says_more: bool = True


def found_of(judgment: Judgment, before: FoundPair | None) -> FoundPair:
    """Return what was found of two, beside what was found of them before."""
    one, other = pair_of(judgment.left.id, judgment.right.id)
    evidence = judgment.evidence
    if one != judgment.left.id:
        evidence = tuple(piece._replace(left=piece.right, right=piece.left) for piece in evidence)
    speaking, known = speaking_for(judgment), frozenset[tuple[str, str, str]]() if before is None else before.known
    return FoundPair(
        one,
        other,
        judgment.verdict.value,
        judgment.rule.value,
        round(judgment.score, 6),
        evidence,
        judgment.remarks,
        known | speaking,
        before is not None and before.is_asked,
        bool(speaking - known),
    )


def asked(found: FoundPair) -> FoundPair:
    """Return it as one people were asked of."""
    return replace(found, is_asked=True)


def packed(found: FoundPair) -> bytes:
    """Return it as it is kept."""
    said = {
        "verdict": found.verdict,
        "rule": found.rule,
        "score": found.score,
        "evidence": [[one.about, one.agreement.value, round(one.bits, 3), one.left, one.right] for one in found.evidence],
        "remarks": list(found.remarks),
        "known": sorted(map(list, found.known)),
        "is_asked": found.is_asked,
    }
    return json.dumps(said, ensure_ascii=False).encode()


def unpacked(pair: MatchPair | None) -> FoundPair | None:
    """Return what is kept of two; None: nothing yet."""
    if pair is None or not pair.found:
        return None
    said = json.loads(pair.found)
    return FoundPair(
        pair.one,
        pair.other,
        said["verdict"],
        said["rule"],
        said["score"],
        tuple(Evidence(about, Agreement(agreement), bits, left, right) for about, agreement, bits, left, right in said["evidence"]),
        tuple(said["remarks"]),
        frozenset((about, left, right) for about, left, right in said["known"]),
        said["is_asked"],
        says_more=False,
    )


def cases_of(found: FoundPair, policy: MatchingPolicy, now: datetime) -> list[Opening]:
    """Return the case of two that may be one, which holds both. It names neither: names, numbers and addresses are shown to who looks."""
    one, other = CUSTOMER.ref(found.one).key, CUSTOMER.ref(found.other).key
    score = "by a certain rule" if found.rule != MatchRule.SCORE.value else f"score {found.score:.3f}"
    cause = f"{one} and {other} may be one customer: {in_short(found.evidence)} ({score})"
    return [
        opening(
            fingerprint=f"identity.may_be_one|{found.one}|{found.other}",
            case_class=CaseClass.DUPLICATE_SUSPECTED,
            code="identity.may_be_one",
            cause=cause,
            next_step=(
                f"Look at both with `counterfoil identity matches {one}`. One customer: `counterfoil identity same-as {one} {other}`, or"
                f" `merge` if one of the two is to be left. Two: `counterfoil identity not-same-as {one} {other}`. Each with --reason and"
                " --apply."
            ),
            stage=STAGE,
            subject=subject,
            label=key,
            entity=policy.entity,
            owner=policy.owner,
            now=now,
        )
        for subject, key in zip(subjects_of(found.one, found.other), (one, other), strict=True)
    ]


def doubts_of(found: FoundPair, follower: str, policy: MatchingPolicy, now: datetime) -> list[Opening]:
    """Return the case of two that the hub linked and that do not look like one any more; ``follower``: who follows the other."""
    one, other = CUSTOMER.ref(found.one).key, CUSTOMER.ref(found.other).key
    return [
        opening(
            fingerprint=f"identity.linked_in_doubt|{found.one}|{found.other}",
            case_class=CaseClass.DUPLICATE_SUSPECTED,
            code="identity.linked_in_doubt",
            cause=(
                f"{one} and {other} were linked as one customer, and what both say now does not look so: {in_short(found.evidence)}."
                " What is billed of both is still one customer's"
            ),
            next_step=(
                f"Look at both with `counterfoil identity matches {one}`. Two customers: `counterfoil identity not-same-as"
                f" {CUSTOMER.ref(follower).key}` with --reason and --apply; the case closes with that, or when the wrong one is corrected."
                " One customer after all: waive it."
            ),
            stage=STAGE,
            subject=subject,
            label=key,
            entity=policy.entity,
            owner=policy.owner,
            now=now,
        )
        for subject, key in zip(subjects_of(found.one, found.other), (one, other), strict=True)
    ]


def in_short(evidence: Iterable[Evidence]) -> str:
    """Return what was compared and how it agrees, without a value."""
    words = []
    for agreement in Agreement:
        about = [one.about for one in evidence if one.agreement is agreement]
        if about:
            words.append(f"{agreement.value}: {', '.join(about)}")
    return "; ".join(words)

"""One fact told by two systems: which of its ids it goes by, and what stands in the way of taking it for one. Pure.

A billing system tells of a payment, an invoice or a refund and names the processor's, or the other way round. Whose word counts is
declared by kind. The fact is known by that one's id, but for one of which something was wished before the other was named: what is wished,
and may be booked, keeps its key. So it is booked once, whichever comes first; what a person let go is not booked by another id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from counterfoil.core.identity.claims import Claim, Golden, survive
from counterfoil.core.identity.merges import chain
from counterfoil.core.identity.ownership import Ownership
from counterfoil.core.kinds import KINDS, total_of
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Survivorship


class FactStanding(IntEnum):
    """What became of what a thing's own state called for; the more, the greater."""

    NOTHING = 0
    WISHED = 1  # and certainly without effect
    WAIVED = 2  # a person let it go: booked by hand, or not to be booked
    BOOKED = 3  # or possibly


class Obstacle(StrEnum):
    """Why several things that are said to be one cannot be taken for one."""

    CIRCLE = "they name each other in a circle"
    BOOKED_TWICE = "more than one of them was booked"
    BOOKED_OTHERWISE = "one was booked before the other, whose money moved on a processor's balance, was named"
    WAIVED = "one was waived before the other was named"
    AMOUNTS = "they are of different amounts"


@dataclass(frozen=True, slots=True)
class FactMember:
    """One of the things that are one fact. ``claim`` None: its source has not told of it yet."""

    ref: ObjectRef
    claim: Claim | None = None
    standing: FactStanding = FactStanding.NOTHING


@dataclass(frozen=True, slots=True)
class SameFact:
    """Things that are one fact.

    Attributes:
        head: the one it is known as.
        golden: what survives of all that was told; None: the one whose word counts is not told of yet, and nothing was wished before.
        word: whose claim counts.
        awaited: whose word is waited for.
        obstacles: what stands in the way, by the thing that is to be looked at.
        superseded: those of which something is still wished that may be canceled, since the fact goes by another id.
    """

    head: ObjectRef
    members: tuple[ObjectRef, ...]
    golden: Golden | None
    word: ObjectRef
    awaited: ObjectRef | None = None
    obstacles: Mapping[ObjectRef, Obstacle] | None = None
    superseded: tuple[ObjectRef, ...] = ()


def naming(namer: ObjectRef, connection: str, named: str, ownership: Ownership) -> tuple[ObjectRef, ObjectRef]:
    """Return which thing follows which when a source says that its own is the same as another: the owner's is followed, else the named."""
    other = ObjectRef(namer.kind, named)
    return (other, namer) if ownership.owner(namer.kind) == connection else (namer, other)


def same_fact(told: Sequence[FactMember], follows: Mapping[ObjectRef, ObjectRef], ownership: Ownership) -> SameFact:
    """Return what things that are one fact come to. ``follows``: which of them follows which."""
    by_ref = {one.ref: one for one in told}
    first = min(by_ref)
    followed = chain(first.id, lambda id: follows.get(ObjectRef(first.kind, id), ObjectRef(first.kind, "")).id)
    members = tuple(sorted(by_ref))
    if followed.is_circle:
        return SameFact(first, members, None, first, obstacles=dict.fromkeys(members, Obstacle.CIRCLE))
    word = by_ref[ObjectRef(first.kind, followed.survivor)]
    is_made_once = not KINDS[first.kind].is_made_again
    booked, wished = _standing(told, FactStanding.BOOKED), _standing(told, FactStanding.WISHED)
    waived = _standing(told, FactStanding.WAIVED) if is_made_once else []
    first_kept = booked or wished or waived
    head = first_kept[0] if len(first_kept) == 1 else word.ref
    claims = {one.ref: one.claim for one in told if one.claim is not None}
    obstacles = dict.fromkeys(booked, Obstacle.BOOKED_TWICE) if is_made_once and len(booked) > 1 else {}
    if not claims or (word.claim is None and len(booked) != 1):
        return SameFact(head, members, None, word.ref, awaited=word.ref, obstacles=obstacles)
    golden = survive(claims.values(), _counting(first.kind, word, ownership, claims.values()), id=head.id)
    if word.claim is not None and head != word.ref and head in waived:
        obstacles[head] = Obstacle.WAIVED
    elif not obstacles and booked and head != word.ref and _is_settled(word.claim) and not _is_settled(claims.get(head)):
        obstacles[head] = Obstacle.BOOKED_OTHERWISE
    for ref, claim in claims.items():
        if word.claim is not None and total_of(claim.record) != total_of(word.claim.record):
            obstacles.setdefault(ref, Obstacle.AMOUNTS)
    superseded = tuple(ref for ref in sorted(wished) if ref != head)
    return SameFact(head, members, golden, word.ref, obstacles=obstacles, superseded=superseded)


def _standing(told: Sequence[FactMember], standing: FactStanding) -> list[ObjectRef]:
    return [one.ref for one in told if one.standing is standing]


def _is_settled(claim: Claim | None) -> bool:
    return claim is not None and getattr(claim.record, "settlement", None) is not None


def _counting(kind: str, word: FactMember, ownership: Ownership, claims: Collection[Claim]) -> Ownership:
    """Return whose word counts: of what is told whole the owner's if he told of it, else that of the thing the others follow."""
    is_owners = any(claim.connection == ownership.owner(kind) for claim in claims)
    if word.claim is None or is_owners or KINDS[kind].survivorship is Survivorship.BY_FIELD:
        return ownership
    return Ownership({**ownership.owners, (kind, ""): word.claim.connection})

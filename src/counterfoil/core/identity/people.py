"""What people decide of who is who: merges and names, each an intent by its verb. Pure.

What people say of a thing's merging is a claim of theirs on ``merged_into``, and on nothing else; what they say it is the same as is a
naming. Both go before what systems say.
"""

from __future__ import annotations

from enum import StrEnum

from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.intent import Intent
from counterfoil.core.language.ids import ObjectRef


class IdentityVerb(StrEnum):
    """What is decided of the intent's subject."""

    MERGE = "merge"
    """It is merged into ``about``, the id of another of its kind."""
    UNMERGE = "unmerge"
    """People say nothing of its merging any more: what its sources say counts."""
    KEEP_APART = "keep_apart"
    """It stands for itself, whatever its sources say."""
    SAME_AS = "same_as"
    """It is the same as ``about``, the id of another of its kind."""
    NOT_SAME_AS = "not_same_as"
    """It is the same as none, whatever its sources say."""
    APART_FROM = "apart_from"
    """It is not the same as ``about``, the id of another of its kind: nobody is asked of the two again for what is known by then."""


MATCHING = "matching"
"""As whose word two customers are linked that certainly are one; no connection of the settings may have that name."""

MERGED_BY_PEOPLE = (CUSTOMER.name,)
"""The kinds that people merge here: those that are booked. Companies, contacts and deals are merged in the system that keeps them."""

_INTO = {IdentityVerb.UNMERGE: "", IdentityVerb.KEEP_APART: None}
_NAMES = (IdentityVerb.SAME_AS, IdentityVerb.NOT_SAME_AS)
_OF_NO_MERGE = (*_NAMES, IdentityVerb.APART_FROM)


def subject_of(intent: Intent) -> ObjectRef | None:
    """Return the thing an intent of who is who is about; None: it is of something else, as is what a newer program's people may decide."""
    kind, _, id = intent.subject.partition("/")
    return ObjectRef(kind, id) if id and kind in KINDS and intent.verb in set(IdentityVerb) else None


def claim_of(intent: Intent) -> Customer | None:
    """Return what people say of a customer's merging by an intent; None: it says nothing of that. What is kept apart is merged into itself:
    ``survive`` takes that, of people, for standing alone.
    """
    ref = subject_of(intent)
    if ref is None or ref.kind not in MERGED_BY_PEOPLE or intent.verb in _OF_NO_MERGE:
        return None
    into = _INTO.get(IdentityVerb(intent.verb), intent.about)
    return Customer(ref.id, "", merged_into=ref.id if into is None else into)


def named_by(intent: Intent) -> tuple[ObjectRef, str] | None:
    """Return which thing is said to be the same as which id (empty: as none); None: the intent says nothing of that."""
    ref = subject_of(intent)
    return None if ref is None or intent.verb not in _NAMES else (ref, intent.about)


def told_apart(intent: Intent) -> tuple[ObjectRef, ObjectRef] | None:
    """Return the two things an intent says are not the same; None: it says nothing of that."""
    ref = subject_of(intent)
    return None if ref is None or intent.verb != IdentityVerb.APART_FROM else (ref, ObjectRef(ref.kind, intent.about))

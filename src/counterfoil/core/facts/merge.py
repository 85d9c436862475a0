"""Merging a fact into an object's current state: order of arrival does not matter, and nothing final is resurrected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from counterfoil.core.identity.merges import merged_into, with_merge
from counterfoil.core.kinds import kind_of
from counterfoil.core.language.records import Record

from .events import Fact


class MergeOutcome(StrEnum):
    """How a fact stood to the current state."""

    APPLIED = "applied"  # the state changed
    UNCHANGED = "unchanged"  # it says what is known
    STALE = "stale"  # it is older, or would bring a final state back to life
    ECHO = "echo"  # it is what was written there, coming back: it says nothing
    TIE = "tie"  # as old as the current state but different: fetch the object again


@dataclass(frozen=True, slots=True)
class Current:
    """The current state of one object and its place in the source's order.

    ``merge_said``: the place of the newest fact that says what it was merged into, or that it was not; None: none is known to.
    """

    record: Record
    sequence: int
    merge_said: int | None = None


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The outcome and what is now current; after a tie, what was current before."""

    outcome: MergeOutcome
    current: Current


R = TypeVar("R", bound=Record)


def fill_gaps(newer: R, older: Record) -> R:
    """Return the newer record with what it does not say and what, once said, cannot be unsaid, taken from the older one.

    Movements of the processor's balance, links between objects and the survivor of a merge. Snapshots of one object differ in how much
    of these they carry; without this, what is known would depend on which came last.
    """
    kept: R = kind_of(newer).keeps(newer, older)
    return kept


def merge(current: Current | None, fact: Fact) -> MergeResult:
    """Return what an object's state is after a fact.

    The larger sequence wins. Equal sequences with different content are a tie: the caller fetches the object again. A final state stays,
    whatever the sequence, except where the world allows it (``Kind.lifecycle``: a succeeded refund fails, a paid payout fails,
    an uncollectible invoice is paid, a dispute is decided anew). An older fact still fills gaps (``fill_gaps``).

    Raises:
        ValueError: the fact is about another object.
    """
    if current is None:
        return MergeResult(MergeOutcome.APPLIED, Current(fact.data, fact.sequence, fact.sequence if _speaks_of_merging(fact) else None))
    known = current.record
    if type(known) is not type(fact.data) or known.id != fact.data.id:
        raise ValueError(f"cannot merge {fact.subject.key} into {type(known).__name__} {known.id}")
    into, said = _merging(current, fact)
    if fact.sequence == current.sequence:
        outcome = MergeOutcome.UNCHANGED if with_merge(fill_gaps(fact.data, known), into) == known else MergeOutcome.TIE
        return MergeResult(outcome, current)
    if fact.sequence < current.sequence or not kind_of(known).lifecycle.allows(known, fact.data):
        filled = with_merge(fill_gaps(known, fact.data), into)
        outcome = MergeOutcome.STALE if filled == known else MergeOutcome.APPLIED
        return MergeResult(outcome, Current(filled, current.sequence, said))
    filled = with_merge(fill_gaps(fact.data, known), into)
    outcome = MergeOutcome.UNCHANGED if filled == known else MergeOutcome.APPLIED
    return MergeResult(outcome, Current(filled, fact.sequence, said))


def _speaks_of_merging(fact: Fact) -> bool:
    return fact.is_apart or bool(merged_into(fact.data))


def _merging(current: Current, fact: Fact) -> tuple[str, int | None]:
    """Return what an object is merged into after a fact, and the place of the fact that says so: the newest that speaks of it."""
    into = merged_into(current.record)
    said = current.merge_said
    if said is None and into:
        said = current.sequence  # written before it was kept apart: not older than the state it stands in
    if _speaks_of_merging(fact) and (said is None or fact.sequence >= said):
        return merged_into(fact.data), fact.sequence
    return into, current.merge_said

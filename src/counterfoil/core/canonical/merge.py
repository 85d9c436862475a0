"""Merging a fact into an object's current state: order of arrival does not matter, and nothing final is resurrected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from . import entities as e
from .events import Fact
from .links import CreditNotePart
from .states import may_follow


class MergeOutcome(StrEnum):
    """How a fact stood to the current state."""

    APPLIED = "applied"  # the state changed
    UNCHANGED = "unchanged"  # it says what is known
    STALE = "stale"  # it is older, or would bring a final state back to life
    TIE = "tie"  # as old as the current state but different: fetch the object again


@dataclass(frozen=True, slots=True)
class Current:
    """The current state of one object and its place in the source's order."""

    entity: e.Entity
    sequence: int


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The outcome and what is now current; after a tie, what was current before."""

    outcome: MergeOutcome
    current: Current


_STATEFUL = (e.Subscription, e.Invoice, e.CreditNote, e.Payment, e.Refund, e.Dispute, e.Payout)
_DELETABLE = (e.Customer, e.Product)


def _is_legal(before: e.Entity, after: e.Entity) -> bool:
    if isinstance(before, _STATEFUL) and isinstance(after, _STATEFUL):
        return may_follow(before.state, after.state)
    if isinstance(before, _DELETABLE) and isinstance(after, _DELETABLE):
        return after.is_deleted or not before.is_deleted
    return True


def _union(one: tuple[e.Settlement, ...], other: tuple[e.Settlement, ...]) -> tuple[e.Settlement, ...]:
    by_id = {settlement.id: settlement for settlement in (*other, *one)}
    return tuple(sorted(by_id.values(), key=lambda settlement: (settlement.occurred_at, settlement.id)))


def _named(newer: tuple[e.PaidPart, ...] | None, older: tuple[e.PaidPart, ...] | None) -> tuple[e.PaidPart, ...] | None:
    """Return an invoice's payments with the ids that only the older state names."""
    if newer is None or older is None:
        return older if newer is None else newer
    known = {part.id: part.payment_id for part in older}
    return tuple(part if part.payment_id else replace(part, payment_id=known.get(part.id, "")) for part in newer)


def _kept(deleted: e.Customer, known: e.Customer) -> e.Customer:
    """Return a deleted customer with what was known of it: what is told of it now may be no more than its id, or an old bill's copy."""
    is_named = known.name not in ("", known.id.partition(":")[2])
    return replace(
        deleted,
        name=known.name if is_named else deleted.name,
        email=known.email or deleted.email,
        phone=known.phone or deleted.phone,
        address=known.address if known.address != e.Address() else deleted.address,
        currency=known.currency or deleted.currency,
        tax_exemption=deleted.tax_exemption if known.tax_exemption is e.TaxExemption.NONE else known.tax_exemption,
        tax_ids=known.tax_ids or deleted.tax_ids,
        locale=known.locale or deleted.locale,
    )


def _parts(one: tuple[CreditNotePart, ...], other: tuple[CreditNotePart, ...]) -> tuple[CreditNotePart, ...]:
    by_id = {part.credit_note_id: part for part in (*other, *one)}
    return tuple(by_id[note_id] for note_id in sorted(by_id))


T = TypeVar("T", bound=e.Entity)


def fill_gaps(newer: T, older: e.Entity) -> T:
    """Return the newer state with what it does not say and what, once said, cannot be unsaid, taken from the older one.

    Movements of the processor's balance, links between objects and the survivor of a merge. Snapshots of one object differ in how much
    of these they carry; without this, what is known would depend on which came last.
    """
    filled: e.Entity = newer
    match newer, older:
        case e.Payment(), e.Payment():
            applications = newer.applications or older.applications
            filled = replace(newer, settlement=newer.settlement or older.settlement, applications=applications)
        case e.Refund(), e.Refund():
            filled = replace(
                newer,
                settlement=newer.settlement or older.settlement,
                reversal=newer.reversal or older.reversal,
                credit_note_id=newer.credit_note_id or older.credit_note_id,
                credit_notes=_parts(newer.credit_notes, older.credit_notes),
                customer_id=newer.customer_id or older.customer_id,
            )
        case e.Dispute(), e.Dispute():
            withdrawals, reinstatements = newer.withdrawals, newer.reinstatements
            filled = replace(
                newer,
                withdrawals=_union(withdrawals, older.withdrawals),
                reinstatements=_union(reinstatements, older.reinstatements),
                closed_at=newer.closed_at or (older.closed_at if older.state is newer.state else None),
            )
        case e.Payout(), e.Payout():
            filled = replace(
                newer,
                settlement=newer.settlement or older.settlement,
                reversal=newer.reversal or older.reversal,
                items=newer.items or older.items,
            )
        case e.Customer(), e.Customer():
            filled = replace(_kept(newer, older) if newer.is_deleted else newer, merged_into=newer.merged_into or older.merged_into)
        case e.Invoice(), e.Invoice():
            filled = replace(
                newer,
                paid_parts=_named(newer.paid_parts, older.paid_parts),
                credit_note_ids=older.credit_note_ids if newer.credit_note_ids is None else newer.credit_note_ids,
            )
        case _:
            pass
    return filled  # type: ignore[return-value]  # replace keeps the type; the match cannot say so


def merge(current: Current | None, fact: Fact) -> MergeResult:
    """Return what an object's state is after a fact.

    The larger sequence wins. Equal sequences with different content are a tie: the caller fetches the object again. A final state stays,
    whatever the sequence, except where the world allows it (``states.FOLLOWERS``: a succeeded refund fails, a paid payout fails,
    an uncollectible invoice is paid, a dispute is decided anew). An older fact still fills gaps (``fill_gaps``).

    Raises:
        ValueError: the fact is about another object.
    """
    if current is None:
        return MergeResult(MergeOutcome.APPLIED, Current(fact.data, fact.sequence))
    known = current.entity
    if type(known) is not type(fact.data) or known.id != fact.data.id:
        raise ValueError(f"cannot merge {fact.subject.key} into {type(known).__name__} {known.id}")
    if fact.sequence == current.sequence:
        outcome = MergeOutcome.UNCHANGED if fill_gaps(fact.data, known) == known else MergeOutcome.TIE
        return MergeResult(outcome, current)
    if fact.sequence < current.sequence or not _is_legal(known, fact.data):
        filled = fill_gaps(known, fact.data)
        outcome = MergeOutcome.STALE if filled == known else MergeOutcome.APPLIED
        return MergeResult(outcome, Current(filled, current.sequence))
    filled = fill_gaps(fact.data, known)
    outcome = MergeOutcome.UNCHANGED if filled == known else MergeOutcome.APPLIED
    return MergeResult(outcome, Current(filled, fact.sequence))

"""Before anything is decided: several claims made one record, facts that two systems tell taken for one, and what of it people must see.

Everything else sees one thing with one id: what names another of its ids is made to name that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from counterfoil.core.identity.claims import Claim, Proposal, survive
from counterfoil.core.identity.ownership import Ownership
from counterfoil.core.identity.references import resolved
from counterfoil.core.identity.same_fact import FactMember, FactStanding, Obstacle, SameFact, same_fact
from counterfoil.core.kinds import KINDS, total_of
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import wait_for, wait_for_owner, wait_for_same_fact
from counterfoil.core.language.records import Purpose, Record, Survivorship
from counterfoil.core.policies.decision import Decision, Problem
from counterfoil.core.policies.rules import Rules
from counterfoil.kit.codec import decode_record
from counterfoil.store.claims import ClaimRow
from counterfoil.store.objects import ObjectRow


@dataclass(slots=True)
class Identities:
    """What is known of the identity of what is loaded: the facts that several told, by each of their ids, and what owners did not say."""

    facts: dict[ObjectRef, SameFact] = field(default_factory=dict)
    proposals: dict[ObjectRef, tuple[Proposal, ...]] = field(default_factory=dict)

    def heads(self) -> dict[ObjectRef, ObjectRef]:
        """Return what each thing that is known by another id is known as."""
        return {ref: fact.head for ref, fact in self.facts.items() if ref != fact.head}

    def after(self, ref: ObjectRef) -> tuple[ObjectRef, ...]:
        """Return what is decided again after a thing was: the one it is known as, else what is wished of it by its other ids."""
        fact = self.facts.get(ref)
        if fact is None:
            return ()
        return fact.superseded if ref == fact.head else (fact.head,)

    def problems(self, ref: ObjectRef) -> tuple[Problem, ...]:
        """Return what people must see of a thing that is decided all the same."""
        return tuple(_not_the_owner(ref, one) for one in self.proposals.get(ref, ()))


def surviving(
    rows: dict[ObjectRef, ObjectRow],
    records: dict[ObjectRef, Record],
    claims: Mapping[ObjectRef, Sequence[ClaimRow]],
    rules: Rules,
) -> dict[ObjectRef, tuple[Proposal, ...]]:
    """Put what survives of several sources' claims into ``records``; return what others than a field's owner say of it.

    A thing is routed by its first source, as long as anything is routed from there: a connection may have been renamed since.
    """
    proposals = {}
    for ref, several in claims.items():
        rows[ref] = _routed(rows[ref], several, rules)
        told = [Claim(one.connection, one.sequence, one.occurred_at, decode_record(ref.kind, one.data)) for one in several]
        if rows[ref].claimed == rows[ref].version and told:
            golden = survive(told, rules.ownership, id=ref.id)
            records[ref], proposals[ref] = golden.record, golden.proposals
    return proposals


def _routed(row: ObjectRow, several: Sequence[ClaimRow], rules: Rules) -> ObjectRow:
    routed = {route.connection for route in rules.routes}
    if "" in routed or row.connection in routed:
        return row
    newest = max((one for one in several if one.connection in routed), key=lambda one: (one.sequence, one.connection), default=None)
    return row if newest is None else replace(row, connection=newest.connection, account=newest.account)


def same_facts(
    rows: dict[ObjectRef, ObjectRow],
    records: dict[ObjectRef, Record],
    follows: Mapping[ObjectRef, ObjectRef],
    standings: Mapping[ObjectRef, FactStanding],
    owners: Ownership,
) -> dict[ObjectRef, SameFact]:
    """Make one of what several systems tell of, in ``rows`` and ``records``; return the facts by each of their ids."""
    found: dict[ObjectRef, SameFact] = {}
    for group in _groups(follows):
        told = [FactMember(ref, _claim(rows.get(ref), records.get(ref)), standings.get(ref, FactStanding.NOTHING)) for ref in group]
        fact = same_fact(told, follows, owners)
        found.update(dict.fromkeys(group, fact))
    for fact in {one.head: one for one in found.values()}.values():
        if fact.golden is not None:
            records[fact.head] = fact.golden.record
            if fact.word in rows and KINDS[fact.head.kind].survivorship is Survivorship.WHOLE:
                word = rows[fact.word]
                rows[fact.head] = replace(rows[fact.head], connection=word.connection, account=word.account)
        for ref in fact.members:
            if ref != fact.head:
                records.pop(ref, None)
    heads = {ref: fact.head for ref, fact in found.items() if ref != fact.head}
    if heads:
        records.update({ref: resolved(record, heads) for ref, record in records.items()})
    return found


def _claim(row: ObjectRow | None, record: Record | None) -> Claim | None:
    return None if row is None or record is None else Claim(row.connection, row.sequence, row.occurred_at, record)


def _groups(follows: Mapping[ObjectRef, ObjectRef]) -> list[list[ObjectRef]]:
    """Return the things that are one, each group in order."""
    groups: dict[ObjectRef, list[ObjectRef]] = {}
    for one, other in follows.items():
        joined = sorted({*groups.get(one, [one]), *groups.get(other, [other])})
        groups.update(dict.fromkeys(joined, joined))
    return [group for ref, group in sorted(groups.items()) if ref == group[0]]


def decision_of(ref: ObjectRef, fact: SameFact, purposes: Iterable[Purpose]) -> Decision | None:
    """Return the decision of a thing that several systems tell of; None: it is the one that is decided, and nothing is in its way."""
    held = tuple(purposes)
    obstacle = (fact.obstacles or {}).get(ref)
    if obstacle is not None and (ref == fact.head or obstacle is not Obstacle.AMOUNTS):
        return Decision(waits=_waits_with(fact, obstacle), problems=(_in_the_way(fact, obstacle),), held=held)
    if fact.awaited is not None and ref != fact.awaited:
        return Decision(waits=(fact.awaited,), held=held)
    if ref == fact.head:
        return None
    if obstacle is None:
        return Decision(ignored=f"{ref.kind}_is_told_by_another")
    return Decision(waits=_waits_with(fact, obstacle), problems=(_in_the_way(fact, obstacle),))


def _waits_with(fact: SameFact, obstacle: Obstacle) -> tuple[ObjectRef, ...]:
    """Return whose next word may end it: of amounts that differ, that of the one whose word counts."""
    return (fact.word,) if obstacle is Obstacle.AMOUNTS else ()


_REMEDIES = {
    Obstacle.CIRCLE: "Correct `same_as` of one of them at its source: it must name the other's record, and that none.",
    Obstacle.BOOKED_TWICE: (
        "Cancel one of the documents in the books, with what belongs to it, and waive this case; or correct `same_as` at the source if they"
        " are two."
    ),
    Obstacle.BOOKED_OTHERWISE: (
        "Compare what was booked with what the other system tells, correct the books by hand, and waive this case."
    ),
    Obstacle.WAIVED: "Book it by hand if it is not, and waive this case; or correct `same_as` at the source if they are two.",
    Obstacle.AMOUNTS: "Nothing of this one is booked; the other is. Correct the amount at the source, or `same_as` if they are two.",
}


def _in_the_way(fact: SameFact, obstacle: Obstacle) -> Problem:
    is_of_amounts = obstacle is Obstacle.AMOUNTS
    return Problem(
        CaseClass.AMOUNT_MISMATCH if is_of_amounts else CaseClass.DUPLICATE_SUSPECTED,
        "decide.same_fact_amounts" if is_of_amounts else "decide.same_fact",
        f"{' and '.join(one.key for one in fact.members)} are said to be one fact, but {obstacle.value}.",
        _REMEDIES[obstacle],
        None if fact.golden is None else total_of(fact.golden.record),
        releases_on=wait_for(fact.word) if is_of_amounts else wait_for_same_fact(fact.members[0]),
    )


def _not_the_owner(ref: ObjectRef, one: Proposal) -> Problem:
    by = one.claim.connection
    return Problem(
        CaseClass.OWNERSHIP_VIOLATION,
        "decide.not_the_owner",
        f"{by} tells another {one.field} of {ref.key} than {one.owner}, whose word counts: that stays, the other is kept as a proposal.",
        f"Correct it at {by}, or at {one.owner} if {by} is right; or declare another owner of the field under [[ownership]]. The case"
        " closes when both say the same.",
        releases_on=wait_for_owner(ref.kind, one.field, by),
    )

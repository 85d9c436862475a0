"""Claims and what survives of them: one golden record, and of each field who said it, when, and by which rule it was chosen. Pure.

The order of claims never matters: they are put in an order of their own first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from counterfoil.core.kinds import kind_of
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.language.records import Record, Survivorship

from .ownership import NOBODYS, Ownership


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says of one thing.

    Attributes:
        connection: the source.
        sequence: the source's own order of states, see ``Fact``.
        occurred_at: when what it says last happened.
    """

    connection: str
    sequence: int
    occurred_at: datetime
    record: Record


class Rule(StrEnum):
    """Why a field has its value."""

    ONLY = "the only one that says it"
    NEWEST = "the newest that says it"
    OWNER = "its owner's word"
    PEOPLE = "what people decided"
    FILLED = "left out by the one whose word counts, and kept"
    UNSAID = "nobody says it"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody else than the owner says of a field: kept, and for people to judge."""

    field: str
    owner: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class FieldOrigin:
    """Where a field's value comes from; ``claim`` None: nobody says it."""

    field: str
    value: Any
    claim: Claim | None
    rule: Rule


@dataclass(frozen=True, slots=True)
class Golden:
    """What survives of some claims. ``origins``: in the order of the record's fields, without its id."""

    record: Record
    origins: tuple[FieldOrigin, ...]
    proposals: tuple[Proposal, ...] = ()


def survive(claims: Iterable[Claim], ownership: Ownership = NOBODYS, *, id: str = "") -> Golden:
    """Return what survives of the claims on one thing, of which there is at least one.

    A claim says of a field what is not the field's default: an empty e-mail empties nobody else's. What people say goes before all, and a
    thing they say is merged into itself stands for itself, whatever others say. Of a record that is told whole the
    owner's claim counts, else the newest; what it leaves out and the kind keeps (``Kind.keeps``) comes from the others.

    Args:
        claims: what each source says, in any order.
        ownership: whose word counts.
        id: of the golden record; empty: as the claim has it that comes first.

    Raises:
        ValueError: the claims are of several kinds.
    """
    ranked = sorted(claims, key=_rank)
    if len({type(claim.record) for claim in ranked}) != 1:
        raise ValueError("claims of several kinds do not become one record")
    kind = kind_of(ranked[0].record)
    ranked = [replace(claim, record=replace(claim.record, id=id or ranked[0].record.id)) for claim in ranked]  # type: ignore[type-var]
    if kind.survivorship is Survivorship.WHOLE:
        return _whole(ranked, ownership.owner(kind.name))
    return _by_field(ranked, ownership)


def says(record: Record, field: Field[Any]) -> bool:
    """Tell whether a record says anything of a field."""
    value = getattr(record, field.name)
    return value not in ("", None, ()) and value != _default(field)


def _rank(claim: Claim) -> tuple[int, str, str]:
    """Newest first; of two of the same moment always the same one."""
    return (-claim.sequence, claim.connection, claim.record.id)


def _told(record: Record) -> tuple[Field[Any], ...]:
    return tuple(field for field in fields(record) if field.name != "id")  # type: ignore[arg-type]


def _default(field: Field[Any]) -> Any:
    return None if field.default is MISSING else field.default


def _by_field(ranked: Sequence[Claim], ownership: Ownership) -> Golden:
    first = ranked[0].record
    kind = kind_of(first).name
    origins, proposals = [], []
    for field in _told(first):
        saying = [claim for claim in ranked if says(claim.record, field)]
        owner = ownership.owner(kind, field.name)
        owned = [claim for claim in saying if owner and claim.connection == owner]
        origin = _chosen(field, saying, owned)
        origins.append(origin)
        if owned:
            others = (claim for claim in saying if claim.connection != owner)
            proposals += [Proposal(field.name, owner, claim) for claim in others if getattr(claim.record, field.name) != origin.value]
    values = {origin.field: origin.value for origin in origins if origin.claim is not None}
    return Golden(replace(first, **values), tuple(origins), tuple(proposals))  # type: ignore[type-var]


def _chosen(field: Field[Any], saying: Sequence[Claim], owned: Sequence[Claim]) -> FieldOrigin:
    if not saying:
        return FieldOrigin(field.name, _default(field), None, Rule.UNSAID)
    decided = [claim for claim in saying if claim.connection == PEOPLE]
    claim = (decided or owned or saying)[0]
    rule = Rule.PEOPLE if decided else Rule.OWNER if owned else Rule.ONLY if len(saying) == 1 else Rule.NEWEST
    value = getattr(claim.record, field.name)
    return FieldOrigin(field.name, "" if decided and value == claim.record.id else value, claim, rule)


def _whole(ranked: Sequence[Claim], owner: str) -> Golden:
    owned = [claim for claim in ranked if owner and claim.connection == owner]
    ordered = [*owned, *(claim for claim in ranked if claim not in owned)]
    record = ordered[0].record
    for claim in ordered[1:]:
        record = kind_of(record).keeps(record, claim.record)
    rule = Rule.OWNER if owned else Rule.ONLY if len(ordered) == 1 else Rule.NEWEST
    return Golden(record, tuple(_filled(field, record, ordered, rule) for field in _told(record)))


def _filled(field: Field[Any], record: Record, ordered: Sequence[Claim], rule: Rule) -> FieldOrigin:
    value = getattr(record, field.name)
    if not says(record, field):
        return FieldOrigin(field.name, value, None, Rule.UNSAID)
    claim = next((claim for claim in ordered if getattr(claim.record, field.name) == value), ordered[0])
    return FieldOrigin(field.name, value, claim, rule if claim is ordered[0] else Rule.FILLED)

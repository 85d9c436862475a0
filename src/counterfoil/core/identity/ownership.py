"""Ownership: which connection's word counts, by kind of record and field. A field nobody owns takes the newest word. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from counterfoil.core.kinds import KINDS
from counterfoil.core.language.records import Survivorship


@dataclass(frozen=True, slots=True)
class Owner:
    """A connection whose word counts: for some fields of a kind of record, or (none named) for all that no other is declared for."""

    kind: str
    connection: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose word counts: the connection by kind and field; an empty field stands for the whole kind."""

    owners: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def owner(self, kind: str, name: str = "") -> str:
        """Return the owner of a field, or (no field named) of the kind; empty: nobody's."""
        return self.owners.get((kind, name)) or self.owners.get((kind, ""), "")


NOBODYS = Ownership()
"""Nothing is declared: the newest word counts."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a declaration: which one, in which of its settings (``kind``, ``fields``), and why."""

    position: int
    setting: str
    message: str


def ownership_of(declared: Sequence[Owner]) -> Ownership:
    """Return declared owners as they are asked for. Raises ValueError if one is wrong: see ``mistakes``."""
    for mistake in mistakes(declared):
        raise ValueError(mistake.message)
    return Ownership({(one.kind, name): one.connection for one in declared for name in one.fields or ("",)})


def mistakes(declared: Sequence[Owner]) -> Iterator[Mistake]:
    """Yield what is wrong with declarations: unknown kinds and fields, fields of a record that is told whole, anything owned twice."""
    owned: dict[tuple[str, str], str] = {}
    for position, one in enumerate(declared):
        if one.kind not in KINDS:
            yield Mistake(position, "kind", f"unknown kind of record {one.kind!r}; known: {', '.join(KINDS)}")
            continue
        yield from (Mistake(position, "fields", message) for message in _wrong_fields(one))
        for name in one.fields or ("",):
            what = f"field {name!r} of {one.kind}" if name else f"kind {one.kind}"
            if (one.kind, name) in owned:
                earlier = owned[one.kind, name]
                yield Mistake(position, "fields" if name else "kind", f"{what} is owned twice: {earlier!r} already is its owner")
            owned.setdefault((one.kind, name), one.connection)


def _wrong_fields(one: Owner) -> Iterator[str]:
    kind = KINDS[one.kind]
    if one.fields and kind.survivorship is Survivorship.WHOLE:
        yield f"a {kind.noun} is told whole, by one system: declare its owner without fields"
        return
    known = [field.name for field in fields(kind.record) if field.name != "id"]
    for name in one.fields:
        if name not in known:
            yield f"{one.kind} has no field {name!r} that can be owned; known: {', '.join(known)}"

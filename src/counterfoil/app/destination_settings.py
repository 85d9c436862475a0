"""Where what is written goes: the books of each legal entity, and `[[destinations]]` for all else; wrong ones with their line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from counterfoil.app.settings_words import located
from counterfoil.core.commands import kinds_for
from counterfoil.core.language.records import Purpose
from counterfoil.core.policies.rules import Destination
from counterfoil.kit.connector import Connector

_PURPOSES = {purpose.value: purpose for purpose in Purpose}


class DestinationSettings(BaseModel):
    """Where a purpose is written to. The books of a legal entity are its ``target``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: str
    connection: str
    entity: str = ""
    observe_only: bool = False

    def destination(self, connector: Connector) -> Destination:
        """Return it as rules have it, of a connection's connector. Raises KeyError for an unknown purpose."""
        return Destination(_PURPOSES[self.purpose], self.connection, self.entity, frozenset(connector.shows), self.observe_only)


def unfit(purpose: Purpose, name: str, connector: Connector) -> str:
    """Return why a connection cannot serve a purpose; empty: it can."""
    if not connector.deliver:
        return f"connection {name!r} cannot be posted to"
    for part, lack in purpose.terms.needs.items():
        if getattr(connector, part) is None:
            return f"connection {name!r} cannot {purpose.terms.verb}: {lack}"
    lacking = sorted(kind.value for kind in kinds_for(purpose) - connector.deliver.keys())
    return f"connection {name!r} cannot {purpose.terms.verb}: it takes no {', '.join(lacking)}" if lacking else ""


def wrong_targets(
    name: str, text: str, targets: Mapping[str, str], declared: Collection[str], usable: Mapping[str, Connector]
) -> Iterator[str]:
    """Yield what is wrong with the connections that entities keep their books in.

    ``targets``: by entity; ``declared``: the connections of the file; ``usable``: the connectors of those whose own settings are right.
    """
    for entity, target in targets.items():
        if target not in declared:
            yield located(name, text, ("entities", entity, "target"), f"target {target!r} is not under [connections]")
        elif target in usable and (why := unfit(Purpose.BOOKS, target, usable[target])):
            yield located(name, text, ("entities", entity, "target"), why)


def wrong_destinations(
    name: str,
    text: str,
    destinations: Sequence[DestinationSettings],
    entities: Collection[str],
    declared: Collection[str],
    usable: Mapping[str, Connector],
) -> Iterator[str]:
    """Yield what is wrong with ``[[destinations]]``: a line for each mistake."""
    for position, one in enumerate(destinations):
        for setting, message in _mistakes(one, destinations[:position], entities, declared, usable):
            yield located(name, text, ("destinations", position, setting), message)


def _mistakes(
    one: DestinationSettings,
    earlier: Sequence[DestinationSettings],
    entities: Collection[str],
    declared: Collection[str],
    usable: Mapping[str, Connector],
) -> Iterator[tuple[str, str]]:
    purpose = _PURPOSES.get(one.purpose)
    if purpose is None:
        yield "purpose", f"unknown purpose {one.purpose!r}; known: {', '.join(_PURPOSES)}"
    elif purpose.terms.is_per_entity:
        yield "purpose", f"where {one.purpose} are kept is the `target` of each entity, and no destination beside it"
    elif one.entity and not purpose.terms.takes_entity:
        yield "entity", f"{one.purpose} is of the whole company: leave entity out"
    if one.entity and one.entity not in entities:
        yield "entity", f"entity {one.entity!r} is not under [entities]"
    if one.connection not in declared:
        yield "connection", f"connection {one.connection!r} is not under [connections]"
    elif purpose is not None and one.connection in usable and (why := unfit(purpose, one.connection, usable[one.connection])):
        yield "connection", why
    if any(_covers(other, one) or _covers(one, other) for other in earlier):
        yield "connection", f"{one.purpose} already goes to connection {one.connection!r} by an earlier destination"


def _covers(one: DestinationSettings, other: DestinationSettings) -> bool:
    """Tell whether all that goes to a destination goes to the same place by another one."""
    return (one.purpose, one.connection) == (other.purpose, other.connection) and one.entity in ("", other.entity)

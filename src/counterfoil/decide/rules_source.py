"""The rules as they are now: from the settings, the mappings set by people, and the targets' lock dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from counterfoil.core.language.records import Purpose
from counterfoil.core.policies.rules import Destination, EntityRules, MappingKey, MappingKind, Route, Rules, served
from counterfoil.store import mappings, targets
from counterfoil.store.pool import Conn


@dataclass(frozen=True, slots=True)
class RulesSource:
    """Puts the rules together, from the settings and the mappings set by people; ``declared`` are the mappings of the settings."""

    entities: Mapping[str, EntityRules]
    routes: tuple[Route, ...]
    declared: Mapping[MappingKey, str]
    destinations: tuple[Destination, ...] = ()

    def purposes(self) -> tuple[Purpose, ...]:
        """Return what is written for."""
        return served(self.destinations)

    async def current(self, conn: Conn) -> Rules:
        """Return the rules in force; a mapping set by a person wins over a declared one."""
        found = await mappings.load(conn)
        known = dict(self.declared)
        known.update({MappingKey(MappingKind(row.kind), row.entity, row.key): row.value for row in found.entries if row.value})
        locks: dict[str, targets.LockedDays] = {}
        for target in {entity.target for entity in self.entities.values()}:
            locks.update({name: seen.locks for name, seen in (await targets.load(conn, target)).items()})
        entities = {name: _locked(entity, locks.get(name)) for name, entity in self.entities.items()}
        return Rules(found.version, entities, self.routes, known, self.destinations)


def _locked(entity: EntityRules, locks: targets.LockedDays | None) -> EntityRules:
    if locks is None:
        return entity
    return replace(entity, locked_until=locks.everything, sales_locked_until=locks.sales, taxed_locked_until=locks.taxed)

"""The rules as they are now: from the settings, the mappings set by people, and the targets' lock dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from counterfoil.core.identity.loops import USUAL, LoopLimits
from counterfoil.core.identity.ownership import NOBODYS, Ownership
from counterfoil.core.language.records import Purpose
from counterfoil.core.policies.rules import (
    Destination,
    DunningStage,
    EntityRules,
    MappingKey,
    MappingKind,
    MatchingPolicy,
    ObservedFlows,
    Route,
    Rules,
    served,
)
from counterfoil.store import mappings, releases, targets
from counterfoil.store.outbox import NewCommand
from counterfoil.store.pool import Conn, PartitionKey
from counterfoil.store.work import deliver_key

RENEWED_WITHIN_S = 1.0
"""When to look again after another release took effect: this worker takes it up with its next beats."""


@dataclass(frozen=True, slots=True)
class RulesSource:
    """Puts the rules together, from a release (or the settings themselves) and the mappings set by people.

    ``declared``: the mappings of the release. ``release``: its version; 0: the rules are no release, but those of a file.
    """

    entities: Mapping[str, EntityRules]
    routes: tuple[Route, ...]
    declared: Mapping[MappingKey, str]
    destinations: tuple[Destination, ...] = ()
    release: int = 0
    ownership: Ownership = NOBODYS
    dunning: tuple[DunningStage, ...] = ()
    matching: tuple[MatchingPolicy, ...] = ()
    loops: LoopLimits = USUAL
    _versions: dict[int, int] = field(default_factory=dict)

    async def is_in_force(self, conn: Conn, now: datetime) -> bool:
        """Tell whether these are the rules to decide by at an instant: another release may have taken effect."""
        return not self.release or await releases.version_in_force(conn, now) == self.release

    def purposes(self) -> tuple[Purpose, ...]:
        """Return what is written for."""
        return served(self.destinations)

    def observed(self, target: str) -> ObservedFlows:
        """Return what of a target is only observed; neither mappings nor lock dates matter for it."""
        return Rules(self.release, self.entities, self.routes, destinations=self.destinations).observed(target)

    def to_be_sent(self, wishes: Sequence[NewCommand], touched: Sequence[PartitionKey]) -> list[PartitionKey]:
        """Return the partitions, of those touched by new wishes, in which one of these is to be sent: a flow that is only observed wakes
        nobody, who would look through all that is held there and send none of it.
        """
        held = {target: self.observed(target) for target in {one.target for one in wishes}}
        sent = {deliver_key(one.target, one.batch_key) for one in wishes if not held[one.target].holds(one.entity)}
        return [key for key in touched if key in sent]

    async def current(self, conn: Conn) -> Rules:
        """Return the rules in force; a mapping set by a person wins over a declared one."""
        found = await mappings.load(conn)
        known = dict(self.declared)
        known.update({MappingKey(MappingKind(row.kind), row.entity, row.key): row.value for row in found.entries if row.value})
        locks: dict[str, targets.LockedDays] = {}
        for target in {entity.target for entity in self.entities.values()}:
            locks.update({name: seen.locks for name, seen in (await targets.load(conn, target)).items()})
        entities = {name: _locked(entity, locks.get(name)) for name, entity in self.entities.items()}
        version = await self._version(conn, found.version)
        declared = (self.destinations, found.version, self.ownership, self.dunning, self.matching, self.loops)
        return Rules(version, entities, self.routes, known, *declared)

    async def _version(self, conn: Conn, mapped: int) -> int:
        """Return the version of this release with the mappings of a version; of a file's rules that of the mappings alone."""
        if not self.release:
            return mapped
        if mapped not in self._versions:
            known = await releases.known_version(conn, self.release, mapped)
            if known is None:
                return await releases.rules_version(conn, self.release, mapped)  # kept in mind once it is committed
            self._versions[mapped] = known
        return self._versions[mapped]


def _locked(entity: EntityRules, locks: targets.LockedDays | None) -> EntityRules:
    if locks is None:
        return entity
    return replace(entity, locked_until=locks.everything, sales_locked_until=locks.sales, taxed_locked_until=locks.taxed)

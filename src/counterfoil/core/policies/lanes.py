"""How urgent each data domain is: at once, collected for a moment, at declared times; and how soon it is promised to be done. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from counterfoil.core.commands import SPECS
from counterfoil.core.language.commands import CommandKind, Lane

COLLECT_S = 30.0


@dataclass(frozen=True, slots=True)
class LaneRule:
    """How one domain is sent.

    Attributes:
        domain: one of ``core.commands.DOMAINS``.
        entity: only of this legal entity; empty: of all that have no rule of their own.
        lane: None: as each command says itself.
        collect_s: seconds a micro batch collects.
        every_s, at, zone: when a batch goes: at each multiple of so many seconds, or at these times of day; neither: after all else.
        within_s: promised seconds from the decision to done; None: nothing is promised.
    """

    domain: str
    entity: str = ""
    lane: Lane | None = None
    collect_s: float = COLLECT_S
    every_s: float = 0.0
    at: tuple[time, ...] = ()
    zone: tzinfo = UTC
    within_s: float | None = None

    def due_at(self, now: datetime) -> datetime | None:
        """Return when what is wished now goes at the earliest, None: at once. What is wished in the same span goes together."""
        if self.lane is Lane.MICRO_BATCH:
            return _next_multiple(now, self.collect_s)
        if self.lane is not Lane.BATCH:
            return None
        if self.at:
            return min(self._next(at, now) for at in self.at)
        return _next_multiple(now, self.every_s) if self.every_s else None

    def _next(self, at: time, now: datetime) -> datetime:
        today = now.astimezone(self.zone).date()
        days = (today + timedelta(days=ahead) for ahead in range(3))
        return next(instant for day in days if (instant := datetime.combine(day, at, self.zone).astimezone(UTC)) > now)


def _next_multiple(now: datetime, seconds: float) -> datetime:
    return datetime.fromtimestamp((math.floor(now.timestamp() / seconds) + 1) * seconds, UTC)


@dataclass(frozen=True, slots=True)
class Lanes:
    """All rules; one that names an entity wins over one that does not."""

    rules: tuple[LaneRule, ...] = ()

    def rule_of(self, kind: CommandKind, entity: str) -> LaneRule | None:
        """Return the rule for a kind of command of an entity."""
        found = [rule for rule in self.rules if rule.domain == SPECS[kind].domain and rule.entity in ("", entity)]
        return max(found, key=lambda rule: rule.entity != "", default=None)

    def place(self, kind: CommandKind, entity: str, lane: Lane, now: datetime) -> tuple[Lane, datetime | None]:
        """Return lane and earliest instant of a command that names ``lane`` itself."""
        rule = self.rule_of(kind, entity)
        if rule is None:
            return lane, None
        return (lane if rule.lane is None else rule.lane), rule.due_at(now)

    def within_s(self, kind: CommandKind, entity: str) -> float | None:
        """Return the promised seconds, None if nothing is promised."""
        rule = self.rule_of(kind, entity)
        return None if rule is None else rule.within_s

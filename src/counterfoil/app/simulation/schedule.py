"""What goes wrong, and when: a list of timed entries, decided by the seed before anything is played.

The entries are data: two runs with one seed have the same list. What an entry says is also what happens, with one limit: a fault that
strikes calls names how many calls it lets pass and how many it strikes after its instant, not which calls these are; that depends on how
fast the hub works, and the books must come out the same whichever they are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from counterfoil.kit.sandbox import FAULT_KINDS

from .period import SimulatedPeriod


class FaultKind(StrEnum):
    """What can be on a schedule."""

    SOURCE_CALLS = "source_calls"  # a few answers of the source to reads are spoiled
    TARGET_CALLS = "target_calls"  # a few calls to the target are spoiled, before or after they took effect
    TARGET_MAINTENANCE = "target_maintenance"  # the target answers 503 to everything
    CREDENTIAL_EXPIRED = "credential_expired"  # the target refuses the hub's key
    PERIOD_LOCKED = "period_locked"  # an accountant locks an entity's books up to a day
    DRAFT_EDITED = "draft_edited"  # a person changes a draft of the hub's before it is posted
    DRAFT_DELETED = "draft_deleted"  # a person deletes one
    ENTERED_BY_HAND = "entered_by_hand"  # a person posts an entry of his own in a journal of the hub's
    WORKER_KILLED = "worker_killed"  # SIGKILL of a worker; it comes back
    SECOND_WORKER = "second_worker"  # another worker joins, and leaves in good order
    DATABASE_KILLED = "database_killed"  # SIGKILL of the hub's PostgreSQL; its guardian starts it again
    HUB_STOPPED = "hub_stopped"  # all processes of the hub end in good order and come back days later


@dataclass(frozen=True, slots=True)
class ScheduledFault:
    """One thing that goes wrong. ``until``: when it is over; None: at once. ``detail`` holds plain values that say more."""

    at: datetime
    kind: FaultKind
    until: datetime | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the entry as plain values."""
        plain = asdict(self)
        return plain | {"at": self.at.isoformat(), "until": self.until.isoformat() if self.until else None, "kind": self.kind.value}


STATUSES = (503, 429, 500, 502)
"""What calls of the target that did nothing answer, in turn; 500 is its serialization failure."""
STATUSES_AFTER = (502, 504, 503)
"""What a proxy says of calls that took effect."""
STALL_S = 0.3
EARLY_LOCK_DAYS = 2
EXCLUSIVE = frozenset({FaultKind.WORKER_KILLED, FaultKind.HUB_STOPPED, FaultKind.DATABASE_KILLED, FaultKind.SECOND_WORKER})
"""Of these one follows the other: they are about the same processes."""
_Draw = Callable[[random.Random, SimulatedPeriod, Sequence[str]], list[ScheduledFault]]


def draw(seed: int, period: SimulatedPeriod, entities: Sequence[str]) -> tuple[ScheduledFault, ...]:
    """Return the schedule of a period, in order of time. Longer periods have more of everything."""
    chance = random.Random(f"{seed}/schedule")  # noqa: S311 - simulation, not security
    entries = [entry for make in _DRAWS for entry in make(chance, period, entities)]
    return tuple(sorted(entries, key=lambda entry: (entry.at, entry.kind.value, str(sorted(entry.detail.items())))))


def _times(period: SimulatedPeriod, per_month: float, least: int) -> int:
    return max(least, round(per_month * period.days / 30))


def _instant(chance: random.Random, period: SimulatedPeriod, latest: float = 0.92) -> datetime:
    """Return an instant within the period, to the second, leaving its last part to what follows from it."""
    span = (period.end - period.start).total_seconds()
    return period.start + timedelta(seconds=int(span * (0.02 + (latest - 0.02) * chance.random())))


def _calls(chance: random.Random, period: SimulatedPeriod, _entities: Sequence[str]) -> list[ScheduledFault]:
    """Return spoiled calls: at the target every kind of fault the same number of times, at the source any."""
    target, source = range(_times(period, 14, len(FAULT_KINDS))), range(_times(period, 8, 2))
    return [
        *(_struck(chance, period, FaultKind.TARGET_CALLS, FAULT_KINDS[number % len(FAULT_KINDS)], number) for number in target),
        *(_struck(chance, period, FaultKind.SOURCE_CALLS, chance.choice(FAULT_KINDS), number) for number in source),
    ]


def _struck(chance: random.Random, period: SimulatedPeriod, kind: FaultKind, fault: str, number: int) -> ScheduledFault:
    detail: dict[str, Any] = {"fault": fault, "skip": chance.randint(0, 12), "times": chance.randint(1, 3)}
    if fault.startswith("status"):
        usual = STATUSES if fault == "status" else STATUSES_AFTER
        detail["status"] = usual[number // len(FAULT_KINDS) % len(usual)] if kind is FaultKind.TARGET_CALLS else 500
    if fault.startswith("stall"):
        detail["delay_s"] = STALL_S
    return ScheduledFault(_instant(chance, period), kind, None, detail)


def _outages(chance: random.Random, period: SimulatedPeriod, _entities: Sequence[str]) -> list[ScheduledFault]:
    """Return the target's maintenance (hours, now and then days) and expired credentials (hours), one after the other."""
    kinds = [FaultKind.TARGET_MAINTENANCE] * _times(period, 2, 1) + [FaultKind.CREDENTIAL_EXPIRED] * _times(period, 1, 1)
    chance.shuffle(kinds)
    entries: list[ScheduledFault] = []
    for at, room in _slots(chance, period, len(kinds)):
        is_long = kinds[len(entries)] is FaultKind.TARGET_MAINTENANCE and chance.random() < 0.4
        hours = chance.uniform(24, 60) if is_long else chance.uniform(1, 9)
        entries.append(ScheduledFault(at, kinds[len(entries)], at + min(timedelta(hours=hours), room)))
    return entries


def _slots(chance: random.Random, period: SimulatedPeriod, count: int) -> list[tuple[datetime, timedelta]]:
    """Return instants spread over the period, each in a part of its own, and how long each may last without touching the next."""
    part = (period.end - period.start) * 0.94 / max(count, 1)
    found = []
    for number in range(count):
        offset = part * (0.05 + 0.4 * chance.random())
        at = (period.start + part * number + offset).replace(microsecond=0)
        found.append((at, (part - offset) * 0.9))
    return found


def _processes(chance: random.Random, period: SimulatedPeriod, _entities: Sequence[str]) -> list[ScheduledFault]:
    """Return what happens to the hub's own processes, one after the other."""
    kinds = [FaultKind.WORKER_KILLED] * _times(period, 2, 1) + [FaultKind.SECOND_WORKER] * _times(period, 1, 1)
    kinds += [FaultKind.DATABASE_KILLED] * _times(period, 1, 1)
    if period.days >= 5:
        kinds += [FaultKind.HUB_STOPPED] * _times(period, 0.5, 1)
    chance.shuffle(kinds)
    entries = []
    for kind, (at, room) in zip(kinds, _slots(chance, period, len(kinds)), strict=True):
        longest = {FaultKind.HUB_STOPPED: 96.0, FaultKind.SECOND_WORKER: 72.0}.get(kind, 5.0)
        until = at + min(timedelta(hours=chance.uniform(longest / 4, longest)), room)
        entries.append(ScheduledFault(at, kind, None if kind is FaultKind.DATABASE_KILLED else until.replace(microsecond=0)))
    return entries


def _people(chance: random.Random, period: SimulatedPeriod, entities: Sequence[str]) -> list[ScheduledFault]:
    """Return what people do in the books."""
    entries = [
        ScheduledFault(_instant(chance, period), kind, None, {"calls": chance.randint(1, 3)})
        for kind in (FaultKind.DRAFT_EDITED, FaultKind.DRAFT_DELETED)
        for _ in range(_times(period, 1, 1))
    ]
    for _ in range(_times(period, 2, 1)):
        detail = {"entity": chance.choice(entities), "amount": chance.randint(1, 900)}
        entries.append(ScheduledFault(_instant(chance, period), FaultKind.ENTERED_BY_HAND, None, detail))
    return entries


def _locks(chance: random.Random, period: SimulatedPeriod, entities: Sequence[str]) -> list[ScheduledFault]:
    """Return period locks: every month's end some days later, and one by surprise, up to the day before yesterday."""
    entries = []
    for month in period.month_starts[1:]:
        at = month + timedelta(days=chance.randint(2, 9), hours=chance.randint(8, 17))
        if at < period.end:
            last = (month - timedelta(days=1)).date().isoformat()
            entries += [ScheduledFault(at, FaultKind.PERIOD_LOCKED, None, {"entity": entity, "date": last}) for entity in entities]
    for _ in range(_times(period, 0.7, 1)):
        at = _instant(chance, period)
        day = (at - timedelta(days=EARLY_LOCK_DAYS)).date().isoformat()
        entries.append(ScheduledFault(at, FaultKind.PERIOD_LOCKED, None, {"entity": chance.choice(entities), "date": day}))
    return entries


_DRAWS: tuple[_Draw, ...] = (_calls, _outages, _processes, _people, _locks)

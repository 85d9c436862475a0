"""Whether somebody has to get up: what of a hub's state is wrong by itself, in words, and how each of its connections stands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from counterfoil.app.coverage import Coverage
from counterfoil.core.policies.exceptions import handling_of
from counterfoil.store.cases import CaseTotal
from counterfoil.store.reading import Unread
from counterfoil.store.standing import CASE_AFTER, ConnectionStanding
from counterfoil.store.workers import Worker

WORKER_SILENT = timedelta(seconds=60)
"""A worker not heard of for so long does not count as alive."""
WAITS_LONG = timedelta(seconds=15)
"""A worker that begins waits for moments until it knows that it may work."""
ROUNDS_MISSED = 3
"""Rounds of reading that may be missed, and READ_GRACE besides, before a source counts as not read."""
READ_GRACE = timedelta(seconds=60)
OPERATIONS = "operations"


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """How a connection stands: ``state`` is fine, away, refused, read in part or not read; ``since`` and ``reason``: of what is wrong."""

    connection: str
    state: str
    since: datetime | None = None
    reason: str = ""
    read_at: datetime | None = None


def alive(workers: Iterable[Worker], now: datetime) -> list[Worker]:
    """Return the workers that were heard of lately."""
    return [worker for worker in workers if now - worker.beat_at < WORKER_SILENT]


def connections(
    every_s: Mapping[str, float],
    standings: Iterable[ConnectionStanding],
    unread: Iterable[Unread],
    covered: Iterable[Coverage],
    now: datetime,
) -> list[ConnectionState]:
    """Return how every connection stands, by name. ``every_s``: how often each of those configured is read."""
    down = {one.connection: one for one in standings if one.is_down}
    failing: dict[str, list[Unread]] = {}
    for one in unread:
        failing.setdefault(one.connection, []).append(one)
    read_at = {one.connection: one.read_at for one in covered}
    return [
        _state(name, down.get(name), failing.get(name, ()), read_at.get(name), now - _unread_after(every_s.get(name, 0)))
        for name in sorted({*every_s, *down, *failing, *read_at})
    ]


def _unread_after(every_s: float) -> timedelta:
    return timedelta(seconds=every_s * ROUNDS_MISSED) + READ_GRACE


def _state(
    name: str, down: ConnectionStanding | None, failing: Sequence[Unread], read_at: datetime | None, read_since: datetime
) -> ConnectionState:
    if down is not None:
        return ConnectionState(name, "refused" if down.is_refused else "away", down.down_since, f"{down.code}: {down.words}", read_at)
    if failing:
        oldest = min(failing, key=lambda one: one.since)
        state = "read in part" if not oldest.is_all else "refused" if oldest.is_refused else "away"
        lists = ", ".join(one.name for one in failing if one.name)
        return ConnectionState(name, state, oldest.since, f"{lists}{': ' if lists else ''}{oldest.code}: {oldest.words}", read_at)
    if read_at is not None and read_at < read_since:
        return ConnectionState(name, "not read", read_at, "nobody reads it", read_at)
    return ConnectionState(name, "fine", read_at=read_at)


def problems(
    *,
    is_balanced: bool,
    totals: Sequence[CaseTotal],
    covered: Sequence[Coverage],
    workers: Iterable[Worker],
    states: Iterable[ConnectionState],
    now: datetime,
    notes: Mapping[str, str] | None = None,
    full_disk: str = "",
) -> list[str]:
    """Return what is wrong, in words, the most urgent first; empty: nobody has to get up.

    ``notes``: channels that cannot be told, with why; ``full_disk``: what to say of the hub's own disk if that has no room left.
    """
    found = [full_disk] if full_disk else []
    found += [] if is_balanced else ["figures do not add up: something is lost or counted twice"]
    if not alive(workers := tuple(workers), now):
        found.append("no worker is running: `counterfoil up` starts one")
    found += [
        f"worker {one.id} waits: others decide, or have booked, by other rules (posting, entities, routes); give all one configuration"
        for one in alive(workers, now)
        if one.waits_since is not None and now - one.waits_since >= WAITS_LONG
    ]
    for one in states:
        lasted = now - one.since if one.since is not None else timedelta(0)
        if one.state == "refused" or (one.state != "fine" and lasted >= CASE_AFTER):
            since = f" since {one.since:%Y-%m-%d %H:%M} UTC" if one.since is not None else ""
            found.append(f"{one.connection} is {one.state}{since}: {one.reason}")
    found += [f"{one.connection}: less than a day until an unseen change is lost" for one in covered if one.is_at_risk]
    # one line per class, whatever currencies its cases hold
    by_class: dict[str, tuple[int, int]] = {}
    for total in totals:
        cases, overdue = by_class.get(total.case_class, (0, 0))
        by_class[total.case_class] = (max(cases, total.cases), max(overdue, total.overdue))
    for case_class, (cases, overdue) in by_class.items():
        if handling_of(case_class).owner == OPERATIONS:
            found.append(f"{cases} open case(s) of operations: {case_class.replace('_', ' ')}")
        elif overdue:
            found.append(f"{overdue} case(s) overdue: {case_class.replace('_', ' ')}")
    return [*found, *(f"notifications by {name} fail: {why}" for name, why in (notes or {}).items())]

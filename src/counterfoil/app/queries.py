"""What can be looked at: read models for whoever shows them (terminal, interface, pages). Nothing here changes anything.

The shapes of the store that they consist of are named here, so that those who show them need not know where they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg import IsolationLevel

from counterfoil.app import casebook, tracing
from counterfoil.app.casebook import CaseRecord
from counterfoil.app.coverage import Coverage, coverage
from counterfoil.app.database import Database
from counterfoil.app.explaining import LinkSeen, ThingSeen, explain
from counterfoil.app.notifying import failing
from counterfoil.app.rules import mappings_of, observed_in, observed_of
from counterfoil.app.settings_file import FileSettings
from counterfoil.app.verdict import ConnectionState, connections, problems
from counterfoil.core.policies.lanes import Lanes
from counterfoil.core.policies.rules import ObservedFlows
from counterfoil.kit.discovery import connector_names, load_connector
from counterfoil.store import blocking, cases, mappings, promises, releases, replays, views, workers
from counterfoil.store.attempts import Attempt
from counterfoil.store.blocking import Blocked
from counterfoil.store.budgets import BudgetSeen
from counterfoil.store.cases import Case, CaseDetail, CaseState, CaseSubject
from counterfoil.store.embedded import full_disk
from counterfoil.store.objects import ObjectTotal
from counterfoil.store.pool import Conn
from counterfoil.store.promises import Promise
from counterfoil.store.pulse import Queue
from counterfoil.store.relearning import Relearning
from counterfoil.store.replays import Replay
from counterfoil.store.standing import ConnectionStanding
from counterfoil.store.trace import Trace
from counterfoil.store.views import Conservation, Status
from counterfoil.store.workers import Worker

__all__ = [
    "Attempt",
    "Blocked",
    "BudgetSeen",
    "Case",
    "CaseDetail",
    "CaseSeen",
    "CaseState",
    "CaseSubject",
    "ConnectionStanding",
    "Conservation",
    "LinkSeen",
    "MappingSeen",
    "ObjectTotal",
    "Promise",
    "Queue",
    "Relearning",
    "Replay",
    "Status",
    "StatusSeen",
    "ThingSeen",
    "Trace",
    "Worker",
    "case_details",
    "case_seen",
    "list_cases",
    "list_mappings",
    "list_replays",
    "list_workers",
    "status_seen",
    "trace_seen",
    "why_seen",
]

RECORDS_MAX = 200
"""Records of a case that are told as people know them."""


@dataclass(frozen=True, slots=True)
class CaseSeen:
    """A case with what stands still behind it, and its first records as people know them."""

    detail: CaseDetail
    blocked: Blocked
    records: Sequence[CaseRecord]


@dataclass(frozen=True, slots=True)
class MappingSeen:
    """A mapping in force. ``where``: ``release``, ``file`` (before the first release) or ``set`` (by a person, and wins)."""

    kind: str
    entity: str
    key: str
    value: str
    where: str


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """Where everything is at one moment, and what of it is wrong.

    Attributes:
        promises: service levels against what was measured.
        covered: up to when nothing is missing, by source. states: whether each connection can be used.
        problems: what is wrong, one sentence each; none: all is well.
        observed: flows that are only observed, as ``target/entity``.
    """

    at: datetime
    found: Status
    promises: Sequence[Promise]
    covered: list[Coverage]
    states: list[ConnectionState]
    problems: Sequence[str]
    observed: tuple[str, ...] = ()


async def list_cases(
    database: Database, state: CaseState | None, case_class: str = "", entity: str = "", owner: str = "", limit: int = 200
) -> list[Case]:
    """Return cases, the earliest due first; ``state`` None: in any."""
    async with database.pool.connection() as conn:
        return await cases.list_cases(conn, state=state, case_class=case_class, entity=entity, owner=owner, limit=limit)


async def case_seen(database: Database, file: FileSettings, id: int) -> CaseSeen | None:
    """Return a case by its number, None if there is none."""
    async with database.pool.connection() as conn:
        detail = await cases.show(conn, id)
        if detail is None:
            return None
        records = await casebook.records(conn, database.cipher, file, detail.subjects[:RECORDS_MAX])
        return CaseSeen(detail, await blocking.behind_case(conn, detail.case), records)


async def case_details(database: Database, ids: Sequence[int]) -> dict[int, CaseDetail]:
    """Return the cases there are of some numbers."""
    async with database.pool.connection() as conn:
        found = [await cases.show(conn, id) for id in ids]
    return {one.case.id: one for one in found if one is not None}


async def list_mappings(database: Database, file: FileSettings) -> list[MappingSeen]:
    """Return the mappings in force, sorted: those of the release in force (before the first one of the configuration file), and those that
    were set, which win.
    """
    async with database.pool.connection() as conn:
        found = await mappings.load(conn)
        held = await releases.in_force(conn, datetime.now(UTC))
    declared = file.mappings if held is None else mappings_of(held.body)
    known = {
        (kind, entity, key): MappingSeen(kind, entity, key, value, "file" if held is None else "release")
        for kind, by_entity in declared.items()
        for entity, entries in by_entity.items()
        for key, value in entries.items()
    }
    known.update({(one.kind, one.entity, one.key): MappingSeen(one.kind, one.entity, one.key, one.value, "set") for one in found.entries})
    return [known[name] for name in sorted(known)]


async def list_replays(database: Database) -> list[Replay]:
    """Return the latest replays, newest first."""
    async with database.pool.connection() as conn:
        return await replays.recent(conn)


async def list_workers(database: Database) -> list[Worker]:
    """Return the workers that are heard of."""
    async with database.pool.connection() as conn:
        return await workers.list_workers(conn)


async def trace_seen(database: Database, file: FileSettings, asked: str) -> Trace:
    """Return the path of whatever has this id, number, name or e-mail, empty if nothing has."""
    usable = [one for one in file.connections.values() if one.connector in connector_names()]
    connections = [(load_connector(one.connector), one.model_extra or {}) for one in usable]
    async with database.pool.connection() as conn:
        return await tracing.trace(conn, database.cipher, asked, tracing.known_as(connections, asked))


async def why_seen(database: Database, file: FileSettings, asked: str, field: str = "") -> tuple[ThingSeen, ...]:
    """Return why whatever has this id, number, name or e-mail stands as it does; without what tells who somebody is."""
    async with database.pool.connection() as conn:
        return await explain(conn, database.cipher, asked, [one.owner() for one in file.ownership], field=field)


async def status_seen(database: Database, file: FileSettings, window: timedelta) -> StatusSeen:
    """Return where everything is, all of it as of one moment; ``window``: lag is that of postings of so long until now."""
    lanes = Lanes(tuple(domain.rule() for domain in file.domains))
    async with database.pool.connection() as conn:
        await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        now = datetime.now(UTC)
        try:
            async with conn.transaction():
                held = await observed_now(conn, now, file)
                found = await views.status(conn, now, now - window, held)
                kept = await promises.measured(conn, lanes, found.latencies, now, held)
        finally:
            await conn.set_isolation_level(None)
    return _judged(file, found, kept, now, held)


async def observed_now(conn: Conn, now: datetime, file: FileSettings | None = None) -> dict[str, ObservedFlows]:
    """Return what is only observed by the release in force, by which all workers send, whatever a file says; before the first one by it."""
    held = await releases.in_force(conn, now)
    if held is None:
        return {} if file is None else observed_of(file)
    return observed_in(held.body)


def _judged(file: FileSettings, found: Status, kept: Sequence[Promise], now: datetime, held: Mapping[str, ObservedFlows]) -> StatusSeen:
    covered = coverage(found.cursors, now)
    states = connections(file.intervals(), found.standings, found.unread, covered, now)
    wrong = problems(
        is_balanced=found.conservation.is_balanced,
        totals=found.cases,
        covered=covered,
        workers=found.workers,
        states=states,
        now=now,
        notes=failing({one.name for one in file.notify}, found.channels),
        full_disk=full_disk(file.hub.home),
    )
    flows = sorted(f"{target}/{entity}" for target, one in held.items() for entity in (["all"] if one.is_whole else sorted(one.entities)))
    return StatusSeen(now, found, kept, covered, states, wrong, tuple(flows))

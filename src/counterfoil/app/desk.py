"""What people decide: every intent, one function each. Who acts comes in; each leaves a line in the audit, in the transaction that
does it, and those that answer a case or set a mapping a receipt of the source ``people``.

Whoever asks (terminal, interface, pages) only translates. An intent that destroys or books shows its plan first; what looks only is in
``queries``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from counterfoil.app import keys, people, replaying
from counterfoil.app.asking import ask
from counterfoil.app.database import Database
from counterfoil.app.reasons import need_reason
from counterfoil.app.releasing import refuse_without_approval
from counterfoil.app.replaying import ReplayPlan
from counterfoil.app.settings_file import FileSettings
from counterfoil.core.kinds.intent import PEOPLE, Intent
from counterfoil.core.policies.rules import MappingKind
from counterfoil.core.policies.tax_keys import tax_key_problem
from counterfoil.kit.errors import SetupError
from counterfoil.store import audit, case_work, cases, mappings, replays, rotation
from counterfoil.store.audit import AuditLine
from counterfoil.store.cases import CaseDetail, CaseState, CaseSubject
from counterfoil.store.mappings import MappingsSet
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import ReceiptState, Selection
from counterfoil.store.replays import ReplayOrder

__all__ = [
    "MappingRequest",
    "MappingsSet",
    "ReplayPlan",
    "ReplayRequest",
    "ask_of_mapping",
    "assign_case",
    "begin_replay",
    "plan_of_replay",
    "plan_of_waiving",
    "reencrypt",
    "resume_replay",
    "retry_cases",
    "set_mapping",
    "stop_replay",
    "waive_cases",
]

RETRIED_MAX = 10_000
"""Cases of one class that are taken up again at a time."""


@dataclass(frozen=True, slots=True)
class MappingRequest:
    """A mapping as a person means it; ``value`` empty: none. ``is_confirmed``: it is meant so, whatever the books say of it."""

    kind: MappingKind
    entity: str
    key: str
    value: str
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What is to be read again: single ``receipts``, or those of a ``connection``, narrowed down by kind, state and when they came.

    ``must_fetch``: ask the source again. ``rate``: at most so many receipts a second; 0: as many as come.
    """

    receipts: tuple[int, ...] = ()
    connection: str = ""
    kinds: Collection[str] = ()
    states: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    must_fetch: bool = False
    rate: int = 0


async def retry_cases(database: Database, ids: Sequence[int], case_class: str, actor: str, now: datetime) -> list[int]:
    """Take the records of open cases up again, of some numbers or of a class; return the cases that were. Twice books once.

    Each case by itself: who takes up many at once would hold the records of one while he waits for a worker that holds another's, and the
    worker for him. What was taken up before an interruption stays so.
    """
    retried = []
    for id in await _of_class(database, case_class) if case_class else ids:
        async with database.pool.connection() as conn, conn.transaction():
            shown = await cases.show(conn, id, subjects_max=0)
            if shown is None or shown.case.state is not CaseState.OPEN:
                continue
            touched = await case_work.retry(conn, id, actor, now)
            await people.keep(conn, database, Intent("", f"case/{id}", "retry", actor, now))
            await audit.append(conn, AuditLine(now, actor, "retried", f"case/{id}"))
            await database.arm(conn, sorted(set(touched)))
            retried.append(id)
    return retried


async def _of_class(database: Database, case_class: str) -> list[int]:
    async with database.pool.connection() as conn:
        return [case.id for case in await cases.list_cases(conn, case_class=case_class, limit=RETRIED_MAX)]


async def plan_of_waiving(database: Database, ids: Sequence[int]) -> dict[int, tuple[CaseDetail, list[CaseSubject]]]:
    """Return the cases that would be waived, each with the records that stand still for it.

    Raises:
        LookupError: there is no such case, or it is closed already.
    """
    async with database.pool.connection() as conn:
        found = await _open_cases(conn, ids)
    return {one.case.id: (one, [held.subject for held in one.subjects if held.released_at is None]) for one in found}


async def waive_cases(database: Database, ids: Sequence[int], actor: str, reason: str, now: datetime) -> None:
    """Close cases for good: their deliveries count as ignored, their postings are dropped. All of them or none.

    Raises:
        ValueError: the reason will not do.
        LookupError: there is no such case, or it was closed meanwhile.
    """
    need_reason(reason)
    async with database.pool.connection() as conn, conn.transaction():
        await _open_cases(conn, ids)
        touched = {key for id in ids for key in await case_work.waive(conn, id, actor, reason, now)}
        for id in ids:
            await people.keep(conn, database, Intent("", f"case/{id}", "waive", actor, now, reason=reason))
            await audit.append(conn, AuditLine(now, actor, "waived", f"case/{id}", {"reason": reason}))
        await database.arm(conn, sorted(touched))


async def _open_cases(conn: Conn, ids: Sequence[int]) -> list[CaseDetail]:
    shown = {id: await cases.show(conn, id) for id in ids}
    missing = [str(id) for id, one in shown.items() if one is None]
    if missing:
        raise LookupError(f"there is no case {', '.join(missing)}; `counterfoil case list --state all` lists them")
    found = [one for one in shown.values() if one is not None]
    closed = [str(one.case.id) for one in found if one.case.state is not CaseState.OPEN]
    if closed:
        raise LookupError(f"case {', '.join(closed)} is closed already")
    return found


async def assign_case(database: Database, id: int, owner: str, actor: str, now: datetime) -> bool:
    """Give an open case to somebody; False if there is no such open case."""
    async with database.pool.connection() as conn, conn.transaction():
        is_done = await cases.assign(conn, id, owner, actor, now)
        if is_done:
            await people.keep(conn, database, Intent("", f"case/{id}", "assign", actor, now, about=owner))
            await audit.append(conn, AuditLine(now, actor, "assigned", f"case/{id}", {"owner": owner}))
    return is_done


async def ask_of_mapping(config: Path, file: FileSettings, wanted: MappingRequest) -> str:
    """Return why the books could not be asked about a mapping; empty: they were, and agree, or it is confirmed.

    Raises:
        ValueError: the entity is not in the configuration, the key cannot be one, or the books do not have it, or have it otherwise.
    """
    if wanted.entity not in file.entities:
        known = ", ".join(sorted(file.entities)) or "none"
        raise ValueError(f"entity {wanted.entity!r} is not under [entities] of the configuration; there are: {known}")
    if not wanted.value:
        return ""
    if wanted.kind is MappingKind.TAX and (problem := tax_key_problem(wanted.key)):
        raise ValueError(problem)
    if wanted.is_confirmed:
        return ""
    asked = await ask(config, file, wanted.kind, wanted.entity, wanted.key, wanted.value)
    if asked.problems:
        raise ValueError("\n".join((*asked.problems, "Nothing was set. If it is meant so, say it with --confirmed.")))
    return asked.why_not


async def set_mapping(database: Database, wanted: MappingRequest, actor: str, now: datetime) -> MappingsSet:
    """Set a mapping, or take one away that was set; what waited for it goes on. The books are asked before (:func:`ask_of_mapping`)."""
    kind, entity = wanted.kind.value, wanted.entity
    async with database.pool.connection() as conn, conn.transaction():
        await refuse_without_approval(conn, now)
        done = await mappings.set_mappings(conn, [mappings.Mapping(kind, entity, wanted.key, wanted.value)], actor, now)
        if done.changed or wanted.is_confirmed:
            detail = {"value": wanted.value, "version": done.version, **({"confirmed": True} if wanted.is_confirmed else {})}
            verb, subject = "confirm" if wanted.is_confirmed else "map", f"mapping/{kind}/{entity}/{wanted.key}"
            await people.keep(conn, database, Intent("", subject, verb, actor, now, about=wanted.value))
            await audit.append(conn, AuditLine(now, actor, "mapped", f"mapping/{kind}/{entity}/{wanted.key}", detail))
        again = await case_work.retry_unmapped(conn, kind, entity, now) if done.changed else []
        touched = (*done.touched, *again)
        await database.arm(conn, sorted(set(touched)))
    return replace(done, touched=touched)


async def plan_of_replay(database: Database, file: FileSettings, wanted: ReplayRequest) -> ReplayPlan:
    """Return what a replay would read again. Raises ValueError for an unknown receipt or connection."""
    order = ReplayOrder(wanted.receipts, None, wanted.must_fetch, wanted.rate)
    if not wanted.connection:
        return await replaying.plan_of_ids(database, order)
    if wanted.connection not in file.connections and wanted.connection != PEOPLE:
        known = ", ".join(sorted(file.connections)) or "none"
        raise ValueError(f"there is no connection {wanted.connection!r} in the configuration; there are: {known}")
    begin, end = wanted.since or datetime(1970, 1, 1, tzinfo=UTC), wanted.until or datetime.now(UTC)
    states = tuple(ReceiptState(state) for state in wanted.states)
    return await replaying.plan_of_selection(database, order, Selection(wanted.connection, begin, end, tuple(wanted.kinds), states))


async def begin_replay(database: Database, plan: ReplayPlan, actor: str, now: datetime) -> int:
    """Order the replay of a plan, behind all other work, and return its id: a worker does it, this one or the next that starts."""
    async with database.pool.connection() as conn, conn.transaction():
        id, touched = await replays.add(conn, plan.order, plan.total, actor, now)
        await audit.append(conn, AuditLine(now, actor, "replayed", "receipts", replaying.described(plan) | {"replay": id}))
        await database.arm(conn, touched)
    return id


async def stop_replay(database: Database, id: int, actor: str, now: datetime) -> bool:
    """Have a replay end after the page in hand; False if it does not run."""
    async with database.pool.connection() as conn, conn.transaction():
        is_stopped = await replays.stop(conn, id, now)
        if is_stopped:
            await audit.append(conn, AuditLine(now, actor, "replay stopped", f"replay/{id}"))
    return is_stopped


async def resume_replay(database: Database, id: int, actor: str, now: datetime) -> bool:
    """Have a stopped replay go on after the last page it read; False if it was not stopped."""
    async with database.pool.connection() as conn, conn.transaction():
        touched = await replays.resume(conn, id, now)
        if touched:
            await audit.append(conn, AuditLine(now, actor, "replay resumed", f"replay/{id}"))
            await database.arm(conn, touched)
    return bool(touched)


async def reencrypt(database: Database, file: FileSettings, actor: str, now: datetime) -> AsyncIterator[tuple[int, int]]:
    """Re-encrypt everything under the writing key, step by step; yield how many payloads are done, and of how many.

    May be stopped and begun again; what is in use is left for the next time.

    Raises:
        SetupError: a worker started before the key was made and could not read what is under it.
    """
    late = await keys.outdated_workers(database, file.hub.home, os.environ, now)
    if late:
        raise SetupError(
            f"{', '.join(late)} started before the key was made and could not read what is under it; restart it first",
            code="keys.worker_outdated",
        )
    done, total = 0, await keys.under_other_keys(database)
    while True:
        async with database.pool.connection() as conn, conn.transaction():
            step = await rotation.reencrypt(conn, database.cipher)
            if not step:
                detail = {"key": database.cipher.key_id, "payloads": done}
                await audit.append(conn, AuditLine(now, actor, "re-encrypted", "payloads", detail))
                return
        done += step
        yield done, max(total, done)

"""Processes as people see them: where each stands and what it waits for, its history, and answering what it asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.app import people
from counterfoil.app.database import Database
from counterfoil.core.kinds.intent import INTENT, Intent
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.core.language.records import Record
from counterfoil.core.policies.stepping import PROCESSES
from counterfoil.kit.codec import decode_record
from counterfoil.store import agenda_deadlines, cases, events, objects
from counterfoil.store.cases import Case, CaseState
from counterfoil.store.objects import ObjectRow

SHOWN_MAX = 500


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """A process: its state as a record, since when, when it looks again by itself (None: only when something happens)."""

    key: str
    state: Record
    version: int
    changed_at: datetime
    again_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProcessStep:
    """One step of its history: the instant, what happened, the state after it or what a person decided."""

    at: datetime
    event: str
    state: Record


@dataclass(frozen=True, slots=True)
class ProcessWhole:
    """A process with its history, oldest first, and the open case it holds."""

    seen: ProcessSeen
    steps: tuple[ProcessStep, ...]
    cases: tuple[Case, ...]


async def list_processes(database: Database, *, does_include_ended: bool = False, limit: int = SHOWN_MAX) -> list[ProcessSeen]:
    """Return processes, those that changed last first."""
    async with database.pool.connection() as conn:
        rows = await objects.of_kinds(conn, database.cipher, list(PROCESSES), limit, without=() if does_include_ended else _over())
        due = await agenda_deadlines.of(conn, [row.ref for row in rows])
    return [_seen(row, due.get(row.ref)) for row in rows]


def _over() -> Sequence[str]:
    return sorted({state for process in PROCESSES.values() for state in process.over})


def _seen(row: ObjectRow, again_at: datetime | None) -> ProcessSeen:
    return ProcessSeen(row.ref.key, decode_record(row.ref.kind, row.data), row.version, row.updated_at, again_at)


async def show_process(database: Database, key: str) -> ProcessWhole | None:
    """Return one process by its key (``dunning/billing:in_1``); None: there is none."""
    ref = _ref(key)
    async with database.pool.connection() as conn:
        rows = await objects.load(conn, database.cipher, [ref])
        if ref not in rows or ref.kind not in PROCESSES:
            return None
        due = await agenda_deadlines.of(conn, [ref])
        steps = [_step(row) for row in await events.by_subject(conn, database.cipher, ref.kind, ref.id)]
        for other in await objects.linked_to(conn, [ref]):
            if other.kind == INTENT.name:
                steps += [_step(row) for row in await events.by_subject(conn, database.cipher, other.kind, other.id)]
        held = [case for case in await cases.of_subjects(conn, [ref.key]) if case.state is CaseState.OPEN]
    steps.sort(key=lambda step: step.at)
    return ProcessWhole(_seen(rows[ref], due.get(ref)), tuple(steps), tuple(held))


def _step(row: events.EventRow) -> ProcessStep:
    return ProcessStep(row.occurred_at, row.type, decode_record(row.subject_kind, row.data))


def _ref(key: str) -> ObjectRef:
    kind, _, id = key.partition("/")
    return ObjectRef(kind, id)


async def answer(
    database: Database, key: str, verb: str, actor: str, now: datetime, *, about: str = "", until: datetime | None = None, reason: str = ""
) -> bool:
    """Say what a person decides on a process; False if the same person said the same of this very state already.

    ``about``: the question that is answered; empty: whatever is asked now. So an answer that comes late or twice answers no other question.

    Raises:
        LookupError: there is no such process.
        ValueError: it cannot be decided so, or asks nothing now, or something else.
    """
    ref = _ref(key)
    process = PROCESSES.get(ref.kind)
    async with database.pool.connection() as conn, conn.transaction():
        row = None if process is None else (await objects.load(conn, database.cipher, [ref])).get(ref)
        if process is None or row is None:
            raise LookupError(f"there is no process {key}; `counterfoil process list` lists them")
        if verb not in process.verbs:
            raise ValueError(f"{verb!r} is nothing to be decided on a {process.kind.noun}; there are {', '.join(process.verbs)}")
        asked = process.asks(decode_record(ref.kind, row.data))
        if process.verbs[verb] and (not asked or about not in ("", asked)):
            what = f"about {asked!r}, not about {about!r}" if asked else "nothing now"
            raise ValueError(f"{key} asks {what}: `counterfoil process show {key}` tells where it stands")
        said = sorted(other.id for other in await objects.linked_to(conn, [ref]) if other.kind == INTENT.name)
        intent = Intent("", key, verb, actor, now, asked if process.verbs[verb] else "", until, reason)
        return await people.note(conn, database, intent, digest(str(row.version), *said))

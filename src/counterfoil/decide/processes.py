"""The states of processes as decisions leave them: written like any other object, each with its event, in the decision's transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.facts.events import EVENT_VERSION, ref_of
from counterfoil.core.kinds import kind_of, total_of
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.core.language.keys import wait_for
from counterfoil.core.language.records import Record
from counterfoil.core.policies.decide import decided_with
from counterfoil.core.policies.rules import Rules
from counterfoil.core.policies.stepping import PROCESSES, digests
from counterfoil.decide.decisions import DecidedBatch, LoadedBatch
from counterfoil.kit.codec import decode_record, encode
from counterfoil.store import agenda, case_closing, case_subjects, cases, events, objects, process_rules
from counterfoil.store.agenda import AgendaItem, Subject
from counterfoil.store.cipher import Cipher
from counterfoil.store.events import EventRow
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn, PartitionKey


def moved(items: Sequence[AgendaItem], decided: DecidedBatch, loaded: LoadedBatch, now: datetime) -> dict[ObjectRef, ObjectRow]:
    """Return the new states of the processes that some subjects' decisions begin or move; pure."""
    found: dict[ObjectRef, ObjectRow] = {}
    for item in items:
        decision = decided.decisions.get(item.ref)
        for record in () if decision is None else decision.processes:
            found[ref_of(record)] = _row(record, loaded.rows.get(ref_of(record)), loaded.rows[item.ref], now)
    return found


def _row(record: Record, before: ObjectRow | None, cause: ObjectRow, now: datetime) -> ObjectRow:
    """Return a process's next version. It is of the connection and account of what began it."""
    ref, data, total = ref_of(record), encode(record), total_of(record)
    version = 1 if before is None else before.version + 1
    origin = before or cause
    known = None if before is None else decode_record(ref.kind, before.data)
    return ObjectRow(
        ref=ref,
        connection=origin.connection,
        version=version,
        sequence=version,
        digest=hashlib.blake2b(data, digest_size=16).digest(),
        occurred_at=now,
        updated_at=now,
        data=data,
        account=origin.account,
        entity=str(getattr(record, "entity", "")),
        last_event=digest("process", ref.key, str(version)),
        last_type=PROCESSES[ref.kind].event(known, record).value,
        customer_id=kind_of(record).customer_of(record),
        state=str(getattr(record, "state", "")),
        total_minor=None if total is None else total.minor,
        currency="" if total is None else total.currency,
        links=objects.links_of(record),
    )


def _event(row: ObjectRow, cause: ObjectRow) -> EventRow:
    return EventRow(
        id=row.last_event,
        received_at=row.updated_at,
        receipt_id=None,
        type=row.last_type,
        version=EVENT_VERSION,
        connection=row.connection,
        subject_kind=row.ref.kind,
        subject_id=row.ref.id,
        occurred_at=row.occurred_at,
        sequence=row.sequence,
        data=row.data,
        account=row.account,
        entity=row.entity,
        causation_id=f"event/{cause.last_event}",
        merged="applied",
    )


@dataclass(frozen=True, slots=True)
class Stepped:
    """What follows from processes written: the subjects to be decided, and the partitions to arm."""

    subjects: tuple[Subject, ...] = ()
    touched: tuple[PartitionKey, ...] = ()


async def write(
    conn: Conn, cipher: Cipher, items: Sequence[AgendaItem], decided: DecidedBatch, loaded: LoadedBatch, rules: Rules, now: datetime
) -> Stepped | None:
    """Write the states that some subjects' decisions begin or move. None: somebody else moved one meanwhile.

    First in the transaction: who writes objects and then waits for some takes the stronger lock of both at once.
    """
    rows = moved(items, decided, loaded, now)
    lanes = {item.ref: item.lane for item in items}
    then = [Subject(ref, lanes[item]) for item, decision in decided.decisions.items() for ref in decision.then]
    if not rows:
        return Stepped(tuple(then))
    await conn.execute("lock table arrival_latch in share row exclusive mode")
    if await objects.upsert(conn, cipher, list(rows.values())) != set(rows):
        return None
    causes = {ref_of(record): item for item, decision in decided.decisions.items() for record in decision.processes}
    await events.append(conn, cipher, [_event(row, loaded.rows[causes[ref]]) for ref, row in rows.items()])
    touched = await agenda.release(conn, map(wait_for, rows), now)
    begun = [Subject(ref) for ref, row in rows.items() if row.version == 1]
    return Stepped((*then, *begun, *_beside(rows, loaded, rules, now)), tuple(touched))


def _beside(rows: Mapping[ObjectRef, ObjectRow], loaded: LoadedBatch, rules: Rules, now: datetime) -> Iterator[Subject]:
    """Yield the subjects that are decided in view of processes that moved, such as a customer whose standing is shown."""
    for ref, row in rows.items():
        states = [decode_record(ref.kind, row.data), *(record for record in (loaded.records.get(ref),) if record is not None)]
        for other, collects in decided_with(states, rules.purposes()).items():
            yield Subject(other, not_before=now + collects if collects else None)


async def wanted(conn: Conn, decided: DecidedBatch, openings: Sequence[cases.Opening]) -> list[cases.Opening]:
    """Return the cases to be opened: of a process that only stands where it stood, none that a person waived."""
    standing = {ref.key for ref, decision in decided.decisions.items() if ref.kind in PROCESSES and not decision.processes}
    waived = await case_closing.waived(conn, [one.fingerprint for one in openings if one.subject.subject in standing])
    return [one for one in openings if one.fingerprint not in waived]


async def retell(conn: Conn, decided: DecidedBatch, openings: Sequence[cases.Opening], opened: Mapping[str, int], now: datetime) -> None:
    """Of a process only its present stage is a case, and that says what is open by now. ``opened``: case ids by fingerprint."""
    staged = {ref.key for ref, decision in decided.decisions.items() if decision.problems and ref.kind in PROCESSES}
    own = [one for one in openings if one.subject.subject in staged]
    if own:
        await case_subjects.move_on(conn, "decide", {one.subject.subject: opened[one.fingerprint] for one in own}, now)
        await cases.retell(conn, own, now)


async def renew(conn: Conn, rules: Rules, now: datetime) -> list[PartitionKey]:
    """Have all that a process may concern decided again if what it is declared by has changed; return the partitions to arm."""
    touched: list[PartitionKey] = []
    for name, declared in digests(rules).items():
        if await process_rules.note(conn, name, declared):
            process = PROCESSES[name]
            touched += await process_rules.decide_all(conn, name, process.over, process.begins_with, now)
    return touched

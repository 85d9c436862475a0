"""What people's decisions on a case do to the records it holds: take them up again, or let them go.

Functions return partitions to arm, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import WaitKey

from . import agenda, cases, matches, outbox, outbox_cancel, outbox_done, outbox_due, receipts, rechecks, waits, watching
from .cases import CaseState, CaseSubject
from .pool import Conn, PartitionKey
from .work import BOOKS, DECIDE, DELIVER, NORMALIZE, RECHECK, WAIT

FIELDS = "fields"
"""No stage: what cases call a field of a customer that cannot be right; it is looked at again where the customer is decided."""
WAIVED_RULE = "waived"
"""The rule by which receipts of a waived case are ignored."""


async def retry(conn: Conn, case_id: int, actor: str, now: datetime) -> list[PartitionKey]:
    """Take up again every record that stands still for an open case; the case resolves itself when all went through."""
    held = await _held(conn, [case_id])
    if held:
        await cases.note(conn, [case_id], actor, "retried", f"{len(held)} records", now)
    return await _take_up(conn, held, now)


async def release_on(conn: Conn, keys: Iterable[WaitKey], now: datetime) -> list[PartitionKey]:
    """Take up again the records of every open case that releases on one of the keys (a mapping set, an object arrived)."""
    cursor = await conn.execute(
        "select id from \"case\" where state = 'open' and releases_on <> '' and releases_on = any(%s)", (sorted(set(keys)),)
    )
    ids = [row[0] for row in await cursor.fetchall()]
    if not ids:
        return []
    await cases.note(conn, ids, "hub", "retried", "what it waited for has arrived", now)
    return await _take_up(conn, await _held(conn, ids), now)


async def retry_unmapped(conn: Conn, kind: str, entity: str, now: datetime) -> list[PartitionKey]:
    """Take up again what a target refused of an entity because a mapping of this kind named nothing there: it was mapped otherwise."""
    cursor = await conn.execute(
        "select id from \"case\" c where state = 'open' and class = %s and entity = %s"
        " and exists (select from case_subject s where s.case_id = c.id and s.stage = %s and s.released_at is null)",
        (f"unmapped_{kind}", entity, DELIVER),
    )
    ids = [row[0] for row in await cursor.fetchall()]
    await cases.note(conn, ids, "hub", "retried", f"a {kind} was mapped otherwise", now)
    return await _take_up(conn, await _held(conn, ids), now) if ids else []


async def waive(conn: Conn, case_id: int, actor: str, reason: str, now: datetime) -> list[PartitionKey]:
    """Close an open case for good: its receipts become ignored (rule ``waived``), its commands canceled, its subjects stop waiting.

    What was to be sent again is not.
    """
    held = await cases.close(conn, case_id, CaseState.WAIVED, actor, reason, now)
    await conn.execute(
        "update receipt set state = 'ignored', rule = %s, normalized_at = %s where id = any(%s) and state = 'parked'",
        (WAIVED_RULE, now, [int(one) for one in _of(held, NORMALIZE)]),
    )
    waiting = _of(held, WAIT)
    refs = [_ref(one) for one in (*_of(held, DECIDE), *(one for one in waiting if "/" in one))]
    await agenda.set_waits(conn, refs, [], now)
    await rechecks.waive(conn, _of(held, RECHECK))
    await watching.accept(conn, _of(held, BOOKS))
    _, touched = await outbox_cancel.cancel(
        conn, [*_of(held, DELIVER), *(one for one in waiting if "/" not in one)], f"{outbox.WAIVED_BY}{actor}: {reason}"
    )
    return touched


async def _held(conn: Conn, case_ids: Sequence[int]) -> list[CaseSubject]:
    cursor = await conn.execute(
        'select distinct s.stage, s.subject from case_subject s join "case" c on c.id = s.case_id'
        " where s.case_id = any(%s) and s.released_at is null and c.state = 'open' order by 1, 2",
        (list(case_ids),),
    )
    return [CaseSubject(*row) for row in await cursor.fetchall()]


async def _take_up(conn: Conn, held: Sequence[CaseSubject], now: datetime) -> list[PartitionKey]:
    touched = set(await receipts.requeue_parked(conn, [int(one) for one in _of(held, NORMALIZE)]))
    touched.update(await outbox.retry(conn, _of(held, DELIVER)))
    touched.update(await rechecks.retry(conn, _of(held, RECHECK), now))
    touched.update(await waits.take_up(conn, _of(held, WAIT), now))
    touched.update(await _do_again(conn, _of(held, BOOKS), now))
    touched.update(await matches.look_again(conn, _of(held, matches.STAGE)))
    # What is sent again is decided again too: a rule that was changed to mend the cause makes another posting of it.
    refs = {_ref(one.partition("|")[0]) for one in (*_of(held, DECIDE), *_of(held, FIELDS))} | set(
        (await outbox_due.subject_of(conn, _of(held, DELIVER))).values()
    )
    touched.update(await agenda.add(conn, [agenda.Subject(ref) for ref in sorted(refs)], now))
    return sorted(touched)


async def _do_again(conn: Conn, subjects: Sequence[str], now: datetime) -> list[PartitionKey]:
    """Do again what somebody undid in the books, as far as the hub can, and look again at what it cannot."""
    places = [watching.split_subject(one) for one in subjects]
    touched = set(await watching.note(conn, places, now))
    for target in sorted({target for target, _ in places}):
        rows = await watching.read(conn, target, [document for place, document in places if place == target])
        keys = await watching.known_keys(conn, target, rows)
        undone = {again: [keys[one] for one, row in rows.items() if row.again == again and one in keys] for again in ("post", "match")}
        reason = "done again after somebody undid it in the books"
        touched.update(await outbox_done.post_again(conn, target, undone["post"], reason, now))
        touched.update(await outbox_done.match_again(conn, target, undone["match"], reason))
    return sorted(touched)


def _of(held: Sequence[CaseSubject], stage: str) -> list[str]:
    return [one.subject for one in held if one.stage == stage]


def _ref(subject: str) -> ObjectRef:
    kind, _, id = subject.partition("/")
    return ObjectRef(kind, id)

"""Table ``case_subject``: which records stand still for a case, and what lets them go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .cases import CaseSubject, note
from .pool import Conn

_MOVED_ON = """
with given as (select * from unnest(%(subject)s::text[], %(case_id)s::int8[]) as t(subject, case_id)), locked as materialized (
    select c.id from "case" c where c.state = 'open' and c.id in (
        select s.case_id from case_subject s join given g on g.subject = s.subject
        where s.stage = %(stage)s and s.released_at is null and s.case_id <> g.case_id)
    order by c.id for update
), released as (
    update case_subject s set released_at = %(now)s from given g
    where s.stage = %(stage)s and s.subject = g.subject and s.released_at is null and s.case_id <> g.case_id
        and s.case_id in (select id from locked)
    returning s.case_id, s.subject
)
update "case" c set state = 'resolved', closed_at = %(now)s, closed_by = 'hub', reason = %(reason)s
where c.state = 'open' and c.id in (select case_id from released) and not exists (
    select 1 from case_subject s where s.case_id = c.id and s.released_at is null
        and not (s.stage = %(stage)s and s.subject in (select r.subject from released r where r.case_id = c.id)))
returning c.id
"""
"""A record is held by one case of a stage: where another one holds it now, the older one lets go, and is resolved if it holds nothing
else. Cases are locked in the order of their ids, so that two workers that move records between two cases do not wait for each other."""


_OTHER_CAUSE = "every record stands still for another cause now"


async def move_on(conn: Conn, stage: str, now_in: Mapping[str, int], now: datetime) -> list[int]:
    """Release records from every other case than the one each stands still for now; return the cases that are thereby resolved."""
    if not now_in:
        return []
    given = {"stage": stage, "subject": list(now_in), "case_id": list(now_in.values()), "now": now, "reason": _OTHER_CAUSE}
    closed = [row[0] for row in await (await conn.execute(_MOVED_ON, given)).fetchall()]
    await note(conn, closed, "hub", "resolved", _OTHER_CAUSE, now)
    return closed


_HELD_ELSEWHERE = """
with given as (select * from unnest(%(subject)s::text[], %(case_id)s::int8[]) as t(subject, case_id))
select distinct s.subject, s.case_id from case_subject s join "case" c on c.id = s.case_id
where s.stage = %(stage)s and s.subject in (select subject from given) and s.released_at is null and c.state = 'open'
    and not exists (select from given g where g.subject = s.subject and g.case_id = s.case_id)
order by 2, 1
"""
"""The open cases that hold records beside those named: of most records none, so that nothing is locked for them."""
_LET_GO = """
with locked as materialized (
    select id from "case" where id = any(%(case_id)s::int8[]) and state = 'open' order by id for update
), released as (
    update case_subject s set released_at = %(now)s
    from unnest(%(subject)s::text[], %(case_id)s::int8[]) as t(subject, case_id)
    where s.stage = %(stage)s and s.subject = t.subject and s.case_id = t.case_id and s.released_at is null
        and s.case_id in (select id from locked)
    returning s.case_id, s.subject
)
update "case" c set state = 'resolved', closed_at = %(now)s, closed_by = 'hub', reason = %(reason)s
where c.state = 'open' and c.id in (select case_id from released) and not exists (
    select 1 from case_subject s where s.case_id = c.id and s.released_at is null
        and not (s.stage = %(stage)s and s.subject in (select r.subject from released r where r.case_id = c.id)))
returning c.id
"""
"""As above, of records that several cases of the stage may hold at once; in the order of the cases' ids."""
_MENDED = "what it was opened for holds no more"


async def stay_in(conn: Conn, stage: str, now_in: Mapping[str, Collection[int]], now: datetime) -> list[int]:
    """Release records from all cases of a stage but those each stands still for now, of which there may be several; return the cases that
    are thereby resolved.
    """
    pairs = [(subject, case_id) for subject, cases in now_in.items() for case_id in cases]
    given: dict[str, object] = {"stage": stage, "subject": [one for one, _ in pairs], "case_id": [one for _, one in pairs]}
    held = await (await conn.execute(_HELD_ELSEWHERE, given)).fetchall() if pairs else []
    if not held:
        return []
    given |= {"subject": [one for one, _ in held], "case_id": [one for _, one in held], "now": now, "reason": _MENDED}
    closed = [row[0] for row in await (await conn.execute(_LET_GO, given)).fetchall()]
    await note(conn, closed, "hub", "resolved", _MENDED, now)
    return closed


_LOCK = """
select id from "case" where id in (
    select case_id from case_subject where stage = %(stage)s and subject = any(%(subjects)s) and released_at is null)
order by id for update
"""


_RELEASE = """
with released as (
    update case_subject set released_at = %(now)s where stage = %(stage)s and subject = any(%(subjects)s) and released_at is null
    returning case_id, subject
)
update "case" c set state = 'resolved', closed_at = %(now)s, closed_by = 'hub', reason = 'every record went through'
where c.state = 'open' and c.id in (select case_id from released)
    and not exists (select 1 from case_subject s where s.case_id = c.id and s.released_at is null
        and not (s.stage = %(stage)s and s.subject = any(%(subjects)s)))
returning c.id
"""
"""Lets go of records that went through; a case that holds nothing any more is resolved by it. The update's own rows are not seen by the
query beside it, so they are left out by name."""


async def release_subjects(conn: Conn, stage: str, subjects: Iterable[str], now: datetime) -> list[int]:
    """Note that records went through; return the cases that are thereby resolved. Cheap for records that are in no case."""
    given = {"stage": stage, "subjects": sorted(set(subjects)), "now": now}
    # Two transactions that release the last two records of a case would each see the other's still held: one waits for the other here,
    # and its next statement sees what that one committed.
    if not await (await conn.execute(_LOCK, given)).fetchall():
        return []
    closed = [row[0] for row in await (await conn.execute(_RELEASE, given)).fetchall()]
    await note(conn, closed, "hub", "resolved", "every record went through", now)
    return closed


async def held(conn: Conn, stage: str, prefix: str) -> list[str]:
    """Return the records of a stage, those whose name begins so, that are in an open case and did not go through yet."""
    cursor = await conn.execute(
        'select distinct s.subject from case_subject s join "case" c on c.id = s.case_id'
        " where s.stage = %s and starts_with(s.subject, %s) and s.released_at is null and c.state = 'open' order by 1",
        (stage, prefix),
    )
    return [subject for (subject,) in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class BlockedRecord:
    """A record that stands still for an open case, and the entity of that case."""

    subject: CaseSubject
    entity: str


async def standing(conn: Conn, stage: str, subjects: Iterable[str]) -> list[BlockedRecord]:
    """Return those of the records that stand still for an open case."""
    cursor = await conn.execute(
        "select s.stage, s.subject, s.label, s.money_minor, s.currency, s.concerns, s.detail, c.entity from case_subject s"
        " join \"case\" c on c.id = s.case_id where s.stage = %s and s.subject = any(%s) and s.released_at is null and c.state = 'open'"
        " order by s.subject, s.case_id",
        (stage, sorted(set(subjects))),
    )
    return [BlockedRecord(CaseSubject(*row[:-1]), row[-1]) for row in await cursor.fetchall()]

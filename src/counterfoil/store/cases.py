"""Tables ``case``, ``case_subject`` and ``case_history``: exceptions for people, one per cause, with the records that stand still for it.

The same cause (fingerprint) while its case is open adds its subjects to that case. A subject is released when its record went through; the
last one released resolves the case. What retrying and waiving do to the records is in case_work.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import WAITS_FOR_NOTHING, WaitKey

from .columns import columns
from .pool import Conn


class CaseState(StrEnum):
    """Where a case stands; the values of the type ``case_state``."""

    OPEN = "open"
    RESOLVED = "resolved"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class CaseSubject:
    """A record that stands still: ``stage`` normalize (receipt id), decide (``kind/id``), deliver (command id) or poll (connection).

    ``concerns``: the document (``kind/id``) whose money it is, so that an invoice and its own payment count once; empty: its own.
    ``detail``: what was said of this record alone. Neither names a person.
    """

    stage: str
    subject: str
    label: str = ""
    money_minor: int | None = None
    currency: str = ""
    concerns: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """A reason to open a case, or to add to the open one of the same fingerprint.

    ``cause`` and ``next_step`` are plain language; ``alone``: the cause while this is the only record, with what is of it alone (a line of
    a file); empty: the same. ``releases_on``: a mapping's wait key or an object's key whose arrival retries it.
    """

    fingerprint: str
    case_class: CaseClass
    code: str
    cause: str
    next_step: str
    owner: str
    impact: str
    due_at: datetime
    subject: CaseSubject
    entity: str = ""
    connection: str = ""
    releases_on: WaitKey = WAITS_FOR_NOTHING
    alone: str = ""


@dataclass(frozen=True, slots=True)
class CaseMoney:
    """Money of one currency, in minor units."""

    currency: str
    minor: int


@dataclass(frozen=True, slots=True)
class Case:
    """A case. ``count``: records it ever held; ``money``: of the documents that stand still (once it is closed: that ever did), each
    counted once, by currency; ``money_minor``: the part of it in ``currency``, that of the first record.
    """

    id: int
    fingerprint: str
    case_class: str
    code: str
    cause: str
    next_step: str
    entity: str
    connection: str
    owner: str
    impact: str
    money_minor: int | None
    currency: str
    state: CaseState
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None
    closed_by: str
    reason: str
    count: int
    releases_on: WaitKey
    money: tuple[CaseMoney, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldSubject:
    """A record of a case; ``released_at`` None: it still stands still."""

    subject: CaseSubject
    added_at: datetime
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """Who did what with a case."""

    at: datetime
    actor: str
    action: str
    detail: str


@dataclass(frozen=True, slots=True)
class CaseDetail:
    """A case with its records and its history."""

    case: Case
    subjects: tuple[HeldSubject, ...]
    history: tuple[HistoryLine, ...]


@dataclass(frozen=True, slots=True)
class CaseTotal:
    """Open cases of a class with money in a currency: how many, how many records stand still, their money, how many are past due.

    A case that holds several currencies is in a line of each, and counted in each; one that holds none has the line without currency.
    """

    case_class: str
    currency: str
    cases: int
    records: int
    money_minor: int
    overdue: int


_OPEN = """
with given as (
    select distinct on (fingerprint) * from unnest(%(fingerprint)s::text[], %(case_class)s::text[], %(code)s::text[], %(cause)s::text[],
        %(next_step)s::text[], %(owner)s::text[], %(impact)s::text[], %(due_at)s::timestamptz[], %(entity)s::text[], %(connection)s::text[],
        %(releases_on)s::text[], %(currency)s::text[], %(alone)s::text[]) with ordinality
        as t(fingerprint, class, code, cause, next_step, owner, impact, due_at, entity, connection, releases_on, currency, alone, place)
    order by fingerprint, place
), opened as (
    insert into "case" (fingerprint, class, code, cause, next_step, owner, impact, due_at, entity, connection, releases_on, currency,
        opened_at, count)
    select fingerprint, class, code, coalesce(nullif(alone, ''), cause), next_step, owner, impact, due_at, entity, connection,
        releases_on, currency, %(now)s, 0
    from given order by fingerprint
    on conflict (fingerprint) where state = 'open' do update set due_at = least("case".due_at, excluded.due_at)
    returning id, fingerprint, code, (xmax = 0) as is_new
), noted as (
    insert into case_history (case_id, at, actor, action, detail) select id, %(now)s, 'hub', 'opened', code from opened where is_new
)
select id, fingerprint from opened
"""
"""One open case for each fingerprint; of several openings of one the first one's words count, ``alone`` where no other says the same. One
that is open stays, due at the earlier time. ``xmax`` is 0 of a row that was inserted: only then is the opening noted in the history."""
_HOLD = """
insert into case_subject (case_id, stage, subject, label, money_minor, currency, concerns, detail, added_at)
select distinct on (1, 2, 3) case_id, stage, subject, label, money_minor, currency, concerns, detail, %(now)s
from unnest(%(case_id)s::int8[], %(stage)s::text[], %(subject)s::text[], %(label)s::text[], %(money_minor)s::int8[], %(currency)s::text[],
    %(concerns)s::text[], %(detail)s::text[])
    as t(case_id, stage, subject, label, money_minor, currency, concerns, detail)
order by 1, 2, 3
on conflict (case_id, stage, subject) do update set released_at = null, detail = excluded.detail
returning case_id, (xmax = 0) as is_new
"""
"""Holds records under their cases, each once; one that was released is held again. Returns which are new to a case."""
_COUNT = """
update "case" c set count = c.count + n.count, cause = case when n.shared <> '' and c.count + n.count > 1 then n.shared else c.cause end
from (
    select t.id, count(*) as count, max(t.shared) as shared from unnest(%(id)s::int8[], %(shared)s::text[]) as t(id, shared) group by t.id
) n
where c.id = n.id
"""
"""A case of several records tells what they have in common."""


async def open_or_count(conn: Conn, openings: Sequence[Opening], now: datetime) -> dict[str, int]:
    """Open cases or add to open ones; return the case id by fingerprint. A record that is in the case already counts once."""
    if not openings:
        return {}
    names = (
        "fingerprint", "case_class", "code", "cause", "next_step", "owner", "impact", "due_at", "entity", "connection", "releases_on",
        "alone",
    )  # fmt: skip
    given = columns(openings, names) | {"currency": [one.subject.currency for one in openings], "now": now}
    ids = {fingerprint: id for id, fingerprint in await (await conn.execute(_OPEN, given)).fetchall()}
    held = columns([one.subject for one in openings], ("stage", "subject", "label", "money_minor", "currency", "concerns", "detail"))
    rows = await (await conn.execute(_HOLD, held | {"case_id": [ids[one.fingerprint] for one in openings], "now": now})).fetchall()
    new = [case_id for case_id, is_new in rows if is_new]
    if new:
        shared = {ids[one.fingerprint]: one.cause for one in openings if one.alone}
        await conn.execute(_COUNT, {"id": new, "shared": [shared.get(id, "") for id in new]})
    return ids


_RETELL = """
update "case" c set cause = t.cause, next_step = t.next_step, currency = t.currency
from unnest(%(fingerprint)s::text[], %(cause)s::text[], %(next_step)s::text[], %(currency)s::text[])
    as t(fingerprint, cause, next_step, currency)
where c.fingerprint = t.fingerprint and c.state = 'open' and (c.cause, c.next_step) is distinct from (t.cause, t.next_step)
returning c.id, c.cause, c.fingerprint
"""
"""Only what would say something else is written, and told in its history: a sweep that finds everything as it was leaves no line."""
_REVALUE = """
update case_subject s set money_minor = t.money_minor, currency = t.currency, label = t.label
from unnest(%(id)s::int8[], %(stage)s::text[], %(subject)s::text[], %(label)s::text[], %(money_minor)s::int8[], %(currency)s::text[])
    as t(id, stage, subject, label, money_minor, currency)
where s.case_id = t.id and s.stage = t.stage and s.subject = t.subject
"""
"""The record's money and label follow what the case says by now: both are read from the source or the books, which moved on."""


async def retell(conn: Conn, openings: Sequence[Opening], now: datetime) -> None:
    """Have open cases of one record each say what they would if they were opened now; a history line keeps each change."""
    given = columns(openings, ("fingerprint", "cause", "next_step")) | {"currency": [one.subject.currency for one in openings]}
    changed = {row[2]: row for row in await (await conn.execute(_RETELL, given)).fetchall()}
    told = [one for one in openings if one.fingerprint in changed]
    if not told:
        return
    held = columns([one.subject for one in told], ("stage", "subject", "label", "money_minor", "currency"))
    await conn.execute(_REVALUE, held | {"id": [changed[one.fingerprint][0] for one in told]})
    for id, cause, _ in changed.values():
        await note(conn, [id], "hub", "changed", cause, now)


async def note(conn: Conn, case_ids: Sequence[int], actor: str, action: str, detail: str, now: datetime) -> None:
    """Add a line to the history of cases."""
    if case_ids:
        await conn.execute(
            "insert into case_history (case_id, at, actor, action, detail) select unnest(%s::int8[]), %s, %s, %s, %s",
            (list(case_ids), now, actor, action, detail),
        )


async def say(conn: Conn, case_id: int, code: str, cause: str) -> None:
    """Have an open case say its cause as it is now: what ails a connection may change while it lasts."""
    statement = "update \"case\" set code = %s, cause = %s where id = %s and state = 'open' and (code, cause) <> (%s, %s)"
    await conn.execute(statement, (code, cause, case_id, code, cause))


async def assign(conn: Conn, case_id: int, owner: str, actor: str, now: datetime) -> bool:
    """Give an open case to somebody; False if there is no such open case."""
    changed = (await conn.execute("update \"case\" set owner = %s where id = %s and state = 'open'", (owner, case_id))).rowcount > 0
    if changed:
        await note(conn, [case_id], actor, "assigned", owner, now)
    return changed


async def close(conn: Conn, case_id: int, state: CaseState, actor: str, reason: str, now: datetime) -> list[CaseSubject]:
    """Close an open case as resolved or waived; return the records that stood still (empty too if there was no such open case)."""
    cursor = await conn.execute(
        "update \"case\" set state = %s::case_state, closed_at = %s, closed_by = %s, reason = %s where id = %s and state = 'open'",
        (state.value, now, actor, reason, case_id),
    )
    if cursor.rowcount == 0:
        return []
    await note(conn, [case_id], actor, state.value, reason, now)
    rows = await conn.execute(
        "update case_subject set released_at = %s where case_id = %s and released_at is null"
        " returning stage, subject, label, money_minor, currency, concerns, detail",
        (now, case_id),
    )
    return [CaseSubject(*row) for row in await rows.fetchall()]


_NAMES = (
    "id", "fingerprint", "class", "code", "cause", "next_step", "entity", "connection", "owner", "impact", "currency", "state",
    "opened_at", "due_at", "closed_at", "closed_by", "reason", "count", "releases_on",
)  # fmt: skip
_MONEY = """
select currency, sum(minor) as minor from (
    select currency, coalesce(nullif(concerns, ''), stage || '/' || subject) as document, max(abs(money_minor::numeric)) as minor
    from case_subject
    where case_id = c.id and money_minor is not null and currency <> '' and (released_at is null or c.state <> 'open') group by 1, 2
) d group by 1 order by 1
"""
"""What the documents of a case ``c`` come to, each counted once, by currency, whichever way it goes: what came in does not make up for what
went out. Numeric, as a sum may be more than a bigint holds."""
_SELECT = f"""
select {", ".join(f"c.{name}" for name in _NAMES)}, m.currencies, m.minors from "case" c
left join lateral (select array_agg(currency) as currencies, array_agg(minor) as minors from ({_MONEY}) s) m on true """


async def list_cases(
    conn: Conn, *, state: CaseState | None = CaseState.OPEN, case_class: str = "", entity: str = "", owner: str = "", limit: int = 200
) -> list[Case]:
    """Return cases, the earliest due first; filters that are empty (``state`` None) match all."""
    cursor = await conn.execute(
        _SELECT + "where (%(state)s::case_state is null or c.state = %(state)s::case_state) and (%(class)s = '' or c.class = %(class)s)"
        " and (%(entity)s = '' or c.entity = %(entity)s) and (%(owner)s = '' or c.owner = %(owner)s)"
        " order by c.due_at, c.id limit %(limit)s",
        {"state": state.value if state else None, "class": case_class, "entity": entity, "owner": owner, "limit": limit},
    )
    return [_case(row) for row in await cursor.fetchall()]


def _case(row: Sequence[Any]) -> Case:
    *plain, currencies, minors = row
    known = dict(zip(_NAMES, plain, strict=True))
    money = tuple(CaseMoney(currency, int(minor)) for currency, minor in zip(currencies or (), minors or (), strict=True))
    own = next((one.minor for one in money if one.currency == known["currency"]), None)
    return Case(case_class=known.pop("class"), state=CaseState(known.pop("state")), money_minor=own, money=money, **known)


async def show(conn: Conn, case_id: int, *, subjects_max: int = 1000) -> CaseDetail | None:
    """Return a case with its records (those standing still first) and history, None if there is none with this id."""
    row = await (await conn.execute(_SELECT + "where c.id = %s", (case_id,))).fetchone()
    if row is None:
        return None
    held = await conn.execute(
        "select stage, subject, label, money_minor, currency, concerns, detail, added_at, released_at from case_subject where case_id = %s"
        " order by released_at is not null, added_at, subject limit %s",
        (case_id, subjects_max),
    )
    subjects = tuple(HeldSubject(CaseSubject(*line[:-2]), *line[-2:]) for line in await held.fetchall())
    lines = await conn.execute("select at, actor, action, detail from case_history where case_id = %s order by at", (case_id,))
    return CaseDetail(_case(row), subjects, tuple(HistoryLine(*line) for line in await lines.fetchall()))


async def of_subjects(conn: Conn, subjects: Sequence[str]) -> list[Case]:
    """Return all cases, also closed ones, that hold one of the records, oldest first."""
    cursor = await conn.execute(
        _SELECT + "where c.id in (select case_id from case_subject where subject = any(%s)) order by c.opened_at, c.id", (list(subjects),)
    )
    return [_case(row) for row in await cursor.fetchall()]


_TOTALS = f"""
select c.class, coalesce(m.currency, ''), count(*), sum(c.count)::int8, coalesce(sum(m.minor), 0),
    count(*) filter (where c.due_at < %s)
from "case" c left join lateral ({_MONEY}) m on true where c.state = 'open' group by 1, 2 order by 1, 2
"""


async def totals(conn: Conn, now: datetime) -> list[CaseTotal]:
    """Return the open cases by class and currency."""
    rows = await (await conn.execute(_TOTALS, (now,))).fetchall()
    return [CaseTotal(name, currency, n, records, int(minor), overdue) for name, currency, n, records, minor, overdue in rows]

"""What waits without anybody who would end it: keys nobody makes, objects that do not come. Owns table ``missing_key``.

A command waits for keys (its needs). A key is made while an open command produces it, a refused one somebody has a case for, or
while the object it names is still to be decided. An undecided subject waits for objects (``wait``), which a fetch is to bring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from counterfoil.core.kinds import KINDS
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import DECLARED_PREFIXES, NeedKey, WaitKey, object_of

from . import agenda
from .cases import CaseSubject
from .pool import Conn, PartitionKey
from .work import WAIT

KEYS_MAX = 500
"""Keys looked at in one go."""
SUBJECTS_MAX = 200
"""Records one case names; more stand still for the same cause."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A key that commands of a target wait for and nobody makes. ``is_old``: it was so a while ago already, and was tried to be mended."""

    target: str
    key: NeedKey
    is_old: bool


_TOLD = """
    select s.subject as key from case_subject s join "case" k on k.id = s.case_id
    where s.stage = 'decide' and s.released_at is null and k.state = 'open'
    union all
    select s.label from case_subject s join "case" k on k.id = s.case_id
    where s.stage = 'normalize' and s.released_at is null and k.state = 'open'
"""
"""The objects that stand still themselves for an open case: what waits for one of them has that case, and is no second one."""
_MISSING = f"""
with told as materialized ({_TOLD}), named as (
    select s.target, s.waits_for as key from command_standing s where s.state = 'waiting' and s.waits_for <> ''
    union
    select s.target, n.key
    from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id cross join unnest(b.needs) as n(key)
    where s.state = 'waiting' and not s.is_aside and s.state not in ('done', 'canceled')
), needed as materialized (
    select n.target, n.key from named n
    where not exists (select from binding g where g.connection = n.target and g.key = n.key and g.until is null offset 0)
), missing as (
    select n.target, n.key from needed n
    where not exists (select from command p where p.target = n.target and p.produces = n.key and p.produces <> ''
        and p.state in ('waiting', 'ready', 'unknown', 'parked') and (p.state <> 'parked' or exists (
            select from case_subject s join "case" k on k.id = s.case_id
            where s.stage = 'deliver' and s.subject = replace(p.id::text, '-', '') and s.released_at is null and k.state = 'open')))
    and not exists (select from to_decide a where a.kind = split_part(n.key, '/', 1) and a.id = substr(n.key, strpos(n.key, '/') + 1))
    and not exists (select from wait w
        where w.subject_kind = split_part(n.key, '/', 1) and w.subject_id = substr(n.key, strpos(n.key, '/') + 1))
    and not exists (select from told t where t.key = n.key)
    order by 1, 2 limit %(limit)s
), forgotten as (
    delete from missing_key k where not exists (select from missing m where m.target = k.target and m.key = k.key)
), known as (
    select target, key, noted_at <= clock_timestamp() - make_interval(secs => %(after_s)s) as is_old from missing_key
), noted as (
    insert into missing_key (target, key) select target, key from missing on conflict do nothing
)
select m.target, m.key, coalesce(k.is_old, false), k.target is null
from missing m left join known k on k.target = m.target and k.key = m.key order by 1, 2
"""
"""Keys that commands wait for and nothing makes any more: no command that is still open (a parked one only while somebody looks after
it), no object that is to be decided or waits itself, none that a person was told of. They are noted, and told only when they are still
missing after a while: what makes them may be about to be written by another worker.

Of what is set aside behind a thousand others (lacking.LOOKED_AT_MAX) the key its row names is looked at alone, by an index: its other ones
come to be when it is looked at again, or that one is bound."""


async def missing(conn: Conn, after_s: float) -> tuple[list[Missing], list[Missing]]:
    """Return the keys nobody makes: those seen for the first time, and all. Those that are made again are forgotten."""
    rows = await (await conn.execute(_MISSING, {"limit": KEYS_MAX, "after_s": after_s})).fetchall()
    found = [Missing(*row[:3]) for row in rows]
    return [one for one, row in zip(found, rows, strict=True) if row[3]], found


_CONCERNED = """
select distinct b.subject_kind, b.subject_id
from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id
where s.target = %s and s.state = 'waiting' and %s = any(b.needs) order by 1, 2 limit %s
"""


async def concerned(conn: Conn, target: str, key: NeedKey) -> list[agenda.Subject]:
    """Return whom deciding again could help: the subjects of the commands that wait for a key, and the customer or product it names."""
    rows = await (await conn.execute(_CONCERNED, (target, key, SUBJECTS_MAX))).fetchall()
    ref = object_of(key)
    named = [ref] if ref.kind in KINDS and KINDS[ref.kind].is_made_again else []
    return [agenda.Subject(ref) for ref in (*named, *(ObjectRef(kind, id) for kind, id in rows))]


_STANDING = """
select b.id, b.subject_kind || '/' || b.subject_id, o.total_minor, o.currency
from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id
left join object o on o.kind = b.subject_kind and o.id = b.subject_id
where s.target = %s and s.state = 'waiting' and %s = any(b.needs) order by s.seq limit %s
"""
"""In order of wishing, so that the record whose document is counted first stays the same with every look."""


async def standing(conn: Conn, target: str, key: NeedKey) -> list[CaseSubject]:
    """Return the commands that wait for a key as records of a case; the money of each document once."""
    rows = await (await conn.execute(_STANDING, (target, key, SUBJECTS_MAX))).fetchall()
    counted: set[str] = set()
    found = []
    for id, subject, minor, currency in rows:
        is_first = minor is not None and subject not in counted
        counted.add(subject)
        found.append(CaseSubject(WAIT, id.hex, subject, minor if is_first else None, currency if is_first else ""))
    return found


@dataclass(frozen=True, slots=True)
class Overdue:
    """An object that is waited for longer than it may be, since when at the latest, and by whom, as records of a case."""

    key: WaitKey
    since: datetime
    subjects: tuple[CaseSubject, ...]


_OVERDUE = f"""
with told as materialized ({_TOLD})
select w.key, w.since, w.subject_kind || '/' || w.subject_id, o.total_minor, coalesce(o.currency, '')
from wait w left join object o on o.kind = w.subject_kind and o.id = w.subject_id
where w.begun_at <= clock_timestamp() - make_interval(secs => %(while_s)s)
    and w.since <= %(now)s - coalesce((%(limits)s::jsonb ->> w.subject_kind)::float8, %(limit_s)s) * interval '1 second'
    and not exists (select from unnest(%(declared)s::text[]) as p(prefix) where starts_with(w.key, p.prefix))
    and not exists (
        select from case_subject s join "case" c on c.id = s.case_id
        where s.stage = 'decide' and s.subject = w.subject_kind || '/' || w.subject_id and s.released_at is null
            and c.state = 'open' and (c.releases_on like 'customer/%%' or c.releases_on like 'company/%%' or c.releases_on = w.key)
    )
    and not exists (select from told t where t.key = w.key)
order by w.key, w.since limit %(rows)s
"""
"""Who waits for longer than its kind may, leaving out what its own case tells already and what waits for a person anyway (``declared``).
Only rows that have been there for a while by the database's own clock (``begun_at``): the subject may be about to be decided."""


async def overdue(conn: Conn, now: datetime, limit: timedelta, limits: Mapping[str, timedelta], while_s: float) -> list[Overdue]:
    """Return the objects waited for longer than ``limit`` (``limits``: by the kind of who waits), and for ``while_s`` of real time."""
    given = {
        "now": now,
        "limit_s": limit.total_seconds(),
        "limits": Jsonb({kind: one.total_seconds() for kind, one in limits.items()}),
        "while_s": while_s,
        "declared": list(DECLARED_PREFIXES),
        "rows": KEYS_MAX,
    }
    found: dict[str, Overdue] = {}
    for key, since, subject, minor, currency in await (await conn.execute(_OVERDUE, given)).fetchall():
        one = CaseSubject(WAIT, subject, subject, minor, currency if minor is not None else "")
        known = found.get(key)
        found[key] = Overdue(key, since, (one,)) if known is None else Overdue(key, known.since, (*known.subjects, one))
    return list(found.values())


async def ask_again(conn: Conn, keys: Sequence[WaitKey]) -> None:
    """Have the sources asked once more for objects that are waited for."""
    await conn.execute("update wait set fetch_asked = false where key = any(%s)", (sorted(keys),))


async def still_waited(conn: Conn, keys: Sequence[WaitKey]) -> set[WaitKey]:
    """Return which of the keys a subject still waits for without another case that says why."""
    statement = f"select distinct key from wait where key = any(%s) except ({_TOLD})"
    rows = await (await conn.execute(statement, (list(keys),))).fetchall()
    return {row[0] for row in rows}


_NEEDED = "select distinct b.target, n.key from command b cross join unnest(b.needs) as n(key) where b.id = any(%s::uuid[])"


async def take_up(conn: Conn, subjects: Sequence[str], now: datetime) -> list[PartitionKey]:
    """Decide again whatever waits, by the records of a case: command ids, or keys of subjects (whose sources are asked again)."""
    refs = [ObjectRef(kind, id) for kind, _, id in (one.partition("/") for one in subjects if "/" in one)]
    ids = [one for one in subjects if "/" not in one]
    rows = await (await conn.execute("select distinct subject_kind, subject_id from command where id = any(%s::uuid[])", (ids,))).fetchall()
    refs += [ObjectRef(kind, id) for kind, id in rows]
    needed = await (await conn.execute(_NEEDED, (ids,))).fetchall()
    await conn.execute(
        "delete from missing_key k using unnest(%s::text[], %s::text[]) as n(target, key) where k.target = n.target and k.key = n.key",
        ([row[0] for row in needed], [row[1] for row in needed]),
    )
    await conn.execute(
        "update wait set fetch_asked = false where subject_kind || '/' || subject_id = any(%s)", ([one for one in subjects if "/" in one],)
    )
    return await agenda.add(conn, [agenda.Subject(ref) for ref in sorted(set(refs))], now)

"""What stands still behind something that stands still: postings that need it, followers in its order, subjects that wait for it.

Everything is bounded: at most ``DEPTH_MAX`` steps away and ``ROWS_MAX`` records; then the figures are lower bounds, and say so. Money is
that of the documents concerned, each counted once, in minor units by currency; currencies are never added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from counterfoil.core.language.ids import digest
from counterfoil.core.policies.service_levels import service_level, service_level_of

from .cases import Case, CaseMoney, CaseState, list_cases
from .pool import Conn

DEPTH_MAX = 12
ROWS_MAX = 5000
_HELD_MAX = 500


@dataclass(frozen=True, slots=True)
class Blocked:
    """What something blocks, without itself.

    Attributes:
        commands: postings that cannot go before it is done.
        subjects: objects whose decision waits for it.
        money: of the documents behind both, by currency.
        late_at: when the first of them breaches (or breached) its service level; None: nothing is blocked.
        late_kind: what that one is.
        is_cut: there is more; the figures are at least so much.
    """

    commands: int = 0
    subjects: int = 0
    money: tuple[CaseMoney, ...] = ()
    late_at: datetime | None = None
    late_kind: str = ""
    is_cut: bool = False

    @property
    def count(self) -> int:
        """Everything that is blocked."""
        return self.commands + self.subjects


@dataclass(frozen=True, slots=True)
class Blocker:
    """An open case with what it blocks."""

    case: Case
    blocked: Blocked


@dataclass(slots=True)
class _Found:
    """What was found so far. ``commands``: id -> (kind, since); ``waiting``: object key -> since; ``refs``: keys of documents."""

    roots: set[str] = field(default_factory=set)
    commands: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    waiting: dict[str, datetime] = field(default_factory=dict)
    refs: set[str] = field(default_factory=set)
    is_cut: bool = False

    @property
    def room(self) -> int:
        return ROWS_MAX - len(self.commands) - len(self.waiting)


_BEHIND = """
with given as materialized (
    select c.target, c.batch_key, c.seq, c.produces,
        case when c.state = 'parked' then '' else c.order_key end as order_key  -- what is parked lets its followers pass
    from command c
    where c.id = any(%(ids)s::uuid[]) and c.state not in ('done', 'canceled')
)
select distinct on (c.id) c.id, c.kind, c.created_at, c.subject_kind || '/' || c.subject_id from (
    select s.id from given g join command_standing s on s.target = g.target and s.waits_for = g.produces and s.state = 'waiting'
    where g.produces <> ''
    union all  -- of several keys it lacks its row names one: what is not set aside is asked for all of them
    select s.id from given g join command_standing s on s.target = g.target and not s.is_aside and s.state not in ('done', 'canceled')
        and s.state = 'waiting' and s.waits_for <> g.produces
    join command_body w on w.created_at = s.created_at and w.id = s.id and g.produces = any(w.needs)
    where g.produces <> '' and not exists (select from binding n where n.connection = g.target and n.key = g.produces and n.until is null)
    union all  -- a match waits for both documents, whichever it was last seen to lack
    select m.id from given g join command_body m on m.kind in ('allocate', 'unmatch') and m.target = g.target and m.needs[1] = g.produces
    where g.produces <> '' and not exists (select from binding n where n.connection = g.target and n.key = g.produces and n.until is null)
    union all
    select m.id from given g join command_body m on m.kind in ('allocate', 'unmatch') and m.target = g.target and m.needs[2] = g.produces
    where g.produces <> '' and not exists (select from binding n where n.connection = g.target and n.key = g.produces and n.until is null)
    union all
    select f.id from given g join command_standing f on f.target = g.target and f.batch_key = g.batch_key and f.order_key = g.order_key
        and f.order_key <> '' and f.seq > g.seq and f.state in ('waiting', 'ready', 'unknown') where g.order_key <> ''
) b join command c on c.id = b.id
where c.state in ('waiting', 'ready', 'unknown') and c.id <> all(%(seen)s::uuid[])
order by c.id limit %(limit)s
"""
_WAITING = """
select subject_kind || '/' || subject_id, min(since) from wait
where key = any(%(keys)s) and subject_kind || '/' || subject_id <> all(%(seen)s) group by 1 order by 1 limit %(limit)s
"""


async def _follow_commands(conn: Conn, found: _Found, ids: Iterable[str]) -> None:
    edge = sorted(set(ids))
    found.roots.update(edge)
    for _ in range(DEPTH_MAX):
        if not edge:
            return
        given = {"ids": edge, "seen": sorted(found.roots | found.commands.keys()), "limit": max(0, found.room) + 1}
        rows = await (await conn.execute(_BEHIND, given)).fetchall()
        if len(rows) > found.room:
            rows, found.is_cut = rows[: found.room], True
        edge = [row[0].hex for row in rows]
        found.commands.update((row[0].hex, (row[1], row[2])) for row in rows)
        found.refs.update(row[3] for row in rows)
    found.is_cut = found.is_cut or bool(edge)


async def _follow_waits(conn: Conn, found: _Found, keys: Iterable[str]) -> None:
    edge = sorted(set(keys))
    roots = set(edge)
    for _ in range(DEPTH_MAX):
        if not edge:
            return
        given = {"keys": edge, "seen": sorted(roots | found.waiting.keys()), "limit": max(0, found.room) + 1}
        rows = await (await conn.execute(_WAITING, given)).fetchall()
        if len(rows) > found.room:
            rows, found.is_cut = rows[: found.room], True
        edge = [row[0] for row in rows]
        found.waiting.update((row[0], row[1]) for row in rows)
    found.is_cut = found.is_cut or bool(edge)


_OF_TARGET = """
select b.id, b.kind, b.created_at, b.subject_kind || '/' || b.subject_id
from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id
where s.target = %(target)s and s.state not in ('done', 'canceled') and s.state <> 'parked' limit %(limit)s
"""


async def behind_target(conn: Conn, target: str) -> Blocked:
    """Return what a target that cannot be reached blocks: everything that is to be posted there."""
    found = _Found()
    rows = await (await conn.execute(_OF_TARGET, {"target": target, "limit": ROWS_MAX + 1})).fetchall()
    found.is_cut = len(rows) > ROWS_MAX
    found.commands = {row[0].hex: (row[1], row[2]) for row in rows[:ROWS_MAX]}
    found.refs = {row[3] for row in rows[:ROWS_MAX]}
    return await _summed(conn, found)


async def behind_case(conn: Conn, case: Case) -> Blocked:
    """Return what the records of a case block that stand still for it."""
    rows = await conn.execute(
        "select stage, subject from case_subject where case_id = %s and released_at is null order by added_at, subject limit %s",
        (case.id, _HELD_MAX + 1),
    )
    held = await rows.fetchall()
    by_stage: dict[str, list[str]] = {}
    for stage, subject in held[:_HELD_MAX]:
        by_stage.setdefault(stage, []).append(subject)
    targets = [subject.removeprefix("target/") for subject in by_stage.get("poll", []) if subject.startswith("target/")]
    if targets:
        return await behind_target(conn, targets[0])
    found = _Found(is_cut=len(held) > _HELD_MAX)
    await _follow_commands(conn, found, by_stage.get("deliver", []))
    waiting = by_stage.get("wait", [])
    await _follow_commands(conn, found, [one for one in waiting if "/" not in one])
    await _follow_waits(conn, found, [*by_stage.get("decide", []), *(one for one in waiting if "/" in one)])
    return await _summed(conn, found)


async def blockers(conn: Conn, limit: int = 10) -> list[Blocker]:
    """Return open cases that block something, the one with most behind it first; of the ``5 * limit`` that are due first."""
    found = [Blocker(case, await behind_case(conn, case)) for case in await list_cases(conn, state=CaseState.OPEN, limit=5 * limit)]
    return sorted((one for one in found if one.blocked.count), key=lambda one: (-one.blocked.count, one.case.id))[:limit]


_MONEY = """
with concerned as materialized (
    select r.digest, o.currency, abs(o.total_minor::numeric) as minor, o.links
    from unnest(%(refs)s::text[], %(digests)s::text[]) as r(key, digest)
    join object o on o.kind = split_part(r.key, '/', 1) and o.id = substr(r.key, strpos(r.key, '/') + 1)
    where o.total_minor is not null and o.currency <> ''
), beside as (
    select c.digest, sum(n.minor) filter (where n.currency = c.currency) as minor
    from concerned c cross join unnest(c.links) as l(digest) join concerned n on n.digest = l.digest group by 1
)
select c.currency, sum(case when b.digest is null then c.minor else greatest(c.minor - coalesce(b.minor, c.minor), 0) end)
from concerned c left join beside b on b.digest = c.digest
group by 1 having bool_or(b.digest is null or c.minor > b.minor) order by 1
"""
"""Of what pays, credits or gives back documents that are counted already, only what is more than those is money beside them; nothing where
they are in another currency."""


def _counted(refs: Sequence[str]) -> dict[str, object]:
    return {"refs": refs, "digests": [digest(ref) for ref in refs]}


async def _summed(conn: Conn, found: _Found) -> Blocked:
    refs = sorted(found.refs | found.waiting.keys())
    rows: list[Any] = await (await conn.execute(_MONEY, _counted(refs))).fetchall() if refs else []
    levels = [(since + service_level(kind), kind) for kind, since in found.commands.values()]
    kinds = [(key.split("/", 1)[0], since) for key, since in found.waiting.items()]
    levels += [(since + level, kind) for kind, since in kinds if (level := service_level_of(kind)) is not None]
    late_at, late_kind = min(levels, default=(None, ""))
    return Blocked(
        len(found.commands),
        len(found.waiting),
        tuple(CaseMoney(currency, int(minor)) for currency, minor in rows),
        late_at,
        late_kind,
        found.is_cut,
    )

"""Tables ``agenda`` and ``wait``: subjects that are to be decided (again), and what they wait for. At an instant: agenda_deadlines.py.

A subject's row carries a ``seq`` that rises with every reason to decide it; a decision removes the row only if it has seen the last one.
Claim first, read objects afterwards: then a decision knows at least what its ``seq`` stands for.

Lock order in a transaction: latches (``set_waits``; ``objects.upsert`` and ``release``; ``outbox.wish`` and ``settle``), objects and
commands, then ``add`` and ``finish``, deadlines, arming last. Those who write objects or mappings call ``release`` with the keys written
even if nobody seems to wait: it and ``set_waits`` exclude each other, so that no arrival is missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import Declared, WaitKey, mapping_of, object_of

from . import agenda_bundles
from .columns import columns
from .pool import Conn, PartitionKey
from .work import EVERY_LANE, decide_key, shard_of


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject to be decided; not before an instant, if given (None: now)."""

    ref: ObjectRef
    lane: int = 10
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class AgendaItem:
    """A claimed subject; give it back to ``finish`` when decided.

    ``seq``: of its own row, 0 if it has none; ``bundles``: the ids of those it is in.
    """

    ref: ObjectRef
    seq: int
    lane: int
    added_at: datetime
    bundles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """What a subject waits for.

    ``seen_version``: the version of that object or mapping that was looked at and not enough; 0: there was none. If it has a higher one by
    now, the subject is not put to wait but on the agenda. ``lane``: where it goes on the agenda when what it waits for has come.
    """

    key: WaitKey
    subject: ObjectRef
    seen_version: int = 0
    lane: int = 10


@dataclass(frozen=True, slots=True)
class OpenWait:
    """A wait as it stands."""

    key: WaitKey
    subject: ObjectRef
    since: datetime
    fetch_asked: bool


_ADD = """
insert into agenda (kind, id, shard, lane, added_at, not_before)
select kind, id, shard, lane, %(now)s, not_before
from unnest(%(kind)s::text[], %(id)s::text[], %(shard)s::int2[], %(lane)s::int2[], %(not_before)s::timestamptz[])
    as t(kind, id, shard, lane, not_before)
order by kind, id
on conflict (kind, id) do update set
    seq = default, lane = least(agenda.lane, excluded.lane),
    not_before = case when agenda.not_before is not null and excluded.not_before is not null
        then least(agenda.not_before, excluded.not_before) end
returning shard, lane
"""
"""Adds subjects, or moves those that are there to the end (``seq``): a claim taken before no longer settles them. The more urgent lane
and the earlier day win; whoever is to be decided at once is no longer put off."""


async def add(conn: Conn, subjects: Iterable[Subject], now: datetime) -> list[PartitionKey]:
    """Put subjects on the agenda, or note one more reason for those that are on it; return the partitions to arm.

    The more urgent of both lanes counts: what lies there in bulk and gets a reason in real time goes to the ordinary partition.
    """
    by_ref: dict[ObjectRef, Subject] = {}
    for subject in subjects:
        known = by_ref.get(subject.ref, subject)
        is_now = known.not_before is None or subject.not_before is None
        not_before = None if known.not_before is None or subject.not_before is None else min(known.not_before, subject.not_before)
        by_ref[subject.ref] = Subject(subject.ref, min(known.lane, subject.lane), None if is_now else not_before)
    if not by_ref:
        return []
    rows = list(by_ref.values())
    shards = [shard_of(row.ref.key) for row in rows]
    given = columns(rows, ("lane", "not_before")) | _refs([row.ref for row in rows]) | {"shard": shards, "now": now}
    return sorted({decide_key(shard, lane) for shard, lane in await (await conn.execute(_ADD, given)).fetchall()})


async def hand_on(conn: Conn, subjects: Iterable[Subject], now: datetime) -> list[PartitionKey]:
    """Put subjects on the agenda as ``add`` does, but those to be decided at once in one row for each partition (agenda_bundles.py)."""
    several = list(subjects)
    at_once: dict[ObjectRef, int] = {}
    for one in several:
        if one.not_before is None:
            at_once[one.ref] = min(one.lane, at_once.get(one.ref, one.lane))
    rows = [(ref.key, shard_of(ref.key), lane) for ref, lane in at_once.items()]
    bundled = await agenda_bundles.add(conn, rows, now) if rows else []
    if rows and not bundled:
        return await add(conn, several, now)
    return sorted({*bundled, *await add(conn, [one for one in several if one.ref not in at_once], now)})


def _refs(refs: Sequence[ObjectRef]) -> dict[str, list[str]]:
    return {"kind": [ref.kind for ref in refs], "id": [ref.id for ref in refs]}


# Shard by shard, each by the index that has them in order.
_CLAIM = """
select due.* from unnest(%(shards)s::int2[]) as s(shard), lateral (
    select kind, id, seq, lane, added_at from agenda a
    where a.shard = s.shard and (a.not_before is null or a.not_before <= %(now)s) and a.lane >= %(from)s and a.lane < %(below)s
    order by a.lane, a.seq limit %(limit)s) due
order by due.lane, due.seq limit %(limit)s
"""


async def claim(conn: Conn, shards: Sequence[int], now: datetime, limit: int, *, lanes: range = EVERY_LANE) -> list[AgendaItem]:
    """Return subjects of some shards' ``lanes`` to be decided now, by lane, then in order of their last reason.

    Up to ``limit``; fewer do not say that there are no more (``is_bundled``). With a subject all it is there for by now is claimed, in
    whatever lane: whoever has it in hand for something of that finds that it was decided.
    """
    given = {"shards": list(shards), "now": now, "from": lanes.start, "below": lanes.stop, "limit": limit}
    cursor = await conn.execute(_CLAIM, given)
    items = {ref: AgendaItem(ref, *rest) for ref, *rest in [(ObjectRef(row[0], row[1]), *row[2:]) for row in await cursor.fetchall()]}
    found = await (await conn.execute(agenda_bundles.CLAIM, given)).fetchall()
    for id, lane, added_at, keys in found:
        for ref in map(_ref_of, keys):
            known = items.get(ref, AgendaItem(ref, 0, lane, added_at))
            items[ref] = replace(known, lane=min(known.lane, lane), bundles=(*known.bundles, id))
    chosen = sorted(items.values(), key=lambda item: (item.lane, item.added_at, item.seq))[:limit]
    is_cut = sum(len(keys) for _, _, _, keys in found) >= limit
    given = {**given, "is_cut": is_cut, "claimed": [id for id, _, _, _ in found]}
    return await _with_all_there_is(conn, chosen, given) if chosen else []


async def _with_all_there_is(conn: Conn, items: Sequence[AgendaItem], given: Mapping[str, object]) -> list[AgendaItem]:
    """Return the subjects with what else they are on the agenda for: rows of their own, and bundles that were not claimed."""
    by_ref = {item.ref: item for item in items}
    given = {**given, **_refs([*by_ref]), "keys": [ref.key for ref in by_ref]}
    for kind, id, seq in await (await conn.execute(_OWN_ROWS, given)).fetchall():
        by_ref[ObjectRef(kind, id)] = replace(by_ref[ObjectRef(kind, id)], seq=seq)
    for id, keys in await (await conn.execute(agenda_bundles.BESIDE, given)).fetchall():
        for ref in map(_ref_of, keys):
            by_ref[ref] = replace(by_ref[ref], bundles=(*by_ref[ref].bundles, id))
    return [*by_ref.values()]


_OWN_ROWS = """
select a.kind, a.id, a.seq from agenda a join unnest(%(kind)s::text[], %(id)s::text[]) as s(kind, id) on a.kind = s.kind and a.id = s.id
where a.not_before is null or a.not_before <= %(now)s
"""


def _ref_of(key: str) -> ObjectRef:
    kind, _, id = key.partition("/")
    return ObjectRef(kind, id)


async def is_bundled(conn: Conn, shards: Sequence[int], *, lanes: range = EVERY_LANE) -> bool:
    """Tell whether any bundle of some shards' ``lanes`` is left."""
    given = {"shards": list(shards), "from": lanes.start, "below": lanes.stop}
    row = await (await conn.execute(agenda_bundles.ARE_ANY, given)).fetchone()
    return row is not None and bool(row[0])


async def next_due(conn: Conn, shards: Sequence[int], *, lanes: range = EVERY_LANE) -> datetime | None:
    """Return when the earliest postponed subject of some shards' ``lanes`` is due, None if none is postponed."""
    cursor = await conn.execute(
        "select min(not_before) from agenda where shard = any(%s) and not_before is not null and lane >= %s and lane < %s",
        (list(shards), lanes.start, lanes.stop),
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


_UNMOVED = """
select a.seq from agenda a join unnest(%(kind)s::text[], %(id)s::text[], %(seq)s::int8[]) as s(kind, id, seq)
    on a.kind = s.kind and a.id = s.id and a.seq = s.seq
"""


async def unmoved(conn: Conn, items: Sequence[AgendaItem]) -> list[AgendaItem]:
    """Return the subjects that still are on the agenda as they were claimed: nobody decided them, and their own rows have no newer reason.

    Locks nothing, so that it may come first in a transaction; ``finish`` tells whether it was still so at the end.
    """
    if not items:
        return []
    known = {row[0] for row in await (await conn.execute(_UNMOVED, _rows_of(items))).fetchall()}
    held = await agenda_bundles.held(conn, _bundled(items))
    return [item for item in items if (not item.seq or item.seq in known) and all((id, item.ref.key) in held for id in item.bundles)]


def _rows_of(items: Sequence[AgendaItem]) -> dict[str, list[Any]]:
    own = [item for item in items if item.seq]
    return _refs([item.ref for item in own]) | {"seq": [item.seq for item in own]}


def _bundled(items: Sequence[AgendaItem]) -> list[tuple[int, str]]:
    return [(id, item.ref.key) for item in items for id in item.bundles]


# One statement for both tables: whoever takes a subject off the agenda takes its former deadline with it, under the same lock.
_FINISH = """
with locked as materialized (
    select a.kind, a.id, a.seq from agenda a join unnest(%(kind)s::text[], %(id)s::text[], %(seq)s::int8[]) as s(kind, id, seq)
        on a.kind = s.kind and a.id = s.id and a.seq = s.seq order by a.kind, a.id for update of a
), cleared as (
    delete from deadline d using locked l where d.kind = l.kind and d.id = l.id
)
delete from agenda a using locked l where a.kind = l.kind and a.id = l.id and a.seq = l.seq
"""
_CLEAR_DEADLINES = """
delete from deadline d using unnest(%(kind)s::text[], %(id)s::text[]) as s(kind, id) where d.kind = s.kind and d.id = s.id
"""


async def finish(conn: Conn, items: Sequence[AgendaItem]) -> int:
    """Take decided subjects off the agenda unless a new reason came meanwhile (those stay and are claimed again); return how many went.

    Fewer than given: somebody else decided some of them, or their own rows got a newer reason: their decision must not be written, the
    transaction is to be rolled back. All: nobody can decide them before this transaction has ended, as whoever does has all they were
    claimed for in hand, too; a reason that came since in a bundle is decided next. With a decision the deadline of the one before it is
    over: see ``agenda_deadlines.put``.
    """
    if not items:
        return 0
    own = _rows_of(items)
    pairs = _bundled(items)
    missed = len(own["seq"]) - (await conn.execute(_FINISH, own)).rowcount if own["seq"] else 0
    missed += await agenda_bundles.finish(conn, pairs) if pairs else 0
    await conn.execute(_CLEAR_DEADLINES, _refs([item.ref for item in items if not item.seq]))
    return len(items) - min(missed, len(items))


_FORGET = """
delete from wait w using unnest(%(kind)s::text[], %(id)s::text[]) as s(kind, id)
where w.subject_kind = s.kind and w.subject_id = s.id
    and not exists (select 1 from unnest(%(key)s::text[], %(subject_kind)s::text[], %(subject_id)s::text[]) as n(key, kind, id)
        where n.key = w.key and n.kind = w.subject_kind and n.id = w.subject_id)
"""
"""Waits a decision no longer names go; those it names again are left to the next statement, so that ``since`` stays as it was."""
_WAIT = """
insert into wait (key, subject_kind, subject_id, seen_version, lane, since)
select key, kind, id, max(seen_version), min(lane), %(now)s
from unnest(%(key)s::text[], %(subject_kind)s::text[], %(subject_id)s::text[], %(seen_version)s::int4[], %(lane)s::int2[])
    as t(key, kind, id, seen_version, lane)
group by 1, 2, 3 order by 1, 2, 3
on conflict (key, subject_kind, subject_id) do update set seen_version = excluded.seen_version, lane = least(wait.lane, excluded.lane)
"""
"""One row for each key a subject waits for. ``since`` stays as it was: how long it has waited is not told anew each time it is
decided."""
_ARRIVED_OBJECTS = """
select k.key from unnest(%(key)s::text[], %(kind)s::text[], %(id)s::text[], %(seen)s::int4[]) as k(key, kind, id, seen)
join object o on o.kind = k.kind and o.id = k.id and o.version > k.seen
"""
"""An arrival is a version above the one that was looked at: also one that came while the decision was made."""
_ARRIVED_MAPPINGS = """
select k.key from unnest(%(key)s::text[], %(kind)s::text[], %(entity)s::text[], %(name)s::text[], %(seen)s::int4[])
    as k(key, kind, entity, name, seen)
join mapping m on m.kind = k.kind and m.entity = k.entity and m.key = k.name and m.version > k.seen
"""
"""The same of mappings; their versions count over all of them, as a decision sees them all at once."""


async def set_waits(conn: Conn, subjects: Iterable[ObjectRef], waits: Sequence[Wait], now: datetime) -> list[PartitionKey]:
    """Make ``waits`` all that the decided subjects wait for; return partitions to arm.

    What has arrived since it was looked at is not waited for: its subjects go back on the agenda. Call it before other writes of the
    transaction, and for every decided subject, so that old waits go.
    """
    return await add(conn, await replace_waits(conn, subjects, waits, now), now)


async def replace_waits(conn: Conn, subjects: Iterable[ObjectRef], waits: Sequence[Wait], now: datetime) -> list[Subject]:
    """Do as ``set_waits``, but return the subjects that have to go back on the agenda: a decision's own, to be added after ``finish``."""
    if waits:
        await conn.execute("lock table arrival_latch in share mode")
    arrived = await _arrived(conn, waits)
    staying = [wait for wait in waits if wait.key not in arrived]
    given = columns(staying, ("key", "seen_version", "lane")) | {
        "subject_kind": [wait.subject.kind for wait in staying],
        "subject_id": [wait.subject.id for wait in staying],
    }
    decided = sorted(set(subjects))
    if decided:
        await conn.execute(_FORGET, given | _refs(decided))
    if staying:
        await conn.execute(_WAIT, given | {"now": now})
    return [Subject(wait.subject, wait.lane) for wait in waits if wait.key in arrived]


async def _arrived(conn: Conn, waits: Sequence[Wait]) -> set[WaitKey]:
    seen: dict[WaitKey, int] = {}
    for wait in waits:
        seen[wait.key] = min(seen.get(wait.key, wait.seen_version), wait.seen_version)
    mappings = {key: names for key in seen if (names := mapping_of(key)) is not None}
    objects = {key: object_of(key) for key in seen if key not in mappings}
    arrived: set[WaitKey] = set()
    if objects:
        given = {"key": list(objects), "seen": [seen[key] for key in objects], **_refs(list(objects.values()))}
        arrived.update(row[0] for row in await (await conn.execute(_ARRIVED_OBJECTS, given)).fetchall())
    if mappings:
        columns_of = dict(zip(("kind", "entity", "name"), map(list, zip(*mappings.values(), strict=True)), strict=True))
        given_mappings = {"key": list(mappings), "seen": [seen[key] for key in mappings], **columns_of}
        arrived.update(row[0] for row in await (await conn.execute(_ARRIVED_MAPPINGS, given_mappings)).fetchall())
    return arrived


async def release(conn: Conn, keys: Iterable[WaitKey], now: datetime) -> list[PartitionKey]:
    """Put every subject that waits for one of the keys on the agenda; return the partitions to arm.

    To be called after objects or mappings were written, in the same transaction, before ``add``.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return []
    await conn.execute("lock table arrival_latch in row exclusive mode")
    cursor = await conn.execute("delete from wait where key = any(%s) returning subject_kind, subject_id, lane", (wanted,))
    return await add(conn, [Subject(ObjectRef(kind, id), lane) for kind, id, lane in await cursor.fetchall()], now)


@dataclass(frozen=True, slots=True)
class MissingObject:
    """An object somebody waits for: its key, the connections those who wait come from, in order of name, and the most urgent lane."""

    key: WaitKey
    connections: tuple[str, ...]
    lane: int


async def to_fetch(conn: Conn, before: datetime, limit: int = 200) -> list[MissingObject]:
    """Return objects somebody waits for since before an instant and nobody has asked the source for yet, oldest first."""
    cursor = await conn.execute(
        "select w.key, array_agg(distinct o.connection order by o.connection), min(w.lane)"
        " from wait w join object o on o.kind = w.subject_kind and o.id = w.subject_id"
        " where not w.fetch_asked and w.since <= %s and split_part(w.key, '/', 1) <> all (%s)"
        " group by w.key order by min(w.since), w.key limit %s",
        (before, list(Declared), limit),
    )
    return [MissingObject(key, tuple(connections), lane) for key, connections, lane in await cursor.fetchall()]


async def mark_fetch_asked(conn: Conn, keys: Sequence[str]) -> None:
    """Note that the source was asked for these objects."""
    await conn.execute("update wait set fetch_asked = true where key = any(%s)", (sorted(keys),))


async def waits_of(conn: Conn, subject: ObjectRef) -> list[OpenWait]:
    """Return what a subject waits for."""
    return await _waiting(conn, "where subject_kind = %s and subject_id = %s order by key", (subject.kind, subject.id))


async def _waiting(conn: Conn, condition: str, arguments: tuple[object, ...]) -> list[OpenWait]:
    cursor = await conn.execute(f"select key, subject_kind, subject_id, since, fetch_asked from wait {condition}", arguments)
    return [OpenWait(key, ObjectRef(kind, id), since, asked) for key, kind, id, since, asked in await cursor.fetchall()]


async def waiting_on(conn: Conn, keys: Sequence[WaitKey]) -> list[ObjectRef]:
    """Return the subjects that wait for one of the keys."""
    cursor = await conn.execute("select distinct subject_kind, subject_id from wait where key = any(%s) order by 1, 2", (list(keys),))
    return [ObjectRef(kind, id) for kind, id in await cursor.fetchall()]


async def waited_keys(conn: Conn, prefixes: Sequence[WaitKey]) -> list[WaitKey]:
    """Return the keys somebody waits for that begin with one of the prefixes."""
    cursor = await conn.execute(
        "select distinct key from wait where exists (select 1 from unnest(%s::text[]) as p(prefix) where starts_with(key, p.prefix))",
        (list(prefixes),),
    )
    return [row[0] for row in await cursor.fetchall()]

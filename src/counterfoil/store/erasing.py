"""What was told of a person that is to be erased: events, and deliveries with all that was fetched for them, at once and for good.

What stays is that there was a delivery, with its key, and the event that says that the person was erased. A delivery about others as well
is erased as a whole; the state of those others stands in their objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from counterfoil.core.kinds import KINDS
from counterfoil.core.language.ids import ObjectRef

from . import links
from .bundles import STATE
from .pool import Conn

RULE = "person_was_erased"
"""Why a delivery that stood in a case needs no more to be read."""

ERASED: Mapping[str, str] = {name: state.value for name, kind in KINDS.items() if (state := kind.lifecycle.erased) is not None}
"""The state of what was erased, by kind: of kinds that tell of persons."""

_SEEN = """
with recursive above as (
    select id as asked, kind, id from unnest(%(kind)s::text[], %(id)s::text[]) as s(kind, id)
    union select a.asked, l.kind, l.golden from link l join above a on l.kind = a.kind and l.id = a.id
    where l.until is null and l.why = 'merged'
)
select o.kind, a.asked, o.id, o.state from object o join above a on o.kind = a.kind and o.id = a.id order by o.kind, o.id for share of o
"""
"""Things with all they were merged into. Their rows are held: whoever erases one of them meanwhile comes after what is being written here,
and sees it; whoever did so before is seen."""

# The deliveries of things, what the things' other deliveries are known by, and of those the ones that stand still in a case.
_ERASE = f"""
with things as (
    select kind, id from unnest(%(kind)s::text[], %(id)s::text[]) as s(kind, id)
), told as (
    select e.received_at, e.receipt_id, e.id, e.type from event e join things t on e.subject_kind = t.kind and e.subject_id = t.id
), known_by as (
    select distinct r.connection, r.shard_key, split_part(r.kind, '.', 1) as object
    from told o join receipt r on r.received_at = o.received_at and r.id = o.receipt_id
    where not exists (select from event e where e.receipt_id = r.id and e.received_at = r.received_at
        and not exists (select from things t where t.kind = e.subject_kind and t.id = e.subject_id))
), still as (
    select r.received_at, r.id from case_subject s join "case" c on c.id = s.case_id
    join receipt r on r.id = case when s.stage = 'normalize' then s.subject end::int8
    join known_by k on k.connection = r.connection and k.shard_key = r.shard_key and k.object = split_part(r.kind, '.', 1)
    where s.stage = 'normalize' and s.released_at is null and c.state = 'open' and r.state = 'parked'
), gone as (
    delete from event e using told o where e.received_at = o.received_at and e.id = o.id and o.type <> all(%(saying)s)
), due as (
    select r.received_at, r.id
    from (select received_at, receipt_id as id from told where type <> all(%(saying)s) union select received_at, id from still) d
    join receipt r on r.received_at = d.received_at and r.id = d.id
    where r.key_id <> '' and {STATE} <> 'pending'
), fetched as (
    delete from receipt_fetched f using due d where f.received_at = d.received_at and f.id = d.id
)
update receipt r set body = '', key_id = '', fetched = null, fetched_key_id = '', headers = '{{}}',
    state = case r.state when 'parked' then 'ignored' else r.state end, rule = case r.state when 'parked' then %(rule)s else r.rule end,
    normalized_at = case r.state when 'parked' then %(now)s else r.normalized_at end
from due d where r.received_at = d.received_at and r.id = d.id
returning r.id, r.rule
"""


async def erase(conn: Conn, refs: Iterable[ObjectRef], now: datetime) -> list[int]:
    """Erase what was told of those of the things that were erased, of what was merged into them, and of what is merged into such a one.

    In the transaction that writes what is told of ``refs``, after it. A delivery that is still to be read stays until it was: it is told of
    the thing then, and erased with that. Returns the deliveries that stood in a case and need no more to be read.
    """
    erased = [one for several in (await _erased(conn, refs)).values() for one in several]
    if not erased:
        return []
    saying = [f"{kind}.{state}" for kind, state in ERASED.items()]
    given = _columns(await links.merged_into(conn, erased)) | {"saying": saying, "rule": RULE, "now": now}
    return [id for id, rule in await (await conn.execute(_ERASE, given)).fetchall() if rule == RULE]


# Nothing of them is in the log of events: they are told by when they were received, which says in which months' tables they lie.
_ERASE_LATE = """
with gone as (
    select * from unnest(%(received_at)s::timestamptz[], %(receipt)s::int8[]) as s(received_at, id)
), fetched as (
    delete from receipt_fetched f using gone g where f.received_at = g.received_at and f.id = g.id
)
update receipt r set body = '', key_id = '', fetched = null, fetched_key_id = '', headers = '{}', state = 'ignored', rule = %(rule)s,
    normalized_at = %(now)s
from gone g where r.received_at = g.received_at and r.id = g.id
"""


async def erase_late(conn: Conn, told: Mapping[tuple[datetime, int], ObjectRef], now: datetime) -> set[int]:
    """Erase deliveries (by when they were received and id) that cannot be read, where the thing each tells of was erased before.

    In the transaction that holds them back, after that: nothing is told of them by which they could be found later. Returns those that
    were erased, and need no case.
    """
    erased = await _erased(conn, told.values())
    gone = [place for place, ref in told.items() if ref in erased]
    if gone:
        given = {"received_at": [at for at, _ in gone], "receipt": [id for _, id in gone], "rule": RULE, "now": now}
        await conn.execute(_ERASE_LATE, given)
    return {id for _, id in gone}


async def _erased(conn: Conn, refs: Iterable[ObjectRef]) -> dict[ObjectRef, set[ObjectRef]]:
    """Return which of the things were erased, or merged into such a one, and that one."""
    persons = [ref for ref in set(refs) if ref.kind in ERASED]
    found: dict[ObjectRef, set[ObjectRef]] = {}
    if persons:
        for kind, asked, id, state in await (await conn.execute(_SEEN, _columns(persons))).fetchall():
            if state == ERASED[kind]:
                found.setdefault(ObjectRef(kind, asked), set()).add(ObjectRef(kind, id))
    return found


def _columns(refs: Sequence[ObjectRef]) -> dict[str, object]:
    return {"kind": [ref.kind for ref in refs], "id": [ref.id for ref in refs]}

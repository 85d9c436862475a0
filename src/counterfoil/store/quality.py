"""Tables ``quality_*``: how many customers are to be set right, day by day, with some of them by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from .columns import columns, joined
from .pool import Conn

STAGE = "quality"
"""Counts; one partition, ``all``."""
CUSTOMERS = "customers"
"""The measure that says of how many customers the others are."""
EXAMPLES_MAX = 5
KEPT_DAYS = 100
"""Days that are kept: enough to see a month, and a worker that stood still."""


@dataclass(frozen=True, slots=True)
class QualityCount:
    """How many customers of an entity somebody has to set right in one way, with some of them by key."""

    measure: str
    entity: str
    owner: str
    count: int
    examples: tuple[str, ...] = ()


_DONE = """
select exists (select from quality_count c where c.day = d.day and c.measure = %(customers)s and c.count > 0)
from quality_day d where d.day = %(day)s and d.ended_at is not null
"""
"""Whether a count that was ended found anybody."""


async def begin(conn: Conn, today: date) -> str | None:
    """Return the last id that was looked at in the count of a day (empty: none yet), and hold it; None: it is done.

    A count of another day that did not come to its end is given up; one of the day that found nobody is no count.
    """
    cursor = await conn.execute("select day, place from quality_scan where name = 'all' for update")
    row = await cursor.fetchone()
    done = await (await conn.execute(_DONE, {"day": today, "customers": CUSTOMERS})).fetchone()
    if done is not None and done[0]:
        return None
    if done is None and row is not None and row[0] == today:
        return str(row[1])
    await conn.execute("delete from quality_day where ended_at is null or day = %s", (today,))
    await conn.execute("insert into quality_day (day) values (%s)", (today,))
    await conn.execute(
        "insert into quality_scan (name, day, place) values ('all', %s, '') on conflict (name) do update set day = %s, place = ''",
        (today, today),
    )
    return ""


async def next_customers(conn: Conn, place: str, limit: int) -> list[str]:
    """Return the ids of customers after one, in order."""
    cursor = await conn.execute("select id from object where kind = 'customer' and id > %s order by id limit %s", (place, limit))
    return [row[0] for row in await cursor.fetchall()]


_CURRENCIES = """
select customer_id, array_agg(distinct currency) from object
where customer_id = any(%s) and customer_id <> '' and kind in ('invoice', 'credit_note') and currency <> '' and state <> 'draft'
group by 1
"""
"""Of what was billed: a draft's may still change."""


async def billed_in(conn: Conn, customer_ids: Sequence[str]) -> dict[str, set[str]]:
    """Return the currencies each of some customers was billed in."""
    cursor = await conn.execute(_CURRENCIES, (list(customer_ids),))
    return {id: set(currencies) for id, currencies in await cursor.fetchall()}


_ADD = f"""
insert into quality_count (day, measure, entity, owner, count, examples)
select %(day)s, measure, entity, owner, count, string_to_array(examples, e'\\n')
from unnest(%(measure)s::text[], %(entity)s::text[], %(owner)s::text[], %(count)s::int8[], %(examples)s::text[])
    as t(measure, entity, owner, count, examples)
on conflict (day, measure, entity, owner) do update
    set count = quality_count.count + excluded.count, examples = (quality_count.examples || excluded.examples)[1:{EXAMPLES_MAX}]
"""
"""The first examples stay, so that a person who follows one finds it there the next day as long as it is to be set right."""


async def add(conn: Conn, day: date, counts: Sequence[QualityCount], place: str) -> None:
    """Add what some customers came to, of which one is the last that was looked at."""
    if counts:
        given = columns(counts, ("measure", "entity", "owner", "count")) | {"examples": [joined(one.examples) for one in counts]}
        await conn.execute(_ADD, given | {"day": day})
    await conn.execute("update quality_scan set place = %s where name = 'all' and day = %s", (place, day))


_PAIRS = f"""
select entity, count(*), (array_agg('customer/' || one order by found_at, one))[1:{EXAMPLES_MAX}]
from match_pair where answer = '' group by 1
"""


async def duplicates(conn: Conn) -> list[tuple[str, int, list[str]]]:
    """Return how many pairs of customers of each entity may be one and nobody has said, with the keys of some."""
    return [(entity, count, list(keys)) for entity, count, keys in await (await conn.execute(_PAIRS)).fetchall()]


async def end(conn: Conn, day: date, now: datetime) -> None:
    """End the count of a day, and forget what was counted long ago."""
    await conn.execute("update quality_day set ended_at = %s where day = %s", (now, day))
    await conn.execute("delete from quality_day where day < %s", (day - timedelta(days=KEPT_DAYS),))


async def counted_days(conn: Conn) -> list[date]:
    """Return the days that were counted to the end, newest first."""
    cursor = await conn.execute("select day from quality_day where ended_at is not null order by day desc")
    return [row[0] for row in await cursor.fetchall()]


async def counts_of(conn: Conn, days: Iterable[date]) -> dict[date, list[QualityCount]]:
    """Return what was counted on some days."""
    cursor = await conn.execute(
        "select day, measure, entity, owner, count, examples from quality_count where day = any(%s) order by measure, entity, owner",
        (list(days),),
    )
    found: dict[date, list[QualityCount]] = {}
    for day, measure, entity, owner, count, examples in await cursor.fetchall():
        found.setdefault(day, []).append(QualityCount(measure, entity, owner, count, tuple(examples)))
    return found

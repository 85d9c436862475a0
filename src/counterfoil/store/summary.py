"""Table ``summary_item``: facts of entities in summary mode, each once, until the entry of their day takes them; then, its documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from .columns import columns
from .pool import Conn


@dataclass(frozen=True, slots=True)
class SummaryItem:
    """One amount of one document: signed minor units on an account (by role text), for a product group and tax.

    ``subject`` is the key of the object whose decision made it. ``item_key``: digest of the fact, so that the same fact accumulates
    once per entity, day and currency.
    """

    entity: str
    day: date
    currency: str
    item_key: str
    subject: str
    document_id: str
    account: str
    amount_minor: int
    product_group: str = ""
    tax: str = ""
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class OpenDay:
    """A day that holds items no entry has taken yet."""

    entity: str
    day: date
    currency: str
    items: int


_NAMES = (
    "entity", "day", "currency", "item_key", "subject", "document_id", "account", "amount_minor", "product_group", "tax",
    "customer_id",
)  # fmt: skip
_ADD = f"""
insert into summary_item ({", ".join(_NAMES)}, added_at)
select t.*, %(now)s from unnest(%(entity)s::text[], %(day)s::date[], %(currency)s::text[], %(item_key)s::text[], %(subject)s::text[],
    %(document_id)s::text[], %(account)s::text[], %(amount_minor)s::int8[], %(product_group)s::text[], %(tax)s::text[],
    %(customer_id)s::text[]) as t order by 1, 2, 3, 4
on conflict do nothing
"""


async def add(conn: Conn, items: Sequence[SummaryItem], now: datetime) -> int:
    """Add items that are not there yet; return how many were new."""
    return (await conn.execute(_ADD, columns(items, _NAMES) | {"now": now})).rowcount if items else 0


async def open_days(conn: Conn, until: date) -> list[OpenDay]:
    """Return the days up to and including ``until`` that hold items no entry has taken."""
    cursor = await conn.execute(
        "select entity, day, currency, count(*) from summary_item where number is null and day <= %s group by 1, 2, 3 order by 2, 1, 3",
        (until,),
    )
    return [OpenDay(*row) for row in await cursor.fetchall()]


async def close_day(conn: Conn, entity: str, day: date, currency: str) -> tuple[int, list[SummaryItem]]:
    """Give all untaken items of a day to its next entry; return that entry's number (1, 2, ...) and its items, (0, []) if there are none.

    Items that come after the day was closed go into a further entry of the same day. Concurrent closers wait for each other.
    """
    await conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"summary/{entity}/{day}/{currency}",))
    cursor = await conn.execute(
        "update summary_item set number = (select coalesce(max(number), 0) + 1 from summary_item"
        " where entity = %(entity)s and day = %(day)s and currency = %(currency)s)"
        " where entity = %(entity)s and day = %(day)s and currency = %(currency)s and number is null"
        " returning number",
        {"entity": entity, "day": day, "currency": currency},
    )
    row = await cursor.fetchone()
    if row is None:
        return 0, []
    return int(row[0]), await items_of(conn, entity, day, currency, int(row[0]))


async def items_of(conn: Conn, entity: str, day: date, currency: str, number: int) -> list[SummaryItem]:
    """Return the items behind an entry, in order of their key."""
    cursor = await conn.execute(
        f"select {', '.join(_NAMES)} from summary_item where entity = %s and day = %s and currency = %s and number = %s order by item_key",
        (entity, day, currency, number),
    )
    return [SummaryItem(*row) for row in await cursor.fetchall()]


async def of_subjects(conn: Conn, subjects: Iterable[str]) -> list[SummaryItem]:
    """Return the items that decisions of these objects (by key) made."""
    cursor = await conn.execute(f"select {', '.join(_NAMES)} from summary_item where subject = any(%s)", (sorted(set(subjects)),))
    return [SummaryItem(*row) for row in await cursor.fetchall()]

"""Tables ``summary_document`` and ``summary_item``: facts of entities in summary mode, each document once, until the entry of its day takes
its items; then, the documents behind that entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from .columns import columns
from .pool import Conn


@dataclass(frozen=True, slots=True)
class SummaryItemRow:
    """One amount of one document: signed minor units on an account (by role text), for a product group and tax.

    ``subject`` is the key of the object whose decision made it. ``item_key``: digest of the fact.
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
class SummaryDocumentRow:
    """A document that is summed up, once and for all: ``content`` is a digest of what the source said, ``booked`` its lines as booked."""

    document_id: str
    content: str = ""
    booked: str = ""


@dataclass(frozen=True, slots=True)
class OpenDay:
    """A day that holds items no entry has taken yet: how many, and what their debits come to."""

    entity: str
    day: date
    currency: str
    items: int
    debits_minor: int = 0


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
"""An item is kept once, by entity, day, currency and key; in that order, so that two who add never wait for each other in a circle."""


_DOCUMENT_NAMES = ("document_id", "content", "booked")
_ADD_DOCUMENTS = """
insert into summary_document (document_id, content, booked, added_at)
select t.*, %(now)s from unnest(%(document_id)s::text[], %(content)s::text[], %(booked)s::text[]) as t order by 1
on conflict do nothing returning document_id
"""


async def add(conn: Conn, documents: Sequence[SummaryDocumentRow], items: Sequence[SummaryItemRow], now: datetime) -> int:
    """Add documents that were never summed up before, with their items; return how many items were new.

    The items of a document that is there already are left out, all of them: it is booked as it was first summed up, whatever has changed.
    """
    if not documents:
        return 0
    cursor = await conn.execute(_ADD_DOCUMENTS, columns(documents, _DOCUMENT_NAMES) | {"now": now})
    added = {document_id for (document_id,) in await cursor.fetchall()}
    new = [item for item in items if item.document_id in added]
    return (await conn.execute(_ADD, columns(new, _NAMES) | {"now": now})).rowcount if new else 0


async def open_days(conn: Conn, until: date) -> list[OpenDay]:
    """Return the days up to and including ``until`` that hold items no entry has taken."""
    cursor = await conn.execute(
        "select entity, day, currency, count(*), coalesce(sum(amount_minor) filter (where amount_minor > 0), 0) from summary_item"
        " where number is null and day <= %s group by 1, 2, 3 order by 2, 1, 3",
        (until,),
    )
    return [OpenDay(entity, day, currency, items, int(debits)) for entity, day, currency, items, debits in await cursor.fetchall()]


async def close_day(conn: Conn, entity: str, day: date, currency: str) -> tuple[int, list[SummaryItemRow]]:
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


async def items_of(conn: Conn, entity: str, day: date, currency: str, number: int) -> list[SummaryItemRow]:
    """Return the items behind an entry, in order of their key."""
    cursor = await conn.execute(
        f"select {', '.join(_NAMES)} from summary_item where entity = %s and day = %s and currency = %s and number = %s order by item_key",
        (entity, day, currency, number),
    )
    return [SummaryItemRow(*row) for row in await cursor.fetchall()]


async def of_subjects(conn: Conn, subjects: Iterable[str]) -> list[SummaryItemRow]:
    """Return the items that decisions of these objects (by key) made, without those that were set aside (number 0)."""
    cursor = await conn.execute(
        f"select {', '.join(_NAMES)} from summary_item where subject = any(%s) and number is distinct from 0 order by day, item_key",
        (sorted(set(subjects)),),
    )
    return [SummaryItemRow(*row) for row in await cursor.fetchall()]


async def documents(conn: Conn, document_ids: Iterable[str]) -> list[SummaryDocumentRow]:
    """Return what is kept of documents besides their items."""
    wanted = sorted(set(document_ids))
    if not wanted:
        return []
    cursor = await conn.execute(
        f"select {', '.join(_DOCUMENT_NAMES)} from summary_document where document_id = any(%s)", (wanted,), binary=True
    )
    return [SummaryDocumentRow(*row) for row in await cursor.fetchall()]

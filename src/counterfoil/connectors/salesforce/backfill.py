"""Backfill: all records that were made since a date, in the order of their ids."""

from __future__ import annotations

from datetime import datetime

from counterfoil.kit.connector import Context, Page
from counterfoil.kit.errors import SetupError

from . import soql
from .api import Api, asked_at
from .listing import listed
from .pull import ROWS_MAX
from .refs import KINDS, OBJECTS, is_id
from .wire import flat

__all__ = ["KINDS", "backfill"]


async def backfill(ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
    """Return the next page of a kind's records created at or after since. Raises TransientError, SetupError."""
    if kind not in KINDS:
        raise SetupError(f"{kind} cannot be listed; there are {', '.join(KINDS)}", code="salesforce.unknown_kind")
    if cursor and not is_id(cursor):
        raise SetupError("the backfill's cursor is not readable; begin it anew", code="salesforce.cursor")
    api, name, read_at = Api(ctx), OBJECTS[kind], asked_at(ctx)
    where = f"CreatedDate >= {soql.instant(since)}" + (f" AND Id > {soql.quoted(cursor)}" if cursor else "")
    page = await api.page(soql.select(await api.fields(name), name, where, "Id", ROWS_MAX), with_deleted=False)
    rows = [flat(one) for one in page.records]
    deliveries = tuple(listed(ctx.settings.org_id, name, row, read_at) for row in rows)
    has_more = bool(rows) and (not page.done or len(rows) == ROWS_MAX)
    return Page(deliveries, rows[-1]["Id"] if has_more else cursor, has_more=has_more)

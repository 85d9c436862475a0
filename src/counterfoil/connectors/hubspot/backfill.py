"""Backfill: whole lists of records, without search and its lag. They are in no order of time; what is older than asked is left out."""

from __future__ import annotations

from datetime import datetime

from counterfoil.kit.connector import Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError

from .client import Api
from .listing import instant, listed
from .refs import KINDS, kinds_read

__all__ = ["KINDS", "backfill"]


async def backfill(ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
    """Return the next page of a kind's records created at or after since. Raises TransientError, SetupError."""
    if kind not in KINDS:
        raise SetupError(f"{kind} cannot be listed; there are {', '.join(KINDS)}", code="hubspot.unknown_kind")
    if kind not in kinds_read(with_quotes=ctx.settings.reads_quotes):
        return Page((), cursor, has_more=False)
    rows = await Api(ctx).rows(kind, after=cursor)
    wanted = (row for row in rows.results if not row.createdAt or instant(row.createdAt) >= since)
    return Page(tuple(listed(ctx.settings.portal_id, kind, row) for row in wanted), rows.after or cursor, has_more=bool(rows.after))

"""Backfill: all records that were made since a date, by a query job: its id and the place in its results are the cursor.

A job that failed, or is gone, is begun anew; what was read of it before is the same delivery when it comes again.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from counterfoil.kit.connector import Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError

from . import bulk, soql
from .api import Api, asked_at
from .listing import listed
from .refs import KINDS, OBJECTS

__all__ = ["KINDS", "backfill"]

ROWS_MAX = 5_000
"""Rows of one page: kept in one transaction."""
TRIES_MAX = 3
"""How often a job is begun, before it is a person's to look at."""
LOOK_S, LOOK_MAX_S = 0.25, 2.0


class BackfillPlace(msgspec.Struct, frozen=True):
    """Where a backfill stands: its job, since when that one reads, the place in its results; how often it was looked at, and begun."""

    job: str = ""
    read_at: str = ""
    locator: str = ""
    looks: int = 0
    tries: int = 0


async def backfill(ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
    """Return the next page of a kind's records created at or after since. Raises TransientError, SetupError."""
    if kind not in KINDS:
        raise SetupError(f"{kind} cannot be listed; there are {', '.join(KINDS)}", code="salesforce.unknown_kind")
    place = _decoded(cursor)
    if not place.job:
        return _page(await _begun(ctx, OBJECTS[kind], since, place))
    if place.locator:
        return await _read(ctx, OBJECTS[kind], place)
    match await bulk.state_of(ctx, place.job):
        case bulk.COMPLETE:
            return await _read(ctx, OBJECTS[kind], place)
        case state if state in bulk.UNFINISHED:
            await asyncio.sleep(min(LOOK_S * 2 ** min(place.looks, 8), LOOK_MAX_S))
            return _page(msgspec.structs.replace(place, looks=place.looks + 1))
        case state:
            return _page(_again(place, state))


def _decoded(cursor: str) -> BackfillPlace:
    try:
        return msgspec.json.decode(cursor, type=BackfillPlace) if cursor else BackfillPlace()
    except msgspec.DecodeError as error:
        raise SetupError("the backfill's cursor is not readable; begin it anew", code="salesforce.cursor") from error


async def _begun(ctx: Context, name: str, since: datetime, place: BackfillPlace) -> BackfillPlace:
    read_at = asked_at(ctx)
    query = soql.select(await Api(ctx).fields(name), name, f"CreatedDate >= {soql.instant(since)}")
    return BackfillPlace(await bulk.begin(ctx, query), read_at.isoformat(), tries=place.tries + 1)


def _again(place: BackfillPlace, state: str) -> BackfillPlace:
    """Return the place of a job that is begun anew. Raises SetupError when that was done often enough."""
    if place.tries >= TRIES_MAX:
        message = f"query job {place.job} ended {state}, as {TRIES_MAX - 1} before it did"
        remedy = "Look at it in Salesforce under Bulk Data Load Jobs, then run the backfill with --again"
        raise SetupError(f"{message}. {remedy}", code="salesforce.job_failed")
    return BackfillPlace(tries=place.tries)


async def _read(ctx: Context, name: str, place: BackfillPlace) -> Page:
    found = await bulk.results(ctx, place.job, place.locator, ROWS_MAX)
    if found is None:
        return _page(_again(place, bulk.GONE))
    if found.locator and found.locator == place.locator:
        raise TransientError(f"the results of query job {place.job} point to themselves", code="salesforce.endless_list")
    read_at = datetime.fromisoformat(place.read_at)
    deliveries = tuple(listed(ctx.settings.org_id, name, row, read_at) for row in found.rows)
    following = msgspec.structs.replace(place, locator=found.locator)
    return Page(deliveries, msgspec.json.encode(following).decode(), has_more=bool(found.locator))


def _page(place: BackfillPlace) -> Page:
    return Page((), msgspec.json.encode(place).decode(), has_more=True)

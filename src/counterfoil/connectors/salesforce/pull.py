"""Poll: the net. Queries for what changed, also what was deleted and merged, type by type, by the stamp of the last change.

A round goes through every type once, in ascending order of stamp and id, from the newest stamp seen less an overlap: a record is stamped
when it is saved and seen when its transaction commits, which may be minutes later. The window moves on from the last row read, not by the
number of a page: a record that changes meanwhile leaves its place for the end. A round that ends proves that nothing is missing before its
start less the overlap.

Formula fields and roll-ups change no stamp; none is read.
Query: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_queryall.htm
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from counterfoil.kit.connector import Context, Delivery, Page
from counterfoil.kit.errors import SetupError, TransientError

from . import soql
from .api import Api, asked_at
from .config import SalesforceConfig
from .listing import listed, stamp_ms
from .refs import ACCOUNT, CONTACT_ROLE, CONTACTS, LINE_ITEM, OPPORTUNITY
from .wire import QueryPage, Row, flat

ROWS_MAX = 2_000
"""Rows of one page: one call."""
STREAMS = (ACCOUNT, CONTACTS, OPPORTUNITY, LINE_ITEM, CONTACT_ROLE)
BIN_KEPT = timedelta(days=15)
"""How long the recycle bin shows what was deleted; what changed otherwise can be read however long ago it was."""
_PARTS = {LINE_ITEM: ("OpportunityId",), CONTACT_ROLE: ("OpportunityId",), OPPORTUNITY: ()}
"""Of these no more is read than which opportunity changed."""


class Window(msgspec.Struct, frozen=True):
    """Where a type's list stands: stamps from ``low`` on (milliseconds), of those with this stamp the ids above; empty: all of them."""

    low: int
    above: str = ""


class Cursor(msgspec.Struct, frozen=True):
    """Where polling goes on: the newest stamp seen by type, and within a round the type and its place."""

    marks: dict[str, int] = {}
    stream: str = ""
    started_at: int = 0
    window: Window | None = None
    top: int = 0


async def poll(ctx: Context, cursor: str) -> Page:
    """Return the next page; ``covers_until`` is set on the last page of a round. Raises TransientError, SetupError."""
    place = _started(_decoded(cursor), int(ctx.clock.now().timestamp() * 1000))
    window = place.window or Window(_since(ctx.settings, place))
    read_at = asked_at(ctx)
    page = await _read(Api(ctx), place.stream, window)
    rows = [flat(one) for one in page.records]
    deliveries = tuple(listed(ctx.settings.org_id, place.stream, row, read_at) for row in rows)
    return _page(ctx.settings, deliveries, _moved(place, window, rows, is_over=page.done and len(rows) < ROWS_MAX), ctx.clock.now())


def _decoded(cursor: str) -> Cursor:
    try:
        return msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
    except msgspec.DecodeError as error:
        raise SetupError(
            "the poll's cursor is not readable; reset it to poll from now on, and backfill", code="salesforce.cursor"
        ) from error


def _started(place: Cursor, now_ms: int) -> Cursor:
    """Return the place to go on from; at the start of a round with the time it began."""
    return place if place.stream in STREAMS else msgspec.structs.replace(place, stream=STREAMS[0], started_at=now_ms, window=None, top=0)


def _since(settings: SalesforceConfig, place: Cursor) -> int:
    """Return the oldest stamp to ask for, in milliseconds."""
    is_known = place.stream in place.marks
    back_s = settings.poll_overlap_s if is_known else max(settings.first_poll_back_s, settings.poll_overlap_s)
    return max(place.marks.get(place.stream, place.started_at) - 1_000 * back_s, 0)


async def _read(api: Api, name: str, window: Window) -> QueryPage:
    fields = await read_fields(api, name)
    low = soql.of_ms(window.low)
    where = f"SystemModstamp >= {low}"
    if window.above:
        where = f"(SystemModstamp = {low} AND Id > {soql.quoted(window.above)}) OR SystemModstamp > {low}"
    try:
        return await api.page(soql.select(fields, name, where, "SystemModstamp, Id", ROWS_MAX))
    except SetupError:
        api.forget_fields()
        raise


async def read_fields(api: Api, name: str) -> tuple[str, ...]:
    """Return the fields that a list of a type shows: of an opportunity, and what belongs to it, no more than which one changed."""
    fields = await api.fields(name)
    return ("Id", "IsDeleted", "SystemModstamp", *_PARTS[name]) if name in _PARTS else fields


def _moved(place: Cursor, window: Window, rows: list[Row], *, is_over: bool) -> Cursor:
    """Return the place after a page. Raises TransientError if nothing moves: the same page would come for ever."""
    top = max([place.top, *(stamp_ms(row) for row in rows)])
    if not is_over:
        following = Window(stamp_ms(rows[-1]), rows[-1]["Id"]) if rows else window
        if following == window:
            raise TransientError(f"a list of {place.stream} does not move on", code="salesforce.endless_list")
        return msgspec.structs.replace(place, window=following, top=top)
    marks = {**place.marks, place.stream: max(place.marks.get(place.stream, place.started_at), top)}
    rest = STREAMS[STREAMS.index(place.stream) + 1 :]
    return msgspec.structs.replace(place, marks=marks, stream=rest[0] if rest else "", window=None, top=0)


def _page(settings: SalesforceConfig, deliveries: tuple[Delivery, ...], place: Cursor, now: datetime) -> Page:
    is_round_over = not place.stream
    covers_until = datetime.fromtimestamp(place.started_at / 1000 - settings.poll_overlap_s, UTC) if is_round_over else None
    return Page(
        deliveries,
        msgspec.json.encode(place).decode(),
        has_more=not is_round_over,
        covers_until=covers_until,
        recoverable_since=now - BIN_KEPT,
    )

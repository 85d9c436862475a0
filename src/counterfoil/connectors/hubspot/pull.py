"""Poll: the net under the webhooks. Searches for what changed, the lists of what is deleted, and the journal where it is read.

A round goes through every stream once. Searching is by the time of the last change, ascending, from the newest seen less an overlap: the
search index learns of changes seconds to minutes late. The window of time moves on, never the page: a record that changes meanwhile leaves
its place for the end, and all behind it would move up past a page that was read already (and no search shows more than 10,000 records).
Records that share one instant are told apart by their numbers. A round that ends proves that nothing is missing before its start
less the overlap; before the lists of what is deleted were last read through, that is.

Search: https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from counterfoil.kit.connector import Context, Delivery, Page
from counterfoil.kit.errors import SetupError, TransientError

from . import journal
from .client import Api
from .config import HubspotConfig
from .listing import archived, instant, listed
from .refs import KINDS, LINE_ITEM
from .wire import CHANGED_AT, Row, Rows

DELETED = "deleted"
DELETED_KEPT = timedelta(days=90)
"""How long what is deleted is listed; what changed otherwise can be searched for however long ago it was."""
JOURNAL = "journal"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SearchWindow(msgspec.Struct, frozen=True):
    """Where a search stands: changes from ``low`` on (milliseconds).

    ``above``: of the records that all changed at ``low``, those with a greater number; None: by time.
    """

    low: int
    above: str | None = None


class PollCursor(msgspec.Struct, frozen=True):
    """Where polling goes on: the newest change seen by stream, and within a round the stream and its place.

    ``deleted_at``: when the lists of deleted records were last read through, in seconds. ``offset``: the journal's.
    """

    marks: dict[str, int] = {}
    stream: str = ""
    started_at: int = 0
    window: SearchWindow | None = None
    top: int = 0
    after: str = ""
    deleted_at: int = 0
    is_deleted_due: bool = False
    offset: str = ""


def streams(settings: HubspotConfig, *, is_deleted_due: bool) -> tuple[str, ...]:
    """Return the names of the streams of a round."""
    deleted = tuple(f"{kind}/{DELETED}" for kind in KINDS) if is_deleted_due else ()
    return (*KINDS, LINE_ITEM, *deleted, *((JOURNAL,) if settings.client_id else ()))


async def poll(ctx: Context, cursor: str) -> Page:
    """Return the next page; ``covers_until`` is set on the last page of a round. Raises TransientError, SetupError."""
    place = _started(ctx.settings, _decoded(cursor), int(ctx.clock.now().timestamp()))
    kind, _, what = place.stream.partition("/")
    if place.stream == JOURNAL:
        deliveries, offset = await journal.read(ctx, place.offset)
        following = msgspec.structs.replace(place, offset=offset)
        is_over = not deliveries and offset == place.offset
    elif what == DELETED:
        deliveries, following, is_over = await _deleted(ctx, place, kind)
    else:
        deliveries, following, is_over = await _changed(ctx, place, kind)
    return _page(ctx.settings, deliveries, _next(ctx.settings, following) if is_over else following, ctx.clock.now())


def _decoded(cursor: str) -> PollCursor:
    try:
        return msgspec.json.decode(cursor, type=PollCursor) if cursor else PollCursor()
    except msgspec.DecodeError as error:
        raise SetupError("the poll's cursor is not readable; reset it to poll from now on, and backfill", code="hubspot.cursor") from error


def _started(settings: HubspotConfig, place: PollCursor, now: int) -> PollCursor:
    """Return the place to go on from; at the start of a round with the time it began."""
    if place.stream in streams(settings, is_deleted_due=place.is_deleted_due):
        return place
    is_due = now - place.deleted_at >= settings.deleted_every_s
    return msgspec.structs.replace(place, stream=KINDS[0], started_at=now, window=None, top=0, after="", is_deleted_due=is_due)


async def _changed(ctx: Context, place: PollCursor, kind: str) -> tuple[tuple[Delivery, ...], PollCursor, bool]:
    window = place.window or SearchWindow(_since(ctx.settings, place, kind))
    rows = await _search(Api(ctx), kind, window)
    following = _moved(window, rows, kind)
    top = max([place.top, *(_changed_ms(row, kind) for row in rows.results)])
    deliveries = tuple(listed(ctx.settings.portal_id, kind, row) for row in rows.results)
    if following is not None:
        return deliveries, msgspec.structs.replace(place, window=following, top=top), False
    floor = place.marks.get(kind, 1_000 * place.started_at)
    return deliveries, msgspec.structs.replace(place, marks={**place.marks, kind: max(floor, top)}), True


def _since(settings: HubspotConfig, place: PollCursor, kind: str) -> int:
    """Return the oldest change to ask for, in milliseconds."""
    back_s = settings.poll_overlap_s if kind in place.marks else max(settings.first_poll_back_s, settings.poll_overlap_s)
    return max(place.marks.get(kind, 1_000 * place.started_at) - 1_000 * back_s, 0)


async def _search(api: Api, kind: str, window: SearchWindow) -> Rows:
    changed = CHANGED_AT[kind]
    if window.above is None:
        filters = [{"propertyName": changed, "operator": "GTE", "value": str(window.low)}]
        return await api.search(kind, filters, changed, [changed])
    filters = [
        {"propertyName": changed, "operator": "EQ", "value": str(window.low)},
        {"propertyName": "hs_object_id", "operator": "GT", "value": window.above},
    ]
    return await api.search(kind, filters, "hs_object_id", [changed])


def _moved(window: SearchWindow, rows: Rows, kind: str) -> SearchWindow | None:
    """Return where the search goes on, None where it has ended."""
    if not rows.results:
        return None if window.above is None else SearchWindow(window.low + 1)
    last = rows.results[-1]
    if window.above is not None:
        return SearchWindow(window.low, above=last.id)
    if not rows.after:
        return None
    newest = _changed_ms(last, kind)
    return SearchWindow(newest) if newest > window.low else SearchWindow(window.low, above="0")


def _changed_ms(row: Row, kind: str) -> int:
    text = row.properties.get(CHANGED_AT[kind]) or row.updatedAt
    return (instant(text) - _EPOCH) // timedelta(milliseconds=1)


async def _deleted(ctx: Context, place: PollCursor, kind: str) -> tuple[tuple[Delivery, ...], PollCursor, bool]:
    """Return what was deleted since the lists were last read through; they are in no order, so they are read whole."""
    rows = await Api(ctx).rows(kind, after=place.after, is_archived=True)
    since = datetime.fromtimestamp(max(place.deleted_at - ctx.settings.poll_overlap_s, 0), UTC)
    wanted = [row for row in rows.results if instant(row.archivedAt or row.updatedAt) >= since]
    deliveries = tuple(archived(ctx.settings.portal_id, kind, row) for row in wanted)
    if rows.after and rows.after == place.after:
        raise TransientError(f"the list of deleted {kind} records points to itself", code="hubspot.endless_list")
    return deliveries, msgspec.structs.replace(place, after=rows.after), not rows.after


def _next(settings: HubspotConfig, place: PollCursor) -> PollCursor:
    """Return the start of the next stream, or the end of the round."""
    names = streams(settings, is_deleted_due=place.is_deleted_due)
    rest = names[names.index(place.stream) + 1 :]
    place = msgspec.structs.replace(place, stream=rest[0] if rest else "", window=None, top=0, after="")
    if rest or not place.is_deleted_due:
        return place
    return msgspec.structs.replace(place, deleted_at=place.started_at)


def _page(settings: HubspotConfig, deliveries: tuple[Delivery, ...], place: PollCursor, now: datetime) -> Page:
    is_round_over = not place.stream
    covers_until = datetime.fromtimestamp(place.deleted_at - settings.poll_overlap_s, UTC) if is_round_over else None
    return Page(
        deliveries,
        msgspec.json.encode(place).decode(),
        has_more=not is_round_over,
        covers_until=covers_until,
        recoverable_since=now - DELETED_KEPT,
    )

"""Poll: the net under the webhooks. Searches for what changed, the lists of what is deleted, and the journal where it is read.

Each is a list of its own. Searching is by the time of the last change, ascending, from the newest seen less an overlap: the search index
learns of changes seconds to minutes late. The window of time moves on, never the page: a record that changes meanwhile leaves its place for
the end, and all behind it would move up past a page that was read already (and no search shows more than 10,000 records). Records that
share one instant are told apart by their numbers. A round that ends proves that nothing of its list is missing before its start less the
overlap.

Search: https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from counterfoil.kit.connector import Page, Polls
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError

from . import journal
from .client import Api
from .config import HubspotConfig
from .listing import archived, instant, listed
from .refs import LINE_ITEM, kinds_read
from .wire import CHANGED_AT, Row, Rows

T = TypeVar("T")

DELETED = "deleted"
DELETED_KEPT = timedelta(days=90)
"""How long what is deleted is listed; what changed otherwise can be searched for however long ago it was."""
JOURNAL = "journal"
JOURNAL_KEPT = timedelta(days=3)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SearchWindow(msgspec.Struct, frozen=True):
    """Where a search stands: changes from ``low`` on (milliseconds).

    ``above``: of the records that all changed at ``low``, those with a greater number; None: by time.
    """

    low: int
    above: str | None = None


class Searched(msgspec.Struct, frozen=True):
    """Where a search goes on: the newest change seen (milliseconds; None: never searched), and within a round its start and its window."""

    mark: int | None = None
    started_at: int = 0
    window: SearchWindow | None = None
    top: int = 0


class Listed(msgspec.Struct, frozen=True):
    """Where a list of what is deleted goes on: when it was last read through (seconds), and within a round its start and its page."""

    read_at: int = 0
    started_at: int = 0
    after: str = ""


class Followed(msgspec.Struct, frozen=True):
    """Where the journal goes on, and when it was last read to its end (ISO 8601)."""

    offset: str = ""
    at: str = ""


class JointCursor(msgspec.Struct, frozen=True):
    """What an older program kept of all lists together."""

    marks: dict[str, int]
    deleted_at: int = 0
    offset: str = ""


def lists(settings: HubspotConfig) -> Mapping[str, Polls]:
    """Return every list: a search of each kind, one of what is deleted of each, and the journal where it is read."""
    kinds = kinds_read(with_quotes=settings.reads_quotes)
    searches: dict[str, Polls] = {kind: ChangedList(kind) for kind in (*kinds, LINE_ITEM)}
    deleted: dict[str, Polls] = {f"{kind}/{DELETED}": DeletedList(kind) for kind in kinds}
    return {**searches, **deleted, **({JOURNAL: JournalList()} if settings.follows_journal else {})}


class ChangedList:
    """What changed of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def poll(self, ctx: Context, cursor: str) -> Page:
        """Return the next page; ``covers_until`` is set on the last page of a round. Raises TransientError, SetupError."""
        joint = _joint(cursor)
        place = _decoded(cursor, Searched) if joint is None else Searched(joint.marks.get(self.kind))
        if not place.started_at:
            place = msgspec.structs.replace(place, started_at=int(ctx.clock.now().timestamp()), window=None, top=0)
        window = place.window or SearchWindow(self._since(ctx.settings, place))
        rows = await self._search(Api(ctx), window)
        following = self._moved(window, rows)
        top = max([place.top, *(self._changed_ms(row) for row in rows.results)])
        deliveries = tuple(listed(ctx.settings.portal_id, self.kind, row) for row in rows.results)
        if following is not None:
            return Page(deliveries, _encoded(msgspec.structs.replace(place, window=following, top=top)), has_more=True)
        floor = place.mark if place.mark is not None else 1_000 * place.started_at
        return Page(deliveries, _encoded(Searched(max(floor, top))), has_more=False, covers_until=_covered(ctx.settings, place.started_at))

    def _since(self, settings: HubspotConfig, place: Searched) -> int:
        """Return the oldest change to ask for, in milliseconds."""
        if place.mark is not None:
            return max(place.mark - 1_000 * settings.poll_overlap_s, 0)
        return max(1_000 * (place.started_at - max(settings.first_poll_back_s, settings.poll_overlap_s)), 0)

    async def _search(self, api: Api, window: SearchWindow) -> Rows:
        changed = CHANGED_AT[self.kind]
        if window.above is None:
            filters = [{"propertyName": changed, "operator": "GTE", "value": str(window.low)}]
            return await api.search(self.kind, filters, changed, [changed])
        filters = [
            {"propertyName": changed, "operator": "EQ", "value": str(window.low)},
            {"propertyName": "hs_object_id", "operator": "GT", "value": window.above},
        ]
        return await api.search(self.kind, filters, "hs_object_id", [changed])

    def _moved(self, window: SearchWindow, rows: Rows) -> SearchWindow | None:
        """Return where the search goes on, None where it has ended."""
        if not rows.results:
            return None if window.above is None else SearchWindow(window.low + 1)
        last = rows.results[-1]
        if window.above is not None:
            return SearchWindow(window.low, above=last.id)
        if not rows.after:
            return None
        newest = self._changed_ms(last)
        return SearchWindow(newest) if newest > window.low else SearchWindow(window.low, above="0")

    def _changed_ms(self, row: Row) -> int:
        text = row.properties.get(CHANGED_AT[self.kind]) or row.updatedAt
        return (instant(text) - _EPOCH) // timedelta(milliseconds=1)


class DeletedList:
    """What was deleted of one kind since the list was last read through: it is in no order, so it is read whole, and not too often."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def poll(self, ctx: Context, cursor: str) -> Page:
        """Return the next page; one that says nothing while it is too early. Raises TransientError, SetupError."""
        settings: HubspotConfig = ctx.settings
        now = ctx.clock.now()
        joint = _joint(cursor)
        place = _decoded(cursor, Listed) if joint is None else Listed(joint.deleted_at)
        if not place.started_at and now.timestamp() - place.read_at < settings.deleted_every_s:
            return Page((), cursor, has_more=False)
        place = msgspec.structs.replace(place, started_at=place.started_at or int(now.timestamp()))
        rows = await Api(ctx).rows(self.kind, after=place.after, is_archived=True)
        since = datetime.fromtimestamp(max(place.read_at - settings.poll_overlap_s, 0), UTC)
        wanted = [row for row in rows.results if instant(row.archivedAt or row.updatedAt) >= since]
        deliveries = tuple(archived(settings.portal_id, self.kind, row) for row in wanted)
        if rows.after and rows.after == place.after:
            raise TransientError(f"the list of deleted {self.kind} records points to itself", code="hubspot.endless_list")
        if rows.after:
            return Page(deliveries, _encoded(msgspec.structs.replace(place, after=rows.after)), has_more=True)
        covered = _covered(settings, place.started_at)
        return Page(
            deliveries, _encoded(Listed(place.started_at)), has_more=False, covers_until=covered, recoverable_since=now - DELETED_KEPT
        )


class JournalList:
    """What happened, entry by entry."""

    async def poll(self, ctx: Context, cursor: str) -> Page:
        """Return the events of the next entry. Raises TransientError, SetupError."""
        now = ctx.clock.now()
        joint = _joint(cursor)
        place = _decoded(cursor, Followed) if joint is None else Followed(joint.offset)
        entry = await journal.read(ctx, place.offset)
        gaps = (journal.gap(ctx.settings.portal_id, place.offset, place.at, now),) if entry.is_gap else ()
        is_over = not entry.deliveries and entry.offset == place.offset
        # Of a place that is kept no more, the instant it was left at stays for as long as nothing follows.
        at = now.isoformat(timespec="seconds") if is_over and not entry.is_gap else place.at
        return Page(
            (*gaps, *entry.deliveries),
            _encoded(Followed(entry.offset, at)),
            has_more=not is_over,
            covers_until=_covered(ctx.settings, int(now.timestamp())) if is_over else None,
            recoverable_since=now - JOURNAL_KEPT,
        )


def _decoded(cursor: str, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(cursor or "{}", type=type_)
    except msgspec.DecodeError as error:
        raise SetupError("the poll's cursor is not readable; reset it to poll from now on, and backfill", code="hubspot.cursor") from error


def _joint(cursor: str) -> JointCursor | None:
    """Return a cursor of all lists together, None for one of a list alone."""
    try:
        return msgspec.json.decode(cursor, type=JointCursor) if cursor else None
    except msgspec.DecodeError:
        return None


def _encoded(place: msgspec.Struct) -> str:
    return msgspec.json.encode(place).decode()


def _covered(settings: HubspotConfig, started_at: int) -> datetime:
    return datetime.fromtimestamp(started_at - settings.poll_overlap_s, UTC)

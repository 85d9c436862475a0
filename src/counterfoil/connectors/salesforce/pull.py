"""Poll: the net. Queries for what changed, also what was deleted and merged, type by type, by the stamp of the last change.

Each type is a list of its own, read in ascending order of stamp and id, from the newest stamp seen less an overlap: a record is stamped
when it is saved and seen when its transaction commits, which may be minutes later. The window moves on from the last row read, not by the
number of a page: a record that changes meanwhile leaves its place for the end. A round that ends proves that nothing of its list is missing
before its start less the overlap.

Formula fields and roll-ups change no stamp; none is read.
Query: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_queryall.htm
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from counterfoil.kit.connector import Page, Polls
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError

from . import soql
from .api import Api, asked_at
from .config import SalesforceConfig
from .listing import listed, stamp_ms
from .refs import ACCOUNT, CONTACT_ROLE, CONTACTS, LINE_ITEM, OPPORTUNITY
from .wire import QueryPage, Row, flat

ROWS_MAX = 2_000
"""Rows of one page: one call."""
TYPES = (ACCOUNT, CONTACTS, OPPORTUNITY, LINE_ITEM, CONTACT_ROLE)
BIN_KEPT = timedelta(days=15)
"""How long the recycle bin shows what was deleted; what changed otherwise can be read however long ago it was."""


class ListWindow(msgspec.Struct, frozen=True):
    """Where a list stands: stamps from ``low`` on (milliseconds), of those with this stamp the ids above; empty: all of them."""

    low: int
    above: str = ""


class ListPlace(msgspec.Struct, frozen=True):
    """Where a list goes on: the newest stamp seen (milliseconds; None: it was never read), and within a round its start and its window."""

    mark: int | None = None
    started_at: int = 0
    window: ListWindow | None = None
    top: int = 0


def lists(_settings: SalesforceConfig) -> Mapping[str, Polls]:
    """Return every list: one of each type."""
    return {name: ChangedList(name) for name in TYPES}


class ChangedList:
    """What changed of one type."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def poll(self, ctx: Context, cursor: str) -> Page:
        """Return the next page; ``covers_until`` is set on the last page of a round. Raises TransientError, SetupError."""
        settings: SalesforceConfig = ctx.settings
        now = ctx.clock.now()
        place = _decoded(cursor)
        if not place.started_at:
            place = msgspec.structs.replace(place, started_at=int(now.timestamp() * 1000), window=None, top=0)
        window, read_at = place.window or ListWindow(_since(settings, place)), asked_at(ctx)
        page = await self._read(Api(ctx), window)
        rows = [flat(one) for one in page.records]
        deliveries = tuple(listed(settings.org_id, self.name, row, read_at) for row in rows)
        top = max([place.top, *(stamp_ms(row) for row in rows)])
        if not page.done or len(rows) == ROWS_MAX:
            following = msgspec.structs.replace(place, window=self._moved(window, rows), top=top)
            return Page(deliveries, _encoded(following), has_more=True, recoverable_since=now - BIN_KEPT)
        floor = place.started_at if place.mark is None else place.mark
        covered = datetime.fromtimestamp(place.started_at / 1000 - settings.poll_overlap_s, UTC)
        end = _encoded(ListPlace(max(floor, top)))
        return Page(deliveries, end, has_more=False, covers_until=covered, recoverable_since=now - BIN_KEPT)

    async def _read(self, api: Api, window: ListWindow) -> QueryPage:
        low = soql.of_ms(window.low)
        where = f"SystemModstamp >= {low}"
        if window.above:
            where = f"(SystemModstamp = {low} AND Id > {soql.quoted(window.above)}) OR SystemModstamp > {low}"
        try:
            # All fields, also of an opportunity, which is fetched: what they say tells two changes of one stamp apart.
            return await api.page(soql.select(await api.fields(self.name), self.name, where, "SystemModstamp, Id", ROWS_MAX))
        except SetupError:
            api.forget_fields()
            raise

    def _moved(self, window: ListWindow, rows: Sequence[Row]) -> ListWindow:
        """Return where the list goes on behind a page. Raises TransientError if that is where it stood: the page would come for ever."""
        following = ListWindow(stamp_ms(rows[-1]), rows[-1]["Id"]) if rows else window
        if following == window:
            raise TransientError(f"the list of {self.name} does not move on", code="salesforce.endless_list")
        return following


def _decoded(cursor: str) -> ListPlace:
    try:
        return msgspec.json.decode(cursor or "{}", type=ListPlace)
    except msgspec.DecodeError as error:
        raise SetupError(
            "the poll's cursor is not readable; reset it to poll from now on, and backfill", code="salesforce.cursor"
        ) from error


def _encoded(place: ListPlace) -> str:
    return msgspec.json.encode(place).decode()


def _since(settings: SalesforceConfig, place: ListPlace) -> int:
    """Return the oldest stamp to ask for, in milliseconds."""
    if place.mark is not None:
        return max(place.mark - 1_000 * settings.poll_overlap_s, 0)
    return max(place.started_at - 1_000 * max(settings.first_poll_back_s, settings.poll_overlap_s), 0)

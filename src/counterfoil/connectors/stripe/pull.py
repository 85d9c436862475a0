"""Poll: the net under the webhooks. Events since the newest one seen, balance movements that no event tells, and what it proves.

Both lists give the newest first. A round sweeps every stream (two per account) from the newest down to the newest of the former round,
less an overlap for what became visible late; deliveries seen before are dropped by their key. A round that ends proves that nothing is
missing before its start less the overlap. Stripe keeps events for 30 days (https://docs.stripe.com/api/events): after a longer gap the
objects themselves are listed again first.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from counterfoil.kit.connector import Context, Delivery, Page
from counterfoil.kit.errors import IntakeRefused, SetupError, TransientError

from . import fetching
from .backfill import KINDS, backfill, unexplained
from .client import Api, asked_at
from .config import StripeConfig
from .fetching import ENCODER
from .listing import listed
from .normalize.balance import BY_REFUND, rule_of
from .webhooks import delivery_of
from .wire.money import BalanceTransaction

RETENTION = timedelta(days=30)
EVENTS, MOVEMENTS = "events", "balance_transactions"


class Mark(msgspec.Struct, frozen=True):
    """How far a stream was seen: ``high`` is the newest ``created`` (Stripe's Unix seconds), ``moved_at`` when that was found (ours)."""

    high: int
    moved_at: int


class Relist(msgspec.Struct, frozen=True):
    """A gap being closed: objects created since then are listed, kind by kind."""

    since: int
    kind: str
    cursor: str = ""


class PollCursor(msgspec.Struct, frozen=True):
    """Where polling goes on: marks per stream; within a round the stream, its place, the newest found in it, the round's start.

    ``covered_at`` is the start of the last round that ended: a gap is counted from there, not from the last event of a quiet account.
    """

    marks: dict[str, Mark] = {}
    covered_at: int = 0
    stream: str = ""
    after: str = ""
    top: int = 0
    started_at: int = 0
    relist: Relist | None = None


def streams(settings: StripeConfig) -> tuple[str, ...]:
    """Return the names of all streams, ``acct_1/events`` and ``acct_1/balance_transactions`` for each account."""
    return tuple(f"{account}/{kind}" for account in settings.all_accounts for kind in (EVENTS, MOVEMENTS))


async def poll(ctx: Context, cursor: str) -> Page:
    """Return the next page. ``covers_until`` is set on the last page of a round, ``recoverable_since`` on every page.

    Raises TransientError, SetupError.
    """
    now = int(ctx.clock.now().timestamp())
    place = _started(ctx.settings, _decoded(cursor), now)
    if place.relist is not None:
        deliveries, place = await _relist(ctx, place, place.relist)
        return _page(ctx.settings, deliveries, place, now, is_round_over=False)
    account, _, kind = place.stream.partition("/")
    mark = place.marks.get(place.stream) or Mark(now - max(ctx.settings.first_poll_back_s, ctx.settings.poll_overlap_s), now)
    at = asked_at(ctx)
    api = Api(ctx, account)
    found = await api.page(f"/v1/{kind}", [("created[gte]", str(_since(ctx.settings, mark, place.started_at)))], place.after)
    rows: list[dict[str, Any]] = list(found["data"])
    if kind == EVENTS:
        deliveries = tuple(_event(ctx.settings, account, row) for row in reversed(rows))
    else:
        kept = await unexplained(api, rows, 0)
        refunds = [listed(account, row, at) for row in await _refunds_of(api, rows)]
        deliveries = (*refunds, *(listed(account, row, at, is_immutable=True) for row in reversed(kept)))
    has_more = bool(found.get("has_more")) and bool(rows)
    place, is_round_over = _advanced(ctx.settings, place, mark, rows, has_more)
    return _page(ctx.settings, deliveries, place, now, is_round_over=is_round_over)


async def _refunds_of(api: Api, movements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the refunds that explain movements: a movement is nobody's as long as its refund is not known, and no event may tell of it."""
    sources = [fetching.id_of(row.get("source")) for row in movements if rule_of(msgspec.convert(row, BalanceTransaction)) == BY_REFUND]
    ids = dict.fromkeys(source for source in reversed(sources) if source)
    found = await asyncio.gather(*(fetching.refund(api, refund_id) for refund_id in ids))
    return [refund for refund in found if refund is not None]


def _decoded(cursor: str) -> PollCursor:
    try:
        return msgspec.json.decode(cursor, type=PollCursor) if cursor else PollCursor()
    except msgspec.DecodeError as error:
        raise SetupError("the poll's cursor is not readable; reset it to poll from now on, and backfill", code="stripe.cursor") from error


def _started(settings: StripeConfig, place: PollCursor, now: int) -> PollCursor:
    """Return the place to go on from; at the start of a round that follows a gap longer than Stripe keeps events, by listing first."""
    names = streams(settings)
    if place.stream in names:
        return place
    place = msgspec.structs.replace(place, stream=names[0], after="", top=0, started_at=now)
    if place.relist is None and 0 < place.covered_at < now - int(RETENTION.total_seconds()):
        since = place.covered_at - settings.gap_relist_days * 86_400
        return msgspec.structs.replace(place, relist=Relist(max(since, 0), KINDS[0]))
    return place


async def _relist(ctx: Context, place: PollCursor, relist: Relist) -> tuple[tuple[Delivery, ...], PollCursor]:
    page = await backfill(ctx, relist.kind, datetime.fromtimestamp(relist.since, UTC), relist.cursor)
    following: Relist | None
    if page.has_more:
        following = Relist(relist.since, relist.kind, page.cursor)
    else:
        rest = KINDS[KINDS.index(relist.kind) + 1 :]
        following = Relist(relist.since, rest[0]) if rest else None
    return page.deliveries, msgspec.structs.replace(place, relist=following)


def _since(settings: StripeConfig, mark: Mark, started_at: int) -> int:
    """Return the oldest ``created`` to ask for. Once nothing new came for twice the overlap, what was seen is not read again."""
    is_quiet = started_at - mark.moved_at > 2 * settings.poll_overlap_s
    return mark.high if is_quiet else max(mark.high - settings.poll_overlap_s, 0)


def _advanced(settings: StripeConfig, place: PollCursor, mark: Mark, rows: list[dict[str, Any]], has_more: bool) -> tuple[PollCursor, bool]:
    top = max([place.top, *(row["created"] for row in rows)])
    if has_more:
        return msgspec.structs.replace(place, after=rows[-1]["id"], top=top), False
    moved = Mark(top, place.started_at) if top > mark.high else mark
    marks = {**place.marks, place.stream: moved}
    names = streams(settings)
    rest = names[names.index(place.stream) + 1 :]
    covered_at = place.covered_at if rest else place.started_at
    place = msgspec.structs.replace(place, marks=marks, covered_at=covered_at, stream=rest[0] if rest else "", after="", top=0)
    return place, not rest


def _event(settings: StripeConfig, account: str, row: dict[str, Any]) -> Delivery:
    try:
        return delivery_of(settings, ENCODER.encode(row), account)
    except IntakeRefused as error:
        raise TransientError(f"the list of events holds something else: {error}", code="stripe.answer_shape") from error


def _page(settings: StripeConfig, deliveries: tuple[Delivery, ...], place: PollCursor, now: int, *, is_round_over: bool) -> Page:
    covers_until = datetime.fromtimestamp(place.started_at - settings.poll_overlap_s, UTC) if is_round_over else None
    return Page(
        deliveries,
        msgspec.json.encode(place).decode(),
        has_more=not is_round_over,
        covers_until=covers_until,
        recoverable_since=datetime.fromtimestamp(now, UTC) - RETENTION,
    )

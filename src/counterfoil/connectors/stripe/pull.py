"""Poll: the net under the webhooks. Events since the newest one seen, balance movements that no event tells, and what it proves.

Each account has both lists, which give the newest first. A round sweeps one from the newest down to the newest of the former round, less an
overlap for what became visible late; deliveries seen before are dropped by their key. A round that ends proves that nothing is missing in
its list before its start less the overlap. Stripe keeps events for 30 days (https://docs.stripe.com/api/events): after a longer gap the
account's objects themselves are listed again first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from counterfoil.kit.connector import Delivery, Page, Polls
from counterfoil.kit.context import Context
from counterfoil.kit.errors import IntakeRefused, SetupError, TransientError

from . import fetching
from .backfill import KINDS, account_page, unexplained
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
    """How far a list was seen: ``high`` is the newest ``created`` (Stripe's Unix seconds), ``moved_at`` when that was found (ours)."""

    high: int
    moved_at: int


class Relist(msgspec.Struct, frozen=True):
    """A gap being closed: the account's objects created since then are listed, kind by kind."""

    since: int
    kind: str
    after: str = ""


class PollCursor(msgspec.Struct, frozen=True):
    """Where a list goes on: how far it was seen; within a round its place, the newest found in it, the round's start (0: between rounds).

    ``covered_at`` is the start of the last round that ended: a gap is counted from there, not from the last event of a quiet account.
    """

    mark: Mark | None = None
    covered_at: int = 0
    after: str = ""
    top: int = 0
    started_at: int = 0
    relist: Relist | None = None


class JointCursor(msgspec.Struct, frozen=True):
    """What an older program kept of all lists together: marks by ``acct_1/events``."""

    marks: dict[str, Mark]
    covered_at: int = 0


def lists(settings: StripeConfig) -> Mapping[str, Polls]:
    """Return every list, ``acct_1/events`` and ``acct_1/balance_transactions`` for each account."""
    return {f"{account}/{kind}": AccountList(account, kind) for account in settings.all_accounts for kind in (EVENTS, MOVEMENTS)}


class AccountList:
    """One of an account's two lists."""

    def __init__(self, account: str, kind: str) -> None:
        self.account = account
        self.kind = kind

    async def poll(self, ctx: Context, cursor: str) -> Page:
        """Return the next page; ``covers_until`` is set on the last page of a round. Raises TransientError, SetupError."""
        now = int(ctx.clock.now().timestamp())
        place = self._started(ctx.settings, self._decoded(cursor), now)
        if place.relist is not None:
            deliveries, place = await self._relist(ctx, place, place.relist)
            return self._page(ctx.settings, deliveries, place, now, is_round_over=False)
        mark = place.mark or Mark(now - max(ctx.settings.first_poll_back_s, ctx.settings.poll_overlap_s), now)
        at = asked_at(ctx)
        api = Api(ctx, self.account)
        found = await api.page(f"/v1/{self.kind}", [("created[gte]", str(_since(ctx.settings, mark, place.started_at)))], place.after)
        rows: list[dict[str, Any]] = list(found["data"])
        deliveries = self._events(ctx.settings, rows) if self.kind == EVENTS else await self._movements(api, rows, at)
        has_more = bool(found.get("has_more")) and bool(rows)
        return self._page(ctx.settings, deliveries, _advanced(place, mark, rows, has_more), now, is_round_over=not has_more)

    def _decoded(self, cursor: str) -> PollCursor:
        try:
            known = msgspec.json.decode(cursor, type=dict[str, Any]) if cursor else {}
            if "marks" in known:
                joint = msgspec.convert(known, JointCursor)
                return PollCursor(joint.marks.get(f"{self.account}/{self.kind}"), joint.covered_at)
            return msgspec.convert(known, PollCursor)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise SetupError(
                "the poll's cursor is not readable; reset it to poll from now on, and backfill", code="stripe.cursor"
            ) from error

    def _started(self, settings: StripeConfig, place: PollCursor, now: int) -> PollCursor:
        """Return the place to go on from; at the start of a round that follows a gap longer than Stripe keeps events, by listing first."""
        if place.started_at:
            return place
        place = msgspec.structs.replace(place, after="", top=0, started_at=now)
        is_gap = self.kind == EVENTS and 0 < place.covered_at < now - int(RETENTION.total_seconds())
        if place.relist is None and is_gap:
            since = place.covered_at - settings.gap_relist_days * 86_400
            return msgspec.structs.replace(place, relist=Relist(max(since, 0), KINDS[0]))
        return place

    async def _relist(self, ctx: Context, place: PollCursor, relist: Relist) -> tuple[tuple[Delivery, ...], PollCursor]:
        deliveries, after, has_more = await account_page(ctx, self.account, relist.kind, relist.since, relist.after)
        following: Relist | None
        if has_more:
            following = Relist(relist.since, relist.kind, after)
        else:
            rest = KINDS[KINDS.index(relist.kind) + 1 :]
            following = Relist(relist.since, rest[0]) if rest else None
        return deliveries, msgspec.structs.replace(place, relist=following)

    def _events(self, settings: StripeConfig, rows: list[dict[str, Any]]) -> tuple[Delivery, ...]:
        try:
            return tuple(delivery_of(settings, ENCODER.encode(row), self.account) for row in reversed(rows))
        except IntakeRefused as error:
            raise TransientError(f"the list of events holds something else: {error}", code="stripe.answer_shape") from error

    async def _movements(self, api: Api, rows: list[dict[str, Any]], at: datetime) -> tuple[Delivery, ...]:
        kept = await unexplained(api, rows, 0)
        refunds = [listed(self.account, row, at) for row in await _refunds_of(api, rows)]
        return (*refunds, *(listed(self.account, row, at, is_immutable=True) for row in reversed(kept)))

    def _page(self, settings: StripeConfig, deliveries: tuple[Delivery, ...], place: PollCursor, now: int, *, is_round_over: bool) -> Page:
        covers_until = datetime.fromtimestamp(place.started_at - settings.poll_overlap_s, UTC) if is_round_over else None
        if is_round_over:
            place = msgspec.structs.replace(place, covered_at=place.started_at, started_at=0)
        return Page(
            deliveries,
            msgspec.json.encode(place).decode(),
            has_more=not is_round_over,
            covers_until=covers_until,
            recoverable_since=datetime.fromtimestamp(now, UTC) - RETENTION if self.kind == EVENTS else None,  # movements are kept
        )


async def _refunds_of(api: Api, movements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the refunds that explain movements: a movement is nobody's as long as its refund is not known, and no event may tell of it."""
    sources = [fetching.id_of(row.get("source")) for row in movements if rule_of(msgspec.convert(row, BalanceTransaction)) == BY_REFUND]
    ids = dict.fromkeys(source for source in reversed(sources) if source)
    found = await asyncio.gather(*(fetching.refund(api, refund_id) for refund_id in ids))
    return [refund for refund in found if refund is not None]


def _since(settings: StripeConfig, mark: Mark, started_at: int) -> int:
    """Return the oldest ``created`` to ask for. Once nothing new came for twice the overlap, what was seen is not read again."""
    is_quiet = started_at - mark.moved_at > 2 * settings.poll_overlap_s
    return mark.high if is_quiet else max(mark.high - settings.poll_overlap_s, 0)


def _advanced(place: PollCursor, mark: Mark, rows: list[dict[str, Any]], has_more: bool) -> PollCursor:
    top = max([place.top, *(row["created"] for row in rows)])
    if has_more:
        return msgspec.structs.replace(place, after=rows[-1]["id"], top=top)
    moved = Mark(top, place.started_at) if top > mark.high else mark
    return msgspec.structs.replace(place, mark=moved, after="", top=0)

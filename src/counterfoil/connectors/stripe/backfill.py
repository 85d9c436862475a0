"""List every object created since a date, in the order in which they depend on each other; resumable after each page.

v1 lists have no filter on changes: what was created earlier and changed later is told by events, see :mod:`.pull`.
Source: https://docs.stripe.com/api/pagination
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from counterfoil.kit.connector import Delivery, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError

from . import fetching
from .client import Api, QueryParameters, asked_at, expand
from .fetching import Object, id_of
from .listing import listed
from .normalize.balance import rule_of
from .normalize.customer import CREDIT_TYPES
from .wire.money import BalanceTransaction

Complete = Callable[[Api, list[Object], int], Awaitable[list[Object]]]

PAYMENT_LEAD_S = 3 * 86_400
"""Invoice payments are looked for from this long before the oldest charge of a page: they are made when the invoice is finalized."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind is listed: address, parameters, and what completes a page (given the page and since, Unix seconds)."""

    path: str
    params: QueryParameters = ()
    complete: Complete | None = None
    is_immutable: bool = False
    is_filtered: bool = True  # the list takes created[gte]


class BackfillCursor(msgspec.Struct, frozen=True):
    """Where a listing goes on: the account, and the id after which."""

    account: str
    after: str = ""


def each(one: Callable[[Api, Object], Awaitable[Object]]) -> Complete:
    """Return a completion that completes every object of a page by itself, concurrently; the client's budget bounds the calls."""

    async def complete(api: Api, rows: list[Object], _since: int) -> list[Object]:
        return list(await asyncio.gather(*(one(api, row) for row in rows)))

    return complete


async def charges(api: Api, rows: list[Object], _since: int) -> list[Object]:
    """Complete a page of charges; their invoice payments are listed together, and singly only for those not wholly found."""
    paid = [row for row in rows if row.get("status") == "succeeded" and row.get("customer") and row.get("payment_intent")]
    together: dict[str, list[Object]] = {}
    if len(paid) > 1:
        span = [
            ("created[gte]", str(min(r["created"] for r in paid) - PAYMENT_LEAD_S)),
            ("created[lte]", str(max(r["created"] for r in paid))),
        ]
        for payment in await api.all("/v1/invoice_payments", [*span, ("status", "paid")]):
            together.setdefault(id_of(payment["payment"].get("payment_intent")), []).append(payment)

    async def one(row: Object) -> Object:
        known = together.get(id_of(row.get("payment_intent")), [])
        is_whole = sum(p.get("amount_paid") or 0 for p in known) == row["amount_captured"]
        return await fetching.complete_charge(api, row, known if known and is_whole else None)

    return list(await asyncio.gather(*(one(row) for row in rows)))


async def unexplained(_api: Api, rows: list[Object], _since: int) -> list[Object]:
    """Keep the movements that no other object explains; the others are told by charges, refunds, disputes and payouts."""
    return [row for row in rows if not rule_of(msgspec.convert(row, BalanceTransaction))]


async def credits(api: Api, rows: list[Object], since: int) -> list[Object]:
    """Return the changes of a page of customers' balances since then which no invoice or credit note explains."""
    paths = [fetching.address("customers", row["id"], "balance_transactions") for row in rows if not row.get("deleted")]
    lists = await asyncio.gather(*(api.all(path) for path in paths))
    return [change for changes in lists for change in changes if change["created"] >= since and CREDIT_TYPES.get(change["type"], True)]


def _fields(*names: str) -> QueryParameters:
    return expand(*(f"data.{name}" for name in names))


LISTINGS: dict[str, Listing] = {
    "tax_rate": Listing("/v1/tax_rates"),
    "product": Listing("/v1/products"),
    "price": Listing("/v1/prices"),
    "customer": Listing("/v1/customers", _fields("tax_ids")),
    "subscription": Listing("/v1/subscriptions", [("status", "all")], each(fetching.complete_subscription)),
    "invoice": Listing("/v1/invoices", _fields("payments", "shipping_cost.taxes"), each(fetching.complete_invoice)),
    "charge": Listing("/v1/charges", _fields(*fetching.CHARGE_EXPANDS), charges),
    "credit_note": Listing("/v1/credit_notes", _fields(*fetching.NOTE_EXPANDS), each(fetching.complete_note)),
    "refund": Listing("/v1/refunds", _fields(*fetching.REFUND_EXPANDS), each(fetching.complete_refund)),
    "dispute": Listing("/v1/disputes", _fields("charge"), each(fetching.complete_dispute)),
    "payout": Listing("/v1/payouts", _fields(*fetching.PAYOUT_EXPANDS), each(fetching.complete_payout)),
    "balance_transaction": Listing("/v1/balance_transactions", (), unexplained, is_immutable=True),
    "customer_balance_transaction": Listing("/v1/customers", (), credits, is_immutable=True, is_filtered=False),
}
"""Kind -> how it is listed, in dependency order."""

KINDS: tuple[str, ...] = tuple(LISTINGS)


async def backfill(ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
    """Return the next page of objects of a kind created at or after since, account after account, newest first within each.

    Raises SetupError for an unknown kind, or a cursor of an account no longer configured.
    """
    if kind not in LISTINGS:
        raise SetupError(f"Stripe has no kind {kind!r} to list; one of {', '.join(KINDS)}", code="stripe.unknown_kind")
    accounts: Sequence[str] = ctx.settings.all_accounts
    place = msgspec.json.decode(cursor, type=BackfillCursor) if cursor else BackfillCursor(accounts[0])
    if place.account not in accounts:
        raise SetupError(f"account {place.account} is no longer configured; start the backfill anew", code="stripe.unknown_account")
    deliveries, after, has_more = await account_page(ctx, place.account, kind, int(since.timestamp()), place.after)
    if has_more:
        following: BackfillCursor | None = BackfillCursor(place.account, after)
    else:
        rest = accounts[accounts.index(place.account) + 1 :]
        following = BackfillCursor(rest[0]) if rest else None
    return Page(deliveries, msgspec.json.encode(following or place).decode(), has_more=following is not None)


async def account_page(ctx: Context, account: str, kind: str, since: int, after: str) -> tuple[tuple[Delivery, ...], str, bool]:
    """Return the next page of one account's objects of a kind, the id after which the next one begins, and whether there is one."""
    listing, at = LISTINGS[kind], asked_at(ctx)
    rows, has_more = await _page(Api(ctx, account), listing, since, after)
    deliveries = tuple(listed(account, row, at, is_immutable=listing.is_immutable) for row in rows.completed)
    return deliveries, rows.last, has_more


@dataclass(frozen=True, slots=True)
class _Rows:
    completed: list[Object]
    last: str


async def _page(api: Api, listing: Listing, since: int, after: str) -> tuple[_Rows, bool]:
    window = [("created[gte]", str(since))] if listing.is_filtered else []
    page = await api.page(listing.path, [*window, *listing.params], after)
    rows: list[dict[str, Any]] = list(page["data"])
    last = rows[-1]["id"] if rows else after
    completed = rows if listing.complete is None else await listing.complete(api, rows, since)
    return _Rows(completed, last), bool(page.get("has_more")) and bool(rows)

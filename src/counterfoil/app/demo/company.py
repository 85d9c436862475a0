"""One month of the company, played through Stripe's API while the sandbox's clock is moved from moment to moment."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from .casting import MONTH_END, MONTH_START, Role, accompany, cast, sell
from .catalog import build_catalog
from .control import StripeControl
from .entities import DemoEntity
from .sales import SalesSystem
from .steward import DataSteward
from .story import StoryContext
from .stripe_plain import StripePlain


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """An entity's processor account: its id, where it answers, and its secret key."""

    entity: DemoEntity
    id: str
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class DemoProgress:
    """How far the month is: the clock, stories that have ended, all stories."""

    now: datetime
    stories_done: int
    stories_total: int


NOWHERE: Mapping[str, SalesSystem] = {}


def one_for_each(sales: Mapping[str, SalesSystem], entities: Sequence[DemoEntity]) -> list[DemoEntity]:
    """Return an entity for each sales system that any of them use."""
    return list({id(sales[entity.key]): entity for entity in entities if entity.key in sales}.values())


TERMS: dict[str, dict[str, Any]] = {
    "US": {"fee_percent": "2.9", "fee_fixed": 30, "dispute_fee": 1500, "available_after_days": 4},
    "DE": {"fee_percent": "1.5", "fee_fixed": 25, "dispute_fee": 2000, "available_after_days": 5, "rates": {"usd": "0.8573"}},
    "JP": {"fee_percent": "3.6", "fee_fixed": 0, "dispute_fee": 1300, "available_after_days": 4, "is_dispute_fee_returned": True},
}
"""What the processor takes, by entity (percent and minor units), and when funds become available.

Foreign charges are settled at a rate that is not the books' rate.
"""


async def open_accounts(control: StripeControl, entities: Sequence[DemoEntity]) -> tuple[StripeAccount, ...]:
    """Open the entities' accounts in a Stripe sandbox and return them."""
    accounts = []
    for entity in entities:
        account, key = f"acct_{entity.key.lower()}", f"sk_test_{entity.connection}"
        await control.open_account(account, entity.country, entity.currency, key, name=entity.company, **TERMS.get(entity.key, {}))
        accounts.append(StripeAccount(entity, account, control.url, key))
    return tuple(accounts)


@dataclass(slots=True)
class Played:
    """What was played: how often each story, by entity; and the tax rate ids, by (entity key, tax key)."""

    stories: Counter[tuple[str, str]] = field(default_factory=Counter)
    tax_rates: dict[tuple[str, str], str] = field(default_factory=dict)


async def play(
    accounts: Sequence[StripeAccount],
    control: StripeControl,
    seed: int,
    invoices: int,
    on_progress: Callable[[DemoProgress], None] = lambda progress: None,
    sales: Mapping[str, SalesSystem] = NOWHERE,
    steward: DataSteward | None = None,
) -> Played:
    """Play December 2025 with about so many invoices. The same seed plays the same month.

    The sandbox's clock must stand at or before the month's start. Raises StripePlainError or ControlError if a move is refused, which
    no story expects.
    """
    entities = [account.entity for account in accounts]
    selling = sell(one_for_each(sales, entities))
    roles = (*accompany(entities), *selling, *cast(entities, invoices, seed))
    return await perform(accounts, control, seed, roles, (MONTH_START, MONTH_END), on_progress, sales=sales, steward=steward)


async def _at_once(_instant: datetime) -> None:
    """Let the clock go on."""


async def perform(
    accounts: Sequence[StripeAccount],
    control: StripeControl,
    seed: int,
    roles: Sequence[Role],
    span: tuple[datetime, datetime],
    on_progress: Callable[[DemoProgress], None] = lambda progress: None,
    before: Callable[[datetime], Awaitable[None]] = _at_once,
    sales: Mapping[str, SalesSystem] = NOWHERE,
    steward: DataSteward | None = None,
) -> Played:
    """Play roles from the span's first instant to its last.

    ``before`` is awaited with every instant the clock is about to be moved to. ``sales``: by the entity's key, where
    some customers have a company. ``steward``: who decides in the hub which customers are one.
    """
    start, end = span
    ids = {account.entity.key: account.id for account in accounts}
    played = Played()
    async with AsyncExitStack() as stack:
        apis = {a.entity.key: await stack.enter_async_context(StripePlain(a.url, a.key)) for a in accounts}
        await control.advance(start)
        catalogs = {a.entity.key: await build_catalog(apis[a.entity.key], a.entity) for a in accounts}
        for key, catalog in catalogs.items():
            played.tax_rates |= {(key, tax): rate for tax, rate in catalog.tax_rates.items()}
        stories = [
            StoryContext(
                role.entity,
                ids[role.entity.key],
                apis[role.entity.key],
                control,
                catalogs[role.entity.key],
                role.number,
                random.Random(f"{seed}/{role.number}"),  # noqa: S311 - a story, not security
                role.currency,
                role.tax_key,
                sales=sales.get(role.entity.key),
                steward=steward,
            )
            for role in roles
        ]
        reached = start
        for role in roles:
            played.stories[role.entity.key, role.story.__name__] += 1

        async def move(to: datetime) -> None:
            nonlocal reached
            await before(to)
            await control.advance(to)
            for system in {id(one): one for one in sales.values()}.values():
                await system.show(reached)  # never ahead of the hub's clock, as two changes of an instant to come could not be told apart
            reached = to

        await _perform([(role.starts_at, role.story(story)) for role, story in zip(roles, stories, strict=True)], move, end, on_progress)
    return played


async def _perform(
    stories: Sequence[tuple[datetime, AsyncGenerator[timedelta, None]]],
    move: Callable[[datetime], Awaitable[None]],
    end: datetime,
    on_progress: Callable[[DemoProgress], None],
) -> None:
    """Run the stories one step at a time in the order of the clock, so that nothing depends on the machine's speed."""
    turn = count()
    due = [(starts_at, next(turn), story) for starts_at, story in stories]
    heapq.heapify(due)
    done = 0
    while due and due[0][0] <= end:
        now, _, story = heapq.heappop(due)
        await move(now)
        pause = await anext(story, None)
        if pause is None:
            done += 1
        else:
            heapq.heappush(due, (now + pause, next(turn), story))
        on_progress(DemoProgress(now, done, len(stories)))
    for _, _, story in due:
        await story.aclose()
    await move(end)
    on_progress(DemoProgress(end, done, len(stories)))

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

from .casting import MONTH_END, MONTH_START, Role, cast
from .catalog import Catalog, build_catalog
from .entities import DemoEntity
from .stage import Stage
from .stripe_plain import StripePlain

Advance = Callable[[datetime], Awaitable[None]]
"""Moves the sandbox's clock to an instant; everything due until then happens."""


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """Where an entity's processor account answers, and its secret key."""

    entity: DemoEntity
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the month is: the clock, stories that have ended, all stories."""

    now: datetime
    stories_done: int
    stories_total: int


@dataclass(slots=True)
class Played:
    """What was played: how often each story, by entity; and the tax rate ids, by (entity key, tax key)."""

    stories: Counter[tuple[str, str]] = field(default_factory=Counter)
    tax_rates: dict[tuple[str, str], str] = field(default_factory=dict)


async def play(
    accounts: Sequence[StripeAccount],
    advance: Advance,
    seed: int,
    invoices: int,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Played:
    """Play December 2025 with about so many invoices. The same seed plays the same month.

    The sandbox's clock must stand at or before the month's start. Raises StripePlainError if Stripe refuses a move, which no story expects.
    """
    roles = cast([account.entity for account in accounts], invoices, seed)
    played = Played()
    async with AsyncExitStack() as stack:
        apis = {a.entity.key: await stack.enter_async_context(StripePlain(a.url, a.key)) for a in accounts}
        await advance(MONTH_START)
        catalogs = {a.entity.key: await build_catalog(apis[a.entity.key], a.entity) for a in accounts}
        for key, catalog in catalogs.items():
            played.tax_rates |= {(key, tax): rate for tax, rate in catalog.tax_rates.items()}
        await _perform(roles, apis, catalogs, advance, seed, played, on_progress)
    return played


async def _perform(
    roles: Sequence[Role],
    apis: Mapping[str, StripePlain],
    catalogs: Mapping[str, Catalog],
    advance: Advance,
    seed: int,
    played: Played,
    on_progress: Callable[[Progress], None],
) -> None:
    """Run the stories one step at a time in the order of the clock, so that nothing depends on the machine's speed."""
    turn = count()
    due: list[tuple[datetime, int, AsyncGenerator[timedelta, None]]] = []
    for role in roles:
        chance = random.Random(f"{seed}/{role.number}")  # noqa: S311 - a story, not security
        key = role.entity.key
        stage = Stage(role.entity, apis[key], catalogs[key], role.number, chance, role.currency, role.tax_key)
        heapq.heappush(due, (role.starts_at, next(turn), role.story(stage)))
        played.stories[key, role.story.__name__] += 1
    done = 0
    while due and due[0][0] <= MONTH_END:
        now, _, story = heapq.heappop(due)
        await advance(now)
        pause = await anext(story, None)
        if pause is None:
            done += 1
        else:
            heapq.heappush(due, (now + pause, next(turn), story))
        on_progress(Progress(now, done, len(roles)))
    for _, _, story in due:
        await story.aclose()
    await advance(MONTH_END)
    on_progress(Progress(MONTH_END, done, len(roles)))

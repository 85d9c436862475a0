"""Who plays which story over a period, and when: decided before it starts, from the seed alone."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from counterfoil.app.demo import stories_billing as billing
from counterfoil.app.demo import stories_money as money
from counterfoil.app.demo.casting import FOREIGN_SHARE, REPERTOIRE, RUSH_HOURS, RUSH_SHARE, SHARES, RepertoirePart, Role
from counterfoil.app.demo.entities import DemoEntity
from counterfoil.app.demo.story import Story

from . import stories
from .period import SimulatedPeriod

INVOICES_MIN = 10
PER_DAY = 10
PER_FURTHER_DAY = 4
MONTH_DAYS = 30

LONG: tuple[RepertoirePart, ...] = (
    RepertoirePart(stories.dunned, 5, 1, 44),
    RepertoirePart(stories.lost_to_dunning, 2, 1, 60),
    RepertoirePart(stories.metered, 6, 1, 30),
    RepertoirePart(stories.grows, 4, 5, 120),
    RepertoirePart(stories.credited_later, 5, 1, 50),
    RepertoirePart(stories.long_dispute, 3, 1, 45),
    RepertoirePart(stories.pays_late, 6, 1, 55),
    RepertoirePart(stories.leaves_after_months, 3, 1, 71),
)
"""Stories that need more than a month to end; in shorter periods they are left in the middle, as life is."""

RENEWS_DAYS: Mapping[Story, int] = {
    billing.weekly: 7,
    billing.weekly_with_usage: 7,
    money.renewal_recovers: 7,
    **dict.fromkeys((billing.monthly, billing.seats, billing.trial, billing.percent_coupon, billing.free_first), 30),
    **dict.fromkeys((stories.dunned, stories.metered, stories.grows), 30),
}
"""Stories whose subscription goes on by itself: days from invoice to invoice."""


def default_invoices(period: SimulatedPeriod) -> int:
    """Return a sensible number of invoices: ten a day in the first month, four a day after it."""
    first = min(period.days, MONTH_DAYS)
    return max(2 * INVOICES_MIN, PER_DAY * first + PER_FURTHER_DAY * (period.days - first))


def cast(entities: Sequence[DemoEntity], invoices: int, seed: int, period: SimulatedPeriod) -> tuple[Role, ...]:
    """Return the roles of a period that makes about so many invoices, in order of their start.

    Raises:
        ValueError: fewer than ``INVOICES_MIN`` invoices are asked for.
    """
    if invoices < INVOICES_MIN:
        raise ValueError(f"at least {INVOICES_MIN} invoices make a period, not {invoices}")
    chance = random.Random(f"{seed}/cast")  # noqa: S311 - a story, not security
    parts = [part for part in (*REPERTOIRE, *LONG) if part.days <= period.days or (part in LONG and period.days > MONTH_DAYS)]
    order = list(parts)
    chance.shuffle(order)
    roles: list[Role] = []
    planned = 0
    for number in range(50 * invoices):
        if planned >= invoices:
            break
        is_first_round = number < len(order)
        part = order[number] if is_first_round else chance.choices(parts, [part.weight for part in parts])[0]
        entity = (
            entities[number % len(entities)] if is_first_round else chance.choices(entities, [SHARES.get(e.key, 1) for e in entities])[0]
        )
        role = _role(len(roles) + 1, part, entity, chance, period)
        roles.append(role)
        planned += made(part, role.starts_at, period)
    return tuple(sorted(roles, key=lambda role: (role.starts_at, role.number)))


def accompany(entities: Sequence[DemoEntity], period: SimulatedPeriod) -> tuple[Role, ...]:
    """Return what happens to each entity's account by itself."""
    return tuple(Role(0, stories.house, entity, period.start, entity.currency, "") for entity in entities)


def made(part: RepertoirePart, starts_at: datetime, period: SimulatedPeriod) -> int:
    """Return about how many invoices a story makes that starts then, renewals until the end of the period included."""
    left = period.end - starts_at
    every = RENEWS_DAYS.get(part.story)
    if every == 7:
        return 1 + left // timedelta(days=7)
    return part.invoices + (left // timedelta(days=every) if every else 0)


def _role(number: int, part: RepertoirePart, entity: DemoEntity, chance: random.Random, period: SimulatedPeriod) -> Role:
    is_foreign = bool(entity.foreign_currencies) and not part.is_domestic and chance.random() < FOREIGN_SHARE
    currency = chance.choice(entity.foreign_currencies) if is_foreign else entity.currency
    tax = "" if is_foreign else chance.choice([tax.key for tax in entity.taxes if tax.key != "ust7"])
    return Role(number, part.story, entity, _start(part, chance, period), currency, tax)


def _start(part: RepertoirePart, chance: random.Random, period: SimulatedPeriod) -> datetime:
    """Return when a story starts: most in the first hours of a month, early enough to be told, or at least to its middle."""
    room = period.end - period.start
    last = period.start + max(room - timedelta(days=part.days, hours=2), room * 0.3)
    month = chance.choice([start for start in period.month_starts if start <= last])
    rush = month + timedelta(hours=chance.random() * RUSH_HOURS)
    later = period.start + (last - period.start) * chance.random()
    starts = rush if chance.random() < RUSH_SHARE and rush <= last else later
    return starts.replace(microsecond=0)

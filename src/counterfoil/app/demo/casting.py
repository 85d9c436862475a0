"""Who plays which story, when: the whole month decided before it starts, from the seed alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from . import stories_billing as billing
from . import stories_money as money
from .entities import DemoEntity
from .sales import EVERY
from .stories_house import house
from .stories_sales import away, mistaken, sales_desk
from .story import Story

MONTH_START = datetime(2025, 12, 1, tzinfo=UTC)
MONTH_END = datetime(2025, 12, 31, 23, 50, tzinfo=UTC)
"""The month played. It ends ten minutes early: the plans of its first morning would renew at midnight."""

MISTAKEN_DAYS = 12
"""How often customers are taken for one, and for how long that may last until they are told apart."""
MISTAKEN_FIRST = 7_000
"""The number of the first of those; every one of them has a company."""

INVOICES_DEFAULT = 300
INVOICES_MIN = 10


@dataclass(frozen=True, slots=True)
class RepertoirePart:
    """A story and its place in the repertoire: relative frequency, invoices it makes by itself (for planning), days it takes at most.

    ``is_domestic``: only customers in the entity's own currency play it.
    """

    story: Story
    weight: int
    invoices: int
    days: int
    is_domestic: bool = False


REPERTOIRE: tuple[RepertoirePart, ...] = (
    RepertoirePart(billing.monthly, 30, 1, 1),
    RepertoirePart(billing.weekly, 5, 4, 24),
    RepertoirePart(billing.weekly_with_usage, 3, 4, 24),
    RepertoirePart(billing.annual_upgrade, 6, 2, 17),
    RepertoirePart(billing.annual_downgrade, 3, 3, 14),
    RepertoirePart(billing.seats, 4, 3, 17),
    RepertoirePart(billing.trial, 5, 2, 15),
    RepertoirePart(billing.trial_left, 2, 1, 6),
    RepertoirePart(billing.percent_coupon, 5, 1, 1),
    RepertoirePart(billing.free_first, 3, 1, 1),
    RepertoirePart(billing.voucher, 4, 1, 1, is_domestic=True),
    RepertoirePart(billing.hardware, 8, 1, 7),
    RepertoirePart(billing.late_payer, 5, 1, 1),
    RepertoirePart(billing.voided, 4, 1, 10),
    RepertoirePart(billing.voided_after_failure, 2, 2, 4),
    RepertoirePart(billing.uncollectible, 2, 1, 13),
    RepertoirePart(billing.leaves, 1, 1, 10),
    RepertoirePart(money.recovers, 5, 1, 5),
    RepertoirePart(money.renewal_recovers, 2, 4, 24),
    RepertoirePart(money.in_parts, 3, 1, 7),
    RepertoirePart(money.part_paid, 2, 1, 4),
    RepertoirePart(money.out_of_band, 6, 1, 10),
    RepertoirePart(money.granted_credit, 3, 2, 6),
    RepertoirePart(money.negative_invoice, 2, 2, 7),
    RepertoirePart(money.refunded, 4, 1, 9),
    RepertoirePart(money.refunded_in_steps, 2, 1, 7),
    RepertoirePart(money.credited_while_open, 3, 1, 5),
    RepertoirePart(money.credited_and_refunded, 4, 1, 5),
    RepertoirePart(money.credited_to_balance, 3, 2, 7),
    RepertoirePart(money.credit_note_voided, 1, 1, 4),
    RepertoirePart(money.dispute_won, 2, 1, 6),
    RepertoirePart(money.dispute_lost, 2, 1, 8),
    RepertoirePart(money.dispute_open, 1, 1, 1),
    RepertoirePart(money.inquiry, 1, 1, 1),
    RepertoirePart(money.refund_comes_back, 1, 1, 6),
    RepertoirePart(money.credited_out_of_band, 1, 1, 6),
)
"""Every story there is; a company of the default size plays each in every entity."""

SHARES = {"US": 5, "DE": 4, "JP": 3}
"""How customers are spread over the entities, once each story has its first player."""

RUSH_SHARE = 0.6
RUSH_HOURS = 6.0
"""Most customers are billed in the first hours of the month (domain: a company to think with)."""

FOREIGN_SHARE = 0.25
"""Share of customers billed in a foreign currency, in an entity that has any."""


@dataclass(frozen=True, slots=True)
class Role:
    """One customer: a story, its entity, when it starts, the currency and the tax of its documents (empty: none)."""

    number: int
    story: Story
    entity: DemoEntity
    starts_at: datetime
    currency: str
    tax_key: str


def cast(entities: Sequence[DemoEntity], invoices: int, seed: int) -> tuple[Role, ...]:
    """Return the roles of a month that makes about so many invoices, in order of their start.

    Raises:
        ValueError: fewer than ``INVOICES_MIN`` invoices are asked for.
    """
    if invoices < INVOICES_MIN:
        raise ValueError(f"at least {INVOICES_MIN} invoices make a month, not {invoices}")
    chance = random.Random(seed)  # noqa: S311 - a story, not security
    roles: list[Role] = []
    planned = 0
    for part, entity in _order(entities, chance):
        if planned + part.invoices > invoices:
            break
        roles.append(_role(len(roles) + 1, part, entity, chance))
        planned += part.invoices
    while planned < invoices:
        fitting = [part for part in REPERTOIRE if planned + part.invoices <= invoices]
        part = chance.choices(fitting, [part.weight for part in fitting])[0]
        entity = chance.choices(entities, [SHARES.get(entity.key, 1) for entity in entities])[0]
        roles.append(_role(len(roles) + 1, part, entity, chance))
        planned += part.invoices
    return tuple(sorted(roles, key=lambda role: (role.starts_at, role.number)))


def accompany(entities: Sequence[DemoEntity]) -> tuple[Role, ...]:
    """Return what happens to each entity's account by itself."""
    return tuple(Role(0, house, entity, MONTH_START, entity.currency, "") for entity in entities)


def sell(entities: Sequence[DemoEntity], start: datetime = MONTH_START, days: int = 31) -> tuple[Role, ...]:
    """Return what those who sell do in the sales system of each entity from an instant on, for so many days, and what happens to it by
    itself. Nobody is taken for another where there is no time to tell them apart again.
    """
    desks = [Role(-1, story, entity, start, entity.currency, "") for entity in entities for story in (sales_desk, away)]
    turns = [(turn, entity) for turn in range(days // MISTAKEN_DAYS) for entity in entities]
    return *desks, *(
        Role(MISTAKEN_FIRST + EVERY * place, mistaken, entity, start + timedelta(days=MISTAKEN_DAYS * turn + 1), entity.currency, "")
        for place, (turn, entity) in enumerate(turns)
    )


def _order(entities: Sequence[DemoEntity], chance: random.Random) -> list[tuple[RepertoirePart, DemoEntity]]:
    """Return each story once per entity, so ordered that a small company still shows as many different stories as it has room for."""
    stories = list(REPERTOIRE)
    chance.shuffle(stories)
    return [(part, entities[(index + turn) % len(entities)]) for turn in range(len(entities)) for index, part in enumerate(stories)]


def _role(number: int, part: RepertoirePart, entity: DemoEntity, chance: random.Random) -> Role:
    is_foreign = bool(entity.foreign_currencies) and not part.is_domestic and chance.random() < FOREIGN_SHARE
    currency = chance.choice(entity.foreign_currencies) if is_foreign else entity.currency
    tax = "" if is_foreign else chance.choice([tax.key for tax in entity.taxes if tax.key != "ust7"])
    last = (MONTH_END - MONTH_START) - timedelta(days=part.days, hours=2)
    rush = timedelta(hours=chance.random() * RUSH_HOURS)
    later = last * chance.random()
    starts = MONTH_START + (rush if chance.random() < RUSH_SHARE else later)
    return Role(number, part.story, entity, starts.replace(microsecond=0), currency, tax)

"""The company's life is the same for the same seed, whoever reads meanwhile and however fast: objects, amounts, deliveries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date

from counterfoil.app.demo.company import StripeAccount, open_accounts, perform
from counterfoil.app.demo.control import StripeControl
from counterfoil.app.demo.entities import ENTITIES
from counterfoil.app.demo.stripe_plain import StripePlain
from counterfoil.app.simulation.casting import LONG, accompany, cast, default_invoices
from counterfoil.app.simulation.digests import company_digest, deliveries_digest
from counterfoil.app.simulation.period import SimulatedPeriod
from counterfoil.app.simulation.rates import draw_rates
from counterfoil.app.simulation.trouble import DELIVERIES, RETRIES_S
from counterfoil.connectors.stripe.sandbox import StripeSandbox

NOBODY = "http://127.0.0.1:9/in/nobody"


@dataclass(frozen=True)
class Lived:
    """What a life left behind: two digests, the invoices issued, deliveries planned by whether they are a second copy, lost, late."""

    company: str
    deliveries: str
    invoices: int
    reasons: frozenset[str]
    copies: int
    lost: int
    late: int


@asynccontextmanager
async def reading(accounts: tuple[StripeAccount, ...], is_wanted: bool) -> AsyncIterator[None]:
    """Read the first account all the time, as a hub that polls would."""

    async def read() -> None:
        async with StripePlain(accounts[0].url, accounts[0].key) as api:
            while True:
                await api.get("/v1/events", limit=3)

    reader = asyncio.create_task(read()) if is_wanted else None
    try:
        yield
    finally:
        if reader is not None:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader


async def live(seed: int, period: SimulatedPeriod, invoices: int, *, is_read: bool = False) -> Lived:
    sandbox = StripeSandbox(seed, start=period.start, with_default_account=False)
    async with StripeControl(await sandbox.start()) as control:
        accounts = await open_accounts(control, ENTITIES)
        for account in accounts:
            await control.add_webhook(NOBODY, account.id)
        await control.deliveries(retry_delays_s=RETRIES_S, plan={**DELIVERIES, "seed": seed})
        roles = (*accompany(ENTITIES, period), *cast(ENTITIES, invoices, seed, period))
        async with reading(accounts, is_read):
            await perform(accounts, control, seed, roles, (period.start, period.end))
        made = (await control.call("GET", "/deliveries"))["deliveries"]
        issued = [row for account in sandbox.world.accounts.values() for row in account.rows("invoice") if row["status"] != "draft"]
        created = {event.id: event.created for events in sandbox.world.journal.events.values() for event in events}
        lived = Lived(
            await company_digest(accounts),
            await deliveries_digest(control),
            len(issued),
            frozenset(row["billing_reason"] for row in issued),
            sum(one["is_duplicate"] for one in made),
            sum(one["status"] == "lost" for one in made),
            sum((one["planned_at"] or 0) - created[one["event"]] >= 3600 and not one["is_duplicate"] for one in made),
        )
    await sandbox.stop()
    return lived


async def test_one_seed_lives_one_life_whoever_reads_meanwhile_and_another_seed_another() -> None:
    period = SimulatedPeriod(date(2026, 3, 20), 14)
    alone = await live(5, period, 30)
    assert await live(5, period, 30, is_read=True) == alone
    other = await live(6, period, 30)
    assert (other.company != alone.company, other.deliveries != alone.deliveries) == (True, True)
    assert alone.copies > 0
    assert alone.lost > 0
    assert alone.late > 0


async def test_a_life_of_months_makes_about_as_many_invoices_as_asked_for_and_renews() -> None:
    lived = await live(2, SimulatedPeriod(date(2026, 1, 1), 70), 120)
    assert 90 <= lived.invoices <= 180
    assert "subscription_cycle" in lived.reasons


def test_longer_periods_play_stories_that_take_longer() -> None:
    week, quarter = SimulatedPeriod(date(2026, 1, 1), 7), SimulatedPeriod(date(2026, 1, 1), 90)
    long = {part.story for part in LONG}
    assert {role.story for role in cast(ENTITIES, 60, 1, week)}.isdisjoint(long)
    assert {role.story for role in cast(ENTITIES, 400, 1, quarter)} >= long


def test_stories_start_within_their_period() -> None:
    for days in (1, 3, 30, 200):
        period = SimulatedPeriod(date(2026, 1, 31), days)
        roles = cast(ENTITIES, 40, days, period)
        assert all(period.start <= role.starts_at < period.end for role in roles)


def test_ten_invoices_a_day_are_usual_in_a_month_and_fewer_in_what_follows() -> None:
    # 30 days: 300; 400 days: 300 + 370 * 4; a single day is not too little.
    assert [default_invoices(SimulatedPeriod(date(2026, 1, 1), days)) for days in (1, 30, 400)] == [20, 300, 1780]


def test_the_books_have_a_rate_before_every_period_and_a_new_one_every_month() -> None:
    # From 31 January on, 40 days: January's first, two months before it, and the firsts of February and March.
    rates = draw_rates(1, SimulatedPeriod(date(2026, 1, 31), 40))
    firsts = [date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
    assert all([day for day, _ in known] == firsts for known in rates.values())
    assert rates == draw_rates(1, SimulatedPeriod(date(2026, 1, 31), 40))

"""Exchange rates of the books for every month of a period, drawn from the seed around those of the demonstration."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from counterfoil.app.demo.chart import RATES, Rates

from .period import SimulatedPeriod

SWING = 300
"""A month's rate lies at most so many ten-thousandths from the demonstration's last."""


def draw_rates(seed: int, period: SimulatedPeriod) -> Rates:
    """Return rates from two months before the period on, new ones on the first of every month."""
    chance = random.Random(f"{seed}/rates")  # noqa: S311 - simulation, not security
    days = [month.date().replace(day=1) for month in period.month_starts]
    before = (days[0] - timedelta(days=1)).replace(day=1)
    days = [(before - timedelta(days=1)).replace(day=1), before, *days]
    return {pair: tuple((day, _near(known[-1][1], chance)) for day in _sorted(days)) for pair, known in RATES.items()}


def _sorted(days: list[date]) -> list[date]:
    return sorted(set(days))


def _near(rate: Decimal, chance: random.Random) -> Decimal:
    """Return a rate near another one, with five significant digits."""
    moved = rate * (10_000 + chance.randint(-SWING, SWING)) / 10_000
    return moved.quantize(Decimal(1).scaleb(moved.adjusted() - 4))

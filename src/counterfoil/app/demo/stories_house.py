"""What happens to an account by itself: payouts that fail, and the processor's own fees."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

from .stage import Stage, days

Steps = AsyncGenerator[timedelta, None]


async def house(stage: Stage) -> Steps:
    """A weekly fee of the processor, with tax where it has any; a payout that fails at the bank, and one that comes back later."""
    for week in range(4):
        yield days(6.9)
        await stage.control.charge_fee(stage.account, stage.amount(2000 + 37 * week), stage.currency, "Billing usage fee")
        if stage.entity.country == "DE":
            await stage.control.charge_fee(stage.account, stage.amount(380 + 7 * week), stage.currency, "Billing usage fee, tax", "tax_fee")
        if week in (1, 2):
            status = "pending" if week == 1 else "paid"
            found = await stage.api.get("/v1/payouts", status=status, limit=1)
            for payout in found["data"]:
                await stage.control.fail_payout(stage.account, payout["id"])

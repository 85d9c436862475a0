"""What happens to an account by itself: payouts that fail, and the processor's own fees."""

from __future__ import annotations

from .story import Steps, StoryContext, days


async def house(story: StoryContext) -> Steps:
    """A weekly fee of the processor, with tax where it has any; a payout that fails at the bank, and one that comes back later."""
    for week in range(4):
        yield days(6.9)
        await story.control.charge_fee(story.account, story.amount(2000 + 37 * week), story.currency, "Billing usage fee")
        if story.entity.country == "DE":
            await story.control.charge_fee(story.account, story.amount(380 + 7 * week), story.currency, "Billing usage fee, tax", "tax_fee")
        if week in (1, 2):
            status = "pending" if week == 1 else "paid"
            found = await story.api.get("/v1/payouts", status=status, limit=1)
            for payout in found["data"]:
                await story.control.fail_payout(story.account, payout["id"])

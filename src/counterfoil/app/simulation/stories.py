"""Stories that take weeks or months: renewals that fail and are chased, usage month by month, disputes, credit notes long after."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

from counterfoil.app.demo.stage import DISPUTED_CARD, FAILING_CARD, GOOD_CARD, Stage, days, hours

Steps = AsyncGenerator[timedelta, None]
MONTHS_MAX = 14
"""More months than can be played."""


async def dunned(stage: Stage) -> Steps:
    """A monthly plan whose first renewal is declined and tried again by the clock, until the customer brings a card weeks later."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "team", stage.chance.randint(1, 5))
    yield days(20)
    await stage.change_card(customer, FAILING_CARD)
    yield days(stage.chance.randint(14, 24))
    await stage.change_card(customer, GOOD_CARD)
    async for invoice in stage.api.every("/v1/invoices", subscription=subscription["id"], status="open"):
        await stage.pay(invoice["id"])


async def lost_to_dunning(stage: Stage) -> Steps:
    """A renewal nobody ever pays: the subscription ends, its open invoice is written off."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "business")
    yield days(25)
    await stage.change_card(customer, FAILING_CARD)
    yield days(35)
    found = await stage.api.get(f"/v1/subscriptions/{subscription['id']}")
    if found["status"] != "canceled":
        await stage.api.delete(f"/v1/subscriptions/{subscription['id']}")
    async for invoice in stage.api.every("/v1/invoices", subscription=subscription["id"], status="open"):
        await stage.api.post(f"/v1/invoices/{invoice['id']}/mark_uncollectible")


async def metered(stage: Stage) -> Steps:
    """A monthly plan with usage of every month on the renewal, priced in fractions of a minor unit."""
    customer = await stage.customer()
    await stage.subscribe(customer, "team")
    for _ in range(MONTHS_MAX):
        yield days(27)
        await stage.overage(customer, stage.chance.randint(900, 40000))
        yield days(3)


async def grows(stage: Stage) -> Steps:
    """Seats added every few weeks and taken away once: prorations across months."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "business", 3)
    for quantity in (5, 8, 6, 11):
        yield days(stage.chance.randint(18, 33))
        await stage.amend(subscription, quantity=quantity)


async def credited_later(stage: Stage) -> Steps:
    """An invoice credited in part and refunded weeks after it was paid, often in another month."""
    customer = await stage.customer()
    invoice = await stage.one_off(customer, 64000, is_charged=True)
    await stage.pay(invoice["id"])
    yield days(stage.chance.randint(20, 50))
    await stage.give_back(invoice["id"], 16000, "refund_amount", reason="order_change")


async def long_dispute(stage: Stage) -> Steps:
    """A dispute that takes weeks and is won or lost."""
    customer = await stage.customer(card=DISPUTED_CARD)
    invoice = await stage.one_off(customer, 25000 + stage.number, is_charged=True)
    await stage.pay(invoice["id"])
    intent = await stage.payment_of(invoice["id"])
    yield days(stage.chance.randint(15, 45))
    disputes = await stage.api.get("/v1/disputes", payment_intent=intent)
    evidence = {"uncategorized_text": stage.chance.choice(("winning_evidence", "losing_evidence"))}
    await stage.api.post(f"/v1/disputes/{disputes['data'][0]['id']}", evidence=evidence, submit=True)


async def pays_late(stage: Stage) -> Steps:
    """An invoice by e-mail paid by transfer weeks after it was due."""
    customer = await stage.customer(card="")
    invoice = await stage.one_off(customer, stage.chance.randint(5000, 90000))
    yield days(stage.chance.randint(20, 55))
    await stage.pay(invoice["id"], paid_out_of_band=True)


async def leaves_after_months(stage: Stage) -> Steps:
    """A customer who stays for two renewals, then cancels."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "team", 2)
    yield days(70)
    await stage.api.delete(f"/v1/subscriptions/{subscription['id']}")


async def house(stage: Stage) -> Steps:
    """What happens to an account by itself: a weekly fee of the processor; now and then a payout fails at the bank, or comes back."""
    yield hours(20)
    for week in range(MONTHS_MAX * 5):
        await stage.control.charge_fee(stage.account, stage.amount(2000 + 37 * week), stage.currency, "Billing usage fee")
        if stage.entity.country == "DE":
            await stage.control.charge_fee(stage.account, stage.amount(380 + 7 * week), stage.currency, "Billing usage fee, tax", "tax_fee")
        if week % 4 in (1, 2):
            found = await stage.api.get("/v1/payouts", status="pending" if week % 4 == 1 else "paid", limit=1)
            for payout in found["data"]:
                await stage.control.fail_payout(stage.account, payout["id"])
        yield days(6.9)

"""Stories that take weeks or months: renewals that fail and are chased, usage month by month, disputes, credit notes long after."""

from __future__ import annotations

from counterfoil.app.demo.story import DISPUTED_CARD, FAILING_CARD, GOOD_CARD, Steps, StoryContext, days, hours

MONTHS_MAX = 14
"""More months than can be played."""


async def dunned(story: StoryContext) -> Steps:
    """A monthly plan whose first renewal is declined and tried again by the clock, until the customer brings a card weeks later."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "team", story.chance.randint(1, 5))
    yield days(20)
    await story.change_card(customer, FAILING_CARD)
    yield days(story.chance.randint(14, 24))
    await story.change_card(customer, GOOD_CARD)
    async for invoice in story.api.every("/v1/invoices", subscription=subscription["id"], status="open"):
        await story.pay(invoice["id"])


async def lost_to_dunning(story: StoryContext) -> Steps:
    """A renewal nobody ever pays: the subscription ends, its open invoice is written off."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "business")
    yield days(25)
    await story.change_card(customer, FAILING_CARD)
    yield days(35)
    found = await story.api.get(f"/v1/subscriptions/{subscription['id']}")
    if found["status"] != "canceled":
        await story.api.delete(f"/v1/subscriptions/{subscription['id']}")
    async for invoice in story.api.every("/v1/invoices", subscription=subscription["id"], status="open"):
        await story.api.post(f"/v1/invoices/{invoice['id']}/mark_uncollectible")


async def metered(story: StoryContext) -> Steps:
    """A monthly plan with usage of every month on the renewal, priced in fractions of a minor unit."""
    customer = await story.customer()
    await story.subscribe(customer, "team")
    for _ in range(MONTHS_MAX):
        yield days(27)
        await story.overage(customer, story.chance.randint(900, 40000))
        yield days(3)


async def grows(story: StoryContext) -> Steps:
    """Seats added every few weeks and taken away once: prorations across months."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "business", 3)
    for quantity in (5, 8, 6, 11):
        yield days(story.chance.randint(18, 33))
        await story.amend(subscription, quantity=quantity)


async def credited_later(story: StoryContext) -> Steps:
    """An invoice credited in part and refunded weeks after it was paid, often in another month."""
    customer = await story.customer()
    invoice = await story.one_off(customer, 64000, is_charged=True)
    await story.pay(invoice["id"])
    yield days(story.chance.randint(20, 50))
    await story.give_back(invoice["id"], 16000, "refund_amount", reason="order_change")


async def long_dispute(story: StoryContext) -> Steps:
    """A dispute that takes weeks and is won or lost."""
    customer = await story.customer(card=DISPUTED_CARD)
    invoice = await story.one_off(customer, 25000 + story.number, is_charged=True)
    await story.pay(invoice["id"])
    intent = await story.payment_of(invoice["id"])
    yield days(story.chance.randint(15, 45))
    disputes = await story.api.get("/v1/disputes", payment_intent=intent)
    evidence = {"uncategorized_text": story.chance.choice(("winning_evidence", "losing_evidence"))}
    await story.api.post(f"/v1/disputes/{disputes['data'][0]['id']}", evidence=evidence, submit=True)


async def pays_late(story: StoryContext) -> Steps:
    """An invoice by e-mail paid by transfer weeks after it was due."""
    customer = await story.customer(card="")
    invoice = await story.one_off(customer, story.chance.randint(5000, 90000))
    yield days(story.chance.randint(20, 55))
    await story.pay(invoice["id"], paid_out_of_band=True)


async def leaves_after_months(story: StoryContext) -> Steps:
    """A customer who stays for two renewals, then cancels."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "team", 2)
    yield days(70)
    await story.api.delete(f"/v1/subscriptions/{subscription['id']}")


async def house(story: StoryContext) -> Steps:
    """What happens to an account by itself: a weekly fee of the processor; now and then a payout fails at the bank, or comes back."""
    yield hours(20)
    for week in range(MONTHS_MAX * 5):
        await story.control.charge_fee(story.account, story.amount(2000 + 37 * week), story.currency, "Billing usage fee")
        if story.entity.country == "DE":
            await story.control.charge_fee(story.account, story.amount(380 + 7 * week), story.currency, "Billing usage fee, tax", "tax_fee")
        if week % 4 in (1, 2):
            found = await story.api.get("/v1/payouts", status="pending" if week % 4 == 1 else "paid", limit=1)
            for payout in found["data"]:
                await story.control.fail_payout(story.account, payout["id"])
        yield days(6.9)

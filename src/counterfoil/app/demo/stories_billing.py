"""Stories of how customers are billed: plans, trials, coupons, amendments, one-off invoices, usage, voids."""

from __future__ import annotations

from .story import FAILING_CARD, GOOD_CARD, Steps, StoryContext, days, hours


async def monthly(story: StoryContext) -> Steps:
    """A self-service plan, paid by card, several seats."""
    customer = await story.customer()
    await story.subscribe(customer, story.chance.choice(("team", "business")), story.chance.randint(1, 12))
    yield hours(1)


async def weekly(story: StoryContext) -> Steps:
    """A weekly plan: renewals drafted, finalized an hour later and charged, all by the clock."""
    customer = await story.customer()
    await story.subscribe(customer, "weekly", story.chance.randint(1, 3))
    yield hours(1)


async def weekly_with_usage(story: StoryContext) -> Steps:
    """A weekly plan with metered overage put on the next renewal, priced in fractions of a minor unit."""
    customer = await story.customer()
    await story.subscribe(customer, "weekly")
    for _ in range(2):
        yield days(6.5)
        await story.overage(customer, story.chance.randint(900, 9000))


async def annual_upgrade(story: StoryContext) -> Steps:
    """A year paid ahead, upgraded mid-term: a prorated invoice with a negative and a positive line."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "annual", story.chance.randint(1, 4))
    yield days(story.chance.randint(4, 16))
    await story.amend(subscription, price=story.catalog.prices["annual_business", story.currency])


async def annual_downgrade(story: StoryContext) -> Steps:
    """A year paid ahead, downgraded: the prorated invoice is negative and becomes credit, which another invoice uses up in part."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "annual_business")
    yield days(story.chance.randint(3, 9))
    await story.amend(subscription, price=story.catalog.prices["annual", story.currency])
    yield days(4)
    await story.one_off(customer, 30000, is_charged=True)


async def seats(story: StoryContext) -> Steps:
    """Seats added, later some taken away: positive and negative prorations."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "business", 5)
    yield days(story.chance.randint(3, 8))
    await story.amend(subscription, quantity=9)
    yield days(story.chance.randint(3, 8))
    await story.amend(subscription, quantity=7)


async def trial(story: StoryContext) -> Steps:
    """A trial: an invoice of nothing, then the first real one."""
    customer = await story.customer()
    await story.subscribe(customer, "team", 2, trial_period_days=story.chance.choice((7, 10, 14)))
    yield hours(1)


async def trial_left(story: StoryContext) -> Steps:
    """A trial that ends with the customer leaving: only the invoice of nothing remains."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "team", trial_period_days=14)
    yield days(5)
    await story.api.delete(f"/v1/subscriptions/{subscription['id']}")


async def percent_coupon(story: StoryContext) -> Steps:
    """An odd percentage off the first invoice."""
    customer = await story.customer()
    await story.subscribe(customer, "team", story.chance.randint(1, 7), discounts=[{"coupon": story.catalog.coupons["welcome"]}])
    yield hours(1)


async def free_first(story: StoryContext) -> Steps:
    """A coupon of 100 %: an invoice with lines that comes to nothing."""
    customer = await story.customer()
    await story.subscribe(customer, "team", 3, discounts=[{"coupon": story.catalog.coupons["free"]}])
    yield hours(1)


async def voucher(story: StoryContext) -> Steps:
    """A fixed amount off an invoice of several lines: the discount is spread over them."""
    customer = await story.customer()
    await story.item(customer, "Gateway hardware", story.amount(34900))
    await story.item(customer, "Cable set", story.amount(1700))
    await story.item(customer, "Wall mount", story.amount(990))
    coupon = {"coupon": story.catalog.coupons["voucher" if story.currency == story.entity.currency else "welcome"]}
    await story.bill(customer, is_charged=True, discounts=[coupon])
    yield hours(1)


async def hardware(story: StoryContext) -> Steps:
    """A gateway sold once, with a handbook (at the reduced rate where there is one), invoiced and paid by card days later."""
    customer = await story.customer()
    await story.item(customer, "Gateway hardware", story.amount(34900) * story.chance.randint(1, 3))
    reduced = story.catalog.tax_rates.get("ust7")
    fields = {"tax_rates": [reduced]} if reduced and story.tax_key == "ust19" else {}
    await story.item(customer, "Printed handbook", story.amount(3900), **fields)
    invoice = await story.bill(customer)
    yield days(story.chance.randint(1, 6))
    await story.pay(invoice["id"])


async def late_payer(story: StoryContext) -> Steps:
    """An invoice by e-mail that nobody has paid by the end of the month."""
    customer = await story.customer(card="")
    await story.one_off(customer, story.chance.randint(5000, 90000))
    yield hours(1)


async def voided(story: StoryContext) -> Steps:
    """An invoice issued by mistake and voided, some days later or on the same day."""
    customer = await story.customer(card="")
    invoice = await story.one_off(customer, 77700, "Issued by mistake")
    yield days(story.chance.choice((0.1, 2, 9)))
    await story.api.post(f"/v1/invoices/{invoice['id']}/void")


async def voided_after_failure(story: StoryContext) -> Steps:
    """A card that fails, after which the invoice is voided and billed anew."""
    customer = await story.customer(card=FAILING_CARD)
    invoice = await story.one_off(customer, 26000, is_charged=True)
    await story.pay(invoice["id"])
    yield days(3)
    await story.api.post(f"/v1/invoices/{invoice['id']}/void")
    await story.change_card(customer, GOOD_CARD)
    again = await story.one_off(customer, 26000, is_charged=True)
    await story.pay(again["id"])


async def uncollectible(story: StoryContext) -> Steps:
    """A card that fails until the invoice is written off."""
    customer = await story.customer(card=FAILING_CARD)
    invoice = await story.one_off(customer, 18000, is_charged=True)
    await story.pay(invoice["id"])
    yield days(6)
    await story.pay(invoice["id"])
    yield days(6)
    await story.api.post(f"/v1/invoices/{invoice['id']}/mark_uncollectible")


async def leaves(story: StoryContext) -> Steps:
    """A customer who cancels and is deleted at the source, leaving paid invoices behind."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "team")
    yield days(9)
    await story.api.delete(f"/v1/subscriptions/{subscription['id']}")
    yield hours(2)
    await story.api.delete(f"/v1/customers/{customer}")

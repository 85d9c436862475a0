"""Stories of how customers are billed: plans, trials, coupons, amendments, one-off invoices, usage, voids."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

from .stage import FAILING_CARD, GOOD_CARD, Stage, days, hours

Steps = AsyncGenerator[timedelta, None]


async def monthly(stage: Stage) -> Steps:
    """A self-service plan, paid by card, several seats."""
    customer = await stage.customer()
    await stage.subscribe(customer, stage.chance.choice(("team", "business")), stage.chance.randint(1, 12))
    yield hours(1)


async def weekly(stage: Stage) -> Steps:
    """A weekly plan: renewals drafted, finalized an hour later and charged, all by the clock."""
    customer = await stage.customer()
    await stage.subscribe(customer, "weekly", stage.chance.randint(1, 3))
    yield hours(1)


async def weekly_with_usage(stage: Stage) -> Steps:
    """A weekly plan with metered overage put on the next renewal, priced in fractions of a minor unit."""
    customer = await stage.customer()
    await stage.subscribe(customer, "weekly")
    for _ in range(2):
        yield days(6.5)
        await stage.overage(customer, stage.chance.randint(900, 9000))


async def annual_upgrade(stage: Stage) -> Steps:
    """A year paid ahead, upgraded mid-term: a prorated invoice with a negative and a positive line."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "annual", stage.chance.randint(1, 4))
    yield days(stage.chance.randint(4, 16))
    await stage.amend(subscription, price=stage.catalog.prices["annual_business", stage.currency])


async def annual_downgrade(stage: Stage) -> Steps:
    """A year paid ahead, downgraded: the prorated invoice is negative and becomes credit, which another invoice uses up in part."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "annual_business")
    yield days(stage.chance.randint(3, 9))
    await stage.amend(subscription, price=stage.catalog.prices["annual", stage.currency])
    yield days(4)
    await stage.one_off(customer, 30000, is_charged=True)


async def seats(stage: Stage) -> Steps:
    """Seats added, later some taken away: positive and negative prorations."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "business", 5)
    yield days(stage.chance.randint(3, 8))
    await stage.amend(subscription, quantity=9)
    yield days(stage.chance.randint(3, 8))
    await stage.amend(subscription, quantity=7)


async def trial(stage: Stage) -> Steps:
    """A trial: an invoice of nothing, then the first real one."""
    customer = await stage.customer()
    await stage.subscribe(customer, "team", 2, trial_period_days=stage.chance.choice((7, 10, 14)))
    yield hours(1)


async def trial_left(stage: Stage) -> Steps:
    """A trial that ends with the customer leaving: only the invoice of nothing remains."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "team", trial_period_days=14)
    yield days(5)
    await stage.api.delete(f"/v1/subscriptions/{subscription['id']}")


async def percent_coupon(stage: Stage) -> Steps:
    """An odd percentage off the first invoice."""
    customer = await stage.customer()
    await stage.subscribe(customer, "team", stage.chance.randint(1, 7), discounts=[{"coupon": stage.catalog.coupons["welcome"]}])
    yield hours(1)


async def free_first(stage: Stage) -> Steps:
    """A coupon of 100 %: an invoice with lines that comes to nothing."""
    customer = await stage.customer()
    await stage.subscribe(customer, "team", 3, discounts=[{"coupon": stage.catalog.coupons["free"]}])
    yield hours(1)


async def voucher(stage: Stage) -> Steps:
    """A fixed amount off an invoice of several lines: the discount is spread over them."""
    customer = await stage.customer()
    await stage.item(customer, "Gateway hardware", stage.amount(34900))
    await stage.item(customer, "Cable set", stage.amount(1700))
    await stage.item(customer, "Wall mount", stage.amount(990))
    coupon = {"coupon": stage.catalog.coupons["voucher" if stage.currency == stage.entity.currency else "welcome"]}
    await stage.bill(customer, is_charged=True, discounts=[coupon])
    yield hours(1)


async def hardware(stage: Stage) -> Steps:
    """A gateway sold once, with a handbook (at the reduced rate where there is one), invoiced and paid by card days later."""
    customer = await stage.customer()
    await stage.item(customer, "Gateway hardware", stage.amount(34900) * stage.chance.randint(1, 3))
    reduced = stage.catalog.tax_rates.get("ust7")
    fields = {"tax_rates": [reduced]} if reduced and stage.tax_key == "ust19" else {}
    await stage.item(customer, "Printed handbook", stage.amount(3900), **fields)
    invoice = await stage.bill(customer)
    yield days(stage.chance.randint(1, 6))
    await stage.pay(invoice["id"])


async def late_payer(stage: Stage) -> Steps:
    """An invoice by e-mail that nobody has paid by the end of the month."""
    customer = await stage.customer(card="")
    await stage.one_off(customer, stage.chance.randint(5000, 90000))
    yield hours(1)


async def voided(stage: Stage) -> Steps:
    """An invoice issued by mistake and voided, some days later or on the same day."""
    customer = await stage.customer(card="")
    invoice = await stage.one_off(customer, 77700, "Issued by mistake")
    yield days(stage.chance.choice((0.1, 2, 9)))
    await stage.api.post(f"/v1/invoices/{invoice['id']}/void")


async def voided_after_failure(stage: Stage) -> Steps:
    """A card that fails, after which the invoice is voided and billed anew."""
    customer = await stage.customer(card=FAILING_CARD)
    invoice = await stage.one_off(customer, 26000, is_charged=True)
    await stage.pay(invoice["id"])
    yield days(3)
    await stage.api.post(f"/v1/invoices/{invoice['id']}/void")
    await stage.change_card(customer, GOOD_CARD)
    again = await stage.one_off(customer, 26000, is_charged=True)
    await stage.pay(again["id"])


async def uncollectible(stage: Stage) -> Steps:
    """A card that fails until the invoice is written off."""
    customer = await stage.customer(card=FAILING_CARD)
    invoice = await stage.one_off(customer, 18000, is_charged=True)
    await stage.pay(invoice["id"])
    yield days(6)
    await stage.pay(invoice["id"])
    yield days(6)
    await stage.api.post(f"/v1/invoices/{invoice['id']}/mark_uncollectible")


async def leaves(stage: Stage) -> Steps:
    """A customer who cancels and is deleted at the source, leaving paid invoices behind."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "team")
    yield days(9)
    await stage.api.delete(f"/v1/subscriptions/{subscription['id']}")
    yield hours(2)
    await stage.api.delete(f"/v1/customers/{customer}")

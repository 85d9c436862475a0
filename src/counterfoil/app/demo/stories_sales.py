"""What those who sell do in their system meanwhile: they rename companies, two of them one at once, as billing renames its customer, and
merge what was made twice, take two customers for one and take it back; and it is away for three days.
"""

from __future__ import annotations

import asyncio

from .sales import SalesSystem
from .story import Steps, StoryContext, days, hours

AWAY_FROM, AWAY_FOR = 9, 3
"""In days: when the system is cut off, and for how long."""
STEWARD_TRIES_MAX = 36
"""Every two hours for three days: the hub may not know the customers yet, or not answer."""
DAYS_MAX = 450
"""More than can be played."""


async def sales_desk(story: StoryContext) -> Steps:
    """Every day a company gets another name, every third day from two people and from billing at once; twice a week what was made twice is
    merged.
    """
    sales = story.sales
    if sales is None:
        return
    for day in range(DAYS_MAX):
        yield days(0.97)
        if sales.companies:
            await _rename(story, sales, story.chance.choice(sorted(sales.companies)), day)
        if day % 3 == 2:
            await sales.merge_doubled()


async def _rename(story: StoryContext, sales: SalesSystem, company: str, day: int) -> None:
    """Give a company another name; every third day two people do, and somebody its customer in billing."""
    name, (customer, account) = sales.companies[company], sales.buyers[company]
    if day % 3 != 1:
        await sales.name(company, f"{name}, account {day + 1}")
        return
    edits = [sales.name(company, f"{name}, account {day + 1}", f"{name}, key account {day + 1}")]
    if account == story.account:
        edits.append(_rename_in_billing(story, customer, f"{name.removesuffix(' (2)')} International"))
    await asyncio.gather(*edits)


async def _rename_in_billing(story: StoryContext, customer: str, name: str) -> None:
    await story.api.post(f"/v1/customers/{customer}", name=name)


async def mistaken(story: StoryContext) -> Steps:
    """Two customers are taken for one while a document is in flight, and told apart again days later; all of both is paid.

    Without a steward nobody decides so: they are billed all the same.
    """
    kept, gone = await story.customer(), await story.customer()
    first = await story.one_off(gone, 41000, is_charged=True)
    yield days(1)
    flying = await story.one_off(gone, 17000, is_charged=True)
    for _ in range(STEWARD_TRIES_MAX if story.steward else 0):
        if story.steward and await story.steward.merge(gone, kept):
            break
        yield hours(2)
    await story.pay(flying["id"])
    yield days(2)
    between = await story.one_off(gone, 23000, is_charged=True)
    for _ in range(STEWARD_TRIES_MAX if story.steward else 0):  # also where nobody knows whether the merge was kept
        if story.steward and await story.steward.unmerge(gone):
            break
        yield hours(2)
    for invoice in (between, first):
        await story.pay(invoice["id"])


async def away(story: StoryContext) -> Steps:
    """The hub is refused for three days, while those who sell work on."""
    sales = story.sales
    if sales is None or not sales.hub_calls:
        return
    yield days(AWAY_FROM)
    await sales.cut_off()
    yield days(AWAY_FOR)
    await sales.let_in()

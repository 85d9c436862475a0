"""What those who sell do in their system meanwhile: they rename companies, merge what was made twice; and it is away for three days."""

from __future__ import annotations

from .story import Steps, StoryContext, days

AWAY_FROM, AWAY_FOR = 9, 3
"""In days: when the system is cut off, and for how long."""
DAYS_MAX = 450
"""More than can be played."""


async def sales_desk(story: StoryContext) -> Steps:
    """Every day a company gets another name; twice a week what was made twice is merged."""
    sales = story.sales
    if sales is None:
        return
    for day in range(DAYS_MAX):
        yield days(0.97)
        if sales.companies:
            company = story.chance.choice(sorted(sales.companies))
            await sales.rename(company, f"{sales.companies[company]}, account {day + 1}")
        if day % 3 == 2:
            await sales.merge_doubled()


async def away(story: StoryContext) -> Steps:
    """The hub is refused for three days, while those who sell work on."""
    sales = story.sales
    if sales is None or not sales.hub_calls:
        return
    yield days(AWAY_FROM)
    await sales.cut_off()
    yield days(AWAY_FOR)
    await sales.let_in()

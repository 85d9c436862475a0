"""What those who sell do in the meantime: which companies there are after renaming and merging, and when a system is cut off."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from counterfoil.app.demo.casting import sell
from counterfoil.app.demo.entities import DE, US
from counterfoil.app.demo.sales import CompanySeen, SalesSystem, compare, read_shown
from counterfoil.app.demo.sales_systems import KINDS, USED_BY
from counterfoil.app.demo.stories_sales import away, sales_desk
from counterfoil.app.demo.story import Story, StoryContext


class Noted(SalesSystem):
    """A sales system that notes what is done in it; a merge leaves a record of a new id."""

    word = connection = "noted"
    hub_calls = "/hub/"

    def __init__(self) -> None:
        super().__init__({"url": "http://127.0.0.1:1"})
        self.done: list[tuple[str, ...]] = []
        self.shown: list[str] = []

    @property
    def settings(self) -> dict[str, Any]:
        return {}

    async def open(self, stack: AsyncExitStack) -> None:
        del stack

    async def add(self, name: str, customer: str) -> str:
        self.done.append(("add", name, customer))
        return f"c{len(self.done)}"

    async def rename(self, company: str, name: str) -> None:
        self.done.append(("rename", company, name))

    async def merge(self, winner: str, loser: str) -> str:
        self.done.append(("merge", winner, loser))
        return f"{winner}+{loser}"

    async def rows(self) -> AsyncIterator[CompanySeen]:
        for name in self.shown:
            yield CompanySeen("cus_1", name, "", {}, has_more=False)

    async def cut_off(self) -> None:
        self.done.append(("cut off",))

    async def let_in(self) -> None:
        self.done.append(("let in",))


async def play(story: Story, system: SalesSystem | None) -> list[timedelta]:
    """Play a story to its end and return its pauses."""
    given: Any = None
    context = StoryContext(US, "acct", given, given, given, -1, random.Random(1), "USD", "", sales=system)
    return [pause async for pause in story(context)]


async def test_what_was_made_twice_becomes_one_and_is_renamed_by_what_it_is_now() -> None:
    system = Noted()
    await system.sign("Blue Harbor", "cus_1", is_twice=True)
    await system.sign("Cedar Labs", "cus_2", is_twice=False)
    assert system.done == [("add", "Blue Harbor", "cus_1"), ("add", "Blue Harbor (2)", "cus_1"), ("add", "Cedar Labs", "cus_2")]
    pauses = await play(sales_desk, system)
    assert set(pauses) == {timedelta(days=0.97)}
    assert [one for one in system.done if one[0] == "merge"] == [("merge", "c1", "c2")]
    assert system.companies == {"c1+c2": "Blue Harbor", "c3": "Cedar Labs"}
    after = system.done[system.done.index(("merge", "c1", "c2")) :]
    assert {one[1] for one in after if one[0] == "rename"} == {"c1+c2", "c3"}


async def test_two_name_a_company_at_once_and_any_other_name_shown_is_nobodys() -> None:
    system = Noted()
    await system.sign("Blue Harbor", "cus_1", is_twice=False)
    await play(sales_desk, system)
    days: dict[str, list[str]] = {}
    for _, _, name in (one for one in system.done if one[0] == "rename"):
        days.setdefault(name.rpartition(" ")[2], []).append(name)
    assert days["1"] == ["Blue Harbor, account 1"]
    assert days["2"] == ["Blue Harbor, account 2", "Blue Harbor, key account 2"]
    assert system.names_of("cus_1") == set(days["450"])
    system.shown = ["Blue Harbor, account 450", "Blue Harbor"]
    assert await read_shown(system) == [("cus_1", {}), ("cus_1", {("", "another's name"): 1})]
    assert [(row.figure, row.apart, row.is_equal) for row in compare("Noted", {}, await read_shown(system))] == [
        ("another's name", 1, False)
    ]


async def test_a_system_is_cut_off_for_three_days_and_one_that_cannot_be_never() -> None:
    system = Noted()
    assert await play(away, system) == [timedelta(days=9), timedelta(days=3)]
    assert system.done == [("cut off",), ("let in",)]
    system.hub_calls = ""
    assert (await play(away, system), await play(away, None), await play(sales_desk, None)) == ([], [], [])


def test_every_entity_sells_in_one_system_and_each_system_has_its_stories() -> None:
    assert {USED_BY[entity.key] for entity in (US, DE)} == set(KINDS) == set(USED_BY.values())
    assert [role.story for role in sell([US, DE])] == [sales_desk, away, sales_desk, away]

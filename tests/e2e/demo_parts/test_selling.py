"""What those who sell do in the meantime: which companies there are after renaming and merging, and when a system is cut off."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from counterfoil.app.demo.casting import MONTH_START, sell
from counterfoil.app.demo.entities import DE, US
from counterfoil.app.demo.sales import EVERY, CompanySeen, SalesSystem, compare, read_shown
from counterfoil.app.demo.sales_systems import KINDS, USED_BY
from counterfoil.app.demo.stories_sales import away, mistaken, sales_desk
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


@dataclass
class Billing:
    """Where customers are billed, in short: what was done, by path."""

    done: list[str] = field(default_factory=list)

    async def post(self, path: str, **fields: Any) -> dict[str, Any]:
        self.done.append(path)
        return {"id": f"{path.rpartition('/')[2]}_{len(self.done)}"}


@dataclass
class Steward:
    """Who decides which customers are one; ``refuses``: so many times it cannot be done yet."""

    billing: Billing
    refuses: int = 0

    async def merge(self, gone: str, kept: str) -> bool:
        return self._do(f"merge {gone} into {kept}")

    async def unmerge(self, gone: str) -> bool:
        return self._do(f"unmerge {gone}")

    def _do(self, what: str) -> bool:
        self.refuses -= 1
        self.billing.done += [what] if self.refuses < 0 else []
        return self.refuses < 0


async def play(story: Story, system: SalesSystem | None, api: Any = None, steward: Any = None) -> list[timedelta]:
    """Play a story to its end and return its pauses."""
    context = StoryContext(US, "acct", api, api, api, -1, random.Random(1), "USD", "", sales=system, steward=steward)
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
    assert [role.story for role in sell([US, DE])] == [*[sales_desk, away] * 2, *[mistaken] * 4]
    assert [role.story for role in sell([US, DE], days=11)] == [sales_desk, away] * 2
    mistakes = [role for role in sell([US, DE], MONTH_START, 24) if role.story is mistaken]
    assert [(role.starts_at - MONTH_START).days for role in mistakes] == [1, 1, 13, 13]  # each with eleven days to tell them apart
    assert {role.number % EVERY for role in mistakes} == {0}
    assert len({role.number for role in mistakes}) == 4


async def test_customers_taken_for_one_are_told_apart_again_whatever_it_takes_and_all_is_paid() -> None:
    billing = Billing()
    pauses = await play(mistaken, None, billing, Steward(billing, refuses=2))
    assert pauses == [timedelta(days=1), *[timedelta(hours=2)] * 2, timedelta(days=2)]
    decided = [one for one in billing.done if "merge" in one]
    assert decided == ["merge customers_2 into customers_1", "unmerge customers_2"]
    issued = [one for one in billing.done if one.endswith("/finalize")]
    paid = [one for one in billing.done if one.endswith("/pay")]
    assert (len(issued), len(set(paid))) == (3, 3)
    assert billing.done[billing.done.index(decided[0]) - 1].endswith("/finalize")  # in flight
    billing.done.clear()
    assert await play(mistaken, None, billing) == [timedelta(days=1), timedelta(days=2)]
    assert len([one for one in billing.done if one.endswith("/pay")]) == 3

"""A source that tells its changes in several lists: one that fails waits, and is named, while the others are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from counterfoil.ingress.polling import Polling
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Page, Polls
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import HttpClient
from counterfoil.kit.stage import PlainContext, Turn
from counterfoil.store import cases, cursors, reading
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

from .conftest import NOW, Arming, delivery_of

EVERY_S = 60.0


@dataclass
class Shelf:
    """A list of changes; ``error`` is what reading it raises."""

    name: str
    pages: list[list[str]] = field(default_factory=list)
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    async def poll(self, ctx: Context, cursor: str) -> Page:
        self.asked.append(cursor)
        self.log.append(self.name)
        if self.error is not None:
            raise self.error
        place = int(cursor.removeprefix("joint") or 0)
        found = self.pages[place] if place < len(self.pages) else []
        after = min(place + 1, len(self.pages))
        now = ctx.clock.now()
        return Page(tuple(map(delivery_of, found)), str(after), has_more=after < len(self.pages), covers_until=now)


class Shop:
    """One source with lists, at a clock, in a database."""

    def __init__(self, pool: Pool, cipher: Cipher, **pages: list[list[str]]) -> None:
        self.pool = pool
        self.clock = SettableClock(NOW)
        self.log: list[str] = []
        self.lists = {name: Shelf(name, found, log=self.log) for name, found in pages.items()}
        context = Context("crm", None, cast(HttpClient, None), self.clock)
        named = cast("dict[str, Polls]", self.lists)
        self.polling = Polling(pool, cipher, {"crm": (named, context)}, self.clock, Arming(), {"crm": EVERY_S})

    async def turn(self, after_s: float = 0.0, **context: Any) -> Turn:
        """Let time pass and take a turn; forget what was asked before."""
        self.clock.advance_to(self.clock.now() + timedelta(seconds=after_s))
        for one in self.lists.values():
            one.asked.clear()
        return await self.polling.turn("crm", PlainContext(**context))

    def asked(self) -> dict[str, int]:
        return {name: len(one.asked) for name, one in self.lists.items() if one.asked}

    async def received(self) -> list[str]:
        async with self.pool.connection() as conn:
            return [row[0] for row in await (await conn.execute("select dedupe_key from receipt order by 1")).fetchall()]

    async def open_cases(self) -> list[cases.Case]:
        async with self.pool.connection() as conn:
            return await cases.list_cases(conn, state=cases.CaseState.OPEN)

    async def unread(self) -> dict[str, tuple[bool, float]]:
        """Return of each list that cannot be read whether nothing can be, and in how many seconds it is tried again."""
        async with self.pool.connection() as conn:
            return {one.stream: (one.is_all, (one.again_at - self.clock.now()).total_seconds()) for one in await reading.read_all(conn)}

    def broken(self, name: str, error: Exception | None = None) -> None:
        self.lists[name].error = error or TransientError("GET /journal: status 500", code="word.down")


@pytest.fixture
def shop(pool: Pool, cipher: Cipher) -> Shop:
    return Shop(pool, cipher, companies=[["company_1"]], deals=[["deal_1"]], journal=[["entry_1"]])


async def test_a_list_that_fails_stops_no_other_and_goes_on_from_its_own_place(shop: Shop) -> None:
    await shop.turn()
    shop.broken("companies")
    shop.lists["deals"].pages.append(["deal_2"])
    shop.lists["companies"].pages.append(["company_2"])
    turned = await shop.turn(EVERY_S)
    assert await shop.received() == ["company_1", "deal_1", "deal_2", "entry_1"]
    assert turned == Turn(has_more=False, wake_in_s=15.0)
    shop.lists["companies"].error = None
    await shop.turn(15)
    assert await shop.received() == ["company_1", "company_2", "deal_1", "deal_2", "entry_1"]
    assert shop.lists["companies"].asked == ["1"]
    assert await shop.unread() == {}


async def test_what_failed_is_tried_again_after_all_others(shop: Shop) -> None:
    shop.broken("companies")
    await shop.turn()
    shop.log.clear()
    await shop.turn(EVERY_S)
    assert shop.log == ["deals", "journal", "companies"]


async def test_what_fails_waits_as_long_as_it_has_lasted_five_minutes_at_most(shop: Shop) -> None:
    shop.broken("journal")
    waits = []
    for _ in range(7):
        await shop.turn()
        waits.append((await shop.unread())["poll/journal"][1])
        await shop.turn(1)
        assert shop.asked() == {"companies": 1, "deals": 1}, "it is left alone while the others are read"
        shop.clock.advance_to(shop.clock.now() + timedelta(seconds=waits[-1] - 1))
    # Tried after 15 s, then at 15, 30, 60, 120 and 240 s since it failed: each wait is as long as all before it.
    assert waits == [15, 15, 30, 60, 120, 240, 300]


async def test_a_list_that_asks_for_a_pause_gets_it(shop: Shop) -> None:
    shop.broken("journal", TransientError("status 429", code="word.limited", retry_after_s=40.0))
    assert (await shop.turn()).wake_in_s == 40.0
    assert await shop.unread() == {"poll/journal": (False, 40.0)}


async def test_a_list_that_fails_for_long_is_a_case_which_names_it_and_closes_with_it(shop: Shop) -> None:
    shop.broken("journal")
    await shop.turn()
    assert await shop.open_cases() == []
    await shop.turn(45)
    (case,) = await shop.open_cases()
    assert (case.case_class, case.code) == ("target_unavailable", "word.down")
    assert case.cause == "crm cannot be used for journal since 2026-03-01 00:00 UTC: GET /journal: status 500"
    assert case.next_step.startswith("All else crm tells is read meanwhile")
    shop.lists["journal"].error = None
    await shop.turn(300)
    assert await shop.open_cases() == []


async def test_a_list_we_are_refused_is_a_case_at_once(shop: Shop) -> None:
    shop.broken("journal", SetupError("the app may not read the journal", code="word.scope"))
    await shop.turn()
    (case,) = await shop.open_cases()
    assert case.case_class == "authentication_refused"
    assert case.cause == "crm refuses our key or rights for journal since 2026-03-01 00:00 UTC: the app may not read the journal"


async def test_where_nothing_can_be_read_one_list_is_tried_each_time_another_and_with_it_the_others_come_back(shop: Shop) -> None:
    for name in shop.lists:
        shop.broken(name)
    assert await shop.turn() == Turn(has_more=False, wake_in_s=15.0)
    tried = []
    for _ in range(4):
        assert (await shop.turn(15)).wake_in_s == 15.0
        tried += list(shop.asked())
    assert tried == ["companies", "deals", "journal", "companies"]
    (case,) = await shop.open_cases()
    assert case.cause == "crm cannot be used since 2026-03-01 00:00 UTC: GET /journal: status 500"
    for one in shop.lists.values():
        one.error = None
    assert await shop.turn(15) == Turn(has_more=False, wake_in_s=EVERY_S)
    assert await shop.received() == ["company_1", "deal_1", "entry_1"]
    assert (await shop.open_cases(), await shop.unread()) == ([], {})


async def test_a_connection_that_comes_back_but_for_one_list_is_told_as_that(shop: Shop) -> None:
    for name in shop.lists:
        shop.broken(name)
    await shop.turn()
    await shop.turn(60)
    for name in ("companies", "deals"):
        shop.lists[name].error = None
    await shop.turn(15)
    await shop.turn(15)
    (case,) = await shop.open_cases()
    assert case.cause.startswith("crm cannot be used for journal since")


async def test_an_error_no_connector_knows_stops_no_other_list_and_is_the_turns_own(shop: Shop) -> None:
    shop.broken("companies", KeyError("results"))
    with pytest.raises(KeyError):
        await shop.turn()
    assert await shop.received() == ["deal_1", "entry_1"]


async def test_a_list_with_much_to_read_alone_goes_on_at_once(shop: Shop) -> None:
    shop.lists["deals"].pages = [[f"deal_{number}"] for number in range(25)]
    turns = []
    for _ in range(3):
        turns.append((await shop.turn()).has_more)
        if len(turns) > 1:
            assert set(shop.asked()) == {"deals"}
    # Ten pages a turn: 10, 20, 25.
    assert turns == [True, True, False]
    assert len(await shop.received()) == 27


async def test_a_worker_that_ends_leaves_what_it_has_not_come_to(shop: Shop) -> None:
    assert await shop.turn(is_ending=True) == Turn(has_more=True)
    assert shop.asked() == {}
    await shop.turn()
    assert set(shop.asked()) == {"companies", "deals", "journal"}


async def test_lists_that_were_read_together_before_begin_at_the_place_of_then(shop: Shop) -> None:
    async with shop.pool.connection() as conn:
        await cursors.save(conn, cursors.Cursor("crm", "poll", "joint0", covers_until=NOW), NOW)
    await shop.turn()
    assert {name: one.asked for name, one in shop.lists.items()} == {name: ["joint0"] for name in shop.lists}
    async with shop.pool.connection() as conn:
        found = {one.stream: (one.cursor, one.is_read) for one in await cursors.list_cursors(conn)}
    assert found == {"poll": ("joint0", False), "poll/companies": ("1", True), "poll/deals": ("1", True), "poll/journal": ("1", True)}


async def test_a_list_that_is_read_no_more_is_no_trouble_any_more_and_its_place_is_kept(shop: Shop) -> None:
    shop.broken("journal", SetupError("the app may not read the journal", code="word.scope"))
    await shop.turn()
    journal = shop.lists.pop("journal")
    await shop.turn()
    assert (await shop.open_cases(), await shop.unread()) == ([], {})
    shop.lists["journal"] = journal
    journal.error = None
    await shop.turn()
    async with shop.pool.connection() as conn:
        assert all(one.is_read for one in await cursors.list_cursors(conn))


async def test_what_says_nothing_is_not_written(shop: Shop) -> None:
    @dataclass
    class Silent:
        async def poll(self, ctx: Context, cursor: str) -> Page:
            return Page((), cursor, has_more=False)

    shop.lists = {"silent": Silent()}  # type: ignore[dict-item]
    shop.polling = Polling(
        shop.pool, shop.polling.cipher, {"crm": ({"silent": Silent()}, shop.polling.sources["crm"][1])}, shop.clock, Arming(), {"crm": 60.0}
    )
    await shop.polling.turn("crm")
    shop.clock.advance_to(NOW + timedelta(hours=1))
    await shop.polling.turn("crm")
    async with shop.pool.connection() as conn:
        (cursor,) = await cursors.list_cursors(conn)
    assert cursor.updated_at == NOW

"""A backup older than the books: what was booked since is found there again, compared and never posted twice."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.crash.judging import all_in_one, judge
from tests.crash.stories import PlayedStory, begin
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House, house

from counterfoil.app.backup import Restored, back_up, restore
from counterfoil.app.hub import open_hub, serve_intake
from counterfoil.app.keys import configured_keys
from counterfoil.app.settings import from_values
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.holdings import KnownPage
from counterfoil.store import relearning

ROOM = datetime(2025, 12, 2, 12, tzinfo=UTC)


async def save(made: House, folder: Path) -> None:
    """Back the hub up while it is at work."""
    await back_up(made.hub.dsn, configured_keys(made.hub.settings.hub.home, os.environ), folder)


@asynccontextmanager
async def restored(made: House, folder: Path, url: str) -> AsyncIterator[Restored]:
    """Lose the hub at work and have one restored from a backup in its place; it is not at work yet."""
    await made.hub.stop_work()
    keys = configured_keys(made.hub.settings.hub.home, os.environ)
    sources = list(made.hub.sources)
    found = await restore(url, folder, keys, ["books"], sources, made.clock.now(), actor="tests", is_replaced=False)
    values = {**made.values, "hub": {**made.values["hub"], "database_url": url}}
    before = made.hub, made.intake
    async with open_hub(from_values(values), made.clock) as hub, serve_intake(hub, "127.0.0.1", 0, SystemClock()) as address:
        made.hub, made.intake = hub, address
        yield found
        await hub.stop_work()
    made.hub, made.intake = before


async def rows(made: House, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds in the hub's database."""
    async with made.hub.pool.connection() as conn:
        return await (await conn.execute(query.encode())).fetchall()


class Shut:
    """For as long as the context lasts, the books do not say what they hold."""

    def __init__(self, made: House) -> None:
        connector, _ = made.hub.targets["books"]
        self._patch = pytest.MonkeyPatch()
        self._kind = type(connector.lists)
        self.asked = 0

    def __enter__(self) -> Shut:
        async def known(_target: object, _ctx: Context, _cursor: str) -> KnownPage:
            self.asked += 1
            raise TransientError("down for maintenance", code="test.down")

        self._patch.setattr(self._kind, "known", known)
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


async def has_wished(made: House, key: str) -> bool:
    """Tell whether a command with an external key was wished."""
    return bool(await rows(made, f"select 1 from command where external_key = '{key}'"))


async def is_caught_up(made: House) -> bool:
    """Tell whether everything up to the restore is known and decided again."""
    return bool(await rows(made, "select 1 from relearning where caught_up_at is not null"))


@pytest.fixture
async def summaries(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """Yield a hub whose American entity posts a day as one entry. Its backup knows of 100.00 billed today, not of the 200.00 since."""

    def configured(values: dict[str, Any]) -> None:
        values["entities"]["US"]["posting"] = "summary"

    async with house(database, tmp_path / "home", start=ROOM, change=configured) as made:
        await made.bill(10000)
        await made.tell()
        await save(made, tmp_path / "backup")
        await made.bill(20000)
        await made.tell()
        yield made


def matches(made: House) -> dict[int, tuple[Any, ...]]:
    """Return every match in the books: its two lines and what it takes off each, by id."""
    names = ("debit_move_id", "credit_move_id", "amount", "debit_amount_currency", "credit_amount_currency")
    found = made.odoo.env().rows("account.partial.reconcile")
    return {id: tuple(row[name] for name in names) for id, row in found.items()}


def matched_abroad(made: House, told: PlayedStory) -> list[tuple[int, int]]:
    """Return the matches of a story's foreign invoice with its payment, in cents of both lines; Odoo made them, without our key."""
    env = made.odoo.env()
    invoice, payment = (made.document(told.keys[kind][at])["id"] for kind, at in (("post_invoice", 2), ("post_payment", 1)))
    debits, credits = (set(env.find("account.move.line", "move_id", move)) for move in (invoice, payment))
    return [
        (round(row["debit_amount_currency"] * 100), round(row["credit_amount_currency"] * 100))
        for row in env.rows("account.partial.reconcile").values()
        if row["debit_move_id"] in debits and row["credit_move_id"] in credits
    ]


async def is_right(made: House, told: PlayedStory) -> bool:
    """Tell whether a story's end is as it must be: nothing lost, doubled or stuck; documents, payments, matches, and what is open."""
    return all_in_one(await judge(made, told)).is_right


OPEN = "select kind, state::text, external_key, reason from command where state not in ('done', 'canceled')"
BY_PAIR = "select external_key from command where state = 'done' and code = 'odoo.matched_before' order by 1"
DONE = "select external_key, external_id from command where state = 'done' order by 1, 2"
SENT_AS_NEW = """
select c.external_key from attempt a, unnest(a.command_ids) as i(id) join command c on c.id = i.id
where not a.is_resolution and a.target = 'books' and a.started_at > (select max(marked_at) from relearning)
"""


async def test_what_the_books_hold_is_found_again_and_what_was_lost_is_booked_once(
    database: str, tmp_path: Path, empty_database: str
) -> None:
    async with house(database, tmp_path / "home") as made:
        first = await begin(made)
        await made.tell()
        await save(made, tmp_path / "backup")
        second = await begin(made)
        await made.tell()
        third = await begin(made)
        made.news()  # the outage: nobody is told of the third, and it lasts longer than Stripe keeps events
        assert (await rows(made, OPEN), await rows(made, "select * from wait")) == ([], [])
        booked, matched = made.external_keys(), matches(made)
        known = await rows(made, DONE)
        await made.later(days=40)
        async with restored(made, tmp_path / "backup", empty_database) as found:
            assert found.targets == ("books",)
            assert [gap.command for gap in found.gaps if gap.connection == "stripe_us"] == [
                "counterfoil backfill stripe_us --since 2025-11-30 --again"
            ]
            assert {key for key, _ in await rows(made, DONE)}.isdisjoint(second.every_key)
            with Shut(made) as door:
                await made.later(hours=2)
                await made.hub.start_work("after")
                await made.poll()
                await made.until(lambda: has_wished(made, third.keys["post_invoice"][0]))
                assert door.asked
                assert await rows(made, "select * from attempt a, relearning r where a.started_at > r.marked_at") == []
                assert set(made.external_keys()) == set(booked)
            await made.hub.wake([("relearn", "books")])
            await made.settle()
            for told in first, second, third:
                assert await is_right(made, told)
                assert matched_abroad(made, told) == [(20000, 20000)]
            # Not one match was made, undone or changed between what was matched before.
            assert {id: one for id, one in matches(made).items() if id in matched} == matched
            before = {line for debit, credit, *_ in matched.values() for line in (debit, credit)}
            assert before.isdisjoint(line for id, one in matches(made).items() if id not in matched for line in one[:2])
            await assert_balanced(made)
            proof = await made.prove()
            assert [row for row in proof.totals if not row.is_equal] == []
            # The same documents under the same ids as before, and only the third customer's are new.
            assert set(known) <= set(await rows(made, DONE))
            new = set(made.external_keys()) - set(booked)
            sent = {key for (key,) in await rows(made, SENT_AS_NEW)}
            # Known before and after: the newer state of customers is written over the older one, and the match abroad, which Odoo made and
            # bears no key of ours, is wished again and found by its pair.
            again = {f"customer_stripe.{id}" for id in (first.home, first.foreign)}
            (abroad,) = {key for (key,) in await rows(made, BY_PAIR)} & sent
            assert abroad.startswith(f"alloc_invoice-{second.keys['post_invoice'][2].removeprefix('invoice_')}-")
            assert sent - again - {abroad} == {key for key, _ in await rows(made, DONE)} - {key for key, _ in known}
            assert {key for key in new if not key.endswith("_product_template")} <= sent
            assert set(third.every_key) <= new
            assert await made.cases() == []


async def test_a_day_in_the_books_cut_otherwise_becomes_a_case_and_never_a_second_entry(
    summaries: House, tmp_path: Path, empty_database: str
) -> None:
    made = summaries
    late = await made.bill(4400)
    held = made.news()
    await made.later(days=1)
    await made.close_days("US")
    await made.deliver(held)
    await made.settle()
    await made.close_days("US")
    booked = [key for key in made.external_keys() if key.startswith("summary_")]
    assert booked == ["summary_US.2025-12-02.USD.1", "summary_US.2025-12-02.USD.2"]
    async with restored(made, tmp_path / "backup", empty_database):
        await made.later(hours=2)
        await made.hub.start_work("after")
        await made.poll()
        await made.until(lambda: is_caught_up(made))
        await made.settle()
        await made.close_days("US")
        # 100, 200 and 44 are one entry now, in the books they are two.
        (case,) = await made.cases()
        assert (case.code, case.entity) == ("summary.closed_otherwise", "US")
        assert [key for key in made.external_keys() if key.startswith("summary_")] == booked
        assert made.balance("US", "400000") == -34400
        assert late["id"]
        # What the case says to do: the entries are removed, and the day is posted whole.
        for key in booked:
            made.person("delete", xid=f"counterfoil.{key}")
        await made.hub.stop_work()
        async with made.hub.pool.connection() as conn:
            await relearning.mark(conn, ["books"], None, made.clock.now())
        await made.later(hours=2)
        await made.hub.start_work("again")
        await made.poll()
        await made.until(lambda: is_caught_up(made))
        await made.close_days("US")
        assert await made.cases() == []
        assert [key for key in made.external_keys() if key.startswith("summary_")] == booked[:1]
        assert made.balance("US", "400000") == -34400
        await assert_balanced(made)


async def test_a_day_in_the_books_that_would_be_closed_the_same_way_is_recognized(
    summaries: House, tmp_path: Path, empty_database: str
) -> None:
    made = summaries
    await made.later(days=1)
    await made.close_days("US")
    async with restored(made, tmp_path / "backup", empty_database):
        await made.hub.start_work("after")
        # The day is over, but what it held is not all known again: closing it now would cut it otherwise.
        await made.close_days("US")
        assert await rows(made, "select 1 from command where kind = 'post_entry'") == []
        await made.later(hours=2)
        await made.poll()
        await made.until(lambda: is_caught_up(made))
        await made.close_days("US")
        assert await made.cases() == []
        assert [key for key in made.external_keys() if key.startswith("summary_")] == ["summary_US.2025-12-02.USD.1"]
        assert made.balance("US", "400000") == -30000
        assert await rows(made, "select state::text, external_key from command where kind = 'post_entry'") == [
            ("done", "summary_US.2025-12-02.USD.1")
        ]
        await assert_balanced(made)

"""Workers that disagree in what decides bookings: only the one with the newest rules decides and sends, and people are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from counterfoil.app.rules import declared_rules
from counterfoil.app.settings import parse
from counterfoil.app.verdict import problems
from counterfoil.engine import membership
from counterfoil.engine.draining import Drains
from counterfoil.engine.membership import Membership
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.stage import Turn, TurnContext
from counterfoil.store import cases, work, workers
from counterfoil.store.cases import CaseState
from counterfoil.store.pool import Conn, Pool
from counterfoil.upkeep import watching
from counterfoil.upkeep.watching import Watcher

SUMMARY = {"entities.DE01.posting": "summary", "entities.DE01.currency": "EUR"}
DETAILED = {"entities.DE01.posting": "detailed", "entities.DE01.currency": "EUR"}
RULED = ("decide", "decide_bulk", "deliver", "close_day")


class Staff:
    """Workers that join with rules; the stages they were asked to work."""

    def __init__(self, pool: Pool, dsn: str) -> None:
        self.pool = pool
        self.dsn = dsn
        self.members: list[Membership] = []
        self.worked: list[tuple[str, str]] = []

    async def join(self, name: str, declared: Mapping[str, str]) -> Membership:
        member = await membership.join(self.dsn, name, declared=declared)
        self.members.append(member)
        await member.beat()
        return member

    async def leave(self, member: Membership) -> None:
        self.members.remove(member)
        await member.leave()

    async def work(self, member: Membership, *stages: str) -> list[str]:
        """Have a worker take a partition of each stage; return the stages it worked."""
        done: list[str] = []

        async def turn(key: str, context: TurnContext) -> Turn:
            done.append(key)
            return Turn(has_more=False)

        drains = Drains(self.pool, dict.fromkeys(stages, turn), member, lambda _stage, _key: True)
        for stage in stages:
            async with self.pool.connection() as conn, conn.transaction():
                await work.arm(conn, [(stage, stage)])
                taken = await work.take(conn, stage, stage, member.worker.incarnation, member.id)
            assert taken is not None
            await drains.work(stage, {stage: taken})
        return done

    async def decide(self) -> list[str]:
        """Return the workers that decide."""
        return [one.worker.name for one in self.members if await self.work(one, "decide")]


@pytest.fixture
async def staff(pool: Pool, database: str) -> AsyncIterator[Staff]:
    made = Staff(pool, database)
    yield made
    for member in made.members:
        await member.leave()


async def test_of_two_workers_with_different_posting_only_the_newer_one_decides_and_sends(staff: Staff) -> None:
    older = await staff.join("web1", SUMMARY)
    assert await staff.decide() == ["web1"]
    newer = await staff.join("web2", DETAILED)
    # web1 has not been heard since: web2 must not begin beside it.
    assert await staff.decide() == ["web1"]
    await older.beat()
    await older.beat()
    assert await staff.decide() == []
    await newer.beat()
    assert await staff.decide() == ["web2"]
    everything = ("normalize", "poll", "watch", *RULED)
    assert await staff.work(older, *everything) == ["normalize", "poll", "watch"]
    assert await staff.work(newer, *everything) == list(everything)


async def test_a_worker_with_older_rules_ends_its_turn_before_another_begins(staff: Staff) -> None:
    older = await staff.join("web1", SUMMARY)
    newer = await staff.join("web2", DETAILED)
    under_way = 1
    older.ruled = lambda: under_way
    for _ in range(2):
        await older.beat()
        await newer.beat()
    assert (older.is_agreed, newer.is_agreed) == (False, False)
    under_way = 0
    await older.beat()
    await newer.beat()
    assert (older.is_agreed, newer.is_agreed) == (False, True)


async def test_workers_with_the_same_rules_work_from_their_first_moment(staff: Staff) -> None:
    for number in range(3):
        await staff.join(f"web{number}", dict(reversed(SUMMARY.items())) if number else SUMMARY)
    assert await staff.decide() == ["web0", "web1", "web2"]


async def test_a_worker_that_waited_goes_on_when_the_newer_one_has_left_and_its_rules_are_the_newest_then(staff: Staff) -> None:
    older = await staff.join("web1", SUMMARY)
    newer = await staff.join("web2", DETAILED)
    for one in (older, newer, older):
        await one.beat()
    await staff.leave(newer)
    await older.beat()
    assert await staff.decide() == ["web1"]
    stray = await staff.join("web2", DETAILED)  # started again with what was taken back
    for one in (older, stray, older):
        await one.beat()
    assert await staff.decide() == ["web1"]


async def test_a_worker_that_waited_does_not_go_on_by_rules_that_what_was_booked_meanwhile_forbids(staff: Staff, pool: Pool) -> None:
    older = await staff.join("web1", SUMMARY)
    is_allowed = True

    async def allows(conn: Conn) -> bool:
        return is_allowed

    older.allows = allows
    newer = await staff.join("web2", DETAILED)
    for one in (older, newer, older):
        await one.beat()
    assert await staff.decide() == ["web2"]
    is_allowed = False  # the entity was booked in detail
    await staff.leave(newer)
    for _ in range(2):
        await older.beat()
        assert await staff.decide() == []
    async with pool.connection() as conn:
        [waiting] = await workers.list_workers(conn)
    [told] = [
        text
        for text in problems(
            is_balanced=True, totals=(), covered=(), workers=(waiting,), states=(), now=waiting.beat_at + timedelta(seconds=20)
        )
        if "worker" in text
    ]
    assert told.startswith("worker web1#1 waits: others decide, or have booked, by other rules")
    is_allowed = True
    await older.beat()
    assert await staff.decide() == ["web1"]


async def test_a_worker_whose_program_does_not_tell_its_rules_disturbs_nobody(staff: Staff) -> None:
    await staff.join("web1", SUMMARY)
    before = await membership.join(staff.dsn, "old")
    staff.members.append(before)
    await staff.members[0].beat()
    assert await staff.decide() == ["web1", "old"]


async def test_a_worker_declared_dead_decides_again_only_when_nobody_else_does(staff: Staff, pool: Pool) -> None:
    older = await staff.join("web1", SUMMARY)
    async with pool.connection() as conn:
        await workers.take_dead(conn, -1)
    newer = await staff.join("web2", DETAILED)
    assert newer.is_agreed
    await older.beat()
    assert (older.is_agreed, newer.is_agreed) == (False, True)


async def test_who_waits_is_a_case_that_names_both_and_what_differs_and_closes_by_itself(
    staff: Staff, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def arm(conn: Conn, keys: object) -> None:
        del conn, keys

    monkeypatch.setattr(watching, "RULES_AFTER_S", 0.0)
    watcher = Watcher(pool, SettableClock(datetime(2026, 3, 1, tzinfo=UTC)), arm, timedelta(hours=1), _knows)
    older = await staff.join("web1", SUMMARY)
    await watcher.turn("all")
    newer = await staff.join("web2", DETAILED)
    for one in (older, older, newer):
        await one.beat()
    await watcher.turn("all")
    async with pool.connection() as conn:
        [case] = await cases.list_cases(conn)
    assert case.code == "work.rules_differ"
    assert f"worker {older.id} decides and sends nothing: worker {newer.id} has a newer configuration" in case.cause
    assert "entities.DE01.posting: summary, newer: detailed" in case.cause
    assert "currency" not in case.cause
    await staff.leave(newer)
    await older.beat()
    await watcher.turn("all")
    async with pool.connection() as conn:
        assert await cases.list_cases(conn) == []
        assert [one.closed_by for one in await cases.list_cases(conn, state=CaseState.RESOLVED)] == ["hub"]


def _knows(stage: str, key: str) -> bool:
    del stage, key
    return True


CONFIGURATION = """
[connections.files]
connector = "files"
inbox = "in"
outbox = "out"
namespace = "shop"
[connections.odoo]
connector = "odoo"
url = "https://odoo.example.com"
database = "books"
api_key = "secret-of-odoo"
[connections.odoo.companies.DE01]
company = 1
journals = { sales = "INV" }
[entities.DE01]
target = "odoo"
currency = "EUR"
time_zone = "Europe/Berlin"
[[routes]]
entity = "DE01"
[mappings.tax.DE01]
"19|exclusive" = "19% USt"
"""


def declared(text: str = CONFIGURATION) -> dict[str, str]:
    return declared_rules(parse(text))


def test_what_decides_bookings_is_declared_and_nothing_secret() -> None:
    assert declared() == {
        "entities.DE01.target": "odoo",
        "entities.DE01.currency": "EUR",
        "entities.DE01.time_zone": "Europe/Berlin",
        "routes[0].entity": "DE01",
        "mappings.tax.DE01.19|exclusive": "19% USt",
        "connections.files.connector": "files",
        "connections.files.namespace": "shop",
        "connections.odoo.connector": "odoo",
        "connections.odoo.database": "books",
        "connections.odoo.companies.DE01.company": "1",
        "connections.odoo.companies.DE01.journals.sales": "INV",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('target = "odoo"', 'target = "odoo"\nposting = "detailed"'),  # its default
        ("https://odoo.example.com", "https://odoo.internal"),  # another way to the same books
        ('inbox = "in"', f'inbox = "{Path("elsewhere")}"'),
        ('database = "books"', 'database = "books"\nconcurrency = 4'),
    ],
)
def test_what_decides_no_booking_may_differ(before: str, after: str) -> None:
    assert declared(CONFIGURATION.replace(before, after)) == declared()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('target = "odoo"', 'target = "odoo"\nposting = "summary"'),
        ('target = "odoo"', 'target = "odoo"\nlocked_period = "park"'),
        ('entity = "DE01"', 'entity = "DE01"\ncountry = "DE"'),
        ("19% USt", "7% USt"),
        ('sales = "INV"', 'sales = "INX"'),
    ],
)
def test_what_decides_bookings_must_be_the_same(before: str, after: str) -> None:
    assert declared(CONFIGURATION.replace(before, after)) != declared()

"""A decision may have its subject decided again at an instant: weeks ahead, at the cost of one row, whatever is restarted meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.claiming import wake_later
from tests.integration.waiting.office import EVERY_SHARD, NOW, Office

from counterfoil.app.demo import run
from counterfoil.app.hub import open_hub, wait_until
from counterfoil.app.settings import from_values
from counterfoil.core.kinds.contact import CONTACT, Contact
from counterfoil.core.language.records import Purpose
from counterfoil.core.policies import decide
from counterfoil.core.policies.draft import Draft
from counterfoil.core.policies.policy import Policy, nobody
from counterfoil.decide.deadlines import Deadlines
from counterfoil.decide.rules_source import RENEWED_WITHIN_S
from counterfoil.kit.clock import FollowingClock
from counterfoil.store import agenda, agenda_deadlines, unarmed, work
from counterfoil.store.agenda import Subject
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.work import DEADLINES, SHARDS

WEEKS = timedelta(weeks=3)
ANN = Contact("crm:1", "Ann")
REF = CONTACT.ref(ANN.id)


class Reminder:
    """A policy that looks again when it is told to, and keeps when it looked."""

    def __init__(self) -> None:
        self.again: list[datetime] = []
        self.looked_at: list[datetime] = []

    def decide(self, draft: Draft, _state: Contact) -> None:
        """Look, and have it decided again."""
        self.looked_at.append(draft.instant)
        draft.findings.ignore("reminded")
        for at in self.again:
            draft.findings.look_again(at)


@pytest.fixture
def reminder(monkeypatch: pytest.MonkeyPatch) -> Reminder:
    made = Reminder()
    policy = Policy(kind=CONTACT, purpose=Purpose.BOOKS, decide=made.decide, after=nobody, looks_back=False, sees_documents=False)
    monkeypatch.setitem(decide.POLICIES, "contact", {Purpose.BOOKS: policy})
    return made


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Office:
    return Office(pool, cipher)


async def look(office: Office) -> float | None:
    """Have what is due put on the agenda and decided; return in how many seconds the next is."""
    turn = await Deadlines(office.pool, office.rules_source(), office.clock, office.arm).turn("all")
    assert not turn.has_more
    await office.decide()
    return turn.wake_in_s


async def deadlines(pool: Pool) -> dict[Any, datetime]:
    async with pool.connection() as conn:
        return await agenda_deadlines.of(conn, [REF])


async def test_a_subject_is_decided_again_at_the_instant_it_named_and_not_before(office: Office, reminder: Reminder) -> None:
    reminder.again = [NOW + WEEKS]
    await office.tell(ANN)
    assert (DEADLINES, "all") in office.armed
    assert await look(office) == WEEKS.total_seconds()
    office.later(weeks=3, seconds=-1)
    assert await look(office) == 1.0
    assert reminder.looked_at == [NOW]
    office.later(seconds=1)
    assert await look(office) is None  # the instant has come: it calls for no further one
    assert reminder.looked_at == [NOW, NOW + WEEKS]
    assert await deadlines(office.pool) == {}


async def test_a_later_decision_replaces_the_deadline_or_clears_it(office: Office, reminder: Reminder) -> None:
    reminder.again = [NOW + WEEKS]
    await office.tell(ANN)
    reminder.again = [NOW + 2 * WEEKS, NOW + 3 * WEEKS]  # of several the earliest counts
    await office.decide_again(ANN)
    assert await deadlines(office.pool) == {REF: NOW + 2 * WEEKS}
    reminder.again = [NOW + timedelta(days=1)]
    await office.decide_again(ANN)
    assert await deadlines(office.pool) == {REF: NOW + timedelta(days=1)}
    reminder.again = []
    await office.decide_again(ANN)
    assert await deadlines(office.pool) == {}
    office.later(weeks=9)
    await look(office)
    assert len(reminder.looked_at) == 4


async def test_a_deadline_set_while_the_former_one_is_taken_stays(office: Office, reminder: Reminder) -> None:
    reminder.again = [NOW + timedelta(hours=1)]
    await office.tell(ANN)
    office.later(hours=1)
    async with office.pool.connection() as taking, office.pool.connection() as deciding:
        async with deciding.transaction():
            # What the decision of a newer state writes, not yet committed, while the deadline of the former one is taken.
            await agenda.add(deciding, [Subject(REF)], office.clock.now())
            items = await agenda.claim(deciding, range(SHARDS), office.clock.now(), 10)
            assert await agenda.finish(deciding, items) == 1
            await agenda_deadlines.put(deciding, {REF: NOW + WEEKS})
        async with taking.transaction():
            assert await agenda_deadlines.take(taking, office.clock.now(), 10) == ([], False)
    assert await deadlines(office.pool) == {REF: NOW + WEEKS}


async def test_a_decision_that_is_not_written_sets_no_deadline(office: Office, reminder: Reminder, monkeypatch: pytest.MonkeyPatch) -> None:
    reminder.again = [NOW + WEEKS]
    finish = agenda.finish

    async def interrupted(conn: Conn, items: Any) -> int:
        async with office.pool.connection() as other, other.transaction():
            await finish(other, items)  # somebody else decides it meanwhile, and has a reason to do so again
            await agenda.add(other, [Subject(REF)], NOW)
        monkeypatch.setattr(agenda, "finish", finish)
        reminder.again = [NOW + 2 * WEEKS]
        return await finish(conn, items)

    monkeypatch.setattr(agenda, "finish", interrupted)
    await office._write(ANN, "crm")
    await office.decider().turn(EVERY_SHARD)
    assert await deadlines(office.pool) == {}
    await office.decide()  # for the newer reason
    assert await deadlines(office.pool) == {REF: NOW + 2 * WEEKS}


_MANY = """
insert into deadline (kind, id, due_at) select 'contact', 'crm:w' || n, %(due)s + n * interval '1 second' from generate_series(1, 10000) n;
"""


async def rows_read(conn: Conn) -> dict[str, int]:
    """Return rows read and rows fetched by index of the tables of deciding, in this transaction."""
    cursor = await conn.execute(
        "select relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables"
        " where relname in ('deadline', 'agenda')"
    )
    return dict(await cursor.fetchall())


async def test_ten_thousand_that_wait_cost_nothing_until_they_are_due(conn: Conn) -> None:
    await conn.execute(_MANY, {"due": NOW + WEEKS})
    await conn.execute("analyze deadline")
    before = await rows_read(conn)
    assert await agenda_deadlines.next_due(conn) == NOW + WEEKS + timedelta(seconds=1)
    assert await agenda_deadlines.take(conn, NOW, 500) == ([], False)
    assert await unarmed.find(conn, [], NOW) == []
    assert await agenda.claim(conn, range(SHARDS), NOW, 100) == []
    after = await rows_read(conn)
    # Of the ten thousand each of three questions reads the earliest, be it only to plan itself; the agenda has none of them.
    assert (after["deadline"] - before["deadline"], after["agenda"] - before["agenda"]) == (3, 0)
    touched, has_more = await agenda_deadlines.take(conn, NOW + WEEKS + timedelta(seconds=3), 500)
    assert (len(touched), has_more) == (3, False)
    assert (await rows_read(conn))["deadline"] - after["deadline"] <= 8  # each read and deleted, and as before
    plan = await (await conn.execute("explain (format json) select due_at from deadline order by due_at limit 1")).fetchone()
    assert plan is not None
    assert "deadline_due" in json.dumps(plan[0])


async def test_a_deadline_nobody_was_told_of_is_found(conn: Conn) -> None:
    await agenda_deadlines.put(conn, {REF: NOW})
    assert await unarmed.find(conn, [], NOW - timedelta(seconds=1)) == []
    assert await unarmed.find(conn, [], NOW) == [(DEADLINES, "all")]


async def test_a_deadline_is_found_that_came_when_the_clock_was_set_ahead(conn: Conn) -> None:
    # The worker sleeps for as long as it was to the deadline by the clock of then.
    await agenda_deadlines.put(conn, {REF: NOW})
    await work.arm(conn, [(DEADLINES, "all")])
    taken = await work.take(conn, DEADLINES, "all")
    assert taken is not None
    await work.finish(conn, DEADLINES, "all", taken, WEEKS.total_seconds())
    assert await unarmed.find(conn, [], NOW - timedelta(seconds=1)) == []
    assert await unarmed.find(conn, [], NOW) == [(DEADLINES, "all")]
    await wake_later(conn, DEADLINES, "all", 5.0)
    assert await unarmed.find(conn, [], NOW) == []


def settings_of(database: str, home: Path) -> dict[str, Any]:
    """Return the configuration of a hub with books in files."""
    return {
        "hub": {"home": str(home), "database_url": database},
        "connections": {"books": {"connector": "files", "inbox": str(home / "in"), "outbox": str(home / "out"), "namespace": "crm"}},
        "entities": {"US": {"target": "books", "currency": "USD", "time_zone": "America/New_York"}},
        "routes": [{"entity": "US"}],
    }


async def test_a_deadline_outlives_workers_and_wakes_one_by_itself(database: str, home: Path, reminder: Reminder) -> None:
    clock = FollowingClock(NOW)
    async with open_hub(from_values(settings_of(database, home)), clock) as hub:
        office = Office(hub.pool, hub.cipher)
        reminder.again = [NOW + timedelta(seconds=2), NOW + WEEKS]
        await office.tell(ANN, connection="books")
        await hub.start_work("first")

        async def is_looked_at(times: int) -> bool:
            return len(reminder.looked_at) >= times

        async def is_looked_at_again() -> bool:
            return await is_looked_at(2)

        async def is_looked_at_in_the_end() -> bool:
            return await is_looked_at(3)

        assert await wait_until(is_looked_at_again, timeout_s=20)
        assert reminder.looked_at[1] >= NOW + timedelta(seconds=2)
        await hub.stop_work()
        assert await deadlines(hub.pool) == {REF: NOW + WEEKS}
        clock.follow(NOW + WEEKS)
        await hub.start_work("second")
        assert await wait_until(is_looked_at_in_the_end, timeout_s=20)
        assert await deadlines(hub.pool) == {}


async def test_the_demonstration_is_not_over_while_a_deadline_is_due_that_its_clock_was_moved_past(
    database: str, home: Path, reminder: Reminder
) -> None:
    clock = FollowingClock(NOW)
    (home / "in").mkdir(parents=True)
    async with open_hub(from_values(settings_of(database, home)), clock) as hub:
        reminder.again = [NOW + WEEKS]
        await Office(hub.pool, hub.cipher).tell(ANN, connection="books")
        await hub.start_work("worker")

        async def sleeps_for_weeks() -> bool:
            async with hub.pool.connection() as conn:
                row = await (
                    await conn.execute("select wake_at > now() + interval '20 days' from work where stage = %s", (DEADLINES,))
                ).fetchone()
            return row == (True,)

        assert await wait_until(sleeps_for_weeks, timeout_s=20)
        clock.follow(NOW + WEEKS)
        assert await run._settle(hub, run.DemoProgressReport()) == 0
        assert len(reminder.looked_at) == 2
        assert await deadlines(hub.pool) == {}


async def test_a_deadline_that_a_decision_sets_anew_as_the_former_is_taken_stays(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    add, later = agenda.add, NOW + WEEKS

    async def add_and_set(conn: Conn, subjects: Any, now: datetime) -> Any:
        await conn.execute("update deadline set due_at = %s", (later,))
        return await add(conn, subjects, now)

    monkeypatch.setattr(agenda, "add", add_and_set)
    async with office.pool.connection() as conn:
        await agenda_deadlines.put(conn, {REF: NOW})
        await agenda_deadlines.take(conn, NOW, 10)
        assert await agenda_deadlines.next_due(conn) == later


async def test_no_deadline_is_taken_by_a_worker_whose_rules_are_not_in_force(office: Office) -> None:
    async with office.pool.connection() as conn:
        await agenda_deadlines.put(conn, {REF: NOW})
    former = replace(office.rules_source(), release=7)
    turn = await Deadlines(office.pool, former, office.clock, office.arm).turn("all")
    assert (turn.has_more, turn.wake_in_s) == (False, RENEWED_WITHIN_S)
    async with office.pool.connection() as conn:
        assert await agenda_deadlines.next_due(conn) == NOW

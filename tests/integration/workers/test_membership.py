"""Membership: names, incarnations, and the lease that ends before a worker is declared dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from counterfoil.app.hub import open_hub
from counterfoil.app.settings import from_values
from counterfoil.engine import membership
from counterfoil.engine.membership import DEAD_AFTER_S, LEASE_S, Membership
from counterfoil.kit.clock import SettableClock, SharedClock
from counterfoil.kit.errors import SetupError
from counterfoil.store import workers
from counterfoil.store.pool import Conn, Pool


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def member(pool: Pool) -> AsyncIterator[Membership]:
    joined = await membership.join(str(pool.conninfo), "web1")
    joined.clock = Time()
    await joined.beat()
    yield joined
    await joined.leave()


def pass_time(member: Membership, seconds: float) -> None:
    assert isinstance(member.clock, Time)
    member.clock.now_s += seconds


async def declare_dead(pool: Pool) -> None:
    async with pool.connection() as conn:
        await workers.take_dead(conn, -1)


async def names(pool: Pool) -> list[str]:
    async with pool.connection() as conn:
        return sorted(worker.name for worker in await workers.list_workers(conn))


def test_a_lease_ends_before_anybody_declares_its_holder_dead() -> None:
    assert LEASE_S + membership.BEAT_WITHIN_S < DEAD_AFTER_S


async def test_a_worker_that_could_not_beat_begins_nothing_until_it_is_heard_again(member: Membership) -> None:
    pass_time(member, LEASE_S - 0.1)
    assert member.may_act()
    pass_time(member, 0.2)
    assert not member.may_act()
    await member.beat()
    assert member.may_act()


async def test_what_began_before_a_worker_was_declared_dead_is_not_its_own_any_more(member: Membership, pool: Pool) -> None:
    former = member.act()
    await declare_dead(pool)
    await member.beat()
    assert member.id != former
    assert (member.is_valid, member.may_act()) == (True, False)
    assert await member.until_valid(former, lambda: False) is False
    assert member.act() == member.id
    assert member.may_act()


async def test_a_lost_connection_is_replaced_with_the_next_beat_and_the_name_kept(member: Membership, pool: Pool) -> None:
    before = member.id
    async with pool.connection() as conn:
        await conn.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()")
    with pytest.raises(Exception, match="terminat"):
        await member.beat()
    await member.beat()
    assert member.id == before
    with pytest.raises(SetupError):
        await membership.join(member.dsn, "web1")


async def test_a_name_is_held_by_one_process_and_others_are_numbered_when_they_ask_for_none(member: Membership, pool: Pool) -> None:
    with pytest.raises(SetupError) as refused:
        await membership.join(member.dsn, "web1")
    assert refused.value.code == "worker.name_taken"
    second = await membership.join(member.dsn, "web1", is_numbered=True)
    third = await membership.join(member.dsn, "web1", is_numbered=True)
    assert await names(pool) == ["web1", "web1-2", "web1-3"]
    await second.leave()
    again = await membership.join(member.dsn, "web1", is_numbered=True)
    assert await names(pool) == ["web1", "web1-2", "web1-3"]
    for one in (third, again):
        await one.leave()
    assert await names(pool) == ["web1"]


async def test_a_worker_has_too_much_when_the_others_have_less_on_average(member: Membership, pool: Pool) -> None:
    member.drains = lambda: 9
    await member.beat()
    assert not member.has_too_much  # it is alone
    other = await membership.join(member.dsn, "web2")
    under_way = [0]
    other.drains = lambda: under_way[0]
    for theirs, is_too_much in ((0, True), (8, True), (9, False), (12, False)):
        under_way[0] = theirs
        await other.beat()
        await member.beat()
        assert member.has_too_much is is_too_much, theirs
    await other.leave()


async def test_a_worker_that_left_begins_nothing(member: Membership, pool: Pool) -> None:
    await member.leave()
    assert not member.may_act()
    assert await names(pool) == []


async def test_a_worker_leaves_whenever_it_is_asked_to_also_as_a_beat_ends(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to Python 3.11 ``asyncio.wait_for`` swallows a cancellation that comes in the moment what it waits for is done."""
    monkeypatch.setattr(membership, "BEAT_EVERY_S", 0.005)
    for number in range(40):
        member = await membership.join(database, f"w{number}", declared={"a": "b"})
        member.start()
        await asyncio.sleep(0.01 + number % 37 * 0.0007)
        async with asyncio.timeout(30):
            await member.leave()


async def test_what_workers_read_is_ordered_by_the_database_s_clock_and_not_by_their_own(pool: Pool) -> None:
    # Their machines stand five hours ahead, three behind, and right; they are heard in this order.
    right = datetime(2020, 1, 1, tzinfo=UTC)
    clocks = [SharedClock(lambda at=right + timedelta(hours=hour): at) for hour in (5, -3, 0)]  # type: ignore[misc]
    for number, clock in enumerate(clocks):
        one = await membership.join(str(pool.conninfo), f"web{number}")
        one.shared = clock
        await one.beat()
        await one.leave()
    told = [clock.now() for clock in clocks]
    async with pool.connection() as conn:
        assert told == sorted(told)
        assert told[0] > right + timedelta(days=365)
        assert told[-1] < await workers.instant(conn)


async def test_a_hub_s_connectors_go_by_the_clock_it_shares_and_a_given_one_is_left_alone(database: str, tmp_path: Path) -> None:
    values = {
        "hub": {"home": tmp_path, "database_url": database},
        "connections": {"bank": {"connector": "files", "inbox": tmp_path, "outbox": tmp_path, "namespace": "bank"}},
    }
    async with open_hub(from_values(values)) as hub:
        assert hub.contexts["bank"].clock is hub.shared
    clock = SettableClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_hub(from_values(values), clock) as hub:
        assert (hub.contexts["bank"].clock, hub.shared) == (clock, None)


async def test_a_worker_begins_no_turn_by_former_rules_while_it_takes_up_others(pool: Pool) -> None:
    member = await membership.join(str(pool.conninfo), "web1", declared={"a": "1"})
    seen: list[bool] = []

    class Released:
        async def is_outdated(self, conn: Conn) -> bool:
            del conn
            return True

        async def renew(self, conn: Conn) -> str:
            del conn
            seen.append(member.is_agreed)
            return ""

    await member.beat()
    assert member.is_agreed
    member.rulebook = Released()
    await member.beat()
    await member.leave()
    assert seen == [False]

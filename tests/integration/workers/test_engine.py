"""The engine's own loop: when it looks, what it begins, and what it does while its looks fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from counterfoil.engine import engine, membership
from counterfoil.engine.engine import BULK_CONCURRENCY, LOOK_EVERY_S, Engine
from counterfoil.engine.membership import LEASE_S, Membership
from counterfoil.kit.stage import Turn, TurnContext
from counterfoil.store import work, work_freed
from counterfoil.store.pool import Conn, PartitionKey, Pool, connect


@pytest.fixture
async def member(database: str) -> AsyncIterator[Membership]:
    joined = await membership.join(database, "w")
    await joined.beat()
    yield joined
    await joined.leave()


async def test_a_look_that_fails_is_not_tried_again_before_the_next_one_is_due(
    pool: Pool, member: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    ended = asyncio.Event()

    async def until(pulse: engine._Pulse, at: float) -> None:
        waits.append(min(at, pulse.due_at) - time.monotonic())
        if len(waits) == 4:
            ended.set()
            await asyncio.Event().wait()

    async def look(conn: Conn) -> tuple[bool, float | None]:
        raise psycopg.errors.ReadOnlySqlTransaction("a standby that was not promoted yet")

    monkeypatch.setattr(engine._Pulse, "until", until)
    monkeypatch.setattr(work_freed, "look", look)
    runs = Engine(pool, str(pool.conninfo), {}, member)
    task = asyncio.create_task(runs._look_forever())
    await asyncio.wait_for(ended.wait(), 30)
    task.cancel()
    # The first look comes at once; after each that failed the loop rests as long as it does when it hears nothing.
    assert all(wait_s > LOOK_EVERY_S / 2 for wait_s in waits[1:]), waits


async def arm(pool: Pool, *keys: PartitionKey) -> None:
    async with pool.connection() as conn, conn.transaction():
        await work.arm(conn, keys)


async def claimed(pool: Pool) -> int:
    async with pool.connection() as conn:
        row = await (await conn.execute("select count(*) from work where claimed_by is not null")).fetchone()
    return -1 if row is None else int(row[0])


async def test_workers_hear_of_each_partition_that_was_idle_with_its_commit_and_of_no_other(pool: Pool) -> None:
    ear = await connect(str(pool.conninfo))
    async with ear:
        await ear.set_autocommit(True)
        await ear.execute(f"listen {work.CHANNEL}")
        await arm(pool, ("decide", "1"))
        await arm(pool, ("decide", "1"))  # armed already
        await arm(pool, ("decide", "2"), ("decide", "3"))  # one transaction, told once
        heard = [one.channel async for one in ear.notifies(timeout=1.0)]
    assert heard == [work.CHANNEL, work.CHANNEL]


async def test_a_worker_whose_lease_is_over_claims_nothing(pool: Pool, member: Membership) -> None:
    await arm(pool, ("x", "a"))

    async def turn(key: str, context: TurnContext) -> Turn:
        del key, context
        return Turn(has_more=False)

    runs = Engine(pool, str(pool.conninfo), {"x": turn}, member)
    clock, member.clock = member.clock, lambda: clock() + LEASE_S
    await runs._claim()
    assert await claimed(pool) == 0
    member.clock = clock
    await runs._claim()
    assert await claimed(pool) == 1
    await runs.stop(0.0)


async def test_what_is_armed_while_a_turn_runs_is_the_next_turn_of_the_same_drain(pool: Pool, member: Membership) -> None:
    turns: list[str] = []

    async def turn(key: str, context: TurnContext) -> Turn:
        del context
        turns.append(key)
        if len(turns) == 1:
            await arm(pool, ("decide", "3"))
        return Turn(has_more=False)

    await arm(pool, ("decide", "3"), ("decide", "11"))
    runs = Engine(pool, str(pool.conninfo), {"decide": turn}, member)
    await runs._claim()
    await asyncio.gather(*runs._running)
    # Both shards are worked at once; only the one of which more came is worked again.
    assert (sorted(turns[0].split("+")), turns[1:]) == (["11", "3"], ["3"])
    assert await claimed(pool) == 0
    await runs.stop(0.0)


async def test_drains_of_bulk_work_leave_room_for_all_other_work(pool: Pool, member: Membership) -> None:
    is_over = asyncio.Event()

    async def turn(key: str, context: TurnContext) -> Turn:
        del key, context
        await is_over.wait()
        return Turn(has_more=False)

    await arm(pool, *((stage, str(number)) for stage in ("replay", "x") for number in range(10)))
    runs = Engine(pool, str(pool.conninfo), {"replay": turn, "x": turn}, member)
    for _ in range(3):
        await runs._claim()
    assert await claimed(pool) == BULK_CONCURRENCY + 10
    is_over.set()
    await runs.stop()


async def test_a_sweep_frees_what_this_worker_claimed_and_lost_sight_of_and_nothing_it_runs(pool: Pool, member: Membership) -> None:
    is_over = asyncio.Event()

    async def turn(key: str, context: TurnContext) -> Turn:
        del key, context
        await is_over.wait()
        return Turn(has_more=False)

    runs = Engine(pool, str(pool.conninfo), {"x": turn}, member)
    await arm(pool, ("x", "runs"))
    await runs._claim()
    await asyncio.sleep(0)
    await arm(pool, ("x", "lost"))
    async with pool.connection() as conn:  # the answer to its claim was lost with the connection
        await work.claim(conn, member.id, member.worker.incarnation, ["x"], 9, 9)
        await conn.execute("update work set taken_at = taken_at - interval '1 minute'")
    await runs.sweep()
    async with pool.connection() as conn:
        rows = await (await conn.execute("select key from work where claimed_by is not null")).fetchall()
    assert rows == [("runs",)]
    is_over.set()
    await runs.stop()


class Swallowing:
    """Waits for ever, and swallows one cancellation, as ``wait_for`` does up to Python 3.11 when what it waits for ends in that moment."""

    def __init__(self) -> None:
        self.is_waited_for = asyncio.Event()
        self.swallowed = 0

    async def wait(self) -> None:
        self.is_waited_for.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.swallowed += 1
            if self.swallowed > 1:
                raise


async def test_a_stop_ends_though_its_cancellation_is_swallowed_where_the_engine_looks(
    pool: Pool, member: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    swallowing = Swallowing()

    async def look(conn: Conn) -> tuple[bool, float | None]:
        del conn
        await swallowing.wait()
        return False, None

    monkeypatch.setattr(work_freed, "look", look)
    runs = Engine(pool, str(pool.conninfo), {}, member)
    await runs.start()
    await asyncio.wait_for(swallowing.is_waited_for.wait(), 30)
    await asyncio.wait_for(runs.stop(0.1), 30)
    assert swallowing.swallowed == 1


async def test_a_stop_ends_though_its_cancellation_is_swallowed_where_the_engine_begins_to_hear(
    pool: Pool, member: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    swallowing = Swallowing()

    async def connecting(dsn: str) -> Conn:
        del dsn
        await swallowing.wait()
        raise OSError("nothing is there")

    monkeypatch.setattr(engine, "connect", connecting)
    runs = Engine(pool, str(pool.conninfo), {}, member)
    await runs.start()
    await asyncio.wait_for(swallowing.is_waited_for.wait(), 30)
    await asyncio.wait_for(runs.stop(0.1), 30)
    assert swallowing.swallowed == 1

"""Arming: work that commits is never left without a drain, however appends and finishes interleave."""

from __future__ import annotations

import asyncio
import random

from counterfoil.store import work
from counterfoil.store.pool import Conn, Key, Pool

KEY: Key = ("normalize", "stripe/3")


async def test_only_the_first_arming_of_an_idle_partition_asks_for_a_drain(conn: Conn) -> None:
    assert await work.arm(conn, [KEY, ("decide", "1"), KEY]) == [("decide", "1"), KEY]
    assert await work.arm(conn, [KEY]) == []


async def test_finishing_disarms_only_if_nothing_was_armed_since_the_take(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    seq = await work.take(conn, *KEY)
    await work.arm(conn, [KEY])
    assert await work.finish(conn, *KEY, seq) is False
    assert await work.finish(conn, *KEY, await work.take(conn, *KEY)) is True
    assert await work.armed(conn) == []
    assert await work.arm(conn, [KEY]) == [KEY]


async def test_a_wake_in_the_past_is_taken_once_and_the_earliest_wins(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    await work.wake_later(conn, *KEY, -1)
    await work.wake_later(conn, *KEY, 3600)
    assert await work.take_due(conn) == [KEY]
    assert await work.take_due(conn) == []


async def test_a_wake_in_the_future_is_not_taken(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    await work.wake_later(conn, *KEY, 3600)
    assert await work.take_due(conn) == []


def test_shards_stay_the_same_for_ever() -> None:
    # CRC-32 of "123456789" is 0xCBF43926 (the check value of the standard polynomial); modulo 16 that is 6.
    assert work.shard_of("123456789") == 6


def test_a_batch_key_may_hold_slashes() -> None:
    assert work.split_key(work.deliver_key("odoo", "DE01/journal")[1]) == ("odoo", "DE01/journal")


class _Hub:
    """A stage of the simplest kind: rows to be marked done, by drains that are started when arming says so."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self.pool = pool
        self.random = random.Random(seed)
        self.drains: set[asyncio.Task[None]] = set()
        self.running = 0

    async def produce(self, rows: int) -> None:
        for _ in range(rows):
            async with self.pool.connection() as conn:
                await conn.execute("insert into item default values")
                if self.random.random() < 0.5:
                    await asyncio.sleep(0)
                newly = await work.arm(conn, [KEY])
            if newly:
                task = asyncio.create_task(self.drain())
                self.drains.add(task)

    async def drain(self) -> None:
        self.running += 1
        assert self.running == 1, "two drains of one partition at once"
        while True:
            async with self.pool.connection() as conn:
                seq = await work.take(conn, *KEY)
            async with self.pool.connection() as conn:
                await conn.execute("update item set is_done = true where not is_done")
            self.running -= 1  # finishing disarms: the next drain may start before this task hears of it
            async with self.pool.connection() as conn:
                if await work.finish(conn, *KEY, seq):
                    return
            self.running += 1


async def test_no_row_is_left_behind_when_two_sides_hammer_one_partition(pool: Pool) -> None:
    async with pool.connection() as conn:
        await conn.execute("create table item (id bigint generated always as identity primary key, is_done boolean not null default false)")
    hub = _Hub(pool, seed=1)
    await asyncio.gather(*(hub.produce(60) for _ in range(5)))
    while pending := [task for task in hub.drains if not task.done()]:
        await asyncio.gather(*pending)
    for task in hub.drains:
        task.result()
    async with pool.connection() as conn:
        row = await (await conn.execute("select count(*), count(*) filter (where is_done) from item")).fetchone()
        assert row == (300, 300)
        assert await work.armed(conn) == []

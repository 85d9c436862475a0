"""Workers as processes: killed, stopped, frozen, of another version; what they had is done by others, and each item once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from tests.conftest import TEMPLATE, Server
from tests.nursery import Forked, fork

from counterfoil.store import work
from counterfoil.store.pool import Pool, open_pool

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 90.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workshop(database_template: Server) -> AsyncIterator[Pool]:
    """Yield a database for all tests here."""
    database_template.execute(f"create database workshop template {TEMPLATE} strategy file_copy")
    async with open_pool(database_template.url_of("workshop"), size_min=1, size_max=2) as opened, opened.connection() as conn:
        await conn.execute(
            "create table item (stage text, key text, id text, state text default 'new', by text[] default '{}',"
            " primary key (stage, key, id))"
        )
        await conn.commit()
        yield opened
    database_template.execute("drop database workshop with (force)")


@pytest_asyncio.fixture(loop_scope="module")
async def pool(workshop: Pool) -> AsyncIterator[Pool]:
    """Yield a pool on the emptied database."""
    yield workshop
    async with workshop.connection() as conn:
        await conn.execute("truncate item, work, worker, suspect")


@asynccontextmanager
async def worker(pool: Pool, name: str, *stages: str) -> AsyncIterator[Forked]:
    """Run a worker; it is killed at the end if it still runs."""
    process = await fork("tests.integration.workers.runner", str(pool.conninfo), name, *stages)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def says(process: Forked, word: str) -> None:
    """Wait until a worker says a word."""
    while (line := await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)) != f"{word}\n".encode():
        assert line, f"it ended before it said {word}"


async def put(pool: Pool, stage: str, key: str, ids: Iterable[str]) -> None:
    """Have items to work, and their partition armed."""
    async with pool.connection() as conn:
        for id in ids:
            await conn.execute("insert into item (stage, key, id) values (%s, %s, %s)", (stage, key, id))
        await work.arm(conn, [(stage, key)])


async def query(pool: Pool, statement: str) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    async with pool.connection() as conn:
        return await (await conn.execute(statement)).fetchall()


async def until(pool: Pool, statement: str, found: list[tuple[Any, ...]]) -> None:
    """Wait until a query finds just this."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while (now := await query(pool, statement)) != found:
        assert asyncio.get_running_loop().time() < deadline, now
        await asyncio.sleep(0.1)


STATES = "select id, state from item order by 1"
BY = "select id, state, by from item order by 1"


async def test_an_item_that_kills_its_worker_five_times_is_parked_and_its_neighbors_are_done(pool: Pool) -> None:
    await put(pool, "x", "a", ["1", "2", "3-poison", "4", "5"])
    for _ in range(5):
        async with worker(pool, "w", "x") as process:
            assert await asyncio.wait_for(process.wait(), PATIENCE_S) == -signal.SIGKILL
    async with worker(pool, "w", "x"):
        await until(pool, STATES, [("1", "done"), ("2", "done"), ("3-poison", "parked"), ("4", "done"), ("5", "done")])
        await until(pool, "select armed, begun from work", [(False, 0)])
    assert await query(pool, "select item from suspect") == []


async def test_an_item_whose_turn_fails_five_times_is_parked_and_other_partitions_go_on(pool: Pool) -> None:
    await put(pool, "x", "a", ["1-raise", "2"])
    await put(pool, "x", "b", ["3"])
    async with worker(pool, "w", "x"):
        await until(pool, STATES, [("1-raise", "parked"), ("2", "done"), ("3", "done")])


async def test_of_shards_worked_together_only_the_one_that_fails_is_worked_with_care(pool: Pool) -> None:
    for key, id in [("1", "a"), ("2", "b-raise"), ("3", "c")]:
        await put(pool, "decide", key, [id])
    async with worker(pool, "w", "decide"):
        await until(pool, STATES, [("a", "done"), ("b-raise", "parked"), ("c", "done")])
        await until(pool, "select armed, begun, count(*) from work group by 1, 2", [(False, 0, 3)])
        assert await query(pool, "select key from work where care > 0") == [("2",)]


async def test_a_worker_that_hears_nothing_any_more_still_finds_its_work(pool: Pool) -> None:
    async with worker(pool, "w", "x") as process:
        await says(process, "working")
        await until(pool, "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like 'listen %'", [(1,)])
        await put(pool, "x", "a", ["1"])
        await until(pool, STATES, [("1", "done")])


async def test_a_worker_told_to_stop_ends_with_a_turn_that_stalls_and_hands_it_back(pool: Pool) -> None:
    await put(pool, "x", "a", ["1-stall", "2"])
    async with worker(pool, "first", "x") as first:
        await says(first, "stalling")
        first.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(first.wait(), PATIENCE_S) == 0
        # Nobody else was there to take it: it was put back by the one that left, and counts as not begun.
        assert await query(pool, "select armed, begun, claimed_by from work") == [(True, 0, None)]
        assert await query(pool, "select id from worker") == []
    async with worker(pool, "second", "x") as second:
        await says(second, "stalling")


async def test_what_a_killed_worker_had_is_done_by_another(pool: Pool) -> None:
    await put(pool, "x", "a", ["1-stall"])
    async with worker(pool, "first", "x") as first:
        await says(first, "stalling")
        async with worker(pool, "second", "x") as second:
            await says(second, "working")
            first.kill()
            await says(second, "stalling")
            assert await query(pool, "select name from worker") == [("second",)]


async def test_a_worker_that_was_frozen_disturbs_nobody_and_goes_on_as_another(pool: Pool) -> None:
    await put(pool, "x", "a", ["1-freeze"])
    async with worker(pool, "frozen", "x") as frozen:
        await says(frozen, "frozen")
        former = await query(pool, "select id from worker")
        async with worker(pool, "other", "y") as other:
            await says(other, "working")
            await until(pool, "select name from worker", [("other",)])  # the frozen one is declared dead
            await until(pool, "select claimed_by from work", [(None,)])
            await query(pool, "update item set id = '1', by = '{taken over}' returning 1")
            frozen.send_signal(signal.SIGCONT)
            await until(pool, "select name from worker order by 1", [("frozen",), ("other",)])
            await put(pool, "x", "b", ["2"])
            await until(pool, BY, [("1", "done", ["taken over", "frozen"]), ("2", "done", ["frozen"])])
        assert await query(pool, "select id from worker where name = 'frozen'") != former


async def test_a_worker_leaves_a_stage_it_does_not_know_to_those_that_do(pool: Pool) -> None:
    for key in "abcdefgh":
        await put(pool, "new", key, [key])
    async with worker(pool, "old", "x") as old:
        await says(old, "working")
        await put(pool, "x", "known", ["known"])
        await until(pool, "select state from item where stage = 'x'", [("done",)])
        assert await query(pool, "select count(*) from work where stage = 'new' and taken_at is null") == [(8,)]
        async with worker(pool, "new", "x", "new"):
            await until(pool, "select state, by, count(*) from item where stage = 'new' group by 1, 2", [("done", ["new"], 8)])
            await until(pool, "select armed, begun, count(*) from work group by 1, 2", [(False, 0, 9)])


async def test_workers_that_start_at_once_share_the_work_and_do_every_item_once(pool: Pool) -> None:
    for key in range(8):
        await put(pool, "busy", str(key), [f"{number:03}" for number in range(15)])
    async with worker(pool, "one", "busy"), worker(pool, "two", "busy"):
        await until(pool, "select distinct state from item", [("done",)])
        await until(pool, "select armed, count(*) from work group by 1", [(False, 8)])
    shares = dict(await query(pool, "select by[1], count(*) from item group by 1"))
    assert set(shares) == {"one", "two"}, shares
    assert await query(pool, "select id from item where cardinality(by) <> 1") == []

"""Work goes on whoever armed it, and whoever died with it."""

from __future__ import annotations

import subprocess
import sys

from counterfoil.store import work
from counterfoil.store.pool import Conn

from .seeds import in_database

WORKER = """
import asyncio, sys
from counterfoil.kit.stage import Turn
from counterfoil.store.pool import open_pool
from counterfoil.engine import membership
from counterfoil.engine.engine import Engine

async def main(dsn, name):
    done = asyncio.Event()
    async def turn(key, context):
        print("turn", key, flush=True)
        done.set()
        return Turn(has_more=False)
    async with open_pool(dsn) as pool:
        member = await membership.join(dsn, name)
        engine = Engine(pool, dsn, {"x": turn}, member)
        await engine.start()
        try:
            await asyncio.wait_for(done.wait(), float(sys.argv[3]))
        except TimeoutError:
            print("idle", flush=True)
        await asyncio.sleep(0.5)
        await engine.stop()
        await member.leave()

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def _work(database: str, name: str, patience_s: float = 30) -> str:
    """Run a worker until its first turn; return the last it said."""
    ended = subprocess.run([sys.executable, "-c", WORKER, database, name, str(patience_s)], stdout=subprocess.PIPE, text=True, check=True)
    return ended.stdout.splitlines()[-1]


async def _arm(conn: Conn) -> None:
    await work.arm(conn, [("x", "a")])


def test_work_armed_by_any_process_is_done_by_the_next_worker_and_by_one_that_takes_over_from_the_dead(database: str) -> None:
    in_database(database, _arm)  # before any worker ever ran
    assert _work(database, "first") == "turn a"
    assert _work(database, "first", 1) == "idle"

    in_database(database, _arm)  # by a process without an engine
    assert _work(database, "second") == "turn a"

    in_database(database, _arm)
    in_database(database, _dies)
    assert _work(database, "third") == "turn a"


async def _dies(conn: Conn) -> None:
    """Leave the partition as a worker does that is killed in the middle of its drain."""
    await conn.execute("insert into worker (id, name, host, version, started_at, beat_at) values ('w#0', 'w', '', '', now(), now())")
    assert len(await work.claim(conn, "w#0", 0, ["x"], 1, 0)) == 1
    await conn.execute("delete from worker")

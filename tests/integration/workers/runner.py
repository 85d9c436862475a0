"""A worker with stages made for tests, as a process of its own (nursery.py).

Table ``item`` holds what the stages work: (stage, key, id, state, by). Its waits are short, so that tests are.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass

from counterfoil.app.logs import working
from counterfoil.engine import draining, engine, membership
from counterfoil.kit.stage import Stage, Turn, TurnContext
from counterfoil.store.pool import Pool, open_pool

STOP_WAIT_S = 1.0
STALL_S = 3600.0


def hurry() -> None:
    """Shorten what a worker waits for."""
    vars(membership).update(BEAT_EVERY_S=0.5, LEASE_S=4.0)
    vars(engine).update(DEAD_AFTER_S=5.0, SWEEP_EVERY_S=0.5)
    vars(draining).update(FAILED_WAIT_MAX_S=0.2, DRAIN_MAX_S=0.5)


@dataclass
class Stages:
    """What turns do, under the names of the stages."""

    pool: Pool
    name: str

    def named(self, name: str) -> Stage:
        """Return the stage of a name."""

        async def turn(key: str, context: TurnContext) -> Turn:
            return await self._turn(name, key, context)

        return turn

    async def _turn(self, stage: str, key: str, context: TurnContext) -> Turn:
        async with self.pool.connection() as conn:
            rows = await (
                await conn.execute(
                    "select id from item where stage = %s and key = any(%s) and state = 'new' order by id limit %s",
                    (stage, key.split("+"), context.limit or 3),
                )
            ).fetchall()
        ids = [str(row[0]) for row in rows]
        parked = await context.hold(ids)
        for id in ids:
            if id not in parked:
                await self._do(stage, id, context)
            await self._note(stage, key, id, "parked" if id in parked else "done")
        return Turn(has_more=bool(ids))

    async def _do(self, stage: str, id: str, context: TurnContext) -> None:
        if id.endswith("poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        if id.endswith("raise"):
            raise RuntimeError(id)
        if id.endswith("stall"):
            print("stalling", flush=True)
            await asyncio.sleep(STALL_S)
        if id.endswith("freeze"):  # what a stop of the whole process looks like from within
            print("frozen", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        if stage == "busy":
            until = time.process_time() + 0.02
            while time.process_time() < until:
                pass

    async def _note(self, stage: str, key: str, id: str, state: str) -> None:
        async with self.pool.connection() as conn:
            await conn.execute(
                "update item set state = %s, by = by || %s::text[] where stage = %s and key = any(%s) and id = %s",
                (state, [self.name], stage, key.split("+"), id),
            )


async def work_on(dsn: str, name: str, *stages: str) -> None:
    """Work until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_pool(dsn) as pool:
        member = await membership.join(dsn, name)
        member.start()
        made = Stages(pool, name)
        runs = engine.Engine(pool, dsn, {stage: made.named(stage) for stage in stages}, member)
        await runs.start()
        print("working", flush=True)
        await stop.wait()
        await runs.stop(STOP_WAIT_S)
        await member.leave()


def main(dsn: str, name: str, *stages: str) -> None:
    """Run."""
    working()
    hurry()
    asyncio.run(work_on(dsn, name, *stages))

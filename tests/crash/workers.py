"""Workers as processes of their own, that are struck where they are told to; and deliveries as they really come: twice and shuffled."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg_pool import PoolTimeout
from tests.integration.path.house import House
from tests.nursery import Forked, fork

from counterfoil.app.hub import wait_until

START_S = 60.0
STRIKE_S = 90.0
AT_ONCE = 8
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process and the file its strikes are noted in."""

    process: Forked
    said: Path

    async def is_at_work(self) -> bool:
        """Wait until it says that it works; False: it ended before."""
        return await asyncio.wait_for(self.process.stdout.readline(), START_S) == b"working\n"

    def strikes(self) -> list[list[str]]:
        """Return the strikes that have fallen: action, boundary, kind."""
        return [json.loads(line) for line in self.said.read_text().splitlines()] if self.said.exists() else []

    async def until_struck(self, count: int) -> None:
        """Wait until so many strikes have fallen."""

        async def is_struck() -> bool:
            return len(self.strikes()) >= count

        assert await wait_until(is_struck, timeout_s=STRIKE_S * count), f"only {self.strikes()} fell"


class HasIds(Protocol):
    """A story: the source's ids in the external keys of its commands tell them from others."""

    @property
    def ids(self) -> list[str]:
        """The ids."""
        ...


def strike(action: str, boundary: str, kind: str = "", told: HasIds | None = None, **more: Any) -> dict[str, Any]:
    """Return one strike of a worker's plan, at a command of a story."""
    return {"action": action, "boundary": boundary, "kind": kind, "ids": [] if told is None else told.ids, **more}


@asynccontextmanager
async def worker(made: House, strikes: Sequence[dict[str, Any]] = (), name: str = "worker", **waits: float) -> AsyncIterator[Worker]:
    """Run a worker process with strikes to come; it is killed at the end if it still runs.

    ``waits``, where they are not to be as they always are: ``dead_after_s``, how soon it declares others dead, and may be declared dead
    itself; ``backoff_s``, how soon it tries a command again; ``erase_step``, how many records it erases in one transaction.
    """
    home = made.hub.settings.hub.home
    number = next(_numbers)
    plan, said = home / f"plan-{number}.json", home / f"said-{number}"
    plan.write_text(json.dumps({"values": dict(made.values), "strikes": list(strikes), "said": str(said), **waits}))
    process = await fork("tests.crash.runner", str(plan), name)
    try:
        yield Worker(process, said)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def deliver_shuffled(made: House, seed: int) -> None:
    """Deliver everything new twice, in an order that the seed decides; what is refused comes again, as senders do."""
    events = made.news() * 2
    random.Random(seed).shuffle(events)
    for _ in range(40):
        parts = [events[start::AT_ONCE] for start in range(AT_ONCE)]
        statuses = await asyncio.gather(*(made.deliver(part) for part in parts))
        assert {status for part in statuses for status in part} <= {200, 503, None}, statuses
        events = [
            event for one, part in zip(parts, statuses, strict=True) for event, status in zip(one, part, strict=True) if status != 200
        ]
        if not events:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(f"{len(events)} deliveries were never taken")


async def until_answered(made: House, seconds: float = 60.0) -> None:
    """Wait until the database answers again on every connection this process keeps."""

    async def is_well() -> bool:
        for _ in range(20):
            try:
                async with made.hub.pool.connection(timeout=1) as conn:
                    await conn.execute("select 1")
            except (psycopg.Error, PoolTimeout):
                return False
        return True

    assert await wait_until(is_well, timeout_s=seconds), "the database did not come back"

"""Seconds until another worker has done what a killed one had in hand; and how long a worker told to stop takes.

Two workers, processes of their own, post invoices into the counting Odoo sandbox (20 ms for each record, so that a batch takes seconds).
The one that just delivers is killed by SIGKILL in the middle of it: some of what it sent has arrived in Odoo, some has not. Measured is the
time until the last command it had in hand is done, and until the last partition it held has moved on. Then another worker is started, and
the next run kills again. In the last runs SIGTERM takes the place of SIGKILL: measured is the time until the process has ended, and until
what it had in hand is done. At the end a plain client proves every invoice there once, posted, equal to the cent.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

from benchmarks.measuring import report, spread, until
from benchmarks.rig import OdooAt, Rig, idle_rig
from benchmarks.worker import worker
from benchmarks.writer import proven

GOAL_S = 45.0
CUSTOMERS = 50
POLL_S = 0.05
TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0

_HELD = "select claimed_by, stage || ':' || key from work where claimed_by is not null order by 1, 2"
_SENT = "select unnest(command_ids)::text, target || '/' || batch_key from sending"
_LEFT = "select count(*) from command where id = any(%s::uuid[]) and state in ('waiting', 'ready', 'unknown')"
_STANDING = "select count(*) from work where claimed_by = %s"


@dataclass(frozen=True, slots=True)
class InHand:
    """What one worker had in hand: its id, how many partitions it held, which commands it had sent without an answer."""

    worker: str
    partitions: int
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One end of a worker: what it had in hand, and seconds until it had ended, its commands were done, its partitions had moved on."""

    had: InHand
    ended_s: float
    done_s: float
    moved_s: float


async def in_hand(made: Rig) -> dict[str, InHand]:
    """Return what each worker has in hand now."""
    async with made.hub.pool.connection() as conn:
        held = await (await conn.execute(_HELD)).fetchall()
        sent = await (await conn.execute(_SENT)).fetchall()
    found = {}
    for id in {row[0] for row in held}:
        keys = {row[1] for row in held if row[0] == id}
        commands = tuple(command for command, key in sent if f"deliver:{key}" in keys)
        found[id] = InHand(id, len(keys), commands)
    return found


class Workers:
    """The workers there are, by name; each ends with the stack."""

    def __init__(self, made: Rig, stack: AsyncExitStack) -> None:
        self._made = made
        self._stack = stack
        self._started = 0
        self.alive: dict[str, asyncio.subprocess.Process] = {}

    async def start(self) -> None:
        """Start one more, under a name none had before."""
        name = f"worker-{self._started}"
        self._started += 1
        self.alive[name], _ = await self._stack.enter_async_context(worker(self._made.values, name))

    async def busy(self) -> str:
        """Wait until one of them has sent commands and got no answer yet; return its name."""
        found: list[str] = []

        async def is_sending() -> bool:
            found[:] = [self.name_of(one.worker) for one in (await in_hand(self._made)).values() if one.commands]
            return bool(found)

        await until(is_sending, "a worker in the middle of a delivery", timeout_s=TIMEOUT_S, every_s=0.01)
        return found[0]

    def name_of(self, id: str) -> str:
        """Return the worker of an id: its name, with the number of its incarnation."""
        return next(name for name in self.alive if id.startswith(f"{name}#"))

    async def end(self, name: str, how: signal.Signals) -> Run:
        """End a worker and wait until what it had in hand is done."""
        process = self.alive[name]
        before = await in_hand(self._made)
        began = time.monotonic()
        process.send_signal(how)
        if how is signal.SIGKILL:
            await process.wait()
            before = await in_hand(self._made)  # what it had at its very end
        had = next(one for one in before.values() if self.name_of(one.worker) == name)
        del self.alive[name]
        ended, done, moved = await asyncio.gather(_ended(process, began), self._done(had, began), self._moved(had, began))
        return Run(had, ended, done, moved)

    async def _done(self, had: InHand, began: float) -> float:
        return await self._none(_LEFT, list(had.commands), f"the commands of {had.worker} done", began)

    async def _moved(self, had: InHand, began: float) -> float:
        return await self._none(_STANDING, had.worker, f"the partitions of {had.worker} taken over", began)

    async def _none(self, query: str, given: object, what: str, began: float) -> float:
        async def is_none() -> bool:
            async with self._made.hub.pool.connection() as conn:
                row = await (await conn.execute(query, (given,))).fetchone()
            return row == (0,)

        await until(is_none, what, timeout_s=TIMEOUT_S, every_s=POLL_S)
        return time.monotonic() - began


async def _ended(process: asyncio.subprocess.Process, began: float) -> float:
    await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    return time.monotonic() - began


async def measure(runs: int, count: int) -> dict[signal.Signals, list[Run]]:
    """Return the runs by how the worker ended."""
    found: dict[signal.Signals, list[Run]] = {signal.SIGKILL: [], signal.SIGTERM: []}
    number = 0
    async with idle_rig(OdooAt()) as made, AsyncExitStack() as stack:
        workers = Workers(made, stack)
        for _ in range(2):
            await workers.start()
        await made.book_masters(CUSTOMERS)
        for how, times in ((signal.SIGKILL, runs), (signal.SIGTERM, max(1, runs - 1))):
            for _ in range(times):
                await made.append(made.copies("invoice.finalized", range(number, number + count), CUSTOMERS))
                number += count
                found[how].append(await workers.end(await workers.busy(), how))
                one = found[how][-1]
                report(
                    "takeover", "run", signal=how.name, commands=len(one.had.commands), partitions=one.had.partitions,
                    ended_s=round(one.ended_s, 1), done_s=round(one.done_s, 1), moved_s=round(one.moved_s, 1),
                )  # fmt: skip
                await made.settled(TIMEOUT_S)
                await workers.start()
        await proven(made, number)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="with SIGKILL; with SIGTERM one less")
    parser.add_argument("--invoices", type=int, default=200, help="per run")
    given = parser.parse_args()
    found = asyncio.run(measure(given.runs, given.invoices))
    killed, stopped = found[signal.SIGKILL], found[signal.SIGTERM]
    taken = [max(one.done_s, one.moved_s) for one in killed]
    print(
        f"killed in the middle of deliveries: the last of its work done by the other after {median(taken):.1f} s"
        f" (at most {max(taken):.1f}; goal {GOAL_S:.0f} s)"
    )
    report("takeover", "killed", taken_s=spread(taken, 1), done_s=spread([one.done_s for one in killed], 1), goal_s=GOAL_S)
    ended = [one.ended_s for one in stopped]
    print(f"told to stop with work under way: ended after {median(ended):.1f} s (at most {max(ended):.1f}); what it had in hand was")
    print(f"   done after {median(one.done_s for one in stopped):.1f} s (at most {max(one.done_s for one in stopped):.1f})")
    report("takeover", "stopped", ended_s=spread(ended, 1), done_s=spread([one.done_s for one in stopped], 1))


if __name__ == "__main__":
    main()

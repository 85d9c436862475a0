"""Two workers against one, into a target that is never the limit: how many times as many events a second.

Each worker is a process with a fixed share of one core (``--share``), so that two of them, the database and this process fit on the machine
beside each other and only the workers are short of processor time: the figure says how the work divides, not how many cores there are. The
work is a backlog of pending receipts, a third each customers, issued invoices and card charges that pay them, everything to be fetched kept
with them already; it is released at once and timed until the last command is done: normalized, decided, and sent to a stub that answers at
once, in the worker itself (see quick_target.py). One worker and two take turns; the figure is the median of the pairs' ratios. Printed too:
the processor time of the workers, of the database and of this process, against what the machine has; how evenly the two shared.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from benchmarks import stationery
from benchmarks.measuring import report, spread, until
from benchmarks.processes import cpu_s, server_cpu_s, server_pid
from benchmarks.rig import BOOKS, append, is_idle, settings_of, temporary_home, values_of
from benchmarks.shares import share_of_core
from benchmarks.stationery import Copy, copy_of
from benchmarks.worker import worker
from counterfoil.app.hub import Hub, open_hub

GOAL = 1.7
MIX = ("customer.created", "invoice.finalized", "charge.succeeded")
MASTERS = ("product.created", "price.created")
TIMEOUT_S = 240.0
WARM_UP = 120
POLL_S = 0.05
BUSY_BELOW = 0.9
"""A worker with a backlog that got less of its share than this was kept from it by other work on the machine."""


@dataclass(frozen=True, slots=True)
class Round:
    """One measured backlog: seconds it took, and seconds of processor time of each worker, of the database and of this process."""

    events: int
    wall_s: float
    workers_s: tuple[float, ...]
    server_s: float
    own_s: float

    @property
    def per_s(self) -> float:
        """Events per second."""
        return self.events / self.wall_s

    @property
    def cores_used(self) -> float:
        """Cores that everything together kept busy, on average."""
        return (sum(self.workers_s) + self.server_s + self.own_s) / self.wall_s


def mixed(templates: dict[str, stationery.Template], tag: str, numbers: range) -> list[Copy]:
    """Return so many of each kind, in the order they would have come: charge n pays invoice n of customer n."""
    now = datetime.now(UTC)
    return [copy_of(templates[kind], tag, number, number, now) for number in numbers for kind in MIX]


class Backlogs:
    """Backlogs one after the other, each worked off by the workers there are."""

    def __init__(self, hub: Hub, templates: dict[str, stationery.Template], postmaster: int) -> None:
        self._hub = hub
        self._templates = templates
        self._postmaster = postmaster
        self._number = 0

    async def masters(self) -> None:
        """Have product and price booked."""
        now = datetime.now(UTC)
        await append(self._hub, [copy_of(self._templates[kind], "bench", 0, 0, now) for kind in MASTERS])
        await self._worked_off()

    async def run(self, count: int, workers: Sequence[int]) -> Round:
        """Release so many of each kind and measure until all is done."""
        copies = mixed(self._templates, "bench", range(self._number, self._number + count))
        self._number += count
        keys = await append(self._hub, copies, is_armed=False)
        before = [cpu_s(pid) for pid in workers], server_cpu_s(self._postmaster), time.process_time()
        began = time.perf_counter()
        await self._hub.wake(keys)
        await self._worked_off()
        wall_s = time.perf_counter() - began
        used = tuple(cpu_s(pid) - then for pid, then in zip(workers, before[0], strict=True))
        return Round(len(copies), wall_s, used, server_cpu_s(self._postmaster) - before[1], time.process_time() - before[2])

    async def _worked_off(self) -> None:
        await until(lambda: is_idle(self._hub), "the backlog worked off", timeout_s=TIMEOUT_S, every_s=POLL_S)


async def done(hub: Hub) -> dict[str, int]:
    """Return how many commands of each kind are done."""
    async with hub.pool.connection() as conn:
        rows = await (await conn.execute("select kind, count(*) from command where state = 'done' group by 1")).fetchall()
    return dict(rows)


async def measure(pairs: int, count: int, share: float) -> tuple[list[Round], list[Round], str]:
    """Return the rounds of one worker and of two, and how their share was kept."""
    templates = await stationery.templates()
    with temporary_home() as home:
        values = values_of(home)
        async with open_hub(settings_of(home)) as hub:
            backlogs = Backlogs(hub, templates, server_pid(home))
            ones: list[Round] = []
            twos: list[Round] = []
            for pair in range(pairs):
                means = await one_pair(backlogs, values, (1, 2) if pair % 2 == 0 else (2, 1), count, share, (ones, twos))
                report("scaling", "pair", one_per_s=round(ones[-1].per_s), two_per_s=round(twos[-1].per_s))
            counts = await done(hub)
            wanted = pairs * 2 * count + pairs * WARM_UP * 2
            if any(counts.get(kind, 0) < wanted for kind in ("post_invoice", "post_payment", "allocate")):
                raise RuntimeError(f"{wanted} of each were wished, done are {counts}")
    return ones, twos, means


async def one_pair(
    backlogs: Backlogs,
    values: dict[str, object],
    order: tuple[int, int],
    count: int,
    share: float,
    rounds: tuple[list[Round], list[Round]],
) -> str:
    """Measure one worker and two, in an order; every worker is started anew and warmed up."""
    means = ""
    for size in order:
        async with AsyncExitStack() as stack:
            pids = []
            for number in range(size):
                process, _ = await stack.enter_async_context(worker(values, f"worker-{number}", quick=BOOKS))
                pids.append(process.pid)
            await backlogs.masters()
            await backlogs.run(WARM_UP, pids)
            for pid in pids:
                means = await stack.enter_async_context(share_of_core(pid, share))
            rounds[size - 1].append(await backlogs.run(count, pids))
    return means


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--each", type=int, default=2000, help="of each of the three kinds, per round")
    parser.add_argument("--share", type=float, default=0.4, help="of a core, for each worker")
    given = parser.parse_args()
    ones, twos, means = asyncio.run(measure(given.pairs, given.each, given.share))
    ratios = [two.per_s / one.per_s for one, two in zip(ones, twos, strict=True)]
    cores = os.cpu_count() or 1
    rates = [[one.per_s for one in rounds] for rounds in (ones, twos)]
    evenness = [min(one.workers_s) / sum(one.workers_s) for one in twos]
    one_cores, two_cores = (median(one.cores_used for one in rounds) for rounds in (ones, twos))
    server = median(one.server_s / one.wall_s for one in twos)
    filled = median(sum(one.workers_s) / one.wall_s / (2 * given.share) for one in twos)
    filled_alone = median(one.workers_s[0] / one.wall_s / given.share for one in ones)
    print(
        f"each worker held to {given.share:.2f} of a core by {means}: one {median(rates[0]):.0f} events/s,"
        f" two {median(rates[1]):.0f}/s: ratio {median(ratios):.2f} (goal {GOAL})"
    )
    print(
        f"with two, {two_cores:.2f} of {cores} cores were busy (with one {one_cores:.2f}), the database took {server:.2f} of them;"
        f" the workers used {filled:.0%} of their shares, the lesser of the two {median(evenness):.0%} of what both used"
    )
    if filled_alone < BUSY_BELOW:
        print(f"   the machine was busy with other work: even one worker got {filled_alone:.0%} of its share; the ratio says little")
    report(
        "scaling", "two workers", ratio=spread(ratios), one_per_s=spread(rates[0], 0), two_per_s=spread(rates[1], 0), share=given.share,
        means=means, cores=cores, cores_used=round(two_cores, 2), server_cores=round(server, 2), share_used=round(filled, 2),
        share_used_alone=round(filled_alone, 2),
        lesser_share=spread(evenness), goal=GOAL,
    )  # fmt: skip


if __name__ == "__main__":
    main()

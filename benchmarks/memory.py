"""Memory of a worker with a large backlog: 50,000 receipts to be normalized and 20,000 commands to be sent.

The backlog is made first, by a process of its own. Then a worker (engine, intake and all stages in one process, the database in its own
processes) is started upon it and works it off against the Odoo sandbox; its resident memory is sampled ten times a second. The figure
is the highest sample of the time, which is bounded; how much of the backlog was worked off by then is printed too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from datetime import UTC, datetime

from benchmarks import counting_odoo, processes, stationery
from benchmarks.measuring import report, resident_mb
from benchmarks.rig import BOOKS, append, settings_of, temporary_home
from benchmarks.stages import drain
from benchmarks.stationery import CONNECTION, copy_of
from counterfoil.app.demo.entities import US
from counterfoil.app.demo.odoo_plain import OdooPlain
from counterfoil.app.demo.provision import provision
from counterfoil.app.hub import Hub, open_hub, serve_intake
from counterfoil.decide.stage import Decider
from counterfoil.normalize.stage import Normalizer
from counterfoil.store.work import SHARDS

GOAL_MB = 300
SAMPLE_S = 0.1
APPEND_AT_ONCE = 2000
END_TIMEOUT_S = 60.0


async def make_backlog(home: str, receipts: int, commands: int) -> None:
    """Leave a database with so many ready commands (customers) and pending receipts (their invoices)."""
    templates, now = await stationery.templates(), datetime.now(UTC)
    async with open_hub(settings_of(home)) as hub:
        normalizer = Normalizer(hub.pool, hub.cipher, hub.sources, hub.clock, hub.arm, hub.rules.purposes())
        decider = Decider(hub.pool, hub.cipher, hub.rules, hub.batch_key, hub.clock, hub.arm)
        await append(hub, [copy_of(templates["customer.created"], "bench", n, n, now) for n in range(commands)])
        await drain(normalizer.turn, [f"{CONNECTION}/{shard}" for shard in range(SHARDS)])
        await drain(decider.turn, [str(shard) for shard in range(SHARDS)])
        for first in range(0, receipts, APPEND_AT_ONCE):
            numbers = range(first, min(receipts, first + APPEND_AT_ONCE))
            await append(hub, [copy_of(templates["invoice.finalized"], "bench", n, n % commands, now) for n in numbers])
        print(json.dumps({"receipts": receipts, "commands": commands}), flush=True)


async def left(hub: Hub) -> tuple[int, int]:
    """Return pending receipts and open commands."""
    async with hub.pool.connection() as conn:
        row = await (
            await conn.execute(
                "select (select count(*) from to_read), (select count(*) from command where state in ('ready', 'waiting', 'unknown'))"
            )
        ).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


async def worker(home: str, url: str, seconds: float) -> None:
    """Be the worker: print memory before, at most, and what was left when, as one JSON line."""
    found: dict[str, object] = {}
    async with counting_odoo.running() as odoo:
        async with OdooPlain(odoo["url"], odoo["db"], odoo["api_key"], odoo["login"]) as plain:
            await provision(plain, [US])
        books = {"url": odoo["url"], "database": odoo["db"], "login": odoo["login"], "api_key": odoo["api_key"]}
        async with open_hub(settings_of(home, url, books)) as hub, serve_intake(hub, "127.0.0.1", 0):
            found["backlog"] = await left(hub)
            found["at_rest_mb"] = resident_mb()
            await hub.start_work("benchmark")
            samples, end = [resident_mb()], time.monotonic() + seconds
            while time.monotonic() < end:
                await asyncio.sleep(SAMPLE_S)
                samples.append(resident_mb())
            found |= {"left": await left(hub), "max_mb": max(samples), "last_mb": samples[-1], "target": BOOKS}
            print(json.dumps(found), flush=True)


async def apart(*arguments: str, timeout_s: float) -> dict[str, object]:
    """Run this module in another role and return what it says, then end it, within END_TIMEOUT_S whatever it is doing."""
    command = (sys.executable, "-m", "benchmarks.memory", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        found = await processes.said(process, timeout_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_TIMEOUT_S)
        return found
    finally:
        await processes.end(process, END_TIMEOUT_S)


async def measure(receipts: int, commands: int, seconds: float) -> dict[str, object]:
    """Make the backlog, run the worker upon it, return its figures."""
    with temporary_home() as home:
        await apart("--make", home, "--receipts", str(receipts), "--commands", str(commands), timeout_s=600)
        stripe = stationery.new_sandbox()
        url = await stripe.start()
        try:
            return await apart("--work", home, "--stripe", url, "--seconds", str(seconds), timeout_s=seconds + 180)
        finally:
            await stripe.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receipts", type=int, default=50_000)
    parser.add_argument("--commands", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--make", metavar="HOME")
    parser.add_argument("--work", metavar="HOME")
    parser.add_argument("--stripe", default="")
    given = parser.parse_args()
    if given.make:
        asyncio.run(make_backlog(given.make, given.receipts, given.commands))
        return
    if given.work:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(worker(given.work, given.stripe, given.seconds))
        return
    found = asyncio.run(measure(given.receipts, given.commands, given.seconds))
    highest = float(str(found["max_mb"]))
    print(f"a worker upon {given.receipts} receipts and {given.commands} commands: at most {highest:.0f} MB (goal {GOAL_MB} MB)")
    report("memory", "worker", **found, ratio_to_goal=round(highest / GOAL_MB, 2), goal_mb=GOAL_MB)


if __name__ == "__main__":
    main()

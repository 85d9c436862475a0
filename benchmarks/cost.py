"""What an event costs: processor time of worker and database, rows written, bytes of log and of tables, calls of the target.

A played mix, a third each customers, issued invoices and card charges that pay them, from kept receipt to posted and matched document, by a
worker into the counting Odoo sandbox, which takes little time here (1 ms for each record, 5 ms for each call), so that what a worker
uses at rest is a small part; that is measured and printed by itself. Worker and database are processes of their own, read from /proc. The
receipts are kept by this process: the database's figures hold that, the worker's do not. Counted until the last command is done, divided by
the events received. Then what was written is read back from the target, as the hub does at intervals: the echoes, counted by themselves.

Rows are those of PostgreSQL's own statistics, which connections at rest write down some seconds late: they are read that much later.

``--keep FILE`` writes the figures down; ``--against FILE`` compares with such a file and ends with status 1 if one grew by more than 20 %.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import report, until
from benchmarks.processes import cpu_s, server_cpu_s, server_pid
from benchmarks.rig import BOOKS, OdooAt, Rig, idle_rig
from benchmarks.worker import worker

KEPT = Path(__file__).parent / "kept" / "cost.json"
GREW = 1.2
MIX = ("customer.created", "invoice.finalized", "charge.succeeded")
DOCUMENTS = ("post_invoice", "post_payment", "post_entry", "post_credit_note")
CUSTOMERS = 20
WARM_UP = 50
TIMEOUT_S = 300.0
FLUSH_S = 12.0
"""PostgreSQL's connections hold statistics back for up to ten seconds once idle (PGSTAT_IDLE_INTERVAL)."""

_ROWS = """
select case when schemaname = 'dbos' then 'engine' -- of programs before schema 25
    else regexp_replace(relname, '_(default|[0-9]{4}_?[0-9]{2})$', '') end,
    sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del)
from pg_stat_user_tables group by 1
"""
_SIZES = """
select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'), (select sum(pg_total_relation_size(relid)) from pg_stat_user_tables)
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters at one moment: seconds of processor time, bytes of write-ahead log and of tables with indexes, rows by table.

    Rows: inserted, updated, deleted; the engine's tables are one.
    """

    at_s: float
    worker_s: float
    server_s: float
    log_bytes: int
    table_bytes: int
    rows: Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Costs:
    """What was used between two readings (``late``: of rows, when everybody's had been written down)."""

    before: Reading
    after: Reading
    late: Reading

    @property
    def wall_s(self) -> float:
        """Seconds between the readings."""
        return self.after.at_s - self.before.at_s

    @property
    def rows(self) -> dict[str, tuple[int, int, int]]:
        """Rows inserted, updated and deleted, by table."""
        found = {}
        for name, now in self.late.rows.items():
            then = self.before.rows.get(name, (0, 0, 0))
            found[name] = (now[0] - then[0], now[1] - then[1], now[2] - then[2])
        return found

    def figures(self, events: int) -> dict[str, float]:
        """Return each cost by event."""
        kinds = [sum(row[place] for row in self.rows.values()) for place in range(3)]
        total = {
            "worker_cpu_ms": 1000 * (self.after.worker_s - self.before.worker_s),
            "database_cpu_ms": 1000 * (self.after.server_s - self.before.server_s),
            "rows_inserted": kinds[0],
            "rows_updated": kinds[1],
            "rows_deleted": kinds[2],
            "log_bytes": self.after.log_bytes - self.before.log_bytes,
            "table_bytes": self.after.table_bytes - self.before.table_bytes,
        }
        return {name: value / events for name, value in total.items()}

    def at_rest(self) -> dict[str, float]:
        """Return the processor time of worker and database per second from the end of the work to the late reading: parts of a core."""
        seconds = self.late.at_s - self.after.at_s
        return {
            "worker_at_rest_cores": (self.late.worker_s - self.after.worker_s) / seconds,
            "database_at_rest_cores": (self.late.server_s - self.after.server_s) / seconds,
        }


@dataclass(frozen=True, slots=True)
class Played:
    """One run: how much was played, what it cost, what its echoes cost, and how often the target was called for the first."""

    events: int
    documents: int
    calls: int
    work: Costs
    echoes: Costs

    def figures(self) -> dict[str, float]:
        """Return everything that is kept, by event unless the name says otherwise."""
        found = self.work.figures(self.events) | {"target_calls": self.calls / self.events}
        echoes = {f"echo_{name}": value for name, value in self.echoes.figures(self.events).items()}
        return {name: round(value, 3) for name, value in (found | echoes | self.work.at_rest()).items()}


async def read(made: Rig, pid: int) -> Reading:
    """Read all counters."""
    async with made.hub.pool.connection() as conn:
        await conn.execute("select pg_stat_force_next_flush()")
        await conn.commit()
        rows = await (await conn.execute(_ROWS)).fetchall()
        sizes = await (await conn.execute(_SIZES)).fetchone()
    log_bytes, table_bytes = (0, 0) if sizes is None else sizes
    by_table = {name: (int(inserted), int(updated), int(deleted)) for name, inserted, updated, deleted in rows}
    server_s = server_cpu_s(server_pid(made.hub.settings.hub.home))
    return Reading(time.perf_counter(), cpu_s(pid), server_s, int(log_bytes), int(table_bytes), by_table)


async def costs_of(made: Rig, pid: int, work: Awaitable[None]) -> Costs:
    """Do something and return what it cost, a while later."""
    before = await read(made, pid)
    await work
    after = await read(made, pid)
    await asyncio.sleep(FLUSH_S)
    return Costs(before, after, await read(made, pid))


async def measure(count: int) -> Played:
    """Play the mix once, after a small one that warms up, and return what it cost."""
    async with idle_rig(OdooAt()) as made:
        made.values["hub"] |= {"capture_interval_s": 3600.0, "poll_interval_s": 3600.0}
        async with worker(made.values, "worker") as (process, _):
            await made.book_masters(CUSTOMERS)
            await made.cost(record_ms=1, call_ms=5)
            await play(made, range(CUSTOMERS, CUSTOMERS + WARM_UP))
            await echo(made)
            await asyncio.sleep(FLUSH_S)
            documents = await posted(made)
            await made.counts()
            first = CUSTOMERS + WARM_UP
            work = await costs_of(made, process.pid, play(made, range(first, first + count)))
            calls = int((await made.counts())["calls"])
            echoes = await costs_of(made, process.pid, echo(made))
            return Played(count * len(MIX), await posted(made) - documents, calls, work, echoes)


async def play(made: Rig, numbers: range) -> None:
    """Keep so many of each kind, in the order they would have come, and wait until all is booked."""
    by_kind = [made.copies(kind, numbers, numbers.stop) for kind in MIX]
    await made.append([copy for copies in zip(*by_kind, strict=True) for copy in copies])
    await made.settled(TIMEOUT_S)


async def echo(made: Rig) -> None:
    """Have the hub read what changed in the target, which is what it wrote itself, and wait until all of it is seen to be that."""
    before = await echoes(made)
    await made.hub.wake([("poll", BOOKS)])
    seen = [before]

    async def is_over() -> bool:
        seen.append(await echoes(made))
        return before < seen[-1] == seen[-2] and await made.is_idle()

    await until(is_over, "the echoes read", timeout_s=TIMEOUT_S, every_s=0.5)


async def echoes(made: Rig) -> int:
    """Return how many receipts came from the target."""
    async with made.hub.pool.connection() as conn:
        row = await (await conn.execute("select count(*) from receipt where connection = %s", (BOOKS,))).fetchone()
    return 0 if row is None else int(row[0])


async def posted(made: Rig) -> int:
    """Return how many documents are posted."""
    return sum([await made.done(kind) for kind in DOCUMENTS])


def compare(figures: Mapping[str, float], path: Path) -> list[str]:
    """Print each figure's ratio to a kept one; return those that grew by more than a fifth."""
    kept = json.loads(path.read_text(encoding="utf-8"))["figures"]
    grown = []
    print(f"against {path.name}:")
    for name, value in figures.items():
        if not kept.get(name):
            print(f"   {name}: not kept")
            continue
        ratio = value / kept[name]
        print(f"   {name}: {value:.2f}, kept {kept[name]:.2f}: ratio {ratio:.2f}" + ("   GREW by more than 20 %" if ratio > GREW else ""))
        grown += [name] if ratio > GREW else []
    return grown


def main() -> int:
    """Measure, print, keep and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=400, help="of each of the three kinds")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--against", type=Path, metavar="FILE")
    given = parser.parse_args()
    played = asyncio.run(measure(given.each))
    figures = played.figures()
    print(f"{played.events} events, {played.documents} documents in {played.work.wall_s:.1f} s; of each event:")
    for name, value in figures.items():
        print(f"   {name:<30}{value:>12.2f}")
    print("rows written for each event, by table (inserted, updated, deleted):")
    for table, kinds in sorted(played.work.rows.items(), key=lambda item: -sum(item[1])):
        if sum(kinds) >= played.events / 100:
            print(f"   {table:<30}" + "".join(f"{kind / played.events:>8.2f}" for kind in kinds))
    report("cost", "event", events=played.events, documents=played.documents, **figures)
    if given.keep:
        given.keep.parent.mkdir(parents=True, exist_ok=True)
        given.keep.write_text(json.dumps({"cores": os.cpu_count(), "events": played.events, "figures": figures}, indent=2) + "\n")
    against = given.against or (KEPT if KEPT.exists() and not given.keep else None)
    grown = compare(figures, against) if against else []
    if grown:
        print(f"cost per event grew by more than 20 %: {', '.join(grown)}", file=sys.stderr)
    return 1 if grown and given.against else 0


if __name__ == "__main__":
    sys.exit(main())

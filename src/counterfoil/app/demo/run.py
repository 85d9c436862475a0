"""The demonstration from beginning to end: sandboxes up, the month played with everything going wrong, the hub at work, the proof."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counterfoil.app.coverage import coverage, lists_read
from counterfoil.app.database import Database
from counterfoil.app.hub import Hub, open_hub, serve_intake, wait_until
from counterfoil.app.settings import Settings, from_values
from counterfoil.ingress.server import bind
from counterfoil.kit.clock import FollowingClock, SystemClock
from counterfoil.kit.errors import SetupError
from counterfoil.store import agenda_deadlines, cases, cursors, views, work

from .casting import INVOICES_DEFAULT, MONTH_START
from .chaos import Damage, calm, unleash
from .company import DemoProgress, Played, play
from .proof import prove
from .report import CaseLine, DemoResult, conservation_of
from .sales import prove as prove_sales
from .steward import DataSteward
from .world import RealOdoo, World, open_world

STALLED_AFTER_S = 120.0
"""Nothing was booked for so long: what is left will not be, and the result says how much that is."""
BLOCKED_AFTER_S = 20.0
"""The same where a case is open: what is left is most likely what it holds up."""
SETTLE_MAX_S = 3600.0
"""Of settling at most, however slowly it goes on."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a run may be told. An empty ``odoo_url``: the sandbox."""

    seed: int = 42
    invoices: int = INVOICES_DEFAULT
    odoo_url: str = ""
    odoo_db: str = ""
    odoo_login: str = "admin"
    odoo_key: str = ""
    home: Path | None = None


@dataclass(slots=True)
class DemoProgressReport:
    """Told how the run goes on; the default says nothing."""

    phase: Callable[[str], None] = lambda _text: None
    month: Callable[[DemoProgress], None] = lambda _progress: None
    work: Callable[[int, int], None] = lambda _done, _open: None


async def run(options: DemoOptions, watch: DemoProgressReport | None = None) -> DemoResult:
    """Play the month and return what both sides say at its end.

    Raises:
        SetupError, StoreError: something on this machine or in the real Odoo has to be set right first.
    """
    watch = watch or DemoProgressReport()
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        watch.phase("Starting the sandboxes and preparing the books")
        real = RealOdoo(options.odoo_url, options.odoo_db, options.odoo_login, options.odoo_key) if options.odoo_url else None
        world = await stack.enter_async_context(open_world(options.seed, MONTH_START, real, has_sales=True))
        home = options.home or Path(stack.enter_context(_temporary_home()))
        with contextlib.closing(bind("127.0.0.1", 0)) as reserved:
            port = int(reserved.getsockname()[1])
        await world.register(port)
        clock = FollowingClock(MONTH_START)
        hub = await stack.enter_async_context(open_hub(_settings(world, home), clock))
        await stack.enter_async_context(serve_intake(hub, "127.0.0.1", port, SystemClock()))
        await hub.start_work()
        await _first_polls(hub)
        await unleash(world.stripe, world.odoo_control, world.sales_systems)
        watch.phase("Playing December 2025, with lost, doubled and shuffled deliveries and failing servers")
        await _play(options, world, clock, hub, watch)
        watch.phase("Faults off: polling heals what was lost, the rest is booked")
        await calm(world.stripe, world.odoo_control, world.sales_systems)
        unfinished = await _settle(hub, watch)
        watch.phase("Reading both sides by their own clients")
        proof = await prove(world.accounts, world.odoo, world.provisioned, world.before)
        accounts = [(account.url, account.key) for account in world.accounts]
        shown = await prove_sales(world.sales_systems, accounts, clock.now())
        async with hub.pool.connection() as conn:
            where = await views.conservation(conn)
            open_cases = await cases.list_cases(conn)
        lines = tuple(CaseLine(str(case.id), case.case_class, case.cause, case.entity) for case in open_cases)
        return DemoResult(proof, conservation_of(where), lines, time.monotonic() - started, unfinished, shown)


def _settings(world: World, home: Path) -> Settings:
    return from_values(world.values(home, {"poll_interval_s": 3.0}))


async def _play(options: DemoOptions, world: World, clock: FollowingClock, hub: Hub, watch: DemoProgressReport) -> Played:
    def on_progress(progress: DemoProgress) -> None:
        clock.follow(progress.now)
        watch.month(progress)

    reporter = asyncio.create_task(_report_work(hub, watch))
    try:
        steward = DataSteward(Database(hub.dsn, hub.pool, hub.cipher), clock)
        return await play(world.accounts, world.stripe, options.seed, options.invoices, on_progress, world.sales, steward)
    finally:
        reporter.cancel()
        await asyncio.gather(reporter, return_exceptions=True)


async def _first_polls(hub: Hub) -> None:
    """Wait until every source was polled once: what happens afterwards is after the cursor, and no lost delivery stays lost."""

    async def is_done() -> bool:
        async with hub.pool.connection() as conn:
            read = lists_read(await cursors.list_cursors(conn))
        return {name for name, lists in read.items() if all(one.cursor for one in lists)} >= set(hub.polled)

    if not await wait_until(is_done, timeout_s=30.0):
        raise SetupError("the sources could not be polled; run `counterfoil check`", code="demo.poll")


async def _report_work(hub: Hub, watch: DemoProgressReport) -> None:
    while True:
        await asyncio.sleep(0.5)
        await _work_left(hub, watch)


@dataclass(frozen=True, slots=True)
class _Left:
    """What was done so far, what is left of it, and of that the postings nobody waits for but time."""

    done: int
    left: int
    postings: int
    has_cases: bool


async def _work_left(hub: Hub, watch: DemoProgressReport) -> _Left:
    async with hub.pool.connection() as conn, views.at_one_instant(conn):
        where = await views.conservation(conn)
        undecided = await views.undecided(conn)
        due = await agenda_deadlines.next_due(conn)
        has_cases = bool(await cases.list_cases(conn))
    done = sum(line.done for line in where.targets)
    still_open = sum(line.ready + line.waiting + line.unknown for line in where.targets)
    watch.work(done, still_open)
    read = sum(line.normalized + line.ignored for line in where.sources)
    left = undecided + still_open + sum(line.pending for line in where.sources) + (due is not None and due <= hub.clock.now())
    return _Left(done + read, left, still_open, has_cases)


async def _settle(hub: Hub, watch: DemoProgressReport) -> int:
    """Poll every source once more to its end, twice, with everything booked in between; return how many postings are unfinished.

    It goes on while something is done, and is bounded: a stuck record must show, not hang. Deadlines are looked at, too: until when the
    workers sleep was told by the machine's clock, before the month went on.
    """
    until = time.monotonic() + SETTLE_MAX_S
    for _ in range(2):
        before = await _covered(hub)
        await hub.wake([*(("poll", name) for name in hub.polled), (work.DEADLINES, "all")])

        async def is_polled(before: dict[str, datetime] = before) -> bool:
            now = await _covered(hub)
            return all(now[name] > before.get(name, now[name]) for name in hub.polled)

        await wait_until(is_polled, timeout_s=30.0)
        found = await _while_it_goes_on(hub, watch, until)
    return found.postings


async def _while_it_goes_on(hub: Hub, watch: DemoProgressReport, until: float) -> _Left:
    """Wait until nothing is left, nothing was done for STALLED_AFTER_S, or the time is up; return what is left."""
    last_done, last_at = -1, time.monotonic()
    while True:
        found, now = await _work_left(hub, watch), time.monotonic()
        if found.done > last_done:
            last_done, last_at = found.done, now
        patience_s = BLOCKED_AFTER_S if found.has_cases else STALLED_AFTER_S
        if found.left == 0 or now - last_at > patience_s or now > until:
            return found
        await asyncio.sleep(0.25)


async def _covered(hub: Hub) -> dict[str, datetime]:
    async with hub.pool.connection() as conn:
        rows = await cursors.list_cursors(conn)
    return {one.connection: one.no_gap_until for one in coverage(rows, datetime.now(UTC)) if one.no_gap_until is not None}


@contextlib.contextmanager
def _temporary_home() -> Any:
    home = tempfile.mkdtemp(prefix="counterfoil-demo-")
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


__all__ = ["Damage", "DemoOptions", "DemoProgressReport", "run"]

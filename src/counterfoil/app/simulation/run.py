"""A simulation from beginning to end: the company's life played with everything on the schedule going wrong, the hub at work, the proof."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from counterfoil.app.database import Database, open_database
from counterfoil.app.demo.casting import Role, sell
from counterfoil.app.demo.company import one_for_each, perform
from counterfoil.app.demo.control import SandboxControl
from counterfoil.app.demo.entities import ENTITIES
from counterfoil.app.demo.proof import prove
from counterfoil.app.demo.report import CaseLine, DemoResult, conservation_of
from counterfoil.app.demo.run import DemoProgressReport
from counterfoil.app.demo.sales import prove as prove_sales
from counterfoil.app.demo.steward import DataSteward
from counterfoil.app.demo.world import World, open_world
from counterfoil.ingress.server import bind
from counterfoil.store import cases, views

from .casting import accompany, cast, default_invoices
from .clock import WrittenClock
from .conductor import Conductor
from .digests import digests_of
from .outcome import SimulationResult
from .people import SimulatedPeople
from .period import SimulatedPeriod
from .processes import FIRST, Processes
from .rates import draw_rates
from .schedule import ScheduledFault, draw
from .trouble import FaultInjector
from .view import HubView
from .worker import CLOCK, CONFIGURATION

FIRST_DAY = date(2025, 12, 1)
REST_S = 60.0
"""Real seconds the hub is given to come to rest before what is left is counted."""


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What a run may be told. ``invoices`` None: what is sensible for so many days. ``schedule`` None: drawn from the seed."""

    seed: int = 42
    days: int = 30
    invoices: int | None = None
    first_day: date = FIRST_DAY
    home: Path | None = None
    schedule: tuple[ScheduledFault, ...] | None = None

    @property
    def period(self) -> SimulatedPeriod:
        """What is played. Raises ValueError if it is too long or too short."""
        return SimulatedPeriod(self.first_day, self.days)


def schedule_of(options: SimulationOptions) -> tuple[ScheduledFault, ...]:
    """Return what will go wrong."""
    if options.schedule is not None:
        return options.schedule
    return draw(options.seed, options.period, [entity.key for entity in ENTITIES])


async def run(options: SimulationOptions, watch: DemoProgressReport | None = None) -> SimulationResult:
    """Play a period and return what both sides say at its end.

    Raises:
        ValueError: a period or a company that cannot be played.
        SetupError, StoreError: something on this machine has to be set right first.
    """
    watch = watch or DemoProgressReport()
    started = time.monotonic()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # that the database is away now and then is what is played
    period, schedule = options.period, schedule_of(options)
    invoices = default_invoices(period) if options.invoices is None else options.invoices
    roles = (*accompany(ENTITIES, period), *cast(ENTITIES, invoices, options.seed, period))
    async with AsyncExitStack() as stack:
        watch.phase("Starting the sandboxes and preparing the books")
        home = options.home or stack.enter_context(_temporary_home())
        setting = await stack.enter_async_context(_set_up(options, home))
        await setting.processes.start(FIRST)
        await setting.conductor.ready()
        watch.phase(f"Playing {period.days} days from {period.first_day}, with {len(schedule)} things going wrong")
        async with _reporting(setting.view, watch):
            await _play(setting, options.seed, roles, period, watch)
            watch.phase("Faults off: time runs on until all is settled")
            await setting.conductor.finish()
        watch.phase("Reading both sides by their own clients")
        return await _conclude(setting, schedule, started)


@dataclass(frozen=True, slots=True)
class _Setting:
    """Everything put up for a run."""

    world: World
    processes: Processes
    trouble: FaultInjector
    conductor: Conductor
    view: HubView
    database: Database


@asynccontextmanager
async def _set_up(options: SimulationOptions, home: Path) -> AsyncIterator[_Setting]:
    period = options.period
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(
            open_world(options.seed, period.start, None, draw_rates(options.seed, period), has_sales=True)
        )
        books = world.odoo_control
        if books is None:
            raise RuntimeError("a world without a real Odoo has the sandbox's control")
        await _set_books(books, period)
        clock = WrittenClock(period.start, home / CLOCK)
        database = await stack.enter_async_context(open_database(home, "", clock, size_max=4))
        with contextlib.closing(bind("127.0.0.1", 0)) as reserved:
            port = int(reserved.getsockname()[1])
        await world.register(port)
        values = world.values(home, {"poll_interval_s": 3.0, "capture_interval_s": 10.0, "database_url": database.dsn})
        (home / CONFIGURATION).write_text(json.dumps(values))
        processes = Processes(home, port)
        stack.push_async_callback(processes.close)
        trouble = FaultInjector(world, books, processes, home / "postgres" / "data" / "postmaster.pid", options.seed)
        sold = tuple(system.connection for system in world.sales_systems)
        view = HubView(database, clock, (*(account.entity.connection for account in world.accounts), *sold), sold)
        conductor = Conductor(world, clock, trouble, SimulatedPeople(trouble, view), schedule_of(options), period)
        yield _Setting(world, processes, trouble, conductor, view, database)


async def _set_books(books: SandboxControl, period: SimulatedPeriod) -> None:
    """Set the books' clock to the period's start: first its date, then back to midnight."""
    shown = datetime.fromisoformat((await books.call("POST", "/clock", today=period.first_day.isoformat()))["now"])
    await books.call("POST", "/clock", seconds=(period.start - shown.replace(tzinfo=UTC)).total_seconds())


async def _play(setting: _Setting, seed: int, roles: Sequence[Role], period: SimulatedPeriod, watch: DemoProgressReport) -> None:
    await setting.trouble.prepare()
    world, span = setting.world, (period.start, period.end)
    selling = sell(one_for_each(world.sales, ENTITIES), period.start, period.days)
    steward = DataSteward(setting.database, setting.conductor.clock)
    acting = (watch.month, setting.conductor.before, world.sales, steward)
    await perform(world.accounts, world.stripe, seed, (*selling, *roles), span, *acting)


@asynccontextmanager
async def _reporting(view: HubView, watch: DemoProgressReport) -> AsyncIterator[None]:
    reporter = asyncio.create_task(_report(view, watch))
    try:
        yield
    finally:
        reporter.cancel()
        await asyncio.gather(reporter, return_exceptions=True)


async def _report(view: HubView, watch: DemoProgressReport) -> None:
    while True:
        await asyncio.sleep(0.5)
        left = await view.left()
        if left is not None:
            watch.work(left.done, left.open)


async def _conclude(setting: _Setting, schedule: tuple[ScheduledFault, ...], started: float) -> SimulationResult:
    world = setting.world
    proof = await prove(world.accounts, world.odoo, world.provisioned, world.before)
    accounts = [(account.url, account.key) for account in world.accounts]
    shown = await prove_sales(world.sales_systems, accounts, setting.view.clock.now())
    digests = await digests_of(world, schedule)
    await setting.conductor.comes_to_rest(REST_S)  # what was seen last in the books is still told to the hub by its next reading of them
    is_proven = await setting.conductor.is_proven()
    await setting.conductor.comes_to_rest(REST_S)
    left = await setting.view.left()
    async with setting.database.pool.connection() as conn:
        where = await views.conservation(conn)
        open_cases = await cases.list_cases(conn)
    lines = tuple(CaseLine(str(case.id), case.case_class, case.cause, case.entity) for case in open_cases)
    result = DemoResult(proof, conservation_of(where), lines, time.monotonic() - started, sales=shown)
    faults = Counter(setting.trouble.struck) + Counter(await _deliveries(world))
    unsettled = 1 if left is None else left.open + sum(line.parked for line in where.sources) + sum(line.parked for line in where.targets)
    decided = tuple(setting.conductor.people.decided.values())
    return SimulationResult(result, schedule, dict(faults), digests, unsettled + (not is_proven), where.is_balanced, decided)


async def _deliveries(world: World) -> dict[str, int]:
    """Return how many deliveries were lost, made twice, and planned to come late."""
    made = (await world.stripe.call("GET", "/deliveries"))["deliveries"]
    return {
        "delivery_lost": sum(one["status"] == "lost" for one in made),
        "delivery_doubled": sum(one["is_duplicate"] for one in made),
        "delivery_retried": sum(len(one["attempts"]) > 1 for one in made),
    }


@contextlib.contextmanager
def _temporary_home() -> Iterator[Path]:
    """Yield a directory the server's user may pass through."""
    home = Path(tempfile.mkdtemp(prefix="counterfoil-simulate-"))
    os.chmod(home, 0o755)  # noqa: S103 - the database's own directory below it is shut
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)

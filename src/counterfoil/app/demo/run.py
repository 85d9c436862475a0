"""The demonstration from beginning to end: sandboxes up, the month played with everything going wrong, the hub at work, the proof."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from counterfoil.app import sandboxes
from counterfoil.app.hub import Hub, open_hub, serve_intake, wait_until
from counterfoil.app.settings import Settings, from_values
from counterfoil.ingress.server import bind
from counterfoil.kit.clock import FollowingClock, SystemClock
from counterfoil.kit.errors import SetupError
from counterfoil.store import cases, cursors, views

from .casting import MONTH_START
from .chaos import Damage, calm, unleash
from .company import Played, Progress, StripeAccount, open_accounts, play
from .control import SandboxControl, StripeControl
from .entities import ENTITIES
from .odoo_plain import OdooPlain
from .proof import baseline, prove
from .provision import Provisioned, provision
from .report import CaseLine, Conservation, Result

BOOKS = "books"
SETTLE_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a run may be told. An empty ``odoo_url``: the sandbox."""

    seed: int = 42
    invoices: int = 300
    odoo_url: str = ""
    odoo_db: str = ""
    odoo_login: str = "admin"
    odoo_key: str = ""
    home: Path | None = None


@dataclass(slots=True)
class Watch:
    """Told how the run goes on; the default says nothing."""

    phase: Callable[[str], None] = lambda _text: None
    month: Callable[[Progress], None] = lambda _progress: None
    work: Callable[[int, int], None] = lambda _done, _open: None


@dataclass(slots=True)
class _World:
    """The systems around the hub."""

    stripe: StripeControl
    odoo_control: SandboxControl | None
    odoo: OdooPlain
    odoo_settings: dict[str, Any]
    accounts: tuple[StripeAccount, ...] = ()
    provisioned: Provisioned | None = None
    before: int = 0
    secrets: dict[str, str] = field(default_factory=dict)


async def run(options: Options, watch: Watch | None = None) -> Result:
    """Play the month and return what both sides say at its end.

    Raises:
        SetupError, StoreError: something on this machine or in the real Odoo has to be set right first.
    """
    watch = watch or Watch()
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        watch.phase("Starting the sandboxes and preparing the books")
        world = await stack.enter_async_context(_world(options))
        home = options.home or Path(stack.enter_context(_temporary_home()))
        with contextlib.closing(bind("127.0.0.1", 0)) as reserved:
            port = int(reserved.getsockname()[1])
        await _register(world, port)
        clock = FollowingClock(MONTH_START)
        hub = await stack.enter_async_context(open_hub(_settings(world, home), clock))
        await stack.enter_async_context(serve_intake(hub, "127.0.0.1", port, SystemClock()))
        await hub.start_work()
        await _first_polls(hub)
        await unleash(world.stripe, world.odoo_control)
        watch.phase("Playing December 2025, with lost, doubled and shuffled deliveries and failing servers")
        await _play(options, world, clock, hub, watch)
        watch.phase("Faults off: polling heals what was lost, the rest is booked")
        await calm(world.stripe, world.odoo_control)
        await _settle(hub, watch)
        watch.phase("Reading both sides by their own clients")
        provisioned = world.provisioned
        if provisioned is None:
            raise RuntimeError("the books were not prepared")
        proof = await prove(world.accounts, world.odoo, provisioned, world.before)
        async with hub.pool.connection() as conn:
            where = await views.conservation(conn)
            open_cases = await cases.list_cases(conn)
        lines = tuple(CaseLine(str(case.id), case.case_class, case.cause, case.entity) for case in open_cases)
        return Result(proof, _conservation(where), lines, time.monotonic() - started)


@asynccontextmanager
async def _world(options: Options) -> AsyncIterator[_World]:
    async with AsyncExitStack() as stack:
        names = ["stripe"] if options.odoo_url else ["stripe", "odoo"]
        details = await stack.enter_async_context(
            sandboxes.apart(names, {"stripe": {"seed": options.seed, "start": int(MONTH_START.timestamp())}})
        )
        stripe = await stack.enter_async_context(StripeControl(details["stripe"]["url"]))
        control: SandboxControl | None = None
        if options.odoo_url:
            given = {"url": options.odoo_url, "database": options.odoo_db, "login": options.odoo_login, "api_key": options.odoo_key}
        else:
            books = details["odoo"]
            control = await stack.enter_async_context(SandboxControl(books["url"]))
            given = {"url": books["url"], "database": books["db"], "login": books["login"], "api_key": books["api_key"]}
        odoo = await stack.enter_async_context(OdooPlain(given["url"], given["database"], given["api_key"], given["login"]))
        world = _World(stripe, control, odoo, given)
        world.provisioned = await provision(odoo, ENTITIES)
        world.before = await baseline(odoo)
        world.accounts = await open_accounts(stripe, ENTITIES)
        yield world


async def _register(world: _World, port: int) -> None:
    for account in world.accounts:
        url = f"http://127.0.0.1:{port}/in/{account.entity.connection}"
        world.secrets[account.id] = await world.stripe.add_webhook(url, account.id)


def _settings(world: _World, home: Path) -> Settings:
    if world.provisioned is None:
        raise RuntimeError("the books were not prepared")
    stripes = {
        account.entity.connection: {
            "connector": "stripe",
            "api_key": account.key,
            "webhook_secrets": [world.secrets[account.id]],
            "account": account.id,
            "base_url": account.url,
            "requests_per_s": 500.0,
            "poll_overlap_s": 3600,
        }
        for account in world.accounts
    }
    return from_values(
        {
            "hub": {"home": str(home), "poll_interval_s": 3.0},
            "connections": {**stripes, BOOKS: {"connector": "odoo", **world.odoo_settings, **world.provisioned.configuration()}},
            "entities": world.provisioned.entities(BOOKS),
            "routes": world.provisioned.routes(),
            "mappings": world.provisioned.mappings(),
        }
    )


async def _play(options: Options, world: _World, clock: FollowingClock, hub: Hub, watch: Watch) -> Played:
    def on_progress(progress: Progress) -> None:
        clock.follow(progress.now)
        watch.month(progress)

    reporter = asyncio.create_task(_report_work(hub, watch))
    try:
        return await play(world.accounts, world.stripe, options.seed, options.invoices, on_progress)
    finally:
        reporter.cancel()
        await asyncio.gather(reporter, return_exceptions=True)


async def _first_polls(hub: Hub) -> None:
    """Wait until every source was polled once: what happens afterwards is after the cursor, and no lost delivery stays lost."""

    async def is_done() -> bool:
        async with hub.pool.connection() as conn:
            return {one.connection for one in await cursors.list_cursors(conn) if one.cursor} >= set(hub.sources)

    if not await wait_until(is_done, timeout_s=30.0):
        raise SetupError("the sources could not be polled; run `counterfoil check`", code="demo.poll")


async def _report_work(hub: Hub, watch: Watch) -> None:
    while True:
        await asyncio.sleep(0.5)
        await _work_left(hub, watch)


async def _work_left(hub: Hub, watch: Watch) -> int:
    async with hub.pool.connection() as conn:
        where = await views.conservation(conn)
        undecided = await views.undecided(conn)
    done = sum(line.done for line in where.targets)
    still_open = sum(line.ready + line.waiting + line.unknown for line in where.targets)
    watch.work(done, still_open)
    return undecided + still_open + sum(line.pending for line in where.sources)


async def _settle(hub: Hub, watch: Watch) -> None:
    """Poll every source once more to its end, twice, with everything booked in between; bounded: a stuck record must show, not hang."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S

    async def is_done() -> bool:
        return await _work_left(hub, watch) == 0

    for _ in range(2):
        before = await _covered(hub)
        await hub.wake([("poll", name) for name in hub.sources])

        async def is_polled(before: dict[str, datetime] = before) -> bool:
            now = await _covered(hub)
            return all(now[name] > before.get(name, now[name]) for name in hub.sources)

        await wait_until(is_polled, timeout_s=min(30.0, max(1.0, deadline - time.monotonic())))
        await wait_until(is_done, timeout_s=max(1.0, deadline - time.monotonic()), every_s=0.25)


async def _covered(hub: Hub) -> dict[str, datetime]:
    async with hub.pool.connection() as conn:
        rows = await cursors.list_cursors(conn)
    return {row.connection: row.covers_until for row in rows if row.stream == "poll" and row.covers_until is not None}


def _conservation(where: views.Conservation) -> Conservation:
    lines = where.sources
    return Conservation(
        received=sum(line.received for line in lines),
        normalized=sum(line.normalized for line in lines),
        ignored=sum(line.ignored for line in lines),
        parked=sum(line.parked for line in lines),
        pending=sum(line.pending for line in lines),
    )


@contextlib.contextmanager
def _temporary_home() -> Any:
    home = tempfile.mkdtemp(prefix="counterfoil-demo-")
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


__all__ = ["Damage", "Options", "Watch", "run"]

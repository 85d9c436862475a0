"""Backfilling: a connection's history read into the log, and the work it makes done here or by whoever runs `up`."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from counterfoil.app.hub import Hub, open_hub, wait_until
from counterfoil.app.settings import Settings
from counterfoil.engine.membership import host_name
from counterfoil.ingress.backfill import Backfill, BackfillProgress
from counterfoil.kit.errors import SetupError
from counterfoil.store import views, workers
from counterfoil.store.views import Conservation

__all__ = ["BackfillOrder", "BackfillProgress", "BackfillProgressReport", "Done", "backfill"]

ALIVE_WITHIN_S = 60.0
WORK_TIMEOUT_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class BackfillOrder:
    """What is to be read: kinds (none: all) of a connection since an instant, also what was read before if ``again``."""

    connection: str
    since: datetime
    kinds: tuple[str, ...] = ()
    again: bool = False
    with_work: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended: where each kind stands, what is left to do, and whether somebody is doing it."""

    kinds: tuple[BackfillProgress, ...]
    left: int
    has_worker: bool


@dataclass(frozen=True, slots=True)
class BackfillProgressReport:
    """Told how it goes on: a page of a kind was read; so much is done and left."""

    read: Callable[[BackfillProgress], None]
    worked: Callable[[int, int], None]


async def backfill(settings: Settings, order: BackfillOrder, watch: BackfillProgressReport) -> Done:
    """Read history page by page; each page is committed with its place, so that it may be stopped and run again.

    Raises:
        SetupError: no such connection, or it has no history to read; the source refuses the key.
        ValueError: a kind the source does not know.
        TransientError: the source does not answer; run again to go on.
    """
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(open_hub(settings))
        able = {name: history for name, one in hub.settings.connections.items() if (history := one.connector.backfills) is not None}
        if order.connection not in able:
            known = ", ".join(sorted(able)) or "none"
            raise SetupError(f"no connection {order.connection!r} has a history to read; there are: {known}", code="backfill.connection")
        if order.with_work:
            name = f"{host_name()}/backfill-{os.getpid()}"
            stack.push_async_callback(hub.stop_work)
            await hub.start_work(name)
        reader = Backfill(able[order.connection], hub.contexts[order.connection], hub.pool, hub.cipher, hub.arm, watch.read)
        kinds = await reader.run(order.since, order.kinds, again=order.again)
        if order.with_work:
            await _work_off(hub, watch)
        async with hub.pool.connection() as conn:
            left = _left(await views.conservation(conn)) + await views.undecided(conn)
            alive = [one for one in await workers.list_workers(conn) if _is_alive(one.beat_at, hub.clock.now())]
        return Done(kinds, left, bool(alive))


def _is_alive(beat_at: datetime, now: datetime) -> bool:
    return (now - beat_at).total_seconds() < ALIVE_WITHIN_S


async def _work_off(hub: Hub, watch: BackfillProgressReport) -> None:
    async def is_done() -> bool:
        async with hub.pool.connection() as conn:
            where = await views.conservation(conn)
            undecided = await views.undecided(conn)
        left = _left(where) + undecided
        watch.worked(sum(line.done for line in where.targets), left)
        return left == 0

    await wait_until(is_done, timeout_s=WORK_TIMEOUT_S, every_s=0.5)


def _left(where: Conservation) -> int:
    """Return what can be worked off: not what waits for something, which may be a person."""
    return sum(line.pending for line in where.sources) + sum(line.ready + line.unknown for line in where.targets)

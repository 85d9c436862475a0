"""What probes are told of a process, and the small server they ask: ``/health/live``, ``/health/ready``, ``/metrics``.

Live says whether a restart would help: the event loop answers, and the engine's ticks come. A database that is away is no reason.
Ready says whether the process does its part now: it has started, is not ending, its database answers, its place among the workers is good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psycopg
from psycopg_pool import PoolClosed, PoolTimeout
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from counterfoil.app.metrics import CONTENT_TYPE
from counterfoil.store.embedded import is_disk_full
from counterfoil.store.pool import Pool

DATABASE_WAIT_S = 2.0
"""Seconds a probe waits for a connection: below the time probes are usually given."""


@dataclass(slots=True)
class Health:
    """What is asked of a process: ``live`` and ``ready`` are questions by name, each answered True when all is well.

    A process that has not ``is_started`` or that ``is_ending`` is not ready, whatever else is well. ``metrics``: what scrapes are given.
    """

    live: dict[str, Callable[[], bool]] = field(default_factory=dict)
    ready: dict[str, Callable[[], Awaitable[bool]]] = field(default_factory=dict)
    is_started: bool = False
    is_ending: bool = False
    metrics: Callable[[], Awaitable[bytes]] | None = None

    def vitals(self) -> dict[str, bool]:
        """Answer every question of life, by name."""
        return {name: ask() for name, ask in self.live.items()}

    async def readiness(self) -> dict[str, bool]:
        """Answer every question of readiness, by name; a process that has not started or is ending is asked nothing else."""
        found = {"started": self.is_started, "staying": not self.is_ending}
        if all(found.values()):
            found |= {name: await ask() for name, ask in self.ready.items()}
        return found

    async def is_ready(self) -> bool:
        """Tell whether the process does its part now."""
        return all((await self.readiness()).values())


def database_answers(pool: Pool) -> Callable[[], Awaitable[bool]]:
    """Return the question whether the database answers within DATABASE_WAIT_S."""

    async def ask() -> bool:
        try:
            async with asyncio.timeout(DATABASE_WAIT_S), pool.connection(timeout=DATABASE_WAIT_S) as conn:
                await conn.execute("select 1")
        except (psycopg.Error, PoolTimeout, PoolClosed, TimeoutError):
            return False
        return True

    return ask


def disk_has_room(home: Path) -> Callable[[], Awaitable[bool]]:
    """Return the question whether the embedded database's disk has room to go on."""

    async def ask() -> bool:
        try:
            return not is_disk_full(home)
        except OSError:
            return False

    return ask


def health_app(health: Health) -> Starlette:
    """Return the application probes ask: 200 when all is well, otherwise 503, with every answer by name."""

    async def live(_: Request) -> Response:
        return _answer("live", health.vitals())

    async def ready(_: Request) -> Response:
        return _answer("ready", await health.readiness())

    async def metrics(_: Request) -> Response:
        if health.metrics is None:
            return Response("the process is still starting\n", 503)
        return Response(await health.metrics(), headers={"content-type": CONTENT_TYPE})

    asked = {"/health/live": live, "/health/ready": ready, "/metrics": metrics}
    return Starlette(routes=[Route(path, answer, methods=["GET"]) for path, answer in asked.items()])


def _answer(word: str, found: dict[str, bool]) -> Response:
    is_well = all(found.values())
    body = {"status": word if is_well else f"not {word}", "checks": found}
    return Response(msgspec.json.encode(body), 200 if is_well else 503, media_type="application/json")

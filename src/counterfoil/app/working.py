"""A process that works: intake and engine of one hub, each of which may be left out, from start to an orderly end."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from counterfoil.app.health import Health, database_answers, health_app
from counterfoil.app.hub import Hub, open_hub, serve_intake
from counterfoil.app.settings import Settings
from counterfoil.ingress.server import serving
from counterfoil.kit.connector import Source
from counterfoil.kit.errors import HubError, IntakeRefused, SetupError
from counterfoil.store.pool import connect

TICK_SILENT_S = 120.0
"""Seconds without a tick of the engine after which its process is worth a restart. A tick without a database takes 30."""
_LOCK = 0x0C0F_0002  # advisory locks of this project start with 0x0C0F


@dataclass(frozen=True, slots=True)
class Roles:
    """What a process does: take deliveries at ``host:port``, work under the name ``worker``; empty or None: not."""

    host: str = ""
    port: int = 0
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """A process at work. ``webhooks``: connection -> the address its deliveries are taken at. ``health``: where probes ask."""

    hub: Hub
    address: str
    webhooks: Mapping[str, str]
    health: str = ""


def host_name() -> str:
    """Return this machine's name, by which its worker is known unless it is given another."""
    return socket.gethostname() or "local"


@asynccontextmanager
async def at_work(settings: Settings, roles: Roles) -> AsyncIterator[Serving]:
    """Open the hub and serve until the context ends: probes hear it first, then deliveries are refused, turns finished, all is closed.

    Raises:
        SetupError: an address is taken, or a worker of this name is running already.
        StoreError: the database or its keys have to be set right first.
    """
    health, own = Health(), settings.hub
    async with AsyncExitStack() as stack:
        asked_at = ""
        if own.health_port is not None:  # from the first moment to the last
            listening = serving(health_app(health), own.health_host, own.health_port)
            asked_at = await _listen(stack, listening, own.health_host, own.health_port, "health_port")
        hub = await stack.enter_async_context(open_hub(settings))
        health.ready["database"] = database_answers(hub.pool)
        if roles.worker:
            await stack.enter_async_context(worker_name(hub, roles.worker))
            stack.push_async_callback(hub.stop_work)
        address = ""
        if roles.host:
            address = await _listen(stack, serve_intake(hub, roles.host, roles.port, ready=health.is_ready), roles.host, roles.port, "port")
        if roles.worker:
            await hub.start_work(roles.worker)
            health.live["engine"] = lambda: _is_ticking(hub)
        names = [name for name, (source, ctx) in hub.sources.items() if address and takes_webhooks(source, ctx.settings)]
        health.is_started = True
        stack.push_async_callback(_take_leave, health, own.linger_s if address else 0.0)
        yield Serving(hub, address, {name: f"{address}/in/{name}" for name in names}, asked_at)


async def _listen(stack: AsyncExitStack, listening: AbstractAsyncContextManager[str], host: str, port: int, setting: str) -> str:
    try:
        return await stack.enter_async_context(listening)
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}; set another [hub] {setting}, or give --{setting.replace('_', '-')}"
        raise SetupError(message, code="intake.address") from error


async def _take_leave(health: Health, linger_s: float) -> None:
    """Say that this process is no longer ready, and take deliveries for a while yet: balancers need a moment to hear of it."""
    health.is_ending = True
    await asyncio.sleep(linger_s)


def _is_ticking(hub: Hub) -> bool:
    """Tell whether the engine's ticks come; a hub whose engine was stopped in good order is well too."""
    return hub.engine is None or time.monotonic() - hub.engine.ticked_at < TICK_SILENT_S


@asynccontextmanager
async def worker_name(hub: Hub, name: str) -> AsyncIterator[None]:
    """Hold a worker's name for as long as the context (and the process) lives: two of one name would redo each other's work.

    Raises:
        SetupError: another process holds it.
    """
    conn = await connect(hub.dsn)
    try:
        await conn.set_autocommit(True)
        row = await (await conn.execute("select pg_try_advisory_lock(%s, hashtext(%s))", (_LOCK, name))).fetchone()
        if row is None or not row[0]:
            raise SetupError(
                f"a worker named {name!r} is running on this database; stop it, or give this one another name with --worker",
                code="worker.name_taken",
            )
        yield
    finally:
        await conn.close()


def takes_webhooks(source: Source, settings: Any) -> bool:
    """Tell whether a source takes webhooks: one that does not says 404 to any."""
    try:
        source.verify(settings, {}, b"", datetime.now(UTC))
    except IntakeRefused as error:
        return error.status != 404
    except HubError:
        return True
    return True

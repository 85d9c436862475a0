"""A process that works: intake and engine of one hub, each of which may be left out, from start to an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from counterfoil.app.health import Health, database_answers, disk_has_room, health_app
from counterfoil.app.hub import Hub, open_hub, serve_intake
from counterfoil.app.metrics import Metrics
from counterfoil.app.settings import Settings
from counterfoil.engine.membership import host_name
from counterfoil.ingress.server import serving
from counterfoil.kit.connector import Connector
from counterfoil.kit.errors import HubError, IntakeRefused, SetupError

HEALTH_CONNECTIONS_MAX = 64
"""Connections the health port has open at once: of the files that are kept beside those of the intake, so many."""


@dataclass(frozen=True, slots=True)
class Roles:
    """What a process does: take deliveries at ``host:port`` (host empty: not), and work.

    ``worker``: the name to work under; empty: the machine's name, with the first free number if other workers run on it.
    """

    host: str = ""
    port: int = 0
    is_worker: bool = True
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """A process at work as ``worker``. ``webhooks``: connection -> where its deliveries are taken. ``health``: where probes ask."""

    hub: Hub
    address: str
    worker: str
    webhooks: Mapping[str, str]
    health: str = ""


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
            listening = serving(health_app(health), own.health_host, own.health_port, most=HEALTH_CONNECTIONS_MAX)
            asked_at = await _listen(stack, listening, own.health_host, own.health_port, "health_port")
        hub = await stack.enter_async_context(open_hub(settings))
        health.ready["database"] = database_answers(hub.pool)
        health.metrics = Metrics(hub.pool, hub.clock).text
        if not settings.database_url:
            health.ready["disk"] = disk_has_room(settings.hub.home)
        stack.push_async_callback(hub.stop_work)
        address = ""
        if roles.host:
            address = await _listen(stack, serve_intake(hub, roles.host, roles.port, ready=health.is_ready), roles.host, roles.port, "port")
        worker = ""
        if roles.is_worker:
            worker = await hub.start_work(roles.worker or host_name(), is_numbered=not roles.worker)
            health.live["engine"] = lambda: _is_ticking(hub)
            health.ready["worker"] = lambda: _is_working(hub)
        names = [name for name, one in hub.settings.connections.items() if address and takes_webhooks(one.connector, one.settings)]
        health.is_started = True
        stack.push_async_callback(_take_leave, health, own.linger_s if address else 0.0)
        yield Serving(hub, address, worker, {name: f"{address}/in/{name}" for name in names}, asked_at)


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
    return hub.engine is None or hub.engine.is_ticking


async def _is_working(hub: Hub) -> bool:
    return hub.is_working


def takes_webhooks(connector: Connector, settings: Any) -> bool:
    """Tell whether a connection takes webhooks: one whose settings take none says 404 to any."""
    if connector.webhooks is None:
        return False
    try:
        connector.webhooks.verify(settings, {}, b"", datetime.now(UTC))
    except IntakeRefused as error:
        return error.status != 404
    except HubError:
        return True
    return True

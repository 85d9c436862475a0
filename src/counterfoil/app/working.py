"""A process that works: intake and engine of one hub, each of which may be left out, from start to an orderly end."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from counterfoil.app.hub import Hub, open_hub, serve_intake
from counterfoil.app.settings import Settings
from counterfoil.kit.connector import Source
from counterfoil.kit.errors import HubError, IntakeRefused, SetupError
from counterfoil.store.pool import connect

_LOCK = 0x0C0F_0002  # advisory locks of this project start with 0x0C0F


@dataclass(frozen=True, slots=True)
class Roles:
    """What a process does: take deliveries at ``host:port``, work under the name ``worker``; empty or None: not."""

    host: str = ""
    port: int = 0
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """A process at work. ``webhooks``: connection -> the address its deliveries are taken at."""

    hub: Hub
    address: str
    webhooks: Mapping[str, str]


def host_name() -> str:
    """Return this machine's name, by which its worker is known unless it is given another."""
    return socket.gethostname() or "local"


@asynccontextmanager
async def at_work(settings: Settings, roles: Roles) -> AsyncIterator[Serving]:
    """Open the hub and serve until the context ends: deliveries are refused first, running turns finished, then everything closed.

    Raises:
        SetupError: the address is taken, or a worker of this name is running already.
        StoreError: the database or its keys have to be set right first.
    """
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(open_hub(settings))
        if roles.worker:
            await stack.enter_async_context(worker_name(hub, roles.worker))
            stack.push_async_callback(hub.stop_work)
        address = ""
        if roles.host:
            try:
                address = await stack.enter_async_context(serve_intake(hub, roles.host, roles.port))
            except OSError as error:
                raise SetupError(
                    f"cannot listen on {roles.host}:{roles.port}: {error.strerror}; set another [hub] port, or give --port",
                    code="intake.address",
                ) from error
        if roles.worker:
            await hub.start_work(roles.worker)
        names = [name for name, (source, ctx) in hub.sources.items() if address and takes_webhooks(source, ctx.settings)]
        yield Serving(hub, address, {name: f"{address}/in/{name}" for name in names})


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

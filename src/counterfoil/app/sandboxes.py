"""Serving the connectors' sandboxes on loopback, in this process or in one of their own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from counterfoil.kit.discovery import connector_names, load_connector
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.sandbox import Sandbox

START_TIMEOUT_S = 60.0


def sandbox_names() -> tuple[str, ...]:
    """Return the connectors that have a sandbox to serve."""
    return tuple(name for name in connector_names() if load_connector(name).sandbox is not None)


def build(names: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> list[Sandbox]:
    """Return unstarted sandboxes. Raises SetupError for a connector without one, or an option its sandbox does not take."""
    built = []
    for name in names:
        factory = load_connector(name).sandbox
        if factory is None:
            raise SetupError(f"{name} has no sandbox; there are: {', '.join(sandbox_names())}", code="sandbox.unknown")
        try:
            sandbox = factory(**options.get(name, {}))
        except (TypeError, ValueError) as error:
            raise SetupError(f"the sandbox of {name} does not take these options: {error}", code="sandbox.option") from error
        if isinstance(sandbox, Sandbox):
            built.append(sandbox)
    return built


@asynccontextmanager
async def serving(
    sandboxes: Sequence[Sandbox],
    ports: Mapping[str, int] | None = None,
    deliver_to: Mapping[str, str] | None = None,
    *,
    does_clock_run: bool = False,
) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """Serve sandboxes on loopback and give their details (address, keys, secrets) by name.

    ``deliver_to``: by sandbox, the address that gets what happens there. ``does_clock_run``: their clocks show the time of day.

    Raises:
        SetupError: a sandbox that should deliver is not served, or delivers nothing.
    """
    started: list[Sandbox] = []
    try:
        for sandbox in sandboxes:
            await sandbox.start((ports or {}).get(sandbox.name, 0))
            started.append(sandbox)
            if does_clock_run:
                sandbox.run_clock()
        for name, url in (deliver_to or {}).items():
            if not any(sandbox.name == name and sandbox.subscribe(url) for sandbox in sandboxes):
                raise SetupError(f"no sandbox {name} is served that delivers anything", code="sandbox.delivers_nothing")
        yield {sandbox.name: sandbox.details() for sandbox in sandboxes}
    finally:
        for sandbox in reversed(started):
            await sandbox.stop()


async def ask_control(url: str, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Ask a sandbox's control interface.

    Raises:
        SetupError: it refuses, in its words.
        TransientError: nothing answers at that address.
    """
    try:
        async with aiohttp.ClientSession() as session, session.request(method, url.rstrip("/") + path, json=body) as answer:
            said = dict(await answer.json())
    except (aiohttp.ClientError, ValueError):
        raise TransientError(f"no sandbox answers at {url}; `counterfoil sandbox up` prints its address", code="sandbox.away") from None
    if "error" in said:
        raise SetupError(str(said["error"]), code="sandbox.trigger")
    return said


@asynccontextmanager
async def apart(names: Sequence[str], options: Mapping[str, Mapping[str, Any]] | None = None) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """Serve sandboxes in a process of their own, so that they do not share a core with the hub; it ends with this context."""
    arguments = [sys.executable, "-m", "counterfoil.cli.main", "sandbox", "up", "--json", "--only", ",".join(names)]
    arguments += ["--until-stdin-closes", "--clock", "still"]
    for name, given in (options or {}).items():
        for key, value in given.items():
            arguments += ["--option", f"{name}.{key}={json.dumps(value)}"]
    process = await asyncio.create_subprocess_exec(*arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    try:
        yield await _details(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _details(process: asyncio.subprocess.Process) -> dict[str, dict[str, Any]]:
    if process.stdout is None:
        raise SetupError("the sandboxes' process has no output", code="sandbox.start")
    text = b""
    while True:
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        if not line:
            raise SetupError("the sandboxes did not start; run `counterfoil sandbox up` to see why", code="sandbox.start")
        text += line
        try:
            return dict(json.loads(text))
        except json.JSONDecodeError:
            continue

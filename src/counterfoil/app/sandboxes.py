"""Serving the connectors' sandboxes on loopback, in this process or in one of their own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from counterfoil.kit.discovery import connector_names, load_connector
from counterfoil.kit.errors import SetupError
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
async def serving(sandboxes: Sequence[Sandbox], ports: Mapping[str, int] | None = None) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """Serve sandboxes on loopback and give their details (address, keys, secrets) by name."""
    started: list[Sandbox] = []
    try:
        for sandbox in sandboxes:
            await sandbox.start((ports or {}).get(sandbox.name, 0))
            started.append(sandbox)
        yield {sandbox.name: sandbox.details() for sandbox in sandboxes}
    finally:
        for sandbox in reversed(started):
            await sandbox.stop()


@asynccontextmanager
async def apart(names: Sequence[str], options: Mapping[str, Mapping[str, Any]] | None = None) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """Serve sandboxes in a process of their own, so that they do not share a core with the hub; it ends with this context."""
    arguments = [sys.executable, "-m", "counterfoil.cli.main", "sandbox", "up", "--json", "--only", ",".join(names), "--until-stdin-closes"]
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

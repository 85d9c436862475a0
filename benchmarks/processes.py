"""Processes of a benchmark: started with what they say first, ended within a bound; processor time of each and of a whole database server.

Processor times are read from /proc (Linux), in steps of a hundredth of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 90.0
END_TIMEOUT_S = 30.0
LINE_MAX_BYTES = 1 << 20
ROOT = Path(__file__).parent.parent


@asynccontextmanager
async def started(
    module: str, *arguments: str, end_timeout_s: float = END_TIMEOUT_S
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    """Run a module as a process of its own and give it with the JSON line it prints once it is ready; end it at last, whatever happens.

    Raises:
        RuntimeError: it ended, or said nothing within START_TIMEOUT_S.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_MAX_BYTES,
        env=environment(),
    )
    try:
        yield process, await said(process, START_TIMEOUT_S)
    finally:
        await end(process, end_timeout_s)


def environment() -> Mapping[str, str]:
    """Return the environment of child processes: this one's, with this package to be found."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}


async def said(process: asyncio.subprocess.Process, timeout_s: float) -> dict[str, Any]:
    """Return the next JSON line of a process. Raises RuntimeError if it ended or said nothing in time."""
    if process.stdout is None:
        raise RuntimeError("the process has no output")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), timeout_s)
    except TimeoutError:
        raise RuntimeError(f"process {process.pid} said nothing for {timeout_s:.0f} s") from None
    if not line:
        raise RuntimeError(f"process {process.pid} ended without a word, status {await process.wait()}")
    return dict(json.loads(line))


async def end(process: asyncio.subprocess.Process, timeout_s: float = END_TIMEOUT_S) -> float:
    """End a process: its input is closed and SIGTERM sent, after ``timeout_s`` SIGKILL; return how many seconds it took."""
    began = time.monotonic()
    if process.returncode is None:
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            print(f"process {process.pid} did not end within {timeout_s:.0f} s and was killed", file=sys.stderr)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return time.monotonic() - began


def cpu_s(*pids: int) -> float:
    """Return the processor seconds that processes (all their threads) have used so far; one that is gone counts nothing."""
    return sum(_seconds(one, 11, 12) for one in map(_stat, pids))


def server_pid(home: str | Path) -> int:
    """Return the process id of the embedded database server of a home."""
    return int((Path(home) / "postgres" / "data" / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])


def server_cpu_s(postmaster: int) -> float:
    """Return the processor seconds of a database server so far: its first process, all that live below it, and those that have ended."""
    children = [_stat(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return _seconds(_stat(postmaster), 11, 12, 13, 14) + sum(_seconds(one, 11, 12) for one in children if one[1:2] == [f"{postmaster}"])


def _stat(pid: int) -> list[str]:
    """Return a process's fields after its name: state, parent, ... (proc(5), from the third on); none if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()  # the name before it may hold anything


def _seconds(fields: list[str], *places: int) -> float:
    return sum(int(fields[place]) for place in places if fields) / os.sysconf("SC_CLK_TCK")

"""The hub's processes in a simulation: started, ended in good order, killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from counterfoil.kit.errors import SetupError

START_TIMEOUT_S = 90.0
END_TIMEOUT_S = 30.0
FIRST, SECOND = "first", "second"


class Processes:
    """Workers by name. The first one takes the deliveries too, at ``port``. What they log is kept in ``home``/NAME.log."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.running: dict[str, asyncio.subprocess.Process] = {}
        self._logs: list[BinaryIO] = []

    async def start(self, name: str) -> None:
        """Start a worker and wait until it works; one that runs is left alone.

        Raises:
            SetupError: it did not come up; the message has the end of its log.
        """
        if name in self.running:
            return
        port = self.port if name == FIRST else 0
        log = (self.home / f"{name}.log").open("ab")
        self._logs.append(log)
        command = [sys.executable, "-m", "counterfoil.app.simulation.worker", str(self.home), name, str(port)]
        pipe = asyncio.subprocess.PIPE  # its input ends with us
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=log)
        self.running[name] = process
        said = b""
        if process.stdout is not None:
            said = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        if said != b"working\n":
            raise SetupError(f"worker {name} did not start: {self.log_of(name)[-1500:]}", code="simulate.worker")

    async def kill(self, name: str) -> None:
        """Kill a worker where it stands."""
        process = self.running.pop(name, None)
        if process is not None:
            _signal(process, signal.SIGKILL)
            await process.wait()

    async def end(self, name: str) -> None:
        """Ask a worker to end; kill it if it does not in time."""
        process = self.running.pop(name, None)
        if process is None:
            return
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), END_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(self.end(name) for name in list(self.running)))
        for log in self._logs:
            log.close()

    def log_of(self, name: str) -> str:
        """Return what a worker logged."""
        path = self.home / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(number)

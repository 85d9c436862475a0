"""Processes that begin with the program loaded: forked from one that imported it, so that a start costs milliseconds and not a second.

They are processes like any other: with a pid of their own, killed and stopped by signals, sharing nothing with whoever began them.
"""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

LOADED = (
    "tests.nursery",
    "tests.crash.runner",
    "tests.crash.adopter",
    "tests.integration.workers.runner",
    "tests.integration.workers.listener",
    "tests.integration.path.backfiller",
)
"""What is begun, and with it all of the program it imports."""
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(LOADED))


class Forked:
    """A process; what it prints is read from ``stdout``."""

    def __init__(self, process: ForkServerProcess, stdout: asyncio.StreamReader) -> None:
        self.stdout = stdout
        self._process = process

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """How it ended, negative for a signal; None: it has not."""
        return self._process.exitcode

    async def wait(self) -> int:
        """Wait until it has ended and return how."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        return self._process.exitcode or 0

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


async def fork(module: str, *arguments: str) -> Forked:
    """Begin a process that calls a module's ``main`` with these arguments."""
    mine, its = _context.Pipe(duplex=False)
    process = _context.Process(target=_begin, args=(module, arguments, its))
    process.start()
    its.close()
    stdout = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(os.dup(mine.fileno()), "rb", 0))
    mine.close()
    return Forked(process, stdout)


def _begin(module: str, arguments: tuple[str, ...], output: Connection) -> None:
    os.dup2(output.fileno(), sys.stdout.fileno())
    output.close()
    importlib.import_module(module).main(*arguments)

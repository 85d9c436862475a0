"""A process of the hub in a simulation, on the virtual clock: ``python -m counterfoil.app.simulation.worker HOME NAME [PORT]``.

It works under NAME and, given a port, takes deliveries there. It says ``working`` when it does, ends in good order on SIGTERM or when its
input ends (whoever plays is gone), and may be killed at any moment. HOME holds the configuration as JSON and the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import threading
from contextlib import AsyncExitStack
from pathlib import Path

from counterfoil.app.hub import open_hub, serve_intake
from counterfoil.app.logs import working
from counterfoil.app.settings import from_values
from counterfoil.kit.clock import SystemClock

from .clock import ReadClock

CONFIGURATION = "configuration.json"
CLOCK = "clock"


async def work(home: Path, name: str, port: int) -> None:
    """Serve until SIGTERM, or until the input ends."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = from_values(json.loads((home / CONFIGURATION).read_text()))
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(open_hub(settings, ReadClock(home / CLOCK)))
        stack.push_async_callback(hub.stop_work)
        if port:
            await stack.enter_async_context(serve_intake(hub, "127.0.0.1", port, SystemClock()))
        await hub.start_work(name)
        print("working", flush=True)
        threading.Thread(target=_until_left, args=(asyncio.get_running_loop(), stop), daemon=True).start()
        await stop.wait()


def _until_left(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Ask for the end once the input ends."""
    sys.stdin.buffer.read()
    with contextlib.suppress(RuntimeError):  # it has ended already
        loop.call_soon_threadsafe(stop.set)


def main() -> None:
    """Run."""
    import uvloop

    working()
    home, name, port = (*sys.argv[1:], "0")[:3]
    uvloop.run(work(Path(home), name, int(port)))


if __name__ == "__main__":
    main()

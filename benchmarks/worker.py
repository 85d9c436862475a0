"""A worker process of a benchmark: ``python -m benchmarks.worker CONFIGURATION NAME [--quick TARGET] [--intake]``.

Does what ``counterfoil up`` does, from a configuration in JSON. Prints one JSON line once it works (``address``: where it takes deliveries,
if asked to), and ends in order with SIGTERM or when its input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import processes
from benchmarks.quick_target import quickened
from counterfoil.app.logs import working
from counterfoil.app.settings import from_values
from counterfoil.app.working import Roles, at_work


@asynccontextmanager
async def worker(
    values: Mapping[str, Any], name: str, *, quick: str = "", has_intake: bool = False
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run a worker and give its process and its address, once it works; it ends with the context.

    ``quick``: the connection whose target answers at once. The configuration is kept, readable by its owner only, in the hub's home.
    """
    path = Path(values["hub"]["home"]) / f"{name}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(values), encoding="utf-8")
    more = [*(("--quick", quick) if quick else ()), *(("--intake",) if has_intake else ())]
    async with processes.started("benchmarks.worker", str(path), name, *more) as (process, first):
        yield process, str(first["address"])


async def work(values: Mapping[str, Any], name: str, quick: str, has_intake: bool) -> None:
    """Work until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    settings = from_values(values)
    settings = quickened(settings, quick) if quick else settings
    async with at_work(settings, Roles(host="127.0.0.1" if has_intake else "", worker=name)) as serving:
        print(json.dumps({"address": serving.address}), flush=True)
        transport, _ = await loop.connect_read_pipe(lambda: _UntilClosed(stop), sys.stdin)
        await stop.wait()
        transport.close()


class _UntilClosed(asyncio.Protocol):
    """Tells when the input is closed: whoever started us is gone."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, _error: Exception | None) -> None:
        """End."""
        self._stop.set()


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configuration")
    parser.add_argument("name")
    parser.add_argument("--quick", default="", metavar="TARGET")
    parser.add_argument("--intake", action="store_true")
    given = parser.parse_args()
    working()
    uvloop.run(work(json.loads(Path(given.configuration).read_text(encoding="utf-8")), given.name, given.quick, given.intake))


if __name__ == "__main__":
    main()

"""The Odoo sandbox in a process of its own that takes time as a real server does, and counts what arrives.

Cost model, after measurements on a real server of two worker processes: every record loaded or posted takes a worker ``record_ms``, every
call ``call_ms`` more; posting in one journal is serialized. Counted are the calls that have arrived and are not answered yet (at most how
many at once), how many there were, and the time from arrival to answer. Usage: ``python -m benchmarks.counting_odoo``; ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from benchmarks import processes
from counterfoil.connectors.odoo.sandbox import OdooSandbox

RECORD_MS = 20
CALL_MS = 10
WORKERS = 2


class CountingOdoo(OdooSandbox):
    """A sandbox that counts calls to ``/json/2``."""

    def __init__(self) -> None:
        super().__init__(version=19, workers=WORKERS)
        self.clear()

    def clear(self) -> None:
        """Count from nothing."""
        self.in_flight = 0
        self.in_flight_max = 0
        self.served_s: list[float] = []

    def app(self) -> web.Application:
        """Return the application with the counter outermost."""
        app = super().app()
        app.middlewares.insert(0, self._count)
        app.router.add_get("/_counts", self._counts)
        # The last route of the sandbox takes every address that is left, so ours has to come before it.
        resources = app.router._resources
        resources.insert(0, resources.pop())
        return app

    @web.middleware
    async def _count(self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if not request.path.startswith("/json/2"):
            return await handler(request)
        began = time.perf_counter()
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            return await handler(request)
        finally:
            self.in_flight -= 1
            self.served_s.append(time.perf_counter() - began)

    async def _counts(self, _request: web.Request) -> web.Response:
        """Tell the counts and begin anew."""
        counts = {"in_flight_max": self.in_flight_max, "calls": len(self.served_s), "served_s": sum(self.served_s)}
        self.clear()
        return web.json_response(counts)


async def serve() -> None:
    """Serve until the standard input is closed."""
    sandbox = CountingOdoo()
    await sandbox.start()
    sandbox.db.settings.record_ms, sandbox.db.settings.call_ms = 0, 0
    print(json.dumps(sandbox.details()), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await sandbox.stop()


@asynccontextmanager
async def running() -> AsyncIterator[dict[str, Any]]:
    """Run it in a process of its own and give its details."""
    async with processes.started("benchmarks.counting_odoo") as (_, details):
        yield details


if __name__ == "__main__":
    asyncio.run(serve())

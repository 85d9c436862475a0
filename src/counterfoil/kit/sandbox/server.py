"""The server of a sandbox. Its control interface lives under ``/_control`` and speaks JSON; the vendor's own wire format is all else."""

from __future__ import annotations

import asyncio
import difflib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from counterfoil.kit.sandbox.faults import Fault, FaultSwitch

Trigger = Callable[[], Mapping[str, str]]
"""Makes an event happen and returns the ids of what it made, by their kind."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Sandbox:
    """Base of all sandboxes. Subclasses add their routes in :meth:`routes` and their vendor's error shape in :meth:`error`."""

    name = "sandbox"

    def __init__(self, seed: int = 0) -> None:
        self.switch = FaultSwitch(seed)
        self._runner: web.AppRunner | None = None
        self.url = ""

    def routes(self, app: web.Application) -> None:
        """Add the vendor's routes."""
        raise NotImplementedError

    def control(self, app: web.Application) -> None:
        """Add more routes under ``/_control``."""

    def subscribe(self, url: str) -> str:
        """Have what happens delivered to an address, and return the secret it is signed with; empty if this vendor delivers nothing."""
        del url
        return ""

    def run_clock(self) -> None:
        """Let the vendor's clock show the time of day from now on, and go on with it; for a vendor that has none there is nothing to do."""

    def triggers(self) -> Mapping[str, Trigger]:
        """Return what can be made to happen by the vendor's own name of the event, as its command line tool does."""
        return {}

    def error(self, status: int, fault: Fault) -> web.Response:
        """Return the vendor's answer for an injected status."""
        return web.Response(status=status, text=fault.body or f"sandbox fault {status}", headers=self.retry_after(fault))

    @staticmethod
    def retry_after(fault: Fault) -> dict[str, str]:
        """Return the header by which a fault asks to be left alone."""
        return {} if fault.retry_after_s is None else {"Retry-After": str(int(fault.retry_after_s))}

    def details(self) -> dict[str, Any]:
        """Return what a client needs: address, keys, secrets."""
        return {"name": self.name, "url": self.url}

    def app(self) -> web.Application:
        """Return the aiohttp application with vendor routes, control routes and the fault middleware."""
        app = web.Application(middlewares=[self._strike], client_max_size=160 * 1024 * 1024)
        app.router.add_get("/_control", self._get_details)
        app.router.add_get("/_control/faults", self._get_faults)
        app.router.add_post("/_control/faults", self._post_fault)
        app.router.add_delete("/_control/faults", self._delete_faults)
        app.router.add_get("/_control/triggers", self._get_triggers)
        app.router.add_post("/_control/triggers", self._post_trigger)
        self.control(app)
        self.routes(app)
        return app

    async def start(self, port: int = 0) -> str:
        """Listen on loopback (port 0: any free one) and return the base address."""
        self._runner = web.AppRunner(self.app(), access_log=None, handler_cancellation=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=512)
        await site.start()
        actual = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{actual}"
        return self.url

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _strike(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = None if request.path.startswith("/_control") else self.switch.pick(f"{request.method} {request.path_qs}")
        if fault is None:
            return await handler(request)
        if fault.kind == "drop_before":
            return self._cut(request)
        if fault.kind == "stall_before":
            await asyncio.sleep(fault.delay_s)
            return await handler(request)
        if fault.kind == "status":
            return self.error(fault.status, fault)
        response = await handler(request)
        if fault.kind == "drop_after":
            return self._cut(request)
        if fault.kind == "stall_after":
            await asyncio.sleep(fault.delay_s)
            return response
        if fault.kind == "status_after":
            return self.error(fault.status, fault)
        return await self._truncate(request, response)

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def _truncate(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
        cut = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
        cut.content_length = len(body)
        await cut.prepare(request)
        await cut.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.abort()
        return cut

    async def _get_details(self, _request: web.Request) -> web.Response:
        return web.json_response(self.details())

    async def _get_triggers(self, _request: web.Request) -> web.Response:
        return web.json_response({"triggers": list(self.triggers())})

    async def _post_trigger(self, request: web.Request) -> web.Response:
        try:
            name = str(json.loads(await request.text())["event"])
        except (KeyError, TypeError, ValueError):
            return web.json_response({"error": 'give {"event": "..."}'}, status=400)
        trigger = self.triggers().get(name)
        if trigger is None:
            near = difflib.get_close_matches(name, self.triggers(), n=3) or list(self.triggers())
            return web.json_response({"error": f"{self.name} has no trigger {name!r}; there is {', '.join(near)}"}, status=404)
        return web.json_response({"event": name, "made": trigger()})

    async def _get_faults(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": [asdict(f) for f in self.switch.faults], "struck": self.switch.struck})

    async def _post_fault(self, request: web.Request) -> web.Response:
        try:
            fault = Fault(**json.loads(await request.text()))
        except (TypeError, ValueError, re.error) as error:
            return web.json_response({"error": str(error)}, status=400)
        self.switch.faults.append(fault)
        return web.json_response(asdict(fault), status=201)

    async def _delete_faults(self, request: web.Request) -> web.Response:
        """Take faults away: those of a ``name``, or without one all of them and the record of what they struck."""
        name = request.query.get("name", "")
        if name:
            self.switch.faults[:] = [fault for fault in self.switch.faults if fault.name != name]
            return web.json_response({})
        self.switch.faults.clear()
        self.switch.struck.clear()
        return web.json_response({})

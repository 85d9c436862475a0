"""A proxy in front of an Odoo, sandbox or real, that breaks chosen calls: by kind of command, model and method.

The hub's calls name the kind of command they are made for in a header (see labels.py), which goes no further than here.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

KIND_HEADER = "X-Crash-Kind"
READS = frozenset({"search", "search_read", "search_count", "read", "fields_get", "context_get", "has_access", "check_access_rights"})
JSON2 = "/json/2/"
TAX_FIELD = "line_ids/amount_currency"
_NOT_PASSED_ON = frozenset({"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "host"})
LOST_RACE = "could not serialize access due to concurrent update"


@dataclass(frozen=True, slots=True)
class Call:
    """One request for a method of a model; ``kind`` of the command it is made for, empty: for none.

    ``name`` is model/method; a ``load`` that only inserts is another call than one that updates: ``load new``; and so is one that sets the
    amounts of tax lines: ``load taxes``. A ``write`` that takes a number from a draft is ``write number``.
    """

    kind: str
    name: str
    is_json2: bool

    @property
    def is_write(self) -> bool:
        """Whether it changes anything."""
        return "/" in self.name and self.name.partition("/")[2] not in READS


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the server."""

    status: int
    headers: dict[str, str]
    body: bytes


Strike = Callable[["Proxy", web.Request, bytes, Call], Any]
"""What is done with a request instead of passing it on and its answer back."""


@dataclass(slots=True)
class Rule:
    """Breaks the calls of one name made for one kind, ``times`` times; ``struck`` counts."""

    kind: str
    name: str
    strike: Strike
    times: int = 1
    struck: int = 0

    def takes(self, call: Call) -> bool:
        """Tell whether this call is to be struck, and count it."""
        if (call.kind, call.name) != (self.kind, self.name) or self.times == self.struck:
            return False
        self.struck += 1
        return True


@dataclass(slots=True)
class Proxy:
    """Passes everything on to ``upstream``, and strikes as its rules say. ``seen``: the writing calls, by kind and name."""

    upstream: str
    rules: list[Rule] = field(default_factory=list)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    url: str = ""
    _under_way: int = 0
    _session: aiohttp.ClientSession | None = None
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on loopback."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300), auto_decompress=True)
        app = web.Application(client_max_size=160 * 1024 * 1024)
        app.router.add_route("*", "/{rest:.*}", self._handle)
        # A request goes on although the hub has given up waiting for it: that is what is tested.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=5.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=256).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def is_idle(self) -> bool:
        """Tell whether no request is on its way, also none whose sender has gone."""
        return self._under_way == 0

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call = call_of(request, body)
        if call.is_write:
            self.seen[call.kind, call.name] += 1
        rule = next((rule for rule in self.rules if rule.takes(call)), None)
        self._under_way += 1
        try:
            if rule is not None:
                struck: web.StreamResponse = await rule.strike(self, request, body, call)
                return struck
            return shown(await self.pass_on(request, body))
        finally:
            self._under_way -= 1

    async def pass_on(self, request: web.Request, body: bytes) -> Answer:
        """Send a request to the server and return its whole answer."""
        if self._session is None:
            raise RuntimeError("the proxy is not running")
        headers = {name: value for name, value in request.headers.items() if _is_passed_on(name)}
        async with self._session.request(request.method, self.upstream + request.path_qs, data=body, headers=headers) as answer:
            kept = {name: value for name, value in answer.headers.items() if _is_passed_on(name)}
            return Answer(answer.status, kept, await answer.read())


def _is_passed_on(header: str) -> bool:
    return header.lower() not in _NOT_PASSED_ON and not header.lower().startswith("x-crash-")


def call_of(request: web.Request, body: bytes) -> Call:
    """Return what a request asks for, in JSON-2's form or in JSON-RPC's."""
    is_json2 = request.path.startswith(JSON2)
    return Call(request.headers.get(KIND_HEADER, ""), name_of(request.path, body), is_json2)


def name_of(path: str, body: bytes) -> str:
    """Return model/method (see ``Call``), empty for what is no call of a method."""
    if path.startswith(JSON2):
        name = path.removeprefix(JSON2)
        return _flavored(name, json.loads(body or b"{}")) if name.endswith(("/load", "/write")) else name
    args = json.loads(body).get("params", {}).get("args", []) if path == "/jsonrpc" else []
    if len(args) < 7:
        return ""
    values = {"vals": args[5][1]} if args[4] == "write" and len(args[5]) > 1 else {}
    return _flavored(f"{args[3]}/{args[4]}", {**args[6], **values})


def _flavored(name: str, given: Mapping[str, Any]) -> str:
    if name.endswith("/write"):
        return f"{name} number" if "name" in given.get("vals", ()) else name
    if not name.endswith("/load"):
        return name
    if (given.get("context") or {}).get("noupdate"):
        return f"{name} new"
    return f"{name} taxes" if TAX_FIELD in given.get("fields", ()) else name


def shown(answer: Answer) -> web.Response:
    """Return an answer as it came."""
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


def cut(request: web.Request) -> web.StreamResponse:
    """Drop the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def drop_before(_proxy: Proxy, request: web.Request, _body: bytes, _call: Call) -> web.StreamResponse:
    """The request never arrives."""
    return cut(request)


async def drop_after(proxy: Proxy, request: web.Request, body: bytes, _call: Call) -> web.StreamResponse:
    """The server does it and commits; its answer is lost."""
    await proxy.pass_on(request, body)
    return cut(request)


async def cut_after(proxy: Proxy, request: web.Request, body: bytes, _call: Call) -> web.StreamResponse:
    """The server does it and commits; half of its answer arrives."""
    answer = await proxy.pass_on(request, body)
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers.get("Content-Type", "application/json")})
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    return cut(request)


def answer_late(delay_s: float) -> Strike:
    """The server does it and commits at once; its answer comes after so many seconds."""

    async def strike(proxy: Proxy, request: web.Request, body: bytes, _call: Call) -> web.StreamResponse:
        answer = await proxy.pass_on(request, body)
        await asyncio.sleep(delay_s)
        return shown(answer)

    return strike


def commit_late(delay_s: float) -> Strike:
    """The request stays on its way for so many seconds; the server does it when its sender has long given up."""

    async def strike(proxy: Proxy, request: web.Request, body: bytes, _call: Call) -> web.StreamResponse:
        await asyncio.sleep(delay_s)
        return shown(await proxy.pass_on(request, body))

    return strike


def status_before(status: int, **headers: str) -> Strike:
    """Something in between answers with a status; the request goes no further."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def strike(_proxy: Proxy, _request: web.Request, _body: bytes, _call: Call) -> web.StreamResponse:
        return web.Response(status=status, text=f"<html>{status}</html>", content_type="text/html", headers=named)

    return strike


def status_after(status: int) -> Strike:
    """The server does it and commits; something in between answers with a status of its own."""

    async def strike(proxy: Proxy, request: web.Request, body: bytes, _call: Call) -> web.StreamResponse:
        await proxy.pass_on(request, body)
        return web.Response(status=status, text=f"<html>{status}</html>", content_type="text/html")

    return strike


async def lost_race(_proxy: Proxy, _request: web.Request, _body: bytes, call: Call) -> web.StreamResponse:
    """The server lost a race for a lock and rolled back: in the messages of ``load``, else as the database's exception."""
    if "/load" in call.name:
        message = {"type": "error", "message": LOST_RACE, "record": 0, "rows": {"from": 0, "to": 0}}
        return _result({"ids": False, "messages": [message], "nextrow": 0}, call)
    return _error("psycopg2.errors.SerializationFailure", LOST_RACE + "\n", 500, call)


async def expired(_proxy: Proxy, _request: web.Request, _body: bytes, call: Call) -> web.StreamResponse:
    """The key has expired."""
    if call.is_json2:
        return _error("werkzeug.exceptions.Unauthorized", "Invalid apikey", 401, call)
    return _error("odoo.exceptions.AccessDenied", "Access Denied", 401, call)


def _result(value: Any, call: Call) -> web.Response:
    return web.json_response(value if call.is_json2 else {"jsonrpc": "2.0", "id": 1, "result": value})


def _error(name: str, message: str, status: int, call: Call) -> web.Response:
    data = {"name": name, "message": message, "arguments": [message], "context": {}, "debug": ""}
    if call.is_json2:
        return web.json_response(data, status=status)
    return web.json_response({"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error", "data": data}})

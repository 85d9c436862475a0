"""The HTTP side of the intake: ``POST /in/{connection}`` and two health checks, as a small ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from counterfoil.core.canonical.commands import Lane
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Source
from counterfoil.kit.errors import IntakeRefused, TransientError

from .committer import Committer, IntakeBusy
from .keeping import incoming_of

BODY_MAX_BYTES = 5 * 1024 * 1024
"""A body above this is refused with 413 without being read to its end."""

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Door:
    """A connection that takes webhooks: its configured name, its connector's source and its settings, the lane of what it brings."""

    connection: str
    source: Source
    settings: Any
    lane: Lane = Lane.REAL_TIME


Ready = Callable[[], Awaitable[bool]]
"""Tells whether deliveries can be taken now (the database answers)."""


def create_app(
    doors: Mapping[str, Door],
    committer: Committer,
    clock: Clock,
    ready: Ready,
    *,
    body_max_bytes: int = BODY_MAX_BYTES,
    routes: tuple[BaseRoute, ...] = (),
) -> Starlette:
    """Return the application; it starts and stops the committer with itself.

    Args:
        doors: by connection name.
        committer: takes the verified deliveries.
        clock: what signatures are checked against.
        ready: asked by ``/health/ready``.
        body_max_bytes: the largest body taken.
        routes: further routes of the same server.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await committer.start()
        try:
            yield
        finally:
            await committer.stop()

    intake = _Intake(doors, committer, clock, body_max_bytes)

    async def is_ready(_: Request) -> Response:
        is_up = committer.is_running and await ready()
        return _json(200 if is_up else 503, {"status": "ready" if is_up else "not ready"})

    own = [
        Route("/in/{connection}", intake, methods=None),
        Route("/health/live", _live, methods=["GET"]),
        Route("/health/ready", is_ready, methods=["GET"]),
    ]
    return Starlette(routes=[*own, *routes], lifespan=lifespan)


async def _live(_: Request) -> Response:
    return _json(200, {"status": "live"})


class _Intake:
    """The ASGI end point of ``/in/{connection}``."""

    def __init__(self, doors: Mapping[str, Door], committer: Committer, clock: Clock, body_max_bytes: int) -> None:
        self._doors = doors
        self._committer = committer
        self._clock = clock
        self._body_max_bytes = body_max_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return  # it hung up before it had sent everything: nothing was kept, it will deliver again
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return _refusal(405, "intake.method", "deliver with POST", {"allow": "POST"})
        door = self._doors.get(request.path_params["connection"])
        if door is None:
            return _refusal(404, "intake.connection_unknown", "no connection of this name takes deliveries", {})
        body = await self._body(request)
        if body is None:
            message = f"the body is larger than {self._body_max_bytes} bytes"
            return _refusal(413, "intake.body_too_large", message, {"connection": "close"})
        try:
            deliveries = door.source.verify(door.settings, request.headers, body, self._clock.now())
            kept = await self._committer.put(incoming_of(door.connection, deliveries, door.lane))
        except IntakeRefused as error:
            return _refusal(error.status, error.code, str(error), {})
        except IntakeBusy as error:
            return _refusal(503, error.code, str(error), {"retry-after": str(error.retry_after_s)})
        except TransientError as error:
            return _refusal(503, error.code, str(error), {"retry-after": str(int(error.retry_after_s or 5))})
        return _json(200, {"received": kept.received, "duplicates": kept.duplicates})

    async def _body(self, request: Request) -> bytes | None:
        """Return the raw body, None if it is too large: by its announced length at once, otherwise as soon as it has grown too large."""
        announced = request.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced) > self._body_max_bytes:
            return None
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._body_max_bytes:
                return None
            chunks.append(chunk)
        return b"".join(chunks)


def _json(status: int, content: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Response:
    return Response(_ENCODER.encode(content), status, headers, media_type="application/json")


def _refusal(status: int, code: str, message: str, headers: Mapping[str, str]) -> Response:
    return _json(status, {"code": code, "message": message}, headers)

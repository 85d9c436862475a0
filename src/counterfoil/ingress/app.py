"""The HTTP side of the intake: ``POST /in/{connection}`` and two health checks, as a small ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from counterfoil.core.language.commands import Lane
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Webhooks
from counterfoil.kit.errors import IntakeRefused, TransientError

from .committer import Committer, IntakeBusy
from .keeping import incoming_of
from .refusals import Refusals

BODY_MAX_BYTES = 5 * 1024 * 1024
"""A body above this is refused with 413; a connection's settings may say less (``body_size_max``)."""
BODY_WITHIN_S = 15.0
"""A body that has not come as a whole after so long is refused with 408."""
UNREAD_MAX_BYTES = 16 * 1024 * 1024
UNREAD_WITHIN_S = 2.0
"""Of a body that is refused as too large, so much is read and thrown away, for so long."""
HELD_MAX_BYTES = 64 * 1024 * 1024
"""Bytes of bodies nobody has verified yet that are held at once; further ones are refused with 503 until some are through."""

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Door:
    """A connection that takes webhooks: its configured name, its connector's source and its settings, the lane of what it brings."""

    connection: str
    source: Webhooks
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
    refusals: Refusals | None = None,
    routes: tuple[BaseRoute, ...] = (),
) -> Starlette:
    """Return the application; it starts and stops the committer with itself.

    Args:
        doors: by connection name.
        committer: takes the verified deliveries.
        clock: what signatures are checked against.
        ready: asked by ``/health/ready``.
        body_max_bytes: the largest body taken.
        refusals: told of every delivery that is refused or taken.
        routes: further routes of the same server.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await committer.start()
        if refusals is not None:
            await refusals.start()
        try:
            yield
        finally:
            await committer.stop()
            if refusals is not None:
                await refusals.stop()

    intake = _Intake(doors, committer, clock, body_max_bytes, refusals)

    async def is_ready(_: Request) -> Response:
        is_up = committer.is_running and await ready()
        return _json(200 if is_up else 503, {"status": "ready" if is_up else "not ready"})

    own = [
        Route("/in/{connection}", intake, methods=None),
        Route("/health/live", _live, methods=["GET"]),
        Route("/health/ready", is_ready, methods=["GET"]),
    ]
    application = Starlette(routes=[*own, *routes], lifespan=lifespan)
    application.router.redirect_slashes = False  # a redirect would be made of the Host header a stranger sent; 404 says what is so
    return application


async def _live(_: Request) -> Response:
    return _json(200, {"status": "live"})


class _Intake:
    """The ASGI end point of ``/in/{connection}``."""

    def __init__(
        self, doors: Mapping[str, Door], committer: Committer, clock: Clock, body_max_bytes: int, refusals: Refusals | None = None
    ) -> None:
        self._refusals = refusals
        self._doors = doors
        self._committer = committer
        self._clock = clock
        self._body_max_bytes = body_max_bytes
        self._held_bytes = 0

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
            self._note("", "intake.connection_unknown", 404)
            return _refusal(404, "intake.connection_unknown", "no connection of this name takes deliveries", {})
        held = _Held(self, min(self._body_max_bytes, int(getattr(door.settings, "body_size_max", self._body_max_bytes))))
        try:
            return await self._take(door, request, await held.read(request))
        except _RefusedError as refused:
            return refused.response
        finally:
            self._held_bytes -= held.size

    async def _take(self, door: Door, request: Request, body: bytes) -> Response:
        try:
            deliveries = door.source.verify(door.settings, request.headers, body, self._clock.now())
            kept = await self._committer.put(incoming_of(door.connection, deliveries, door.lane))
        except RecursionError:
            return _refusal(400, "intake.body_too_deep", "the body is nested too deep to be read", {})
        except IntakeRefused as error:
            self._note(door.connection, error.code, error.status)
            return _refusal(error.status, error.code, str(error), {})
        except IntakeBusy as error:
            return _refusal(503, error.code, str(error), {"retry-after": str(error.retry_after_s)})
        except TransientError as error:
            return _refusal(503, error.code, str(error), {"retry-after": str(int(error.retry_after_s or 5))})
        if self._refusals is not None:
            self._refusals.took(door.connection)
        return _json(200, {"received": kept.received, "duplicates": kept.duplicates})

    def _note(self, connection: str, code: str, status: int) -> None:
        if self._refusals is not None:
            self._refusals.note(connection, code, status)

    def hold(self, size: int) -> bool:
        """Take so many bytes of what may be held unverified at once; False if that would be too many."""
        if self._held_bytes + size > HELD_MAX_BYTES:
            return False
        self._held_bytes += size
        return True


class _RefusedError(Exception):
    """A body that is not taken, with the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@dataclass(slots=True)
class _Held:
    """One body while it is read and verified; ``size`` counts what it takes of all that may be held."""

    intake: _Intake
    size_max: int
    size: int = 0

    async def read(self, request: Request) -> bytes:
        """Return the raw body. Raises _RefusedError: 413 too large, 408 too slow, 503 too much is held by others."""
        announced = request.headers.get("content-length", "")
        is_too_large = announced.isascii() and announced.isdigit() and int(announced) > self.size_max
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                return await self._chunks(request, is_too_large)
        except TimeoutError:
            message = f"the body had not come as a whole after {BODY_WITHIN_S:.0f} s"
            raise _RefusedError(_refusal(408, "intake.body_too_slow", message, {"connection": "close"})) from None

    async def _chunks(self, request: Request, is_too_large: bool) -> bytes:
        chunks: list[bytes] = []
        stream = request.stream()
        while not is_too_large:
            chunk = await anext(stream, None)
            if chunk is None:
                return b"".join(chunks)
            is_too_large = self.size + len(chunk) > self.size_max
            if not self.intake.hold(len(chunk)):
                message = "too many bodies are being read at once"
                raise _RefusedError(_refusal(503, "intake.full", message, {"retry-after": "1", "connection": "close"}))
            self.size += len(chunk)
            chunks.append(chunk)
        chunks.clear()
        await _throw_away(stream)
        message = f"the body is larger than {self.size_max} bytes"
        raise _RefusedError(_refusal(413, "intake.body_too_large", message, {"connection": "close"}))


async def _throw_away(stream: AsyncIterator[bytes]) -> None:
    """Read the rest of a body that is refused, within bounds: a sender in the middle of it would not see the answer otherwise."""
    seen = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(UNREAD_WITHIN_S):
            async for chunk in stream:
                seen += len(chunk)
                if seen > UNREAD_MAX_BYTES:
                    return


def _json(status: int, content: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Response:
    return Response(_ENCODER.encode(content), status, headers, media_type="application/json")


def _refusal(status: int, code: str, message: str, headers: Mapping[str, str]) -> Response:
    return _json(status, {"code": code, "message": message}, headers)

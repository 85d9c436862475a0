"""Serving the application: uvicorn on uvloop and httptools, on a socket bound before anything is promised.

uvicorn waits for a request's head for ever and takes any number of connections: both are bounded here, by a protocol class of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BACKLOG = 2048
HEAD_WITHIN_S = 15.0
"""A connection that has not sent a request's head after so long is closed."""
CONNECTIONS_MAX = 2000
"""Connections open at once; further ones are closed at once, so that those there and the health checks go on."""
FILES_KEPT = 256
"""Of the files the system lets this process open, so many are kept for the database, vendors and health checks."""


def connections_max() -> int:
    """Return how many connections may be open: CONNECTIONS_MAX, or what the system's limit of open files leaves."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else max(64, min(CONNECTIONS_MAX, soft - FILES_KEPT))


class _Patience(HttpToolsProtocol):
    """One connection that is closed if its first request does not begin in time, or if there are too many."""

    open_now: ClassVar[set[_Patience]] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or end it at once."""
        self._late: asyncio.TimerHandle | None = None
        if len(self.open_now) >= connections_max():
            self._is_refused = True
            transport.abort()
            return
        self._is_refused = False
        self.open_now.add(self)
        self._late = asyncio.get_running_loop().call_later(HEAD_WITHIN_S, transport.abort)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what came, unless the connection was not taken."""
        if not self._is_refused:
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """The head has come: from here on the application bounds the body, and uvicorn the wait for the next request."""
        if self._late is not None:
            self._late.cancel()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another."""
        if self._late is not None:
            self._late.cancel()
        self.open_now.discard(self)
        if not self._is_refused:
            super().connection_lost(exc)


class _Server(uvicorn.Server):
    """A server that leaves signals to the program it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def configuration(app: Any) -> uvicorn.Config:
    """Return how the application is served: fast parser, no access log (each line would cost as much as the receipt)."""
    return uvicorn.Config(
        app, http=_Patience, ws="none", lifespan="on", access_log=False, log_config=None, backlog=BACKLOG, timeout_graceful_shutdown=10,
        server_header=False, date_header=False, proxy_headers=False,
    )  # fmt: skip


def bind(host: str, port: int) -> socket.socket:
    """Bind a listening socket; port 0 takes a free one. Raises OSError if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


@asynccontextmanager
async def serving(app: Any, host: str, port: int) -> AsyncIterator[str]:
    """Serve the application in this event loop and yield its address (``http://host:port``); stop gracefully at the end.

    Raises:
        OSError: the address is taken.
        RuntimeError: the application did not start.
    """
    bound = bind(host, port)
    server = _Server(configuration(app))
    task = asyncio.create_task(server.serve(sockets=[bound]), name="intake-server")
    try:
        while not server.started:
            if task.done():
                raise RuntimeError("the application did not start; its log says why")
            await asyncio.sleep(0.005)
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        bound.close()

"""Serving the application: uvicorn on uvloop and httptools, on a socket bound before anything is promised.

uvicorn waits for a request's head for ever, keeps as much of one as is sent and takes any number of connections: all three are bounded
here, by a protocol class of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

BACKLOG = 2048
HEAD_WITHIN_S = 15.0
"""A connection that has not sent a request's whole head so long after it was made, or after its last answer, is closed.

So is one that has not read its answers after so long. One on which nothing comes between two requests is closed by uvicorn sooner.
"""
HEAD_MAX_BYTES = 64 * 1024
"""A request line and headers of more bytes are refused with 431; so much is taken between two pieces of a chunked body, too."""
STEP_BYTES = 4096
"""The parser is given so much at once: what it could keep beyond HEAD_MAX_BYTES, if a head begins right behind another request."""
LINGER_S = 2.0
"""What still comes of a head that is refused is thrown away for so long: a sender in the middle of it would miss the answer otherwise."""
CONNECTIONS_MAX = 2000
"""Connections a server has open at once; further ones are closed at once, so that those there go on."""
FILES_KEPT = 256
"""Of the files the system lets this process open, so many are kept for the database, vendors and health checks."""


def connections_max() -> int:
    """Return how many connections may be open: CONNECTIONS_MAX, or what the system's limit of open files leaves."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else max(64, min(CONNECTIONS_MAX, soft - FILES_KEPT))


class _Bounded(HttpToolsProtocol):
    """One connection: closed if a head does not come in time, grows too large, or if its server has too many of them."""

    def __init__(self, *args: Any, most: int | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most = most
        self._late: asyncio.TimerHandle | None = None
        self._is_taken = False
        self._is_ignored = False
        self._is_through = False
        self._is_head = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or end it at once."""
        if len(self.connections) >= (connections_max() if self._most is None else self._most):  # uvicorn keeps them by server
            self._is_ignored = True
            transport.abort()
            return
        self._is_taken = True
        super().connection_made(transport)
        self._wait(HEAD_WITHIN_S)

    def data_received(self, data: bytes) -> None:
        """Pass on what came, in steps, and count what is neither body nor the end of a head before the parser is given more of it."""
        begin = 0
        while begin < len(data) and not self._is_ignored and not self.transport.is_closing():
            step = data[begin : begin + min(STEP_BYTES, HEAD_MAX_BYTES - self._head_bytes)]
            begin += len(step)
            self._is_through = False
            super().data_received(step)
            self._head_bytes = 0 if self._is_through else self._head_bytes + len(step)
            if self._head_bytes >= HEAD_MAX_BYTES:
                self._refuse_head()

    def _refuse_head(self) -> None:
        self._is_ignored = True
        if self.transport.is_closing():
            return
        if not self._is_head or (self.cycle is not None and not self.cycle.response_complete):
            # It is no new request, or an earlier one's answer may be half sent: there is no place for an answer.
            self.transport.abort()
            return
        code = "intake.head_too_large"
        said = json.dumps({"code": code, "message": f"the request line and headers are larger than {HEAD_MAX_BYTES} bytes"}).encode()
        kind = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(said)
        self.transport.write(STATUS_LINE[431] + kind + said)
        self.transport.write_eof()
        self._wait(LINGER_S)

    def on_headers_complete(self) -> None:
        """The head has come: from here on the application bounds the body and the time it takes."""
        self._is_through = True
        self._is_head = False
        if not self.flow.write_paused:
            self._wait_no_more()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Bytes of a body are no head; the application counts them."""
        self._is_through = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next byte begins another head."""
        self._is_through = True
        self._is_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The rest of a body that was answered before its end and the next head have to come in time, unless that one is here already."""
        is_next_here = bool(self.pipeline)
        super().on_response_complete()
        if not is_next_here:
            self._wait(HEAD_WITHIN_S)

    def pause_writing(self) -> None:
        """Answers wait to be read: they have to be in time."""
        if self._late is None:
            self._wait(HEAD_WITHIN_S)
        super().pause_writing()

    def resume_writing(self) -> None:
        """They were read; what else is waited for goes on."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_no_more()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and close whether or not that is read."""
        super().send_400_response(msg)
        if self._late is None:
            self._wait(HEAD_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another."""
        self._wait_no_more()
        if self._is_taken:
            super().connection_lost(exc)

    def _wait(self, within_s: float) -> None:
        self._wait_no_more()
        self._late = self.loop.call_later(within_s, self.transport.abort)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _Server(uvicorn.Server):
    """A server that leaves signals to the program it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def configuration(app: Any, most: int | None = None) -> uvicorn.Config:
    """Return how the application is served: fast parser, no access log (each line would cost as much as the receipt)."""
    protocol = cast("type[asyncio.Protocol]", partial(_Bounded, most=most))
    return uvicorn.Config(
        app, http=protocol, ws="none", lifespan="on", access_log=False, log_config=None, backlog=BACKLOG, timeout_graceful_shutdown=10,
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
async def serving(app: Any, host: str, port: int, *, most: int | None = None) -> AsyncIterator[str]:
    """Serve the application in this event loop and yield its address (``http://host:port``); stop gracefully at the end.

    Args:
        app: the ASGI application.
        host: the address to listen on.
        port: 0 takes a free one.
        most: connections open at once; left out: ``connections_max()``. Each server counts its own.

    Raises:
        OSError: the address is taken.
        RuntimeError: the application did not start.
    """
    bound = bind(host, port)
    server = _Server(configuration(app, most))
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

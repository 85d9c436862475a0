"""Serving the application: uvicorn on uvloop and httptools, on a socket bound before anything is promised."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

BACKLOG = 2048


class _Server(uvicorn.Server):
    """A server that leaves signals to the program it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def configuration(app: Any) -> uvicorn.Config:
    """Return how the application is served: fast parser, no access log (each line would cost as much as the receipt)."""
    return uvicorn.Config(
        app, http="httptools", ws="none", lifespan="on", access_log=False, log_config=None, backlog=BACKLOG, timeout_graceful_shutdown=10,
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

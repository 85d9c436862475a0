"""The server of a feed that does not exist: a gRPC method that streams what a test lays out, and fails as it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc import aio

AT = "2026-03-01T00:00:00Z"


@dataclass
class FeedServer:
    """Streams changes 1, 2, 3, ... to whoever follows. ``asked``: after which position each stream was asked to go on.

    ``open``: streams that are held now, ``open_max`` at once at most. ``refuses``: the status every new stream ends with.
    """

    token: str = "feed_secret_77"
    changes: list[str] = field(default_factory=list)
    asked: list[int | None] = field(default_factory=list)
    open: int = 0
    open_max: int = 0
    ends_after: int | None = None
    refuses: grpc.StatusCode | None = None
    target: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, *names: str) -> None:
        """Let something happen."""
        self.changes += names
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Stream what is after a position, then what happens."""
        if dict(context.invocation_metadata()).get("authorization") != self.token:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, f"the token is wrong, and these words quote {self.token}")
        if self.refuses is not None:
            await context.abort(self.refuses, "as told")
        after = json.loads(request)["after"]
        self.asked.append(after)
        self.open += 1
        self.open_max = max(self.open_max, self.open)
        try:
            async for message in self._changes(len(self.changes) if after is None else int(after)):
                yield message
        finally:
            self.open -= 1

    async def _changes(self, at: int) -> AsyncIterator[bytes]:
        yield json.dumps({"position": at}).encode()
        while self.ends_after is None or at < self.ends_after:
            news = self._news
            if at < len(self.changes):
                yield json.dumps({"position": at + 1, "id": f"c{at + 1}", "name": self.changes[at], "at": AT}).encode()
                at += 1
            else:
                await news.wait()


@asynccontextmanager
async def serving(feed: FeedServer) -> AsyncIterator[FeedServer]:
    """Serve a feed on loopback."""
    server = aio.server()
    handler = grpc.method_handlers_generic_handler("acme.Feed", {"Follow": grpc.unary_stream_rpc_method_handler(feed.follow)})
    server.add_generic_rpc_handlers((handler,))
    feed.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield feed
    finally:
        await server.stop(0)

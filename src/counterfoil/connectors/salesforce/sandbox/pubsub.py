"""The Pub/Sub API: a real gRPC server with the vendor's own messages. Needs ``grpcio``, ``protobuf`` and ``fastavro``.

An empty answer tells that a stream stands, at once and then every ``keepalive_s`` (Salesforce: within 270 s).
https://developer.salesforce.com/docs/platform/pub-sub-api/guide/intro.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from grpc import aio

from counterfoil.kit.sandbox import FaultSwitch

from . import protocol
from .bus import Bus, Kept

Code = grpc.StatusCode
REQUESTED_MAX = 100
_REPLAY_BYTES = 10
_CODE = "sfdc.platform.eventbus.grpc."


@dataclass
class Stream:
    """One subscription: what is still wanted of it, and after which event it goes on. ``is_over``: nothing more is asked for.

    ``is_refused``: a request was none.
    """

    topic: str
    after: int
    wanted: int = 0
    is_over: bool = False
    is_refused: bool = False


class PubSub:
    """Serves a bus.

    Args:
        is_valid: tells whether a token is one; org_id: the tenant; url: the instance that callers must name.
    """

    def __init__(self, bus: Bus, switch: FaultSwitch, is_valid: Callable[[str], bool], org_id: str, url: Callable[[], str]) -> None:
        self._bus = bus
        self._switch = switch
        self._is_valid = is_valid
        self._org_id = org_id
        self._url = url
        self._server: Any = None
        self.keepalive_s = 0.5
        self.address = ""
        self.open = 0

    async def start(self) -> None:
        """Listen on loopback."""
        self._server = aio.server()
        methods = {
            "Subscribe": grpc.stream_stream_rpc_method_handler(self.subscribe),
            "GetSchema": grpc.unary_unary_rpc_method_handler(self.schema),
            "GetTopic": grpc.unary_unary_rpc_method_handler(self.topic),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(protocol.SERVICE, methods),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening; streams end."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    async def subscribe(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """Stream a topic from where the first request says; each request asks for so many events more."""
        await self._admit(context, "Subscribe")
        first = protocol.FetchRequest.FromString(await anext(requests))
        if first.topic_name not in self._bus.topics():
            await self._refuse(context, Code.NOT_FOUND, "topic.not.found", "the topic does not exist")
        stream = Stream(first.topic_name, await self._place(context, first))
        self._ask(stream, first)
        asking = asyncio.create_task(self._listen(requests, stream))
        self.open += 1
        try:
            async for answer in self._told(context, stream):
                yield answer
        finally:
            self.open -= 1
            asking.cancel()

    async def _listen(self, requests: AsyncIterator[bytes], stream: Stream) -> None:
        async for data in requests:
            self._ask(stream, protocol.FetchRequest.FromString(data))
            self._bus.wake()
        stream.is_over = True
        self._bus.wake()

    def _ask(self, stream: Stream, request: Any) -> None:
        if request.topic_name not in ("", stream.topic) or not 0 < request.num_requested <= REQUESTED_MAX:
            stream.is_refused = True
        stream.wanted += request.num_requested

    async def _place(self, context: Any, request: Any) -> int:
        if request.replay_preset == protocol.EARLIEST:
            self._bus.purge()
            return self._bus.forgotten
        if request.replay_preset != protocol.CUSTOM:
            return self._bus.latest
        replay = int.from_bytes(request.replay_id, "big")
        if len(request.replay_id) != _REPLAY_BYTES or not self._bus.knows(replay):
            code = "subscription.fetch.replayid.corrupted"
            await self._refuse(context, Code.INVALID_ARGUMENT, code, "The Replay ID validation failed. Ensure that the Replay ID is valid.")
        return replay

    async def _told(self, context: Any, stream: Stream) -> AsyncIterator[bytes]:
        is_first = True
        while not stream.is_over:
            if not self._is_valid(_metadata(context).get("accesstoken", "")):
                await self._refuse(context, Code.UNAUTHENTICATED, "service.auth.error", "The session has expired")
            if stream.is_refused:
                await self._refuse(context, Code.INVALID_ARGUMENT, "subscription.fetch.request.invalid", "the request is not valid")
            found = self._bus.after(stream.topic, stream.after)[: stream.wanted]
            if found:
                stream.wanted -= len(found)
                stream.after = found[-1].replay
                yield _answer(stream, found, stream.after)
            elif is_first:
                stream.after = self._bus.latest
                yield _answer(stream, [], stream.after)
            else:
                await self._bus.news(self.keepalive_s)
                if stream.wanted and not self._bus.after(stream.topic, stream.after):
                    stream.after = self._bus.latest
                    yield _answer(stream, [], stream.after)
            is_first = False

    async def schema(self, data: bytes, context: Any) -> bytes:
        """Return a schema by its fingerprint."""
        await self._admit(context, "GetSchema")
        id = protocol.SchemaRequest.FromString(data).schema_id
        if id not in self._bus.schemas:
            await self._refuse(context, Code.INVALID_ARGUMENT, "schema.fetch.failed", "the schema does not exist")
        text = json.dumps(self._bus.schemas[id], sort_keys=True)
        return bytes(protocol.SchemaInfo(schema_json=text, schema_id=id, rpc_id="rpc").SerializeToString())

    async def topic(self, data: bytes, context: Any) -> bytes:
        """Return what a topic is."""
        await self._admit(context, "GetTopic")
        name = protocol.TopicRequest.FromString(data).topic_name
        if name not in self._bus.topics():
            await self._refuse(context, Code.NOT_FOUND, "topic.not.found", "the topic does not exist")
        info = protocol.TopicInfo(topic_name=name, tenant_guid=self._org_id, can_subscribe=True, rpc_id="rpc")
        return bytes(info.SerializeToString())

    async def _admit(self, context: Any, method: str) -> None:
        fault = self._switch.pick(f"GRPC /{protocol.SERVICE}/{method}")
        if fault is not None:
            await self._refuse(context, Code.UNAVAILABLE, "service.unavailable", "sandbox fault")
        given = _metadata(context)
        if (
            not self._is_valid(given.get("accesstoken", ""))
            or given.get("tenantid") != self._org_id
            or given.get("instanceurl") != self._url()
        ):
            await self._refuse(context, Code.UNAUTHENTICATED, "service.auth.error", "the credentials are not valid")

    async def _refuse(self, context: Any, status: Any, code: str, words: str) -> None:
        await context.abort(status, f"{words} rpcId: rpc", (("error-code", _CODE + code), ("rpc-id", "rpc")))


def _metadata(context: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in context.invocation_metadata() or ()}


def _answer(stream: Stream, found: list[Kept], latest: int) -> bytes:
    events = [
        protocol.ConsumerEvent(
            event=protocol.ProducerEvent(id=one.uuid, schema_id=one.schema_id, payload=one.payload),
            replay_id=one.replay.to_bytes(_REPLAY_BYTES, "big"),
        )
        for one in found
    ]
    answer = protocol.FetchResponse(
        events=events, latest_replay_id=latest.to_bytes(_REPLAY_BYTES, "big"), rpc_id="rpc", pending_num_requested=stream.wanted
    )
    return bytes(answer.SerializeToString())

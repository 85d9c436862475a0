"""Listen: change data capture and platform events over the Pub/Sub API, from the replay ids that were kept.

A stream is asked for a hundred events at a time and for more as they come, so that it is held up when we are. What is older than 72 hours
is kept by nobody: a stream that cannot go on where it was left begins with the oldest event there is, and says so; polling has seen what
changed meanwhile. https://developer.salesforce.com/docs/platform/pub-sub-api/guide/pub-sub-api-intro.html
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from counterfoil.kit.addresses import is_loopback
from counterfoil.kit.connector import Delivery, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError, SetupError
from counterfoil.kit.grpc import GrpcClient, GrpcRule, grpc
from counterfoil.kit.limits import LocalBudget

from . import telling
from .client import SalesforceClient
from .config import SalesforceConfig
from .events import EventSchema
from .protocol import (
    CUSTOM,
    EARLIEST,
    GET_SCHEMA,
    GET_TOPIC,
    LATEST,
    SUBSCRIBE,
    FetchRequest,
    FetchResponse,
    SchemaInfo,
    SchemaRequest,
    TopicInfo,
    TopicRequest,
)

KEPT = timedelta(hours=72)
"""How long events are kept: https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-message-durability.html"""
REQUESTED_MAX = 100
AHEAD_MAX = 4
"""Answers of all topics that are read ahead of what was taken."""
SCHEMAS_MAX = 200
GONE, ENDED, REFUSED = "salesforce.replay_gone", "salesforce.session_ended", "salesforce.topic_refused"
_SCHEMAS = "salesforce.schemas"


class StreamPlace(msgspec.Struct, frozen=True):
    """Where a topic's stream goes on: after a replay id (base64; empty: with the oldest event there is), and when that was."""

    replay: str = ""
    at: str = ""


class Position(msgspec.Struct, frozen=True):
    """Where the streams of a connection go on, by topic; one that is not named begins now."""

    places: dict[str, StreamPlace] = {}


@dataclass(slots=True)
class _Told:
    """What came on a topic: deliveries, and the place after them."""

    topic: str
    place: StreamPlace
    deliveries: tuple[Delivery, ...] = ()


@dataclass(slots=True)
class _Listener:
    """The streams of one connection."""

    ctx: Context
    client: GrpcClient
    used: list[str]
    answers: asyncio.Queue[_Told | Exception | None] = field(default_factory=lambda: asyncio.Queue(AHEAD_MAX))

    async def follow(self, topic: str, place: StreamPlace | None) -> None:
        """Put what comes on a topic into the queue until its stream ends, then why it did: an error, or None."""
        try:
            await self._follow(topic, place)
            await self.answers.put(None)
        except Exception as error:  # raised by whoever reads the queue
            await self.answers.put(error)

    async def _follow(self, topic: str, place: StreamPlace | None) -> None:
        is_renewed = False
        while True:
            heard = 0
            try:
                async for told in self._stream(topic, place):
                    heard, place = heard + 1, told.place
                    await self.answers.put(told)
                return
            except RejectedError as error:
                if error.code != GONE or place is None or not place.replay:
                    raise
                now = self.ctx.clock.now()
                gap = telling.gap(self.ctx.settings.org_id, topic, place.replay, place.at, now)
                place = StreamPlace(at=now.isoformat())
                await self.answers.put(_Told(topic, place, (gap,)))
            except SetupError as error:
                if error.code == REFUSED:
                    raise _refused(topic) from None
                if error.code != ENDED or (is_renewed and not heard):
                    raise
                is_renewed = True
                await _client(self.ctx).tokens.renew(self.used[0])

    async def _stream(self, topic: str, place: StreamPlace | None) -> AsyncIterator[_Told]:
        preset = LATEST if place is None else CUSTOM if place.replay else EARLIEST
        replay = base64.b64decode(place.replay) if place is not None else b""
        first = FetchRequest(topic_name=topic, replay_preset=preset, replay_id=replay, num_requested=REQUESTED_MAX)
        async with self.client.converse(SUBSCRIBE) as talk:
            await talk.send(first.SerializeToString())
            async for data in talk:
                answer = FetchResponse.FromString(data)
                told = await self._told(topic, answer)
                yield told
                wanted = REQUESTED_MAX - answer.pending_num_requested
                if wanted * 2 >= REQUESTED_MAX:
                    await talk.send(FetchRequest(topic_name=topic, num_requested=wanted).SerializeToString())

    async def _told(self, topic: str, answer: Any) -> _Told:
        now = self.ctx.clock.now()
        deliveries = [one for event in answer.events for one in await self._deliveries(topic, event.event, now)]
        replay = answer.events[-1].replay_id if answer.events else answer.latest_replay_id
        return _Told(topic, StreamPlace(base64.b64encode(replay).decode(), now.isoformat()), tuple(deliveries))

    async def _deliveries(self, topic: str, event: Any, now: datetime) -> list[Delivery]:
        settings: SalesforceConfig = self.ctx.settings
        schema = await self._schema(event.schema_id)
        try:
            if schema is None:
                raise ValueError("the schema cannot be read")
            body = schema.decode(event.payload)
            if topic == settings.change_topic:
                return list(telling.of_change(settings.org_id, body, schema))
            return [telling.of_platform(settings.org_id, body, settings.event_topics[topic], event.id)]
        except ValueError:
            return [telling.unreadable(settings.org_id, topic, event.id, now)]

    async def _schema(self, id: str) -> EventSchema | None:
        """Return a schema; None for one that is none. Raises TransientError, SetupError."""
        known: dict[str, EventSchema | None] = self.ctx.state.setdefault(_SCHEMAS, {})
        if id not in known:
            data = await self.client.unary(GET_SCHEMA, SchemaRequest(schema_id=id).SerializeToString(), is_write=False)
            if len(known) >= SCHEMAS_MAX:
                known.clear()
            try:
                known[id] = EventSchema(SchemaInfo.FromString(data).schema_json)
            except ValueError:
                known[id] = None
        return known[id]


async def listen(ctx: Context, position: str) -> AsyncGenerator[Page, None]:
    """Yield what comes on every topic after a position, for as long as the streams last. Raises TransientError, SetupError."""
    places = dict(_decoded(position).places)
    async with opened(ctx) as (client, used):
        listener = _Listener(ctx, client, used)
        tasks = [asyncio.create_task(listener.follow(topic, places.get(topic))) for topic in topics_of(ctx.settings)]
        try:
            while (told := await listener.answers.get()) is not None:
                if isinstance(told, Exception):
                    raise told
                places[told.topic] = told.place
                yield _page(ctx, told, places)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def topics_of(settings: SalesforceConfig) -> tuple[str, ...]:
    """Return the topics that are listened to."""
    return (settings.change_topic, *settings.event_topics)


async def refused_topics(ctx: Context) -> tuple[str, ...]:
    """Return the topics that cannot be listened to. Raises TransientError, SetupError."""
    found = []
    async with opened(ctx) as (client, _):
        for topic in topics_of(ctx.settings):
            try:
                answer = await client.unary(GET_TOPIC, TopicRequest(topic_name=topic).SerializeToString(), is_write=False)
            except SetupError as error:
                if error.code != REFUSED:
                    raise
                found.append(topic)
            else:
                found += [] if TopicInfo.FromString(answer).can_subscribe else [topic]
    return tuple(found)


@asynccontextmanager
async def opened(ctx: Context) -> AsyncIterator[tuple[GrpcClient, list[str]]]:
    """Give a client of the Pub/Sub API, and the token it used last."""
    settings: SalesforceConfig = ctx.settings
    used = [""]

    async def metadata() -> Mapping[str, str]:
        used[0] = await _client(ctx).tokens.token()
        return {"accesstoken": used[0], "instanceurl": settings.base_url, "tenantid": settings.org_id}

    is_here = is_loopback(settings.pubsub_address.rpartition(":")[0])
    client = GrpcClient(
        settings.pubsub_address,
        credentials=None if is_here else grpc.ssl_channel_credentials(),
        metadata=metadata,
        judge=judge,
        budget=LocalBudget(rate_per_s=10.0, burst=10, concurrency_max=4),
    )
    async with client:
        yield client, used


def judge(status: Any, trailing: Mapping[str, str]) -> GrpcRule | None:
    """Return what a status means, by the vendor's own code beside it.

    Codes: https://developer.salesforce.com/docs/platform/pub-sub-api/guide/handling-errors.html
    """
    code = trailing.get("error-code", "")
    if ".fetch.replayid." in code:
        return GrpcRule(RejectedError, "salesforce.replay_gone")
    if status is grpc.StatusCode.UNAUTHENTICATED:
        return GrpcRule(SetupError, "salesforce.session_ended")
    if status in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND):
        return GrpcRule(SetupError, "salesforce.topic_refused")
    return None


def _client(ctx: Context) -> SalesforceClient:
    if not isinstance(ctx.client, SalesforceClient):
        raise TypeError("the client of a connection to Salesforce is a SalesforceClient")
    return ctx.client


def _refused(topic: str) -> SetupError:
    remedy = "Select the objects under Change Data Capture in Salesforce, and let the integration user see them all (View All Data)"
    return SetupError(
        f"{topic} cannot be listened to: there is no such topic, or the user may not. {remedy}", code="salesforce.topic_refused"
    )


def _decoded(position: str) -> Position:
    try:
        return msgspec.json.decode(position or "{}", type=Position)
    except msgspec.DecodeError as error:
        raise SetupError("the stream's position is not readable; reset it to listen from now on", code="salesforce.cursor") from error


def _page(ctx: Context, told: _Told, places: Mapping[str, StreamPlace]) -> Page:
    now = ctx.clock.now()
    # An empty answer says that nothing happened up to now; events that nothing before the last of them is still to come.
    covered = max((one.occurred_at for one in told.deliveries), default=now)
    return Page(
        told.deliveries,
        msgspec.json.encode(Position(dict(places))).decode(),
        has_more=False,
        covers_until=min(covered, now),
        recoverable_since=now - KEPT,
    )

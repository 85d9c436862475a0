"""The event bus: change events and platform events in the order they were committed, kept for 72 hours, each with a replay id.

A replay id is opaque, and not the next number: https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-message-durability.html
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import avro
from .schema import Field, SObject
from .world import Changed, Transaction, World

Obj = dict[str, Any]

KEPT_MS = 72 * 3_600_000
EVERY = "/data/ChangeEvents"
NO_RECORD = "000000000000000AAA"


@dataclass(frozen=True)
class Kept:
    """One event as it is kept. ``topics``: where it is told."""

    replay: int
    topics: tuple[str, ...]
    schema_id: str
    payload: bytes
    uuid: str
    at_ms: int


class Bus:
    """What happens in one org.

    Attributes:
        selected: the types whose changes are told. is_gapping: changes are told without what they are. is_silent: nothing is told.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = random.Random(seed)
        self.selected = {"Account", "Contact", "Opportunity", "OpportunityLineItem", "OpportunityContactRole"}
        self.is_gapping = False
        self.is_silent = False
        self.events: list[Kept] = []
        self.schemas: dict[str, Obj] = {}
        self.platform: dict[str, dict[str, Field]] = {}
        self.forgotten = 0
        self._replay = 1_000
        self._commits = 10_610_916_412_987
        self._news = asyncio.Event()
        world.tell = self.tell

    # Telling

    def tell(self, done: Transaction) -> None:
        """Tell what a transaction did: records of one type that changed alike are one event."""
        key, number = str(uuid.UUID(int=self._random.getrandbits(128))), 0
        self._commits += self._random.randint(1, 50)
        for one, ids in self._alike(done.changes):
            if one.type not in self.selected or self.is_silent:
                continue
            number += 1
            header = {
                "entityName": one.type,
                "recordIds": ids,
                "changeType": f"GAP_{one.action}" if self.is_gapping else one.action,
                "changeOrigin": done.origin,
                "transactionKey": key,
                "sequenceNumber": number,
                "commitTimestamp": self._world.now_ms,
                "commitNumber": self._commits,
                "commitUser": done.user_id,
            }
            self._change(self._world.types[one.type], header, one)

    def _alike(self, changes: Iterable[Changed]) -> list[tuple[Changed, list[str]]]:
        found: dict[tuple[Any, ...], tuple[Changed, list[str]]] = {}
        for one in changes:
            record = self._world.records.get(one.id)
            values = {name: record.values.get(name) for name in one.fields} if record is not None else {}
            found.setdefault((one.type, one.action, one.fields, repr(values)), (one, []))[1].append(one.id)
        return list(found.values())

    def _change(self, type_: SObject, header: Obj, one: Changed) -> None:
        schema = avro.change_schema(type_)
        record = self._world.records.get(one.id)
        shows = record is not None and not self.is_gapping and one.action in ("CREATE", "UPDATE", "UNDELETE")
        values = {} if record is None or not shows else record.values
        if one.action == "UPDATE":
            values = {name: values.get(name) for name in one.fields} if shows else {}
        stamps = {"LastModifiedDate": self._world.now_ms, "LastModifiedById": header["commitUser"]} if shows else {}
        is_update = one.action == "UPDATE" and shows
        header |= {
            "changedFields": avro.bitmaps(schema, type_, (*one.fields, *stamps)) if is_update else [],
            "nulledFields": avro.bitmaps(schema, type_, (name for name in one.fields if values.get(name) is None)) if is_update else [],
            "diffFields": [],
        }
        body = {"ChangeEventHeader": header, **avro.values_of(type_, values), **stamps}
        self._keep((EVERY, f"/data/{type_.name}ChangeEvent"), schema, body)

    def overflow(self, type_name: str) -> None:
        """Tell that more of a type changed in one transaction than is told one by one."""
        header = {
            "entityName": type_name, "recordIds": [NO_RECORD], "changeType": "GAP_OVERFLOW", "changeOrigin": "",
            "transactionKey": str(uuid.UUID(int=self._random.getrandbits(128))), "sequenceNumber": 1,
            "commitTimestamp": self._world.now_ms, "commitNumber": self._commits, "commitUser": self._world.person_id,
            "changedFields": [], "nulledFields": [], "diffFields": [],
        }  # fmt: skip
        schema = avro.change_schema(self._world.types[type_name])
        self._keep((EVERY, f"/data/{type_name}ChangeEvent"), schema, {"ChangeEventHeader": header})

    def define(self, name: str, **fields: str) -> None:
        """Define a platform event (``Order_Confirmed__e``) with fields of some types."""
        self.platform[name] = {field: Field(field, type) for field, type in fields.items()}

    def publish(self, name: str, values: Obj) -> str:
        """Publish a platform event, and return its id."""
        schema = avro.event_schema(name, self.platform[name])
        by = {"CreatedDate": self._world.tick(), "CreatedById": self._world.person_id}
        return self._keep((f"/event/{name}",), schema, {**by, **values}).uuid

    def damage(self) -> None:
        """Keep an event whose payload is none."""
        last = self.events[-1]
        self._replay += 1
        self.events.append(Kept(self._replay, last.topics, last.schema_id, b"\xff\xff\xff", "torn", self._world.now_ms))
        self.wake()

    def _keep(self, topics: tuple[str, ...], schema: Obj, body: Obj) -> Kept:
        self._replay += self._random.randint(1, 7)
        id = avro.schema_id(schema)
        self.schemas[id] = schema
        name = str(uuid.UUID(int=self._random.getrandbits(128)))
        kept = Kept(self._replay, topics, id, avro.encoded(schema, body), name, self._world.now_ms)
        self.events.append(kept)
        self.wake()
        return kept

    # Reading

    def wake(self) -> None:
        """Have every stream look again."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self, timeout_s: float) -> None:
        """Wait for an event, at most so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return

    @property
    def latest(self) -> int:
        """The replay id of the last event."""
        return self._replay

    def purge(self) -> None:
        """Forget what is older than 72 hours."""
        gone = [one for one in self.events if self._world.now_ms - one.at_ms > KEPT_MS]
        if gone:
            self.forgotten = max(self.forgotten, gone[-1].replay)
            self.events = [one for one in self.events if one.replay > self.forgotten]

    def knows(self, replay: int) -> bool:
        """Tell whether a stream can go on after a replay id: it is not older than what is kept, and was once given."""
        self.purge()
        return self.forgotten <= replay <= self._replay

    def after(self, topic: str, replay: int) -> list[Kept]:
        """Return what was told on a topic after a replay id."""
        self.purge()
        return [one for one in self.events if one.replay > replay and topic in one.topics]

    def topics(self) -> set[str]:
        """Return the topics there are."""
        changes = {f"/data/{name}ChangeEvent" for name in self._world.types}
        return {EVERY, *changes, *(f"/event/{name}" for name in self.platform)}

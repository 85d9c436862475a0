"""A source whose deliveries say in plain JSON which product they are about, and a normalizing stage around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.product import Product, ProductEvent
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Purpose
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Delivery, Fetched, Ignored, Normalized, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.http import HttpClient
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import receipts, work
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, PartitionKey, Pool
from counterfoil.store.receipts import Incoming

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SOURCE = "shop"


@dataclass
class ShopSource:
    """Deliveries ``{"id", "sequence", "name"}`` are products; without an id they are ignored; what they ``needs`` is fetched first."""

    is_away: bool = False
    unreachable: frozenset[str] = frozenset()
    read: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def verify(self, settings: Any, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[Delivery, ...]:
        return ()

    def needs(self, delivery: Delivery) -> tuple[str, ...]:
        said = json.loads(delivery.body)
        return (said["needs"],) if "needs" in said else ()

    async def fetch(self, ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
        if self.is_away or self.unreachable & set(refs):
            raise TransientError("the shop does not answer", code="http.timeout", retry_after_s=7.0)
        self.fetched += refs
        return tuple(Fetched(ref, b"{}", ctx.clock.now()) for ref in refs)

    def locate(self, ref: ObjectRef) -> str | None:
        return None

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        self.read.append(delivery.dedupe_key)
        said = json.loads(delivery.body)
        if "id" not in said:
            return Ignored("no_product")
        product = Product(id=said["id"], name=said["name"])
        return (Fact(ProductEvent.RELEASED, delivery.occurred_at, said["sequence"], product),)

    async def poll(self, ctx: Context, cursor: str) -> Page:
        return Page((), cursor, has_more=False)

    def backfill_kinds(self) -> tuple[str, ...]:
        return ()

    async def backfill(self, ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
        return Page((), cursor, has_more=False)


@dataclass
class Caution:
    """A context that says what a test wants; ``held`` are the items it was told of."""

    limit: int | None = None
    is_ending: bool = False
    poisoned: frozenset[str] = frozenset()
    held: list[str] = field(default_factory=list)

    async def hold(self, items: Sequence[str]) -> frozenset[str]:
        self.held += items
        return self.poisoned & set(items)


def incoming(key: str, lane: int = Lane.REAL_TIME, **said: Any) -> Incoming:
    return Incoming(SOURCE, key, said.get("id", "none"), "product", json.dumps(said).encode(), NOW, lane=lane)


async def keep(pool: Pool, cipher: Cipher, *several: Incoming) -> list[int]:
    """Keep deliveries; return their receipts."""
    async with pool.connection() as conn:
        appended = await receipts.append(conn, cipher, several, NOW)
        await work.arm(conn, appended.touched)
    return [id for id in appended.ids if id is not None]


async def drain(normalizer: Normalizer, *, limit: int | None = None, bulk_first: bool = False) -> None:
    """Work every partition of both kinds until none has anything; ``limit``: receipts at once."""
    turns = (normalizer.bulk_turn, normalizer.turn) if bulk_first else (normalizer.turn, normalizer.bulk_turn)
    for shard in range(work.SHARDS):
        for turn in turns:
            while (await turn(f"{SOURCE}/{shard}", Caution(limit=limit))).has_more:
                pass


async def arm(conn: Conn, keys: Sequence[PartitionKey]) -> None:
    """Arm as the engine does, without anybody to enqueue for."""
    await work.arm(conn, keys)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
def source() -> ShopSource:
    return ShopSource()


@pytest.fixture
def sources(source: ShopSource, clock: SettableClock) -> dict[str, tuple[Any, Context]]:
    return {SOURCE: (source, Context(SOURCE, None, cast(HttpClient, None), clock))}


@pytest.fixture
def make_normalizer(pool: Pool, cipher: Cipher, sources: Any, clock: SettableClock) -> Callable[[], Normalizer]:
    return lambda: Normalizer(pool, cipher, sources, clock, arm, (Purpose.BOOKS,))


@pytest.fixture
def normalizer(make_normalizer: Callable[[], Normalizer]) -> Normalizer:
    return make_normalizer()

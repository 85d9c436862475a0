"""A source that verifies by one shared word and pages through what a test laid out, and the parts of an intake around it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from counterfoil.core.language.ids import ObjectRef
from counterfoil.ingress.committer import Committer
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Delivery, Fetched, Ignored, Normalized, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import IntakeRefused, TransientError
from counterfoil.kit.http import HttpClient
from counterfoil.store import work
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, PartitionKey, Pool

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def delivery_of(name: str, parked: str = "") -> Delivery:
    return Delivery(name, f"cus_{name}", "invoice.paid", b'{"id": "' + name.encode() + b'"}', NOW, parked=parked)


@dataclass
class WordSource:
    """Takes bodies ``{"ids": [...]}`` with the header ``x-word: open``; with ``deep`` any body is too deep.

    ``pages`` are polled and backfilled; ``failing_at`` fails once.
    """

    pages: list[list[str]] = field(default_factory=list)
    failing_at: int | None = None
    asked: list[str] = field(default_factory=list)
    asked_at: list[datetime] = field(default_factory=list)

    def verify(self, settings: Any, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[Delivery, ...]:
        if headers.get("x-word") == "deep":
            raise RecursionError
        if headers.get("x-word") != "open":
            raise IntakeRefused("the word is wrong", code="word.wrong", status=401)
        try:
            ids = json.loads(body)["ids"]
        except ValueError as error:
            raise IntakeRefused("the body is not JSON", code="word.body", status=400) from error
        return tuple(delivery_of(name, "unknown account acct_9" if name.startswith("foreign") else "") for name in ids)

    def needs(self, delivery: Delivery) -> tuple[str, ...]:
        return ()

    async def fetch(self, ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
        return ()

    def locate(self, ref: ObjectRef) -> str | None:
        return None

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        return Ignored("test")

    async def poll(self, ctx: Context, cursor: str) -> Page:
        self.asked_at.append(ctx.clock.now())
        return self._page(cursor)

    def backfill_kinds(self) -> tuple[str, ...]:
        return ("customer", "invoice")

    async def backfill(self, ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
        return self._page(cursor, f"{kind}_")

    def _page(self, cursor: str, prefix: str = "") -> Page:
        self.asked.append(cursor)
        place = int(cursor or 0)
        if place == self.failing_at:
            self.failing_at = None
            raise TransientError("the source is down", code="word.down")
        if place >= len(self.pages):
            return Page((), cursor, has_more=False, covers_until=NOW)
        deliveries = tuple(delivery_of(prefix + name) for name in self.pages[place])
        return Page(deliveries, str(place + 1), has_more=place + 1 < len(self.pages), covers_until=NOW)


@dataclass
class Arming:
    """The engine's part: arms by SQL and remembers what would have been enqueued, only for transactions that commit."""

    armed: list[PartitionKey] = field(default_factory=list)

    async def __call__(self, conn: Conn, keys: Sequence[PartitionKey]) -> None:
        self.armed += await work.arm(conn, keys)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
def source() -> WordSource:
    return WordSource()


@pytest.fixture
def arming() -> Arming:
    return Arming()


@pytest.fixture
def context(clock: SettableClock) -> Context:
    return Context("stripe", None, cast(HttpClient, None), clock)


@pytest.fixture
def committer(pool: Pool, cipher: Cipher, clock: SettableClock, arming: Arming) -> Committer:
    return Committer(pool, cipher, clock, arming)

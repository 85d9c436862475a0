"""The suite's checks of a stream: the trial feed passes, and feeds that lose, repeat or hide their place do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.kit.trial_connectors.acme_feed import CONNECTOR
from tests.kit.trial_connectors.acme_feed.feed import Feed
from tests.kit.trial_connectors.acme_feed.sandbox import FeedServer, serving

from counterfoil.kit.clock import SettableClock
from counterfoil.kit.conformance import Conformance, ConformanceError, Harness, Sample
from counterfoil.kit.conformance.listening import stream_goes_on_after_a_position
from counterfoil.kit.connector import Delivery, Page
from counterfoil.kit.context import Context

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CHANGE = b'{"position": 1, "id": "c1", "name": "Blue Harbor", "at": "2026-03-01T00:00:00Z"}'


class FeedHarness(Harness):
    """A fresh feed per check."""

    connector = CONNECTOR
    secrets = ("feed_secret_77",)

    async def open(self) -> Context:
        self.feed = FeedServer()
        self._serving = serving(self.feed)
        await self._serving.__aenter__()
        settings = CONNECTOR.config.model_validate({"target": self.feed.target, "token": self.feed.token})
        assert CONNECTOR.client is not None
        self.client = CONNECTOR.client(settings)
        await self.client.open()
        return Context("feed", settings, self.client, SettableClock(NOW))

    async def close(self) -> None:
        await self.client.close()
        await self._serving.__aexit__(None, None, None)

    def samples(self) -> Sequence[Sample]:
        return (Sample("change", Delivery("1", "customer/c1", "customer", CHANGE, NOW)),)

    async def change(self, ctx: Context) -> None:
        self.feed.add("Blue Harbor")


class TestConformance(Conformance):
    harness = FeedHarness


class Placeless(Feed):
    """Says that it stands, and not where."""

    async def listen(self, ctx: Context, position: str) -> AsyncGenerator[Page, None]:
        async for page in super().listen(ctx, position):
            yield page if page.deliveries else replace(page, cursor="")


class Forgetful(Feed):
    """Begins now, whatever it is asked for."""

    async def listen(self, ctx: Context, position: str) -> AsyncGenerator[Page, None]:
        async for page in super().listen(ctx, ""):
            yield page


class Repeating(Feed):
    """Begins at the beginning, whatever it is asked for."""

    async def listen(self, ctx: Context, position: str) -> AsyncGenerator[Page, None]:
        pages = super().listen(ctx, "0" if position else "")
        if position:
            await anext(pages)
        async for page in pages:
            yield page


@pytest.mark.parametrize(
    ("feed", "said"),
    [(Placeless(), "has no position"), (Forgetful(), "nothing was streamed"), (Repeating(), "is streamed after it")],
)
async def test_a_stream_that_loses_or_repeats_is_told(feed: Feed, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfoil.kit.conformance.listening.PATIENCE_S", 1.0)

    class Faulty(FeedHarness):
        connector = replace(CONNECTOR, listens=feed)

    with pytest.raises(ConformanceError, match=said):
        await asyncio.wait_for(stream_goes_on_after_a_position(Faulty), 30)

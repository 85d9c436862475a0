"""The stream, and what its messages become."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.customer import Customer, CustomerEvent
from counterfoil.kit.connector import Delivery, Fetched, Normalized, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError


class Change(msgspec.Struct):
    """One message of the stream; ``id`` empty: the stream stands, and nothing happened."""

    position: int
    id: str = ""
    name: str = ""
    at: datetime | None = None


class Feed:
    """The source."""

    async def listen(self, ctx: Context, position: str) -> AsyncGenerator[Page, None]:
        """Follow the feed after a position."""
        request = msgspec.json.encode({"after": int(position) if position else None})
        async with ctx.client.stream("/acme.Feed/Follow", request) as messages:  # type: ignore[attr-defined]
            async for message in messages:
                yield _page(message)

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        """Make a customer of a message."""
        del settings, fetched
        change = _read(delivery.body)
        if not change.id or change.at is None or change.at.tzinfo is None:
            raise RejectedError(f"{delivery.dedupe_key}: the change lacks its id, its instant or its time zone", code="acme_feed.payload")
        return (Fact(CustomerEvent.UPDATED, change.at, change.position, Customer(f"acme_feed:{change.id}", change.name)),)


def _page(message: bytes) -> Page:
    change = _read(message)
    if not change.id or change.at is None:
        return Page((), str(change.position), has_more=False)
    delivery = Delivery(f"{change.position}", f"customer/{change.id}", "customer", message, change.at)
    return Page((delivery,), str(change.position), has_more=False, covers_until=change.at)


def _read(message: bytes) -> Change:
    try:
        return msgspec.json.decode(message, type=Change)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedError("a message is not a change", code="acme_feed.payload") from error

"""Checks on a source that streams: it says that it stands, goes on after a position, and gives everything at least once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from counterfoil.kit.conformance.check import Check, CheckedPart, ConformanceError, can_listen, require
from counterfoil.kit.conformance.harness import Harness, opened
from counterfoil.kit.conformance.normalizing import source_of
from counterfoil.kit.connector import Delivery, Listens, Page
from counterfoil.kit.context import Context

PATIENCE_S = 20.0


def listens_of(harness: Harness) -> Listens:
    """Return what streams the connector's changes."""
    listens = harness.connector.listens
    if listens is None:
        raise ConformanceError("the connector streams nothing")
    return listens


async def stream_goes_on_after_a_position(kind: type[Harness]) -> None:
    """The first page says where the stream stands; from there what happened meanwhile comes, each time; from after it no more."""
    async with opened(kind) as (harness, ctx):
        listens = listens_of(harness)
        stands = await _read(listens, ctx, "", lambda _page: True)
        require(stands[-1].cursor, "the first page has no position: what happens before the next would be lost with a listener that dies")
        await harness.change(ctx)
        heard = await _read(listens, ctx, stands[-1].cursor, _tells)
        again = await _read(listens, ctx, stands[-1].cursor, _tells)
        require(_keys(again) == _keys(heard), "listening again from the same position gives other dedupe keys")
        rest = await _read(listens, ctx, heard[-1].cursor, lambda _page: True)
        twice = _keys(rest) & _keys(heard)
        require(not twice, f"what lies before a position is streamed after it: {sorted(twice)[:3]}")


async def streamed_deliveries_normalize(kind: type[Harness]) -> None:
    """What a stream brings becomes facts with what it needs, fetched from the sandbox."""
    async with opened(kind) as (harness, ctx):
        source, listens = source_of(harness), listens_of(harness)
        stands = await _read(listens, ctx, "", lambda _page: True)
        await harness.change(ctx)
        for delivery in _deliveries(await _read(listens, ctx, stands[-1].cursor, _tells)):
            if not delivery.parked:
                fetched = {f.ref: f for f in await source.fetch(ctx, source.needs(delivery))}
                source.normalize(ctx.settings, delivery, fetched)


async def _read(listens: Listens, ctx: Context, position: str, is_enough: Callable[[Page], bool]) -> list[Page]:
    """Listen until a page is enough; close the stream then. Raises ConformanceError if none comes."""
    pages: list[Page] = []
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(listens.listen(ctx, position)) as stream:
            async for page in stream:
                pages.append(page)
                if is_enough(page):
                    return pages
    except TimeoutError:
        raise ConformanceError(f"nothing was streamed after position {position!r} within {PATIENCE_S:.0f} s") from None
    raise ConformanceError(f"the stream after position {position!r} ended before it said what it should")


def _tells(page: Page) -> bool:
    return bool(page.deliveries)


def _deliveries(pages: list[Page]) -> list[Delivery]:
    return [delivery for page in pages for delivery in page.deliveries]


def _keys(pages: list[Page]) -> set[str]:
    return {delivery.dedupe_key for delivery in _deliveries(pages)}


CHECKS = (
    Check("stream_goes_on_after_a_position", CheckedPart.READS, stream_goes_on_after_a_position, can_listen),
    Check("streamed_deliveries_normalize_with_what_they_need", CheckedPart.READS, streamed_deliveries_normalize, can_listen),
)

"""The receiving half of the connector: each method leads into the module that does it, loaded when it is first needed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from counterfoil.core.language.ids import ObjectRef
from counterfoil.kit.connector import Delivery, Fetched, Normalized, Page, Polls
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError

from . import refs


class SalesforceSource:
    """Salesforce as a source; all its parts; see :mod:`counterfoil.kit.connector` for what each method promises."""

    def needs(self, delivery: Delivery) -> tuple[str, ...]:
        """Return the references (``00D.../deal/006...``) to fetch first. Pure."""
        from . import normalize

        return normalize.needs(delivery)

    async def fetch(self, ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
        """Fetch references, many in one query, one answer per ref. Raises TransientError, SetupError."""
        from . import fetching

        return await fetching.fetch(ctx, refs)

    def locate(self, ref: ObjectRef) -> str | None:
        """Return the fetch reference of a canonical object, or None. Pure."""
        return refs.locate(ref)

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        """Return the canonical facts. Pure; raises only RejectedError."""
        from . import normalize

        return normalize.normalize(settings, delivery, fetched)

    def streams(self, settings: Any) -> Mapping[str, Polls]:
        """Return the lists of what changed, one of each type."""
        from . import pull

        return pull.lists(settings)

    async def listen(self, ctx: Context, position: str) -> AsyncGenerator[Page, None]:
        """Yield what is streamed after a position. Raises SetupError where what it needs is not installed."""
        try:
            from . import listening
        except ImportError as error:
            message = f"listening needs {error.name}: install it with pip install 'counterfoil[salesforce]', or leave pubsub_address out"
            raise SetupError(message, code="salesforce.extra_missing") from error
        async with aclosing(listening.listen(ctx, position)) as pages:
            async for page in pages:
                yield page

    def backfill_kinds(self) -> tuple[str, ...]:
        """Return the kinds of objects that can be listed, in dependency order."""
        from . import backfill

        return backfill.KINDS

    async def backfill(self, ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
        """Return the next page of objects of a kind created at or after since."""
        from . import backfill

        return await backfill.backfill(ctx, kind, since, cursor)

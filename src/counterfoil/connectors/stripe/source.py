"""The receiving half of the connector: each method leads into the module that does it, loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from counterfoil.core.language.ids import ObjectRef
from counterfoil.kit.connector import Delivery, Fetched, Normalized, Page, Polls
from counterfoil.kit.context import Context

from . import refs, webhooks


class StripeSource:
    """Stripe as a source; all its parts; see :mod:`counterfoil.kit.connector` for what each method promises."""

    def verify(self, settings: Any, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[Delivery, ...]:
        """Verify a webhook over the raw bytes. Raises IntakeRefused."""
        return webhooks.verify(settings, headers, body, now)

    def needs(self, delivery: Delivery) -> tuple[str, ...]:
        """Return the references (``acct_1/invoice/in_1``) to fetch first. Pure."""
        from . import normalize

        return normalize.needs(delivery)

    async def fetch(self, ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
        """Fetch references, one answer per ref. Raises TransientError, SetupError."""
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
        """Return the lists of events and balance movements, of every account."""
        from . import pull

        return pull.lists(settings)

    def backfill_kinds(self) -> tuple[str, ...]:
        """Return the kinds of objects that can be listed, in dependency order."""
        from . import backfill

        return backfill.KINDS

    async def backfill(self, ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
        """Return the next page of objects of a kind created at or after since."""
        from . import backfill

        return await backfill.backfill(ctx, kind, since, cursor)

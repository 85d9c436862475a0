"""The built-in source ``people``: what a person decides is a receipt like any delivery, and becomes a fact of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.intent import INTENT, PEOPLE, Intent, IntentEvent
from counterfoil.core.language.ids import digest
from counterfoil.kit.codec import decode_record, encode
from counterfoil.kit.connector import Delivery, Fetched, Normalized, Reader
from counterfoil.kit.errors import RejectedError
from counterfoil.store.receipts import Incoming

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PeopleSource:
    """Makes facts of receipts: each holds one intent as it was kept."""

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        """Return the intent as a fact."""
        del settings, fetched
        intent = decode_record(INTENT.name, delivery.body)
        if not isinstance(intent, Intent):
            raise RejectedError("is no intent", code="codec.shape")
        sequence = int((intent.decided_at - _EPOCH).total_seconds() * 1_000_000)
        return (Fact(IntentEvent.DECIDED, intent.decided_at, sequence, intent),)


def people_source() -> Reader:
    """Return the source as the stages read it."""
    return Reader(PeopleSource())


def incoming(intent: Intent, seen: str = "") -> Incoming:
    """Return what a person decided as a delivery.

    ``seen``: what of its subject the person saw, such as its version: the same said again of the same is a duplicate. Empty: nothing was
    looked at, and only the same at the same instant is.
    """
    until = "" if intent.until is None else intent.until.isoformat()
    said = digest(intent.subject, intent.verb, intent.about, intent.actor, until, seen or intent.decided_at.isoformat())
    kept = replace(intent, id=f"{PEOPLE}:{said}")
    return Incoming(PEOPLE, said, intent.subject, f"intent.{intent.verb}", encode(kept), intent.decided_at)

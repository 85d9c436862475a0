"""The built-in source ``people``: what a person decides is a receipt like any delivery, and a fact of its own; who is merged into whom is a
claim beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from counterfoil.core.facts.events import Fact
from counterfoil.core.identity.merges import merged_into
from counterfoil.core.identity.people import claim_of
from counterfoil.core.kinds.customer import CustomerEvent
from counterfoil.core.kinds.intent import INTENT, PEOPLE, Intent, IntentEvent
from counterfoil.core.language.ids import digest
from counterfoil.kit.codec import decode_record, encode
from counterfoil.kit.connector import Delivery, Fetched, Normalized, Reader
from counterfoil.kit.errors import RejectedError
from counterfoil.store.receipts import Incoming

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(microseconds=1)


class PeopleSource:
    """Makes facts of receipts: each holds one intent as it was kept."""

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        """Return the intent as a fact, and what it says of a thing's merging as another."""
        del settings, fetched
        intent = decode_record(INTENT.name, delivery.body)
        if not isinstance(intent, Intent):
            raise RejectedError("is no intent", code="codec.shape")
        at, sequence = intent.decided_at, sequence_at(intent.decided_at)
        decided = Fact(IntentEvent.DECIDED, at, sequence, intent)
        claim = claim_of(intent)
        if claim is None:
            return (decided,)
        event = CustomerEvent.MERGED if merged_into(claim) not in ("", claim.id) else CustomerEvent.UPDATED
        return (decided, Fact(event, at, sequence, claim, is_apart=not merged_into(claim)))


def sequence_at(instant: datetime) -> int:
    """Return the place of what is decided at an instant in the order of what people say."""
    return (instant - _EPOCH) // _STEP


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

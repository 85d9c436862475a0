"""Records of lists as deliveries: each says no more than which record changed, and when; the record itself is fetched."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from counterfoil.kit.connector import Delivery
from counterfoil.kit.errors import TransientError

from .normalize.events import ARCHIVED, LISTED
from .refs import is_id
from .wire import Change, Row

_ENCODER = msgspec.json.Encoder()


def listed(portal_id: int, kind: str, row: Row) -> Delivery:
    """Return that a record changed, by the time at which it did: found twice, it is one delivery."""
    return _delivery(portal_id, kind, LISTED, row.id, row.updatedAt)


def archived(portal_id: int, kind: str, row: Row) -> Delivery:
    """Return that a record is deleted, by the time at which it was."""
    return _delivery(portal_id, kind, ARCHIVED, row.id, row.archivedAt or row.updatedAt)


def instant(text: str) -> datetime:
    """Return a time of HubSpot's (ISO 8601). Raises TransientError if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise TransientError("a list tells a time that is none", code="hubspot.answer_shape") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _delivery(portal_id: int, kind: str, action: str, id: str, at: str) -> Delivery:
    if not is_id(id):
        raise TransientError(f"a list of {kind} holds a record without an id", code="hubspot.answer_shape")
    occurred_at = instant(at)
    return Delivery(
        dedupe_key=f"{portal_id}/{kind}/{id}/{action}/{occurred_at.isoformat()}",
        shard_key=id,
        kind=f"{kind}.{action}",
        body=_ENCODER.encode(Change(id, at)),
        occurred_at=occurred_at,
        account=str(portal_id),
    )

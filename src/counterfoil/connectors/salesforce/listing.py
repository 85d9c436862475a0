"""Rows of lists as deliveries: accounts and contacts whole, of an opportunity that it changed; it is fetched with what belongs to it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from counterfoil.core.kinds.deal import DEAL
from counterfoil.core.language.ids import digest
from counterfoil.kit.connector import Delivery
from counterfoil.kit.errors import TransientError

from .normalize.events import LISTED, ROW
from .refs import CONTACT_ROLE, LINE_ITEM, OBJECTS, OPPORTUNITY, is_id, to_18
from .soql import EPOCH
from .wire import Found, Notice, Row

_ENCODER = msgspec.json.Encoder()
_KINDS = {name: kind for kind, name in OBJECTS.items()}
_OPPORTUNITY_OF = {OPPORTUNITY: "Id", LINE_ITEM: "OpportunityId", CONTACT_ROLE: "OpportunityId"}
"""The types that are told as part of an opportunity, and the field that names it."""


def listed(org: str, name: str, row: Row, read_at: datetime) -> Delivery:
    """Return a row as a delivery. Read again and the same, it is one delivery: its key is its stamp and what it says.

    A stamp alone is no key: it is a second, in which a record may change twice. Raises TransientError for a row without id or stamp.
    """
    field = _OPPORTUNITY_OF.get(name, "Id")
    id, owner, at = row.get("Id", ""), row.get(field, ""), row.get("SystemModstamp", "")
    if not is_id(id) or not is_id(owner):
        raise TransientError(f"a list of {name} holds a record without an id", code="salesforce.answer_shape")
    is_part = name in _OPPORTUNITY_OF
    kind = f"{DEAL.name if is_part else _KINDS[name]}.{LISTED if is_part else ROW}"
    body = _ENCODER.encode(Notice(to_18(owner), at) if is_part else Found(row, read_at=read_at.astimezone(UTC).isoformat()))
    said = digest(*(part for field in sorted(row) for part in (field, row[field])))
    return Delivery(
        dedupe_key=f"{org}/{name}/{to_18(id)}/{at}/{said}",
        shard_key=to_18(owner),
        kind=kind,
        body=body,
        occurred_at=instant(at),
        account=org,
    )


def instant(text: str) -> datetime:
    """Return an instant of Salesforce's (``2026-01-31T23:05:00.000+0000``). Raises TransientError if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise TransientError("a list tells a time that is none", code="salesforce.answer_shape") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def stamp_ms(row: Row) -> int:
    """Return the stamp of a row, in milliseconds. Raises TransientError."""
    return (instant(row.get("SystemModstamp", "")) - EPOCH) // (instant("1970-01-01T00:00:00.001+0000") - EPOCH)

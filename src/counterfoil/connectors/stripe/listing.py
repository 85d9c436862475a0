"""Listed objects as deliveries: kind ``<object>.listed``, deduplicated by object and content."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from counterfoil.kit.connector import Delivery

from .fetching import ENCODER, id_of
from .wire import API_VERSION


def listed(account: str, found: dict[str, Any], at: datetime, *, is_immutable: bool = False) -> Delivery:
    """Return the delivery of one listed object, complete as fetching would make it.

    Args:
        account: the account it was listed in.
        found: the object as plain values.
        at: the instant before the list was asked for; becomes the sequence of the state.
        is_immutable: the object never changes, so that its id alone tells it apart.
    """
    body = ENCODER.encode(found)
    object_, object_id = str(found["object"]), str(found["id"])
    content = "" if is_immutable else "/" + hashlib.blake2b(body, digest_size=12).hexdigest()
    return Delivery(
        dedupe_key=f"{account}/{object_}/{object_id}{content}",
        shard_key=id_of(found.get("customer")) or object_id,
        kind=f"{object_}.listed",
        body=body,
        occurred_at=at,
        account=account,
        api_version=API_VERSION,
    )

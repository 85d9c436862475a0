"""Events of a stream as deliveries: each says which record changed and how; the record itself is fetched. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from counterfoil.core.kinds.deal import DEAL
from counterfoil.kit.connector import Delivery

from .events import EventSchema, Obj
from .normalize.events import CHANGED, GAP, OTHER, OVERFLOW, PART, UNREADABLE
from .refs import ACCOUNT, CONTACTS, OBJECTS, OPPORTUNITY, PARTS, is_id, to_18
from .soql import EPOCH
from .wire import Change, StreamGap

_ENCODER = msgspec.json.Encoder()
_KINDS = {name: kind for kind, name in OBJECTS.items()}
_PREFIXES = {"001": ACCOUNT, "003": CONTACTS, "006": OPPORTUNITY}
"""How ids begin, by type: https://help.salesforce.com/s/articleView?id=000385203&type=1"""
OVERFLOWS = "GAP_OVERFLOW"


def of_change(org: str, event: Obj, schema: EventSchema) -> Iterator[Delivery]:
    """Yield a delivery for each record of a change event. Raises ValueError for an event that is not of the documented form."""
    header = event.get("ChangeEventHeader")
    if not isinstance(header, dict):
        raise ValueError("the event has no header")
    at = _instant(header.get("commitTimestamp"))
    entity, change = str(header.get("entityName") or ""), str(header.get("changeType") or "")
    key = f"{header.get('transactionKey')}/{header.get('sequenceNumber')}"
    if not header.get("transactionKey"):
        raise ValueError("the event does not name its transaction")  # without it two events would have one key
    told = Change(
        entity,
        "",
        change,
        schema.names(header.get("changedFields") or ()),
        schema.names(header.get("nulledFields") or ()),
        schema.names(header.get("diffFields") or ()),
        str(event.get("OpportunityId") or ""),
        str(header.get("commitUser") or ""),
        str(header.get("changeOrigin") or ""),
    )
    for id in header.get("recordIds") or ():
        yield _delivery(org, f"change/{key}/{id}", msgspec.structs.replace(told, id=str(id)), at)


def of_platform(org: str, event: Obj, field: str, uuid: str) -> Delivery:
    """Return the delivery of a platform event: the record whose id its field holds is read again. Raises ValueError if it names none."""
    id = str(event.get(field) or "")
    entity = _PREFIXES.get(id[:3], "")
    return _delivery(org, f"event/{uuid}", Change(entity, id), _instant(event.get("CreatedDate")))


def gap(org: str, topic: str, replay: str, since: str, now: datetime) -> Delivery:
    """Return that a stream did not go on where it was left: what it told since is kept no more."""
    return Delivery(f"{org}/gap/{topic}/{replay}", topic, f"stream.{GAP}", _ENCODER.encode(StreamGap(topic, since)), now, account=org)


def unreadable(org: str, topic: str, uuid: str, now: datetime) -> Delivery:
    """Return that an event cannot be read: it is held back, and the stream goes on.

    What it says is not kept: nobody could read it later either, and no erasure of a person would find it.
    """
    return Delivery(
        f"{org}/event/{topic}/{uuid}",
        topic,
        f"stream.{UNREADABLE}",
        _ENCODER.encode(StreamGap(topic)),
        now,
        account=org,
        parked="a streamed event cannot be read",
    )


def _delivery(org: str, key: str, told: Change, at: datetime) -> Delivery:
    if told.change == OVERFLOWS:
        kind = f"stream.{OVERFLOW}"
    elif told.entity in _KINDS and is_id(told.id):
        kind = f"{_KINDS[told.entity]}.{CHANGED}"
    elif told.entity in PARTS.values() and is_id(told.id):
        kind = f"{DEAL.name}.{PART}"
    else:
        kind = f"{OTHER}.{CHANGED}"
    shard = told.opportunity if is_id(told.opportunity) and told.entity in PARTS.values() else told.id
    return Delivery(f"{org}/{key}", to_18(shard) or "0", kind, _ENCODER.encode(told), at, account=org)


def _instant(ms: Any) -> datetime:
    if not isinstance(ms, int) or not 0 <= ms < 10**14:
        raise ValueError("the event does not say when it happened")
    return EPOCH + timedelta(milliseconds=ms)

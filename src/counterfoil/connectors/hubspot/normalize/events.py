"""Which records a delivery is about: the tables of events and object types, and the ids in a body. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from counterfoil.connectors.hubspot.refs import PATHS, TYPE_IDS, Ref, is_id
from counterfoil.connectors.hubspot.shown import PREFIX
from counterfoil.connectors.hubspot.wire import JournalGap, Notice
from counterfoil.core.kinds.company import COMPANY
from counterfoil.core.kinds.contact import CONTACT
from counterfoil.core.kinds.quote import QUOTE
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.connector import Delivery
from counterfoil.kit.errors import DriftError, RejectedError

CREATION, CHANGE, DELETION, MERGE, RESTORE = "creation", "propertyChange", "deletion", "merge", "restore"
ASSOCIATION, PRIVACY = "associationChange", "privacyDeletion"
LISTED, ARCHIVED, FETCHED = "listed", "archived", "fetched"
"""What lists tell, and what the hub asked for: no events of HubSpot's."""

GAP = "journal.gap"
"""Kind of what the connector says itself: the journal could not go on where it was left."""

ACTIONS = frozenset({CREATION, CHANGE, DELETION, MERGE, RESTORE, ASSOCIATION, PRIVACY, LISTED, ARCHIVED, FETCHED})

JOURNAL: dict[str, str] = {
    "CREATE": CREATION,
    "UPDATE": CHANGE,
    "DELETE": DELETION,
    "MERGE": MERGE,
    "RESTORE": RESTORE,
    "ASSOCIATION_ADDED": ASSOCIATION,
    "ASSOCIATION_REMOVED": ASSOCIATION,
    "GDPR_DELETE": PRIVACY,
    "SNAPSHOT": CHANGE,
}
"""The journal's actions: https://developers.hubspot.com/docs/api-reference/latest/webhooks-journal/guide."""

MEMBERSHIPS = frozenset({"ADDED_TO_LIST", "REMOVED_FROM_LIST"})
"""Actions of the journal on what a record is listed in: no state of the record."""

NOT_READ = frozenset({"ticket", "product", "invoice", "conversation", "call", "email", "meeting", "note", "task", "communication"})
"""Objects with events of their own of which nothing is told."""
VALUES = frozenset({"propertyValue", "propertyChanges", "properties"})
"""The fields of an event that hold what a record says, not which record it is about."""
OTHER = "other"
"""Stands for an object type that is known by its number only: custom objects, and what HubSpot adds."""

_KIND_OF_TYPE = {type_id: kind for kind, type_id in TYPE_IDS.items()}
_NOTICE = msgspec.json.Decoder(Notice)


def kind_of(subscription_type: str, type_id: str) -> str:
    """Return the kind of a delivery, ``company.creation``: generic subscriptions (``object.creation``) name the type by its number."""
    object_, _, action = subscription_type.partition(".")
    return f"{_KIND_OF_TYPE.get(type_id, OTHER)}.{action}" if object_ == "object" and type_id else subscription_type


def kind_of_journal(action: str, type_id: str) -> str:
    """Return the kind of an event of the journal; an action that is in no table stays as it is, and is drift."""
    is_erasure = JOURNAL.get(action) == PRIVACY and not type_id  # only contacts are erased
    object_ = CONTACT.name if is_erasure else _KIND_OF_TYPE.get(type_id, OTHER)
    return f"{object_}.{JOURNAL.get(action, action)}"


def is_not_read(kind: str) -> bool:
    """Tell whether nothing is ever read of the type of object a kind of delivery is about."""
    object_ = kind.partition(".")[0]
    return object_ in NOT_READ or object_ == OTHER


def kept(kind: str, body: bytes) -> bytes:
    """Return of an event what is kept: all of it, or, of what is not read, all but values.

    An e-mail's text, say, would be kept for nothing, and no erasure of the person could find it; a quote holds who sends it.
    """
    if not is_not_read(kind) and kind.partition(".")[0] != QUOTE.name:
        return body
    fields: dict[str, Any] = msgspec.json.decode(body)
    return msgspec.json.encode({name: value for name, value in fields.items() if name not in VALUES})


def classified(delivery: Delivery) -> tuple[str, str, str]:
    """Return object and action of a delivery, or the rule by which it is ignored. Raises DriftError for what is in no table."""
    object_, _, action = delivery.kind.partition(".")
    if is_not_read(delivery.kind):
        return "", "", "object_type_is_not_read"
    if object_ in PATHS and action in MEMBERSHIPS:
        return "", "", "list_membership_is_not_kept"
    if object_ not in PATHS or action not in ACTIONS or (action == PRIVACY and object_ != CONTACT.name):
        message = f"no table knows events {delivery.kind[:80]!r}"
        raise DriftError(message, code="hubspot.unknown_event", drift_key=f"event/{delivery.kind[:80]}")
    if action == CHANGE and (_read(delivery).propertyName or "").startswith(PREFIX):
        return "", "", "own_property_comes_back"
    return object_, action, ""


def gap_of(delivery: Delivery) -> RejectedError:
    """Return the case of a journal that could not go on where it was left."""
    since = msgspec.json.decode(delivery.body, type=JournalGap).since[:16].replace("T", " ")
    return RejectedError(
        f"what HubSpot's journal told since {since + ' UTC' if since else 'it was last read'} is kept no more: it keeps three days, and the"
        " hub did not read it for longer",
        code="hubspot.journal_gap",
        case_class=CaseClass.DEPENDENCY_MISSING,
        remedy="No change is lost once `counterfoil status` shows no gap after that for this source: searches and the lists of what was"
        " deleted tell of it. Of contacts that were erased for privacy meanwhile nothing tells: look for those in HubSpot's audit log."
        " Then waive this case.",
    )


def subjects(delivery: Delivery, kind: str, action: str) -> tuple[tuple[str, str], ...]:
    """Return the records (kind, id) to be read for a delivery, each once. Raises RejectedError if it names none."""
    notice = _read(delivery)
    if action == ASSOCIATION:
        found = [end for end in _ends(notice, kind) if end[0] != COMPANY.name]
    else:
        found = [(kind, id) for id in _ids(notice, action)][:1]
        if not found:
            raise RejectedError(f"{delivery.kind} names no record", code="hubspot.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT)
    return tuple(dict.fromkeys(one for one in found if is_id(one[1])))


def merged_ids(delivery: Delivery) -> tuple[str, ...]:
    """Return the records a merge names, the survivor among them."""
    notice = _read(delivery)
    named = (notice.objectId, notice.primaryObjectId, *(notice.mergedObjectIds or ()))
    return tuple(dict.fromkeys(str(id) for id in named if id is not None and id > 0))


def shard_of(body: bytes) -> str:
    """Return what deliveries of one record share: its id, whatever they tell of it."""
    try:
        notice = _NOTICE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "0"
    named = (notice.id, notice.newObjectId, notice.primaryObjectId, notice.objectId, notice.fromObjectId)
    return next((str(id)[:20] for id in named if id), "0")


def refs_of(portal: str, told: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Return the references of records."""
    return tuple(str(Ref(portal, kind, id)) for kind, id in told)


def _read(delivery: Delivery) -> Notice:
    try:
        return _NOTICE.decode(delivery.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedError(
            f"{delivery.kind} cannot be read: {error}", code="hubspot.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT
        ) from error


def _ids(notice: Notice, action: str) -> Iterator[str]:
    if notice.id is not None:
        yield notice.id
    merged = (notice.newObjectId, notice.primaryObjectId) if action == MERGE else ()
    yield from (str(id) for id in (*merged, notice.objectId) if id is not None and id > 0)


def _ends(notice: Notice, kind: str) -> Iterator[tuple[str, str]]:
    """Yield both ends of an association that are read: by the numbers of their types, else by the name (``DEAL_TO_LINE_ITEM``)."""
    names = (notice.associationType or "").lower().split("_to_")
    name_from, name_to = names if len(names) == 2 else (kind, "")
    for id, type_id, name in (
        (notice.fromObjectId or notice.objectId, notice.fromObjectTypeId, name_from),
        (notice.toObjectId or notice.associatedObjectId, notice.toObjectTypeId or notice.associatedObjectTypeId, name_to),
    ):
        end = _KIND_OF_TYPE.get(type_id or "", name)
        if id is not None and id > 0 and end in PATHS:
            yield end, str(id)

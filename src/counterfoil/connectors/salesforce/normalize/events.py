"""Which records a delivery is about, and which are ignored by rule. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from counterfoil.connectors.salesforce.refs import KINDS, PARTS, SHOWING, NamingSettings, Ref, is_id, naming_fields, to_18
from counterfoil.connectors.salesforce.shown import is_own
from counterfoil.connectors.salesforce.wire import FIELDS, OPTIONAL, Change, Notice, StreamGap
from counterfoil.core.kinds.deal import DEAL
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.connector import Delivery
from counterfoil.kit.errors import DriftError, RejectedError

T = TypeVar("T")

ROW, LISTED, FETCHED = "row", "listed", "fetched"
"""A list's whole row; a list's word that an opportunity changed; what the hub asked for."""
CHANGED, PART = "change", "part"
"""A stream's word that a record changed, or something that belongs to an opportunity."""
GAP, OVERFLOW, UNREADABLE = "gap", "overflow", "unreadable"
"""What is told of a stream itself."""
OTHER = "other"
"""Stands for records of types that are not read."""

_ACTIONS = frozenset({ROW, FETCHED, CHANGED})
_STREAM = frozenset({GAP, OVERFLOW, UNREADABLE})
_RULES = {f"stream.{OVERFLOW}": "overflow_is_read_by_polling", f"{OTHER}.{CHANGED}": "object_type_is_not_read"}
_TELLING = frozenset({"UPDATE"})
"""Changes that say which fields changed."""
_COUNTRY = {
    "BillingAddress": "BillingCountry",
    "BillingAddress.Country": "BillingCountry",
    "BillingAddress.CountryCode": "BillingCountryCode",
}
"""Parts of a compound field that are read by a name of their own; of the field alone it is not said which part changed."""


def classified(delivery: Delivery) -> tuple[str, str, str]:
    """Return kind and action of a delivery, or the rule by which it is ignored. Raises DriftError for what is in no table."""
    if delivery.kind in _RULES:
        return "", "", _RULES[delivery.kind]
    kind, _, action = delivery.kind.partition(".")
    is_known = action in _ACTIONS if kind in KINDS else kind == "stream" and action in _STREAM
    if not is_known and not (kind == DEAL.name and action in (LISTED, PART)):
        message = f"no table knows deliveries {delivery.kind[:80]!r}"
        raise DriftError(message, code="salesforce.unknown_event", drift_key=f"event/{delivery.kind[:80]}")
    if action in (CHANGED, PART) and (rule := _of_no_interest(read(delivery, Change), None)):
        return "", "", rule
    return kind, action, ""


def is_of_no_interest(delivery: Delivery, settings: NamingSettings) -> str:
    """Return the rule by which a change is ignored, now that it is known which fields of the org's own are read; empty: it is not."""
    told = read(delivery, Change)
    return _of_no_interest(told, naming_fields(settings, told.entity))


def _of_no_interest(told: Change, naming: Mapping[str, str] | None) -> str:
    """Return the rule by which a change of these fields is ignored.

    ``naming``: the fields that name what other systems know; None: any field of the org's own might be one.
    """
    if told.change not in _TELLING or not told.fields:
        return ""
    names = {_COUNTRY.get(name, name.partition(".")[0]) for name in told.fields}
    known = {*FIELDS.get(told.entity, ()), *OPTIONAL.get(told.entity, ())}
    own = {name for name in names if is_own(name)}
    custom = {name for name in names - own if name.endswith(("__c", "__pc"))} if told.entity in SHOWING.values() else set()
    read_of = custom if naming is None else custom & naming.keys()
    if names & known or read_of:
        return ""
    return "own_field_comes_back" if own else "no_field_that_is_read_changed"


def refs_of(delivery: Delivery, kind: str, action: str) -> tuple[str, ...]:
    """Return what must be fetched for a delivery. Raises RejectedError if it names no record."""
    match action:
        case "listed":
            named, id = DEAL.name, read(delivery, Notice).id
        case "change":
            named, id = kind, read(delivery, Change).id
        case "part":
            told = read(delivery, Change)
            of_it = next((part for part, entity in PARTS.items() if entity == told.entity), DEAL.name)
            named, id = (DEAL.name, told.opportunity) if is_id(told.opportunity) else (of_it, told.id)
        case _:
            return ()
    if not is_id(id) or not is_id(delivery.account):
        raise RejectedError(f"{delivery.kind} names no record", code="salesforce.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT)
    return (str(Ref(to_18(delivery.account), named, to_18(id))),)


def gap_of(delivery: Delivery) -> RejectedError:
    """Return the case of a stream that could not go on where it was left."""
    gap = read(delivery, StreamGap)
    since = f" since {gap.since[:16].replace('T', ' ')} UTC" if gap.since else ""
    return RejectedError(
        f"what Salesforce streamed on {gap.topic[:100]}{since} is kept no more: it keeps 72 hours, and the hub was away for longer",
        code="salesforce.stream_gap",
        case_class=CaseClass.DEPENDENCY_MISSING,
        remedy="Nothing is lost if `counterfoil status` shows no gap for this source: polling reads what changed meanwhile. It does not "
        "tell of records that were deleted more than 15 days ago: look for those by hand. Then waive this case.",
    )


def read(delivery: Delivery, type_: type[T]) -> T:
    """Return the body of a delivery. Raises RejectedError."""
    try:
        return msgspec.json.decode(delivery.body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedError(
            f"{delivery.kind} cannot be read: {error}", code="salesforce.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT
        ) from error

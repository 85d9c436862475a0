"""PURE: what Salesforce told, and the records as they were read for it -> canonical facts.

The state of a fact is the record as read, whatever led to it; its sequence is the instant of the reading (at least of the change).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from counterfoil.connectors.salesforce.config import SalesforceConfig
from counterfoil.connectors.salesforce.refs import PARTS, canonical, is_id, parse, to_18
from counterfoil.connectors.salesforce.soql import EPOCH
from counterfoil.connectors.salesforce.wire import Change, DealsOfPart, Found
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.company import COMPANY, CompanyEvent
from counterfoil.core.kinds.contact import CONTACT, ContactEvent
from counterfoil.core.kinds.deal import DEAL, DealEvent, DealState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.records import EventType, Record
from counterfoil.kit.connector import Delivery, Fetched, Ignored, Normalized
from counterfoil.kit.errors import RejectedError

from .events import CHANGED, FETCHED, GAP, PART, ROW, UNREADABLE, classified, gap_of, is_of_no_interest, read, refs_of
from .records import record_of, tombstone

T = TypeVar("T")

RESTORE = "UNDELETE"
"""The change type of a record that was taken out of the recycle bin."""

_EVENTS: Mapping[str, type[EventType]] = {COMPANY.name: CompanyEvent, CONTACT.name: ContactEvent, DEAL.name: DealEvent}


class Told(msgspec.Struct, frozen=True):
    """What a record was read for: its kind, and when. ``is_new``: it was made and not changed since; ``change``: what an event told."""

    kind: str
    at: datetime
    is_new: bool = False
    change: str = ""


def needs(delivery: Delivery) -> tuple[str, ...]:
    """Return what must be fetched before a delivery is normalized; nothing for one that normalizing will refuse or ignore."""
    try:
        kind, action, rule = classified(delivery)
        return () if rule else refs_of(delivery, kind, action)
    except RejectedError:
        return ()


def normalize(settings: SalesforceConfig, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
    """Return the canonical facts of a delivery, or the rule by which it is ignored.

    Raises RejectedError (a value that cannot be read) and DriftError (a delivery in no table), nothing else.
    """
    kind, action, rule = classified(delivery)
    if rule:
        return Ignored(rule)
    if to_18(delivery.account) != settings.org_id and action != FETCHED:
        message = f"{delivery.kind} is of org {delivery.account[:18]}, and org_id is {settings.org_id}"
        raise RejectedError(message, code="salesforce.other_org", cause="it is of another org than org_id")
    if action in (ROW, FETCHED):
        found = _decoded(delivery.body, Found, delivery.kind)
        return (_fact_of(settings, Told(kind, _read_at(delivery, found), _is_new(found)), found, delivery.kind),)
    if action == GAP:
        raise gap_of(delivery)
    if action == UNREADABLE:
        message = "an event of a stream could not be read by its schema"
        remedy = "Nothing is lost if `counterfoil status` shows no gap for this source: polling reads what changed. Then waive this case."
        raise RejectedError(message, code="salesforce.event_unreadable", case_class=CaseClass.SCHEMA_DRIFT, cause=message, remedy=remedy)
    if action in (CHANGED, PART) and (rule := is_of_no_interest(delivery, settings)):
        return Ignored(rule)
    facts = [fact for ref in refs_of(delivery, kind, action) for fact in _facts(settings, delivery, kind, ref, fetched)]
    return tuple(facts) or Ignored("no_record_concerned")


def _facts(settings: SalesforceConfig, delivery: Delivery, kind: str, ref: str, fetched: Mapping[str, Fetched]) -> Iterator[Fact]:
    known, answer = parse(ref), fetched.get(ref)
    if known is None or answer is None:
        raise RejectedError(f"{delivery.kind}: {ref} was not read", code="salesforce.not_fetched")
    at = max(answer.fetched_at, delivery.occurred_at).astimezone(UTC)
    if known.kind in PARTS:
        if answer.body is not None:
            for deal in _decoded(answer.body, DealsOfPart, delivery.kind).deals:
                yield _fact_of(settings, Told(DEAL.name, at, _is_new(deal)), deal, delivery.kind)
    elif answer.body is None:
        yield _fact(Told(kind, at), tombstone(kind, canonical(settings.org_id, known.id)))
    else:
        found = _decoded(answer.body, Found, delivery.kind)
        yield _fact_of(settings, Told(kind, at, _is_new(found), _change_of(delivery)), found, delivery.kind)


def _change_of(delivery: Delivery) -> str:
    """Return the change type of a change event; empty for any other delivery."""
    return read(delivery, Change).change if delivery.kind.endswith(f".{CHANGED}") else ""


def _fact_of(settings: SalesforceConfig, told: Told, found: Found, where: str) -> Fact:
    if not is_id(found.object.get("Id", "")):
        raise RejectedError(f"{where}: the record read has no id", code="salesforce.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT)
    return _fact(told, record_of(settings, told.kind, found))


def _read_at(delivery: Delivery, found: Found) -> datetime:
    if not found.read_at:
        return delivery.occurred_at.astimezone(UTC)
    try:
        read_at = datetime.fromisoformat(found.read_at)
        return max(read_at if read_at.tzinfo else read_at.replace(tzinfo=UTC), delivery.occurred_at).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"{delivery.kind}: it does not say when it was read"
        raise RejectedError(message, code="salesforce.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT) from error


def _is_new(found: Found) -> bool:
    made = found.object.get("CreatedDate", "")
    return bool(made) and made == found.object.get("SystemModstamp")


def _fact(told: Told, record: Record) -> Fact:
    return Fact(_type(told, record), told.at, (told.at - EPOCH) // timedelta(microseconds=1), record)


def _type(told: Told, record: Record) -> EventType:
    """Return the type by the state; of what is there, whether it is new."""
    events = _EVENTS[told.kind]
    state: str = getattr(record, "state").value  # noqa: B009 - each of the three kinds has one
    if state in ("deleted", "merged", DealState.WON, DealState.LOST):
        return events(f"{told.kind}.{state}")
    if told.change == RESTORE:
        return events(f"{told.kind}.restored")
    return events(f"{told.kind}.{'created' if told.is_new else 'updated'}")


def _decoded(body: bytes, type_: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedError(f"{where}: what was read has another shape: {error}", code="salesforce.payload_invalid") from error

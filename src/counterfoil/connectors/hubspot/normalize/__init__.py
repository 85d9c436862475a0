"""PURE: what HubSpot told, and the records as they were read for it -> canonical facts.

The state of a fact is the record as fetched, whatever event led to it; its sequence is the instant of the fetch (at least of the event).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from counterfoil.connectors.hubspot.config import HubspotConfig
from counterfoil.connectors.hubspot.refs import LINE_ITEM, Ref, canonical, is_id
from counterfoil.connectors.hubspot.wire import Found, OwnersOfLine
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.company import COMPANY, CompanyEvent
from counterfoil.core.kinds.contact import CONTACT, Contact, ContactEvent, ContactState
from counterfoil.core.kinds.deal import DEAL, DealEvent, DealState
from counterfoil.core.kinds.quote import QUOTE, QuoteEvent, QuoteState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.records import EventType, Record
from counterfoil.kit.connector import Delivery, Fetched, Ignored, Normalized
from counterfoil.kit.errors import RejectedError

from .events import CREATION, FETCHED, GAP, PRIVACY, RESTORE, classified, gap_of, merged_ids, refs_of, shard_of, subjects
from .events import MERGE as MERGED
from .records import merged_into_it, record_of, tombstone

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVENTS: Mapping[str, type[EventType]] = {
    COMPANY.name: CompanyEvent, CONTACT.name: ContactEvent, DEAL.name: DealEvent, QUOTE.name: QuoteEvent,
}  # fmt: skip
_TELLING = frozenset({DealState.WON, DealState.LOST, QuoteState.SUBMITTED, QuoteState.APPROVED, QuoteState.REJECTED, QuoteState.ACCEPTED})
"""States that are told as such, whatever led to them."""


def needs(delivery: Delivery) -> tuple[str, ...]:
    """Return what must be fetched before a delivery is normalized; nothing for one that normalizing will refuse or ignore."""
    try:
        kind, action, rule = classified(delivery)
        if rule or action in (FETCHED, PRIVACY):
            return ()
        return refs_of(delivery.account, subjects(delivery, kind, action)) if is_id(delivery.account) else ()
    except RejectedError:
        return ()


def normalize(settings: HubspotConfig, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
    """Return the canonical facts of a delivery, or the rule by which it is ignored.

    Raises RejectedError (a value that cannot be read) and DriftError (an event in no table), nothing else; with the record that is told of.
    """
    try:
        return _normalized(settings, delivery, fetched)
    except RejectedError as error:
        error.object_key = error.object_key or _told_of(settings, delivery)
        raise


def _told_of(settings: HubspotConfig, delivery: Delivery) -> str:
    """Return the key of the record an event is about, as far as that can be told; empty otherwise."""
    kind, id = delivery.kind.partition(".")[0], shard_of(delivery.body)
    return _key(settings, kind, id) if kind in _EVENTS and is_id(id) and delivery.account == str(settings.portal_id) else ""


def _normalized(settings: HubspotConfig, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
    if delivery.kind == GAP:
        raise gap_of(delivery)
    kind, action, rule = classified(delivery)
    if rule:
        return Ignored(rule)
    if kind == QUOTE.name and not settings.reads_quotes:
        return Ignored("object_type_is_not_read")
    if action == FETCHED:
        found = _decoded(delivery.body, Found, delivery.kind)
        return tuple(_facts_of(settings, AskedRecord(kind, action, found.object.id, delivery.occurred_at), found))
    told = subjects(delivery, kind, action)
    if action == PRIVACY:
        return tuple(_erased(settings, delivery, id) for _, id in told)
    facts = [fact for one, id in told for fact in _facts(settings, delivery, one, id, action, fetched)]
    if action == MERGED and kind != LINE_ITEM:
        facts += _merged(settings, delivery, kind, facts)
    unique = {(fact.subject, fact.type): fact for fact in facts}
    return tuple(unique.values()) or Ignored("no_record_concerned")


class AskedRecord(msgspec.Struct, frozen=True):
    """What a record was asked for as: its kind, why, by which id, and when it was read."""

    kind: str
    action: str
    id: str
    at: datetime


def _facts(settings: HubspotConfig, delivery: Delivery, kind: str, id: str, action: str, fetched: Mapping[str, Fetched]) -> Iterator[Fact]:
    answer = fetched.get(str(Ref(delivery.account, kind, id)))
    if answer is None:
        raise RejectedError(f"{delivery.kind}: {kind} {id} was not read", code="hubspot.not_fetched", object_key=_key(settings, kind, id))
    at = max(answer.fetched_at, delivery.occurred_at).astimezone(UTC)
    if kind == LINE_ITEM:
        if answer.body is not None:
            owners = _decoded(answer.body, OwnersOfLine, delivery.kind)
            for owner, several in ((DEAL.name, owners.deals), (QUOTE.name, owners.quotes)):
                for found in several:
                    yield from _facts_of(settings, AskedRecord(owner, "", found.object.id, at), found)
    elif answer.body is None:
        yield _fact(AskedRecord(kind, action, id, at), tombstone(kind, canonical(settings.portal_id, id)))
    else:
        yield from _facts_of(settings, AskedRecord(kind, action, id, at), _decoded(answer.body, Found, delivery.kind))


def _facts_of(settings: HubspotConfig, asked: AskedRecord, found: Found) -> Iterator[Fact]:
    """Yield the fact of a record, and of each that was merged into it: asked for by its old id, HubSpot shows the survivor."""
    row = found.object
    if not is_id(row.id):
        raise RejectedError(f"{asked.kind}: the record read has no id", code="hubspot.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT)
    yield _fact(asked, record_of(settings, asked.kind, found))
    for id in dict.fromkeys((*merged_into_it(row), *((asked.id,) if asked.id != row.id else ()))):
        yield _into(settings, asked, id, row.id)


def _merged(settings: HubspotConfig, delivery: Delivery, kind: str, facts: list[Fact]) -> Iterator[Fact]:
    """Yield that each record a merge names, and HubSpot did not, is merged into the one that was read."""
    known = {fact.data.id for fact in facts}
    if facts and (facts[0].type.value.partition(".")[2] != "deleted"):
        survivor = facts[0].data.id.rpartition(".")[2]
        at = _EPOCH + timedelta(microseconds=facts[0].sequence)
        asked = AskedRecord(kind, MERGED, survivor, at)
        yield from (_into(settings, asked, id, survivor) for id in merged_ids(delivery) if canonical(settings.portal_id, id) not in known)


def _into(settings: HubspotConfig, asked: AskedRecord, id: str, survivor: str) -> Fact:
    return _fact(asked, tombstone(asked.kind, canonical(settings.portal_id, id), canonical(settings.portal_id, survivor)))


def _erased(settings: HubspotConfig, delivery: Delivery, id: str) -> Fact:
    record = Contact(canonical(settings.portal_id, id), "", ContactState.ERASED)
    return Fact(ContactEvent.ERASED, delivery.occurred_at, _sequence(delivery.occurred_at), record)


def _fact(asked: AskedRecord, record: Record) -> Fact:
    return Fact(_type(asked, record), asked.at, _sequence(asked.at), record)


def _type(asked: AskedRecord, record: Record) -> EventType:
    """Return the type by the state, and of what is there by what led to it."""
    events = _EVENTS[asked.kind]
    state: str = getattr(record, "state").value  # noqa: B009 - each of the kinds has one
    if state in ("deleted", "merged"):
        return events(f"{asked.kind}.{state}")
    if asked.action == RESTORE:
        return events(f"{asked.kind}.restored")
    if state in _TELLING:
        return events(f"{asked.kind}.{state}")
    return events(f"{asked.kind}.{'created' if asked.action == CREATION else 'updated'}")


def _sequence(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _key(settings: HubspotConfig, kind: str, id: str) -> str:
    return f"{kind}/{canonical(settings.portal_id, id)}" if kind != LINE_ITEM else ""


def _decoded(body: bytes, type_: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedError(f"{where}: what was read has another shape: {error}", code="hubspot.payload_invalid") from error

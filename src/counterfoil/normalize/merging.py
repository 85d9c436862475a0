"""From facts to rows: events with derived ids, and the merged state of each object; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime

from counterfoil.core.facts.events import EVENT_VERSION, Fact
from counterfoil.core.facts.merge import Current, MergeOutcome, merge
from counterfoil.core.kinds import kind_of, total_of
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.core.language.records import Purpose, Record
from counterfoil.core.policies.decide import decided_with
from counterfoil.kit.codec import decode_record, encode
from counterfoil.store.events import EventRow
from counterfoil.store.objects import ObjectRow, links_of
from counterfoil.store.receipts import Receipt


@dataclass(slots=True)
class Merged:
    """What a batch of facts came to: events to append, object rows to write (their latest), ties to be re-read.

    ``changed``: the objects that changed, with the most urgent lane of what changed them; ``beside``: those to be decided again with them,
    with that lane and not before which instant, None: at once.
    """

    events: list[EventRow] = field(default_factory=list)
    rows: dict[ObjectRef, ObjectRow] = field(default_factory=dict)
    changed: dict[ObjectRef, int] = field(default_factory=dict)
    beside: list[tuple[ObjectRef, int, datetime | None]] = field(default_factory=list)
    ties: dict[int, tuple[ObjectRef, ...]] = field(default_factory=dict)


def event_id(receipt: Receipt, index: int) -> str:
    """Return the id of the index-th fact of a receipt: the same whenever it is normalized again."""
    return digest(receipt.connection, receipt.dedupe_key, str(index))


def event_ids(facts: Iterable[tuple[Receipt, tuple[Fact, ...]]]) -> list[tuple[datetime, str]]:
    """Return when each fact's receipt was received and the id of its event."""
    return [(receipt.received_at, event_id(receipt, index)) for receipt, several in facts for index in range(len(several))]


class Merger:
    """Merges the facts of a batch of receipts, in order, into the current states of their objects.

    ``purposes``: what is written for. ``known``: how events that are in the log already were merged then; they are not made again, and a
    tie among them stays settled.
    """

    def __init__(
        self,
        current: Mapping[ObjectRef, ObjectRow],
        refetched: Set[int],
        now: datetime,
        purposes: Collection[Purpose],
        known: Mapping[str, str] | None = None,
    ) -> None:
        self._purposes = purposes
        self._known = known or {}
        self._stored = current
        self._rows = dict(current)
        self._states: dict[ObjectRef, Current] = {}
        self._before: dict[ObjectRef, Record] = {}
        self._refetched = refetched
        self._now = now
        self.merged = Merged()

    def add(self, receipt: Receipt, facts: tuple[Fact, ...]) -> None:
        """Merge one receipt's facts; a receipt with a tie merges nothing until the tied objects were re-read."""
        if receipt.id not in self._refetched:
            ties = tuple(fact.subject for index, fact in enumerate(facts) if self._is_new_tie(receipt, index, fact))
            if ties:
                self.merged.ties[receipt.id] = ties
                return
        for index, fact in enumerate(facts):
            self._merge(receipt, index, fact)

    def _is_new_tie(self, receipt: Receipt, index: int, fact: Fact) -> bool:
        if merge(self._current(fact.subject), fact).outcome is not MergeOutcome.TIE:
            return False
        return self._known.get(event_id(receipt, index)) != MergeOutcome.TIE.value

    def finish(self) -> Merged:
        """Return the whole: several facts of the batch on one object are one new version of it."""
        for ref, lane in self.merged.changed.items():
            stored = self._stored.get(ref)
            self.merged.rows[ref] = replace(self._rows[ref], version=1 if stored is None else stored.version + 1)
            states = [self._states[ref].record, *([self._before[ref]] if ref in self._before else [])]
            for other, collects in decided_with(states, self._purposes).items():
                self.merged.beside.append((other, lane, self._now + collects if collects else None))
        return self.merged

    def _current(self, ref: ObjectRef) -> Current | None:
        if ref not in self._states and ref in self._stored:
            row = self._stored[ref]
            self._before[ref] = decode_record(ref.kind, row.data)
            self._states[ref] = Current(self._before[ref], row.sequence)
        return self._states.get(ref)

    def _merge(self, receipt: Receipt, index: int, fact: Fact) -> None:
        ref = fact.subject
        result = merge(self._current(ref), fact)
        identity = event_id(receipt, index)
        if identity not in self._known:
            self.merged.events.append(_event(receipt, identity, fact, result.outcome))
        if result.outcome is MergeOutcome.APPLIED:
            self._states[ref] = result.current
            self._rows[ref] = _row(self._rows.get(ref), ref, fact, result.current, receipt, identity, self._now)
            self.merged.changed[ref] = min(receipt.lane, self.merged.changed.get(ref, receipt.lane))


def _event(receipt: Receipt, identity: str, fact: Fact, outcome: MergeOutcome) -> EventRow:
    return EventRow(
        id=identity,
        received_at=receipt.received_at,
        receipt_id=receipt.id,
        type=fact.type.value,
        version=EVENT_VERSION,
        connection=receipt.connection,
        subject_kind=fact.subject.kind,
        subject_id=fact.subject.id,
        occurred_at=fact.occurred_at,
        sequence=fact.sequence,
        data=encode(fact.data),
        account=fact.account,
        correlation_id=fact.correlation_id,
        causation_id=f"receipt/{receipt.id}",
        merged=outcome.value,
    )


def _row(
    before: ObjectRow | None, ref: ObjectRef, fact: Fact, current: Current, receipt: Receipt, identity: str, now: datetime
) -> ObjectRow:
    data = encode(current.record)
    total = total_of(current.record)
    return ObjectRow(
        ref=ref,
        connection=receipt.connection,
        version=1,
        sequence=current.sequence,
        digest=hashlib.blake2b(data, digest_size=16).digest(),
        occurred_at=fact.occurred_at,
        updated_at=now,
        data=data,
        account=fact.account,
        entity="" if before is None else before.entity,
        last_event=identity,
        last_type=fact.type.value,
        customer_id=kind_of(current.record).customer_of(current.record),
        state=str(getattr(current.record, "state", "")),
        total_minor=None if total is None else total.minor,
        currency="" if total is None else total.currency,
        names=found_by(current.record),
        links=links_of(current.record),
    )


def found_by(record: Record) -> tuple[str, ...]:
    """Return what people look for an object by, besides its ids: a customer's name and e-mail, a document's number."""
    return kind_of(record).found_by(record)

"""From facts to rows: events with derived ids, and the merged state of each object; pure."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime

from counterfoil.core.facts.events import EVENT_VERSION, Fact
from counterfoil.core.facts.merge import Current, MergeOutcome, fill_gaps, merge
from counterfoil.core.identity.claims import Claim, survive
from counterfoil.core.identity.compared import tells_otherwise
from counterfoil.core.identity.echoes import OWN_CONTENT, EchoMatch, Heard, Matches, Written, heard
from counterfoil.core.identity.merges import can_merge, merged_into, with_merge
from counterfoil.core.identity.ownership import NOBODYS, Ownership
from counterfoil.core.identity.people import named_by, told_apart
from counterfoil.core.identity.same_fact import naming
from counterfoil.core.kinds import KINDS, kind_of, total_of
from counterfoil.core.kinds.intent import PEOPLE, Intent
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.core.language.records import Purpose, Record, Survivorship
from counterfoil.core.policies.decide import decided_with
from counterfoil.kit.codec import decode_record, encode
from counterfoil.store.claims import ClaimRow
from counterfoil.store.events import EventRow
from counterfoil.store.links import Naming, Relink
from counterfoil.store.objects import ObjectRow, links_of
from counterfoil.store.receipts import Receipt
from counterfoil.store.written import Place


@dataclass(slots=True)
class Merged:
    """What a batch of facts came to: events to append, object rows to write (their latest), ties to be re-read.

    ``changed``: the objects that changed, with the most urgent lane of what changed them; ``beside``: those to be decided again with them,
    with that lane and not before which instant, None: at once.
    ``claims``: what is kept of each source's word on things that several tell of; ``relinks``: what was merged, or is so no more;
    ``namings``: what is said to be the same as what another system tells of; ``echoes``: the receipts that tell nothing but what was
    written where they come from; ``traces``: what told records mean for what was written; ``unsaid``: the connections whose word on a thing
    is none any more; ``compared``: the customers that say otherwise who they are, by id; ``apart``: what people say are two.
    """

    events: list[EventRow] = field(default_factory=list)
    rows: dict[ObjectRef, ObjectRow] = field(default_factory=dict)
    changed: dict[ObjectRef, int] = field(default_factory=dict)
    beside: list[tuple[ObjectRef, int, datetime | None]] = field(default_factory=list)
    ties: dict[int, tuple[ObjectRef, ...]] = field(default_factory=dict)
    claims: list[ClaimRow] = field(default_factory=list)
    relinks: list[Relink] = field(default_factory=list)
    namings: list[Naming] = field(default_factory=list)
    echoes: set[int] = field(default_factory=set)
    traces: dict[Place, list[EchoMatch]] = field(default_factory=dict)
    unsaid: list[tuple[ObjectRef, str]] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)
    apart: list[tuple[ObjectRef, ObjectRef]] = field(default_factory=list)


def event_id(receipt: Receipt, index: int) -> str:
    """Return the id of the index-th fact of a receipt: the same whenever it is normalized again."""
    return digest(receipt.connection, receipt.dedupe_key, str(index))


def event_ids(facts: Iterable[tuple[Receipt, tuple[Fact, ...]]]) -> list[tuple[datetime, str]]:
    """Return when each fact's receipt was received and the id of its event."""
    return [(receipt.received_at, event_id(receipt, index)) for receipt, several in facts for index in range(len(several))]


@dataclass(frozen=True, slots=True)
class _Word:
    """What one source says of a thing. ``is_new``: it said something in this batch."""

    current: Current
    connection: str
    account: str
    event: str
    occurred_at: datetime
    is_new: bool = False

    def claim(self) -> Claim:
        """Return it as what a golden record is made of."""
        return Claim(self.connection, self.current.sequence, self.occurred_at, self.current.record)


@dataclass(frozen=True, slots=True)
class _Last:
    """The last fact that changed a thing."""

    type: str
    event: str
    occurred_at: datetime
    connection: str


class Merger:
    """Merges the facts of a batch of receipts, in order, into what their source says of each thing, and that into the things' states.

    ``purposes``: what is written for. ``claims``: what is stored of each source's word on things that several tell of. ``known``: how
    events that are in the log already were merged then; they are not made again, and a tie among them stays settled. ``written``: what was
    written to connections that tell of it, too, and ``matches`` whether a digest in it is that of a text.
    """

    def __init__(
        self,
        current: Mapping[ObjectRef, ObjectRow],
        refetched: Set[int],
        now: datetime,
        purposes: Collection[Purpose],
        known: Mapping[str, str] | None = None,
        *,
        claims: Mapping[ObjectRef, Sequence[ClaimRow]] | None = None,
        ownership: Ownership = NOBODYS,
        written: Mapping[Place, Written] | None = None,
        matches: Matches = operator.eq,
    ) -> None:
        self._written = dict(written or {})
        self._matches = matches
        self._purposes = purposes
        self._known = known or {}
        self._stored = current
        self._claims = claims or {}
        self._ownership = ownership
        self._words: dict[ObjectRef, dict[str, _Word]] = {}
        self._last: dict[ObjectRef, _Last] = {}
        self._before: dict[ObjectRef, Record] = {}
        self._refetched = refetched
        self._now = now
        self._homes: dict[ObjectRef, str] = {}
        self.merged = Merged()

    def add(self, receipt: Receipt, facts: tuple[Fact, ...]) -> None:
        """Merge one receipt's facts; a receipt with a tie merges nothing until the tied objects were re-read."""
        if receipt.rule == OWN_CONTENT and not receipt.must_fetch:  # read again: what was written then is still no word of the source
            self.merged.echoes.add(receipt.id)
            return
        if receipt.id not in self._refetched:
            ties = tuple(fact.subject for index, fact in enumerate(facts) if self._is_new_tie(receipt, index, fact))
            if ties:
                self.merged.ties[receipt.id] = ties
                return
        echoes = [
            _event(receipt, event_id(receipt, at), fact, MergeOutcome.ECHO)
            for at, fact in enumerate(facts)
            if self._take(receipt, at, fact)
        ]
        # Read again, a delivery that told something then says what is known by now; that makes it no echo.
        if facts and len(echoes) == len(facts) and not any(event_id(receipt, at) in self._known for at in range(len(facts))):
            self.merged.echoes.add(receipt.id)
        else:
            self.merged.events += [event for event in echoes if event.id not in self._known]

    def _take(self, receipt: Receipt, index: int, fact: Fact) -> bool:
        """Merge a fact; True: it only is what was written there, and is not merged."""
        said = self._said(receipt, fact)
        if said is None:
            self._merge(receipt, index, fact, fact.data)
            return False
        place = Place(receipt.connection, fact.subject)
        if said.trace.has_come_back or said.trace.gone:
            self._written[place] = said.trace.of(self._written[place])
            self.merged.traces.setdefault(place, []).append(said.trace)
        if not said.is_echo:
            self._merge(receipt, index, fact, said.record)
        return said.is_echo

    def _said(self, receipt: Receipt, fact: Fact) -> Heard | None:
        """Return what a connection says itself of what was written there, too; None: nothing was. Who speaks of merging says something."""
        written = self._written.get(Place(receipt.connection, fact.subject))
        if written is None or fact.same_as is not None or fact.is_apart:
            return None
        current = self._current(fact.subject, receipt)
        return heard(fact.data, fact.sequence, None if current is None else current.record, written, self._matches)

    def _is_new_tie(self, receipt: Receipt, index: int, fact: Fact) -> bool:
        said = self._said(receipt, fact)
        if said is not None:
            if said.is_echo:
                return False
            fact = replace(fact, data=said.record)
        if merge(self._current(fact.subject, receipt), fact).outcome is not MergeOutcome.TIE:
            return False
        return self._known.get(event_id(receipt, index)) != MergeOutcome.TIE.value

    def rename(self, ref: ObjectRef, former: str, name: str) -> None:
        """Take what a connection says of a thing for what another one says; ``name`` empty: for nothing, if another system tells of it."""
        row, words = self._stored.get(ref), self._words_on(ref)
        said = _source(ref, former)
        if row is None or said not in words or words[said].connection != former or not (name or words.keys() - {said, PEOPLE}):
            return
        word = words.pop(said)
        self.merged.unsaid += [(ref, former)] if said else []  # what is told whole has no claims
        if name:
            words[_source(ref, name)] = replace(_joined(word, words.get(name)), connection=name, is_new=True)
        if row.connection == former:
            self._homes[ref] = name
        if len(words) == 1:
            self.merged.unsaid += [(ref, connection) for connection in words]  # it is its own claim again
        self._last[ref] = _Last(row.last_type, row.last_event, row.occurred_at, name or row.connection)
        self.merged.changed[ref] = Lane.BATCH

    def finish(self) -> Merged:
        """Return the whole: several facts of the batch on one object are one new version of it."""
        for ref, lane in self.merged.changed.items():
            stored, words = self._stored.get(ref), self._words[ref]
            record, row = self._row(ref, 1 if stored is None else stored.version + 1)
            self.merged.rows[ref] = row
            if row.claimed:
                is_first = stored is None or not stored.claimed
                self.merged.claims += [_claim_row(ref, word, self._now) for word in words.values() if word.is_new or is_first]
            self._relink(ref, record)
            if tells_otherwise(self._before.get(ref), record):
                self.merged.compared.append(ref.id)
            states = [record, *([self._before[ref]] if ref in self._before else [])]
            for other, collects in decided_with(states, self._purposes).items():
                self.merged.beside.append((other, lane, self._now + collects if collects else None))
        return self.merged

    def _row(self, ref: ObjectRef, version: int) -> tuple[Record, ObjectRow]:
        """Return the record of a thing and its row: of its only source, or what survives of all."""
        words, stored = self._words[ref], self._stored.get(ref)
        if len(words) == 1:
            [home] = words.values()
            record, claimed = home.current.record, 0
        else:
            first = "" if stored is None else self._homes.get(ref, stored.connection)
            home = words[first] if first in words else next(word for word in words.values() if word.connection != PEOPLE)
            record, claimed = survive((word.claim() for word in words.values()), self._ownership, id=ref.id).record, version
        entity = "" if stored is None else stored.entity
        row = _row(ref, record, home, self._last[ref], self._now)
        return record, replace(row, version=version, entity=entity, claimed=claimed)

    def _relink(self, ref: ObjectRef, record: Record) -> None:
        if not can_merge(record):
            return
        before = merged_into(self._before[ref]) if ref in self._before else ""
        if merged_into(record) != before:
            last = self._last[ref]
            self.merged.relinks.append(Relink(ref, merged_into(record), last.connection, last.occurred_at))

    def _name(self, ref: ObjectRef, named: str, fact: Fact, connection: str) -> None:
        follower, golden = naming(ref, connection, named, self._ownership) if named else (ref, None)
        found = Naming(ref, follower.id, "" if golden is None else golden.id, connection, fact.occurred_at, fact.sequence)
        self.merged.namings.append(found)

    def _words_on(self, ref: ObjectRef) -> dict[str, _Word]:
        """Return what each source says of a thing, by connection; of things told whole it is one word, whoever says it (empty)."""
        if ref not in self._words:
            row = self._stored.get(ref)
            self._words[ref] = {}
            if row is not None:
                self._before[ref] = decode_record(ref.kind, row.data)
                self._words[ref] = _stored_words(row, self._before[ref], self._claims.get(ref, ()))
        return self._words[ref]

    def _current(self, ref: ObjectRef, receipt: Receipt) -> Current | None:
        word = self._words_on(ref).get(_source(ref, receipt.connection))
        return None if word is None else word.current

    def _merge(self, receipt: Receipt, index: int, fact: Fact, said: Record) -> None:
        ref = fact.subject
        current = self._current(ref, receipt)
        result = merge(current, replace(fact, data=said))
        identity = event_id(receipt, index)
        if identity not in self._known:
            self.merged.events.append(_event(receipt, identity, fact, result.outcome))
        if fact.same_as is not None and fact.same_as != ref.id:
            self._name(ref, fact.same_as, fact, receipt.connection)
        decided = named_by(fact.data) if isinstance(fact.data, Intent) else None
        if decided is not None:
            self._name(*decided, fact, receipt.connection)
        apart = told_apart(fact.data) if isinstance(fact.data, Intent) else None
        if apart is not None:
            self.merged.apart.append(apart)
        if result.outcome is MergeOutcome.APPLIED:
            word = _Word(result.current, receipt.connection, fact.account, identity, fact.occurred_at, is_new=True)
            self._words_on(ref)[_source(ref, receipt.connection)] = word
            self._last[ref] = _Last(fact.type.value, identity, fact.occurred_at, receipt.connection)
            self.merged.changed[ref] = min(receipt.lane, self.merged.changed.get(ref, receipt.lane))


def _source(ref: ObjectRef, connection: str) -> str:
    """Return what tells a source's word on a thing from the others': an id has one history where things are told whole."""
    return connection if KINDS[ref.kind].survivorship is Survivorship.BY_FIELD else ""


def _stored_words(row: ObjectRow, record: Record, claims: Sequence[ClaimRow]) -> dict[str, _Word]:
    """Return what each source says of a thing as it is stored; ``record``: the row's."""
    kind = row.ref.kind
    words: dict[str, _Word] = {}
    for one in claims if row.claimed else ():
        current = Current(decode_record(kind, one.data), one.sequence, one.merge_said)
        words[one.connection] = _Word(current, one.connection, one.account, one.last_event, one.occurred_at)
    if row.claimed != row.version or not words:
        # Its only source's word; or a program that knows no claims merged into the row since, and what stands there is the word of the
        # source it names, as far as such a program can tell.
        current = Current(record, row.sequence, row.merge_said)
        word = _Word(current, row.connection, row.account, row.last_event, row.occurred_at, is_new=bool(row.claimed))
        words[_source(row.ref, row.connection)] = word
    return words


def _joined(word: _Word, other: _Word | None) -> _Word:
    """Return what one source says under two names: the newer of both, and of merging the newest that speaks of it."""
    if other is None:
        return word
    older, newer = sorted((word, other), key=lambda one: one.current.sequence)
    spoken = max((one.current for one in (older, newer)), key=lambda one: -1 if one.merge_said is None else one.merge_said)
    record = with_merge(fill_gaps(newer.current.record, older.current.record), merged_into(spoken.record))
    return replace(newer, current=replace(newer.current, record=record, merge_said=spoken.merge_said))


def _claim_row(ref: ObjectRef, word: _Word, now: datetime) -> ClaimRow:
    current = word.current
    return ClaimRow(
        ref=ref,
        connection=word.connection,
        account=word.account,
        sequence=current.sequence,
        merge_said=current.merge_said,
        last_event=word.event,
        occurred_at=word.occurred_at,
        updated_at=now,
        data=encode(current.record),
    )


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


def _row(ref: ObjectRef, record: Record, home: _Word, last: _Last, now: datetime) -> ObjectRow:
    """Return the row of a thing that comes from ``home`` and that a fact, the last one, changed."""
    data = encode(record)
    total = total_of(record)
    return ObjectRow(
        ref=ref,
        connection=home.connection,
        version=1,
        sequence=home.current.sequence,
        digest=hashlib.blake2b(data, digest_size=16).digest(),
        occurred_at=last.occurred_at,
        updated_at=now,
        data=data,
        account=home.account,
        last_event=last.event,
        last_type=last.type,
        customer_id=kind_of(record).customer_of(record),
        state=str(getattr(record, "state", "")),
        total_minor=None if total is None else total.minor,
        currency="" if total is None else total.currency,
        names=found_by(record),
        merge_said=home.current.merge_said,
        links=links_of(record),
    )


def found_by(record: Record) -> tuple[str, ...]:
    """Return what people look for an object by, besides its ids: a customer's name and e-mail, a document's number."""
    return kind_of(record).found_by(record)

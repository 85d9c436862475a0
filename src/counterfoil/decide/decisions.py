"""Deciding a batch of subjects, pure but for loading: what decisions look at, what they come to, and what that means for the outbox."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from counterfoil.core.commands import purpose_of
from counterfoil.core.commands.books import PostDocument, PostEntry, PostPayment, UpsertCustomer, UpsertProduct
from counterfoil.core.facts.events import EVENT_VERSION, Event
from counterfoil.core.finance.summary import SummaryDocument, SummaryItem
from counterfoil.core.identity.ownership import Ownership
from counterfoil.core.identity.references import resolved
from counterfoil.core.identity.same_fact import FactStanding
from counterfoil.core.kinds import KINDS, event_type
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import Declared, is_of, wait_for, wait_for_period
from counterfoil.core.language.records import Purpose, Record
from counterfoil.core.policies.concerns import concerns_of
from counterfoil.core.policies.decide import FOLLOWED, decide, decided_after, is_seeing, looks_back, sees_documents
from counterfoil.core.policies.decision import Decision, MemoryView, Origin, OutboxCommand, Problem, WrittenAgain
from counterfoil.core.policies.related import affected, linked
from counterfoil.core.policies.rules import PostingMode, Rules
from counterfoil.core.policies.stepping import concerned
from counterfoil.decide.identities import Identities, decision_of, same_facts, surviving
from counterfoil.decide.loops import written_again
from counterfoil.decide.reaching import Reach
from counterfoil.decide.summaries import by_document, from_document
from counterfoil.kit.codec import decode_record, encode
from counterfoil.kit.stage import TRIES_MAX
from counterfoil.store import cases, claims, links, objects, outbox, outbox_refresh, summary
from counterfoil.store.agenda import AgendaItem, Subject, Wait
from counterfoil.store.cipher import Cipher
from counterfoil.store.commands import command_of
from counterfoil.store.objects import ObjectRow
from counterfoil.store.opening import opening
from counterfoil.store.outbox import CommandRow, CommandState
from counterfoil.store.pool import Conn

log = structlog.get_logger()

AFFECTING_CUSTOMERS = tuple(name for name, kind in KINDS.items() if any(reference.kind == CUSTOMER.name for reference in kind.affects))
"""The kinds of documents a customer's standing is made of."""


@dataclass(slots=True)
class LoadedBatch:
    """Everything a batch of decisions looks at. ``alone``: of what is looked at for itself alone, its row, if it is known."""

    rows: dict[ObjectRef, ObjectRow]
    records: dict[ObjectRef, Record]
    commands: list[CommandRow]
    items: Mapping[str, tuple[SummaryItem, ...]]
    documents: Mapping[str, SummaryDocument]
    affecting: Mapping[ObjectRef, tuple[Record, ...]]
    alone: Mapping[ObjectRef, ObjectRow | None] = field(default_factory=dict)
    identities: Identities = field(default_factory=Identities)
    again: Mapping[tuple[str, str], WrittenAgain] = field(default_factory=dict)

    def view(self) -> MemoryView:
        """Return the pure view of it."""
        origins = {ref: Origin(row.connection, row.account) for ref, row in self.rows.items()}
        wishes: dict[str, dict[str, OutboxCommand]] = {}
        for row in self.commands:
            if row.state is not CommandState.CANCELED:
                wishes.setdefault(row.external_key, {})[row.target] = _wish_of(row)
        moot = frozenset(row.id for row in self.commands if row.state is CommandState.CANCELED and not row.is_waived)
        looked_at = (self.items, moot, self.documents, linked(self.records), self.affecting, self.again)
        return MemoryView(self.records, origins, wishes, *looked_at)


@dataclass(slots=True)
class DecidedBatch:
    """The decisions of a batch, by subject, and what they mean for the commands there are."""

    decisions: dict[ObjectRef, Decision] = field(default_factory=dict)
    failed: dict[ObjectRef, Exception] = field(default_factory=dict)

    def only(self, refs: Collection[ObjectRef]) -> DecidedBatch:
        """Return the decisions of some of the subjects."""
        kept = set(refs)
        decisions = {ref: decision for ref, decision in self.decisions.items() if ref in kept}
        return DecidedBatch(decisions, {ref: error for ref, error in self.failed.items() if ref in kept})

    def commands(self, ref: ObjectRef) -> tuple[Command, ...]:
        """Return what a subject asks for."""
        decision = self.decisions.get(ref)
        return () if decision is None else decision.commands

    def followers(self, items: Sequence[AgendaItem], loaded: LoadedBatch) -> list[Subject]:
        """Return the objects to be decided again now that these were, each in the lane of the one it follows."""
        known = [Subject(ref, item.lane) for item in items if item.ref in self.decisions for ref in loaded.identities.after(item.ref)]
        decided = [item for item in items if item.ref in self.decisions and item.ref.kind in FOLLOWED and item.ref in loaded.records]
        if not decided:
            return known
        view = MemoryView(loaded.records, links=linked(loaded.records), affecting=loaded.affecting)
        return known + [Subject(ref, item.lane) for item in decided for ref in decided_after(view, loaded.records[item.ref])]

    def clear(self) -> list[ObjectRef]:
        """Return the subjects that need nobody's help."""
        return [ref for ref, decision in self.decisions.items() if not decision.problems]

    def deadlines(self) -> dict[ObjectRef, datetime]:
        """Return the subjects that are to be decided again at an instant, each with it."""
        return {ref: decision.again_at for ref, decision in self.decisions.items() if decision.again_at is not None}

    def replaced(self, loaded: LoadedBatch, new: Collection[str]) -> list[CommandRow]:
        """Return open commands whose document is now wished with other content; ``new``: ids of the commands that are new."""
        wished = [command for decision in self.decisions.values() for command in decision.commands if command.id in new]
        newer = {(command.target, command.external_key) for command in wished}
        return [row for row in loaded.commands if (row.target, row.external_key) in newer and row.id not in new and is_open(row)]

    def displaced(self, loaded: LoadedBatch) -> list[CommandRow]:
        """Return open commands whose document is now booked elsewhere: in another entity's books, or summed up with its day.

        Only of books there is one place for each document; what is written for anything else stays wished wherever it is.
        """
        wished = {
            command.external_key: command
            for decision in self.decisions.values()
            for command in decision.commands
            if purpose_of(command.kind) is Purpose.BOOKS
        }
        summed = {document.document_id for decision in self.decisions.values() for document in decision.documents}
        return [
            row
            for row in loaded.commands
            if is_open(row) and purpose_of(row.kind) is Purpose.BOOKS and (row.external_key in summed or _is_elsewhere(row, wished))
        ]

    def withdrawn(self, loaded: LoadedBatch) -> list[CommandRow]:
        """Return open commands, of whatever subject, that decisions say are not called for any more."""
        keys = {key for decision in self.decisions.values() for key in decision.withdrawn}
        wished = {command.id for decision in self.decisions.values() for command in decision.commands}
        return [row for row in loaded.commands if (row.target, row.external_key) in keys and row.id not in wished and is_open(row)]

    def modes(self) -> set[tuple[str, str]]:
        """Return in which modes which entities book by these decisions, as (entity, mode)."""
        summed = {(item.entity, PostingMode.SUMMARY.value) for decision in self.decisions.values() for item in decision.summary}
        posted = {
            (command.entity, PostingMode.DETAILED.value)
            for decision in self.decisions.values()
            for command in decision.commands
            if isinstance(command.arguments, PostDocument | PostPayment | PostEntry)
        }
        return summed | posted

    def refreshes(self, loaded: LoadedBatch) -> list[outbox_refresh.Refresh]:
        """Return open commands that are wished as before but booked otherwise: their day has been locked meanwhile."""
        wished = {command.id: command for decision in self.decisions.values() for command in decision.commands}
        found = []
        for row in loaded.commands:
            if row.id in wished and is_open(row):
                arguments = encode(wished[row.id].arguments)
                if arguments != row.arguments:
                    found.append(outbox_refresh.Refresh(row.id, row.created_at, arguments))
        return found

    def no_longer_wished(self, loaded: LoadedBatch) -> list[CommandRow]:
        """Return open commands that their subject's state does not call for any more, of each purpose that is completely decided."""
        wished = {ref: {command.id for command in decision.commands} for ref, decision in self.decisions.items()}
        return [
            row
            for row in loaded.commands
            if row.subject in wished
            and row.id not in wished[row.subject]
            and purpose_of(row.kind) not in self.decisions[row.subject].held
            and is_open(row)
        ]


async def load(
    conn: Conn, cipher: Cipher, refs: Iterable[ObjectRef], rules: Rules, *, over: Mapping[ObjectRef, ObjectRow] | None = None
) -> LoadedBatch:
    """Return subjects with everything their decisions look at: what they refer to, what refers to them where that matters, whom the rules
    name, commands wished for any of it, summary items. What several systems tell of is one thing, with one id.

    ``over``: states to look at instead of the stored ones.
    """
    subjects, purposes = tuple(refs), rules.purposes()
    seeing = [ref for ref in subjects if sees_documents(ref.kind, purposes)]
    # Who shows a customer, and which others were merged into it, is told by what names it.
    has_standing = bool(seeing) or any(ref.kind == CUSTOMER.name and looks_back(ref.kind, purposes) for ref in subjects)
    reach = Reach(cipher, rules, over or {}, has_standing)
    await reach.load(conn, {*subjects, *(CUSTOMER.ref(customer_id) for customer_id in rules.collecting_customers())})
    follows = await reach.same_facts(conn)
    rows, records = reach.rows, reach.records
    has_seeing = any(is_seeing(records[ref], purposes) for ref in seeing if ref in records)
    customers = [ref for ref in records if ref.kind == CUSTOMER.name] if has_seeing else []
    several = await claims.load(conn, cipher, [ref for ref, row in rows.items() if row.claimed and ref not in reach.over])
    commands = await outbox.of_subjects(conn, cipher, rows)
    items = await summary.of_subjects(conn, [ref.key for ref in rows])
    identities = Identities(proposals=surviving(rows, records, several, rules))
    if follows:
        identities.facts = same_facts(rows, records, follows, _standings(commands, items), rules.ownership)
    documents = {row.document_id: from_document(row) for row in await summary.documents(conn, (item.document_id for item in items))}
    affecting = await _affecting(conn, cipher, customers, identities.heads(), reach.over, rules.ownership)
    again = await written_again(conn, cipher, subjects, (row for row in commands if _was_written(row)), rules)
    return LoadedBatch(rows, records, commands, by_document(items), documents, affecting, reach.alone, identities, again)


def _was_written(row: CommandRow) -> bool:
    return row.state is not CommandState.CANCELED and not is_open(row)


def _standings(commands: Iterable[CommandRow], items: Iterable[summary.SummaryItemRow]) -> dict[ObjectRef, FactStanding]:
    """Return what became of what each subject's state called for in the books."""
    found: dict[ObjectRef, FactStanding] = {}
    for row in commands:
        if (row.is_waived or row.state is not CommandState.CANCELED) and purpose_of(row.kind) is Purpose.BOOKS:
            standing = FactStanding.WAIVED if row.is_waived else FactStanding.WISHED if is_open(row) else FactStanding.BOOKED
            found[row.subject] = max(standing, found.get(row.subject, standing))
    for item in items:
        kind, _, id = item.subject.partition("/")
        found[ObjectRef(kind, id)] = FactStanding.BOOKED
    return found


async def _affecting(
    conn: Conn,
    cipher: Cipher,
    customers: Sequence[ObjectRef],
    heads: Mapping[ObjectRef, ObjectRef],
    over: Mapping[ObjectRef, ObjectRow],
    owners: Ownership,
) -> dict[ObjectRef, tuple[Record, ...]]:
    """Return all that affects each of these customers; with the states to look at instead of the stored ones. A customer that is known by
    several ids (``heads``) is affected by what names any of them, and what two systems tell of is one, with all that both say of it.
    """
    rows = {row.ref: row for row in await objects.about_customers(conn, cipher, [ref.id for ref in customers], AFFECTING_CUSTOMERS)}
    rows.update(over)
    records = {ref: decode_record(ref.kind, row.data) for ref, row in rows.items()}
    follows = await links.same_facts(conn, rows)
    same_facts(rows, records, {one: other for one, other in follows.items() if one in rows and other in rows}, {}, owners)
    found: dict[ObjectRef, list[Record]] = {heads.get(ref, ref): [] for ref in customers}
    for _, known in sorted(records.items(), key=lambda one: one[0]):
        record = resolved(known, heads)
        for other in affected(record):
            if other in found:
                found[other].append(record)
    return {ref: tuple(records) for ref, records in found.items()}


def decide_into(
    decided: DecidedBatch, items: Sequence[AgendaItem], loaded: LoadedBatch, view: MemoryView, rules: Rules, now: datetime
) -> None:
    """Decide subjects; pure. An invariant that does not hold stops its own subject only. ``view``: the loaded one."""
    for item in items:
        row = loaded.rows.get(item.ref)
        if row is None:
            continue
        fact = loaded.identities.facts.get(item.ref)
        told = None if fact is None else decision_of(item.ref, fact, rules.purposes())
        if told is not None:  # a process of its own steps all the same: it ends, or hears what its fact has become
            told = replace(told, then=concerned(view, decode_record(item.ref.kind, row.data), rules))
        try:
            made = told or decide(_event_of(row, loaded.records[item.ref], now), view, rules)
            decided.decisions[item.ref] = replace(made, problems=(*made.problems, *loaded.identities.problems(item.ref)))
        except Exception as error:  # what does not add up, or a policy's own fault, stops its own subject only
            if not isinstance(error, ValueError):
                log.exception("policy failed", subject=item.ref.key)
            decided.failed[item.ref] = error


def decide_batch(items: Sequence[AgendaItem], loaded: LoadedBatch, rules: Rules, now: datetime) -> DecidedBatch:
    """Decide every subject of a batch at once; see :func:`decide_into`."""
    decided = DecidedBatch()
    decide_into(decided, items, loaded, loaded.view(), rules, now)
    return decided


def _event_of(row: ObjectRow, record: Record, now: datetime) -> Event:
    return Event(
        id=row.last_event,
        type=event_type(row.last_type),
        version=EVENT_VERSION,
        connection=row.connection,
        subject=row.ref,
        occurred_at=row.occurred_at,
        received_at=now,
        sequence=row.sequence,
        data=record,
        account=row.account,
    )


def _wish_of(row: CommandRow) -> OutboxCommand:
    return OutboxCommand(command_of(row), is_open=is_open(row), is_done=row.state is CommandState.DONE)


def _is_elsewhere(row: CommandRow, wished: Mapping[str, Command]) -> bool:
    """Whether a document, or a match, is now wished in other books than this command's; master data may be in many."""
    now = wished.get(row.external_key)
    if now is None or isinstance(now.arguments, UpsertCustomer | UpsertProduct):
        return False
    return (now.target, now.entity) != (row.target, row.entity)


def is_open(row: CommandRow) -> bool:
    """Whether the command certainly took no effect: refused or never sent."""
    if row.in_doubt:
        return False
    return row.state is CommandState.PARKED or (row.state in (CommandState.WAITING, CommandState.READY) and row.sent_at is None)


def waits_of(items: Sequence[AgendaItem], decided: DecidedBatch, loaded: LoadedBatch, rules: Rules) -> list[Wait]:
    """Return what the subjects wait for, each in its own lane."""
    waits = []
    for item in items:
        decision = decided.decisions.get(item.ref)
        if decision is None:
            continue
        for other in decision.waits:
            row = loaded.rows.get(other) or loaded.alone.get(other)
            waits.append(Wait(wait_for(other), item.ref, 0 if row is None else row.version, item.lane))
        keys = {key for problem in decision.problems for key in (problem.releases_on, *problem.releases_also) if key}
        keys -= set(map(wait_for, decision.waits))  # an object, of which a version was seen
        waits.extend(Wait(key, item.ref, rules.mappings_version, item.lane) for key in sorted(keys))
    return waits


def openings_of(decided: DecidedBatch, loaded: LoadedBatch, now: datetime) -> list[cases.Opening]:
    """Return the cases of what could not be decided."""
    openings = [_case(ref, problem, loaded, now) for ref, decision in decided.decisions.items() for problem in decision.problems]
    return [*openings, *(_invariant_case(ref, error, loaded.rows[ref].connection, now) for ref, error in decided.failed.items())]


def _case(ref: ObjectRef, problem: Problem, loaded: LoadedBatch, now: datetime) -> cases.Opening:
    is_locked = is_of(problem.releases_on, Declared.PERIOD)  # by day; what is locked, and opened again, are the books of an entity
    releases_on = wait_for_period(problem.entity) if is_locked else problem.releases_on
    cause = "|".join(filter(None, (releases_on or ref.key, problem.about)))
    return opening(
        now=now,
        fingerprint=f"{problem.code}|{cause}",
        case_class=problem.case_class,
        code=problem.code,
        cause=problem.cause,
        next_step=problem.remedy,
        stage="decide",
        subject=ref.key,
        entity=problem.entity,
        connection=loaded.rows[ref].connection,
        money=problem.money,
        releases_on=releases_on,
        concerns=concerns_of(ref, loaded.records.get(ref)),
        detail=problem.cause,
        owner=problem.owner,
    )


def _invariant_case(ref: ObjectRef, error: Exception, connection: str, now: datetime) -> cases.Opening:
    return opening(
        now=now,
        fingerprint=f"decide.invariant|{ref.key}",
        case_class=CaseClass.AMOUNT_MISMATCH,
        code="decide.invariant",
        cause=f"{ref.key} does not add up and was not posted: {error}",
        next_step="Compare the document's lines, discounts and taxes with its total at the source; correct it there, then retry this case.",
        stage="decide",
        subject=ref.key,
        connection=connection,
    )


def poisoned_case(ref: ObjectRef, now: datetime) -> cases.Opening:
    """Return the case of a subject whose decider died or failed each time."""
    return opening(
        now=now,
        fingerprint=f"decide.poisoned|{ref.key}",
        case_class=CaseClass.SCHEMA_DRIFT,
        code="decide.poisoned",
        cause=f"{ref.key} is not decided: the worker died or failed {TRIES_MAX} times with it in hand",
        next_step="Look in the worker's log for what it died of (often memory); mend that, then retry this case.",
        stage="decide",
        subject=ref.key,
    )

"""Stage 3, the deciding turn: load the states of what is on the agenda, decide purely, write everything they call for at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from counterfoil.core.canonical.commands import Command, CommandKind
from counterfoil.core.canonical.entities import Entity
from counterfoil.core.canonical.events import EVENT_VERSION, Event, EventType
from counterfoil.core.canonical.ids import ObjectRef
from counterfoil.core.finance.summary import SummaryItem
from counterfoil.core.policies.decide import decide
from counterfoil.core.policies.decision import Decision, MemoryView, Origin, Problem, Wish
from counterfoil.core.policies.related import related
from counterfoil.core.policies.rules import Rules
from counterfoil.delivery.stage import command_of
from counterfoil.kit.clock import Clock
from counterfoil.kit.codec import decode_entity, encode
from counterfoil.kit.stage import CALM, Care, Turn
from counterfoil.store import agenda, cases, objects, outbox, summary
from counterfoil.store.agenda import AgendaItem, Wait
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.opening import opening
from counterfoil.store.outbox import CommandRow, CommandState
from counterfoil.store.pool import Conn, Key, Pool
from counterfoil.workflows.rules_source import RulesSource
from counterfoil.workflows.summaries import by_document, to_row, wish_of

log = structlog.get_logger()

BATCH_MAX = 300
AT_ONCE = 4
"""Batches under way at once: they bound a worker's memory, and the first ones are wished sooner than all would be."""
ROUNDS_MAX = 6
"""Rounds of loading what the loaded refers to: refund, credit note, invoice, customer, the customers it was merged into."""
ORDERED_KINDS = frozenset({CommandKind.UPSERT_CUSTOMER, CommandKind.UPSERT_PRODUCT})
"""Kinds whose commands on one subject must be sent in the order they were wished; documents are ordered by what they need."""

Arm = Callable[[Conn, Sequence[Key]], Awaitable[None]]


@dataclass(slots=True)
class Loaded:
    """Everything a batch of decisions looks at."""

    rows: dict[ObjectRef, ObjectRow]
    entities: dict[ObjectRef, Entity]
    commands: list[CommandRow]
    items: Mapping[str, tuple[SummaryItem, ...]]

    def view(self) -> MemoryView:
        """Return the pure view of it."""
        origins = {ref: Origin(row.connection, row.account) for ref, row in self.rows.items()}
        wishes = {row.external_key: _wish_of(row) for row in self.commands if row.state is not CommandState.CANCELED}
        return MemoryView(self.entities, origins, wishes, self.items)


@dataclass(slots=True)
class Decided:
    """The decisions of a batch, by subject."""

    decisions: dict[ObjectRef, Decision] = field(default_factory=dict)
    failed: dict[ObjectRef, Exception] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decider:
    """The shell of stage 3. ``batch_key`` names the partition a command is sent in, as its target's connector says."""

    pool: Pool
    cipher: Cipher
    rules: RulesSource
    batch_key: Callable[[Command], str]
    clock: Clock
    arm: Arm
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def turn(self, key: str, care: Care = CALM) -> Turn:
        """Decide one batch of a shard's subjects."""
        del care
        async with self._gate:
            return await self._work(key)

    async def _work(self, key: str) -> Turn:
        now = self.clock.now()
        async with self.pool.connection() as conn:
            items = await agenda.claim(conn, int(key), now, BATCH_MAX)
            if not items:
                return await self._rest(conn, int(key))
            loaded = await self._load(conn, [item.ref for item in items])
            rules = await self.rules.current(conn)
        decided = decide_batch(items, loaded, rules, now)
        async with self.pool.connection() as conn, conn.transaction():
            await self._write(conn, items, decided, loaded, rules, now)
        if len(items) == BATCH_MAX:
            return Turn(has_more=True)
        async with self.pool.connection() as conn:
            return await self._rest(conn, int(key))

    async def _rest(self, conn: Conn, shard: int) -> Turn:
        """Return that nothing is left for now, and when the next postponed subject is due."""
        due = await agenda.next_due(conn, shard)
        return Turn(has_more=False, wake_in_s=None if due is None else max(0.2, (due - self.clock.now()).total_seconds()))

    async def _load(self, conn: Conn, refs: Iterable[ObjectRef]) -> Loaded:
        rows: dict[ObjectRef, ObjectRow] = {}
        entities: dict[ObjectRef, Entity] = {}
        wanted = set(refs)
        asked: set[ObjectRef] = set()
        for _ in range(ROUNDS_MAX):
            if not wanted:
                break
            found = await objects.load(conn, self.cipher, wanted)
            asked |= wanted
            rows.update(found)
            entities.update({ref: decode_entity(ref.kind, row.data) for ref, row in found.items()})
            wanted = {other for ref in found for other in related(entities[ref])} - asked
        commands = await outbox.of_subjects(conn, self.cipher, rows)
        items = await summary.of_subjects(conn, [ref.key for ref in rows])
        return Loaded(rows, entities, commands, by_document(items))

    async def _write(self, conn: Conn, items: Sequence[AgendaItem], decided: Decided, loaded: Loaded, rules: Rules, now: datetime) -> None:
        touched = await agenda.set_waits(conn, [item.ref for item in items], _waits(decided, loaded, rules), now)
        wishes = [self._wish(command, item, loaded) for item in items for command in _commands(decided, item.ref)]
        wished = await outbox.wish(conn, self.cipher, wishes, now)
        touched += wished.touched
        touched += await outbox.refresh(conn, self.cipher, _refreshes(decided, loaded))
        touched += await self._cancel(conn, [*_replaced(decided, loaded, wished.new), *_no_longer_wished(decided, loaded)], now)
        kept = [to_row(item, ref) for ref, decision in decided.decisions.items() for item in decision.summary]
        await summary.add(conn, kept, now)
        await objects.set_entities(conn, {ref: entity for ref, decision in decided.decisions.items() if (entity := _entity_of(decision))})
        await self._report(conn, decided, loaded, now)
        await agenda.finish(conn, items)
        await self.arm(conn, touched)

    async def _cancel(self, conn: Conn, rows: Sequence[CommandRow], now: datetime) -> list[Key]:
        """Cancel commands their subject's state no longer calls for; one that was sent meanwhile has its subject decided again."""
        if not rows:
            return []
        by_id = {row.id: row for row in rows}
        canceled, touched = await outbox.cancel(conn, sorted(by_id), "the state of its subject no longer calls for it")
        await cases.release_subjects(conn, "deliver", canceled, now)
        late = {by_id[command_id].subject for command_id in by_id.keys() - canceled}
        return [*touched, *await agenda.add(conn, [agenda.Subject(ref) for ref in sorted(late)], now)]

    def _wish(self, command: Command, item: AgendaItem, loaded: Loaded) -> outbox.Wish:
        row = loaded.rows.get(item.ref)
        return wish_of(
            command,
            self.batch_key(command),
            lane=max(int(command.lane), item.lane),
            order_key=command.order_key if command.kind in ORDERED_KINDS else "",
            causation_id="" if row is None else f"event/{row.last_event}",
        )

    async def _report(self, conn: Conn, decided: Decided, loaded: Loaded, now: datetime) -> None:
        clear = [ref.key for ref, decision in decided.decisions.items() if not decision.problems]
        await cases.release_subjects(conn, "decide", clear, now)
        openings = [
            _case(ref, problem, loaded.rows[ref].connection, now)
            for ref, decision in decided.decisions.items()
            for problem in decision.problems
        ]
        openings += [_invariant_case(ref, error, loaded.rows[ref].connection, now) for ref, error in decided.failed.items()]
        await cases.open_or_count(conn, openings, now)


def decide_batch(items: Sequence[AgendaItem], loaded: Loaded, rules: Rules, now: datetime) -> Decided:
    """Decide every subject of a batch; pure. An invariant that does not hold stops its own subject only."""
    view = loaded.view()
    decided = Decided()
    for item in items:
        row = loaded.rows.get(item.ref)
        if row is None:
            continue
        try:
            decided.decisions[item.ref] = decide(_event_of(row, loaded.entities[item.ref], now), view, rules)
        except Exception as error:  # what does not add up, or a policy's own fault, stops its own subject only
            if not isinstance(error, ValueError):
                log.exception("policy failed", subject=item.ref.key)
            decided.failed[item.ref] = error
    return decided


def _event_of(row: ObjectRow, entity: Entity, now: datetime) -> Event:
    return Event(
        id=row.last_event,
        type=EventType(row.last_type),
        version=EVENT_VERSION,
        connection=row.connection,
        subject=row.ref,
        occurred_at=row.occurred_at,
        received_at=now,
        sequence=row.sequence,
        data=entity,
        account=row.account,
    )


def _wish_of(row: CommandRow) -> Wish:
    return Wish(command_of(row), is_open=_is_open(row))


def _is_open(row: CommandRow) -> bool:
    """Whether the command certainly took no effect: refused or never sent."""
    if row.state is CommandState.PARKED:
        return not row.in_doubt
    return row.state in (CommandState.WAITING, CommandState.READY) and row.sent_at is None


def _commands(decided: Decided, ref: ObjectRef) -> tuple[Command, ...]:
    decision = decided.decisions.get(ref)
    return () if decision is None else decision.commands


def _replaced(decided: Decided, loaded: Loaded, new: frozenset[str]) -> list[CommandRow]:
    """Open commands whose document is now wished with other content."""
    newer = {command.external_key for decision in decided.decisions.values() for command in decision.commands if command.id in new}
    return [row for row in loaded.commands if row.external_key in newer and row.id not in new and _is_open(row)]


def _refreshes(decided: Decided, loaded: Loaded) -> list[outbox.Refresh]:
    """Open commands that are wished as before but booked otherwise: the day they were to be booked on has been locked meanwhile."""
    wished = {command.id: command for decision in decided.decisions.values() for command in decision.commands}
    found = []
    for row in loaded.commands:
        if row.id in wished and _is_open(row):
            arguments = encode(wished[row.id].arguments)
            if arguments != row.arguments:
                found.append(outbox.Refresh(row.id, row.created_at, arguments))
    return found


def _no_longer_wished(decided: Decided, loaded: Loaded) -> list[CommandRow]:
    """Open commands of completely decided subjects that their state does not call for any more."""
    whole = {
        ref: {command.id for command in decision.commands}
        for ref, decision in decided.decisions.items()
        if not decision.waits and not decision.problems
    }
    return [row for row in loaded.commands if row.subject in whole and row.id not in whole[row.subject] and _is_open(row)]


def _entity_of(decision: Decision) -> str:
    for command in decision.commands:
        return command.entity
    return decision.summary[0].entity if decision.summary else ""


def _waits(decided: Decided, loaded: Loaded, rules: Rules) -> list[Wait]:
    waits = []
    for ref, decision in decided.decisions.items():
        for other in decision.waits:
            row = loaded.rows.get(other)
            waits.append(Wait(other.key, ref, 0 if row is None else row.version))
        keys = {key for problem in decision.problems for key in (problem.releases_on, *problem.releases_also) if key}
        waits.extend(Wait(key, ref, rules.version) for key in sorted(keys))
    return waits


def _case(ref: ObjectRef, problem: Problem, connection: str, now: datetime) -> cases.Opening:
    cause = problem.releases_on or ref.key
    return opening(
        now=now,
        fingerprint=f"{problem.code}|{cause}",
        case_class=problem.case_class.value,
        code=problem.code,
        cause=problem.cause,
        next_step=problem.remedy,
        stage="decide",
        subject=ref.key,
        entity=problem.entity,
        connection=connection,
        money=problem.money,
        releases_on=problem.releases_on,
    )


def _invariant_case(ref: ObjectRef, error: Exception, connection: str, now: datetime) -> cases.Opening:
    return opening(
        now=now,
        fingerprint=f"decide.invariant|{ref.key}",
        case_class="amount_mismatch",
        code="decide.invariant",
        cause=f"{ref.key} does not add up and was not posted: {error}",
        next_step="Compare the document's lines, discounts and taxes with its total at the source; correct it there, then retry this case.",
        stage="decide",
        subject=ref.key,
        connection=connection,
    )

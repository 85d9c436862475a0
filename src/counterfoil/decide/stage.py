"""Stage 3, the deciding turn: load the states of what is on the agenda, decide purely, write everything they call for at once.

Two may decide one subject at once: a worker taken for dead that is not, or the ordinary and the bulk partition of its shard. A decision is
written only if its subject's row on the agenda still is the one that was claimed when the transaction ends: the finishing statement locks
those rows and, should one be gone or have a newer reason, everything is rolled back and written again without that subject.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from counterfoil.core.commands import SPECS, command_kind
from counterfoil.core.language.commands import Command
from counterfoil.core.policies.lanes import Lanes
from counterfoil.core.policies.rules import Rules
from counterfoil.decide import customer_fields, processes
from counterfoil.decide.decisions import DecidedBatch, LoadedBatch, decide_into, load, openings_of, poisoned_case, waits_of
from counterfoil.decide.linking import link_some
from counterfoil.decide.rules_source import RENEWED_WITHIN_S, RulesSource
from counterfoil.decide.summaries import to_document, to_row, wish_of
from counterfoil.kit.clock import Clock
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import agenda, agenda_deadlines, case_subjects, cases, modes, objects, outbox, outbox_cancel, outbox_refresh, summary
from counterfoil.store.agenda import AgendaItem
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow
from counterfoil.store.pool import CONTENDED, Conn, PartitionKey, Pool, single_statements
from counterfoil.store.work import BULK, ORDINARY, Arm, shards_in

log = structlog.get_logger()

BATCH_MAX = 100
"""What the books take at once; with more of them the first would be sent later."""
AT_ONCE = 4
"""Batches under way at once: they bound a worker's memory, and the first ones are wished sooner than all would be."""
BULK_BATCH_MAX = 100
"""What the books take at once; with more of them the first would be sent later."""
BULK_AT_ONCE = 2
"""The same for what came in bulk: its transactions are short, and most of the process is left to real time."""
YIELD_EVERY = 20
"""Subjects after which others of the process get their turn."""
LINKED_WITHIN_S = 0.5
"""When to look again while another worker links what an older program wrote."""
WRITE_TRIES_MAX = 4
"""Tries of writing a batch of which some subject got a newer reason meanwhile; each takes half as many subjects as the one before."""


@dataclass(frozen=True, slots=True)
class Decider:
    """The shell of stage 3. ``batch_key`` names the partition a command is sent in, as its target's connector says; ``lanes``: how urgent
    each data domain is.
    """

    pool: Pool
    cipher: Cipher
    rules: RulesSource
    batch_key: Callable[[Command], str]
    clock: Clock
    arm: Arm
    lanes: Lanes = field(default_factory=Lanes)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _bulk_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BULK_AT_ONCE))
    _modes: set[tuple[str, str]] = field(default_factory=set)

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Decide one batch of some shards' subjects (``3``, joined ``3+11``) that are there for something that happened in real time."""
        async with self._gate:
            return await self._work(shards_in(key), ORDINARY, BATCH_MAX, context)

    async def bulk_turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Decide one batch of some shards' subjects that came in bulk; it never waits with, or holds up, :meth:`turn`."""
        async with self._bulk_gate:
            return await self._work(shards_in(key), BULK, BULK_BATCH_MAX, context)

    async def _work(self, shards: Sequence[int], lanes: range, batch_max: int, context: TurnContext) -> Turn:
        if context.is_ending:
            return Turn(has_more=True)
        now = self.clock.now()
        limit = batch_max if context.limit is None else min(batch_max, context.limit)
        async with single_statements(self.pool) as conn:
            if await objects.has_to_link(conn):
                # What names an object would not be found: a refund whose credit note is not seen is booked once more.
                is_linking = await link_some(conn, self.cipher)
                return Turn(has_more=is_linking, wake_in_s=None if is_linking else LINKED_WITHIN_S)
            if not await self.rules.is_in_force(conn, now):
                return Turn(has_more=False, wake_in_s=RENEWED_WITHIN_S)
            items = await agenda.claim(conn, shards, now, limit, lanes=lanes)
        is_left = False
        if items:
            poisoned = await context.hold([item.ref.key for item in items])
            if poisoned:
                await self._give_up([item for item in items if item.ref.key in poisoned], now)
            is_left = await self._decide([item for item in items if item.ref.key not in poisoned], now)
        if is_left or len(items) == limit:
            return Turn(has_more=True)
        async with single_statements(self.pool) as conn:
            return await self._rest(conn, shards, lanes)

    async def _decide(self, items: Sequence[AgendaItem], now: datetime) -> bool:
        """Decide subjects and write what they call for; return whether any of them is left on the agenda as it was claimed."""
        async with self.pool.connection() as conn:
            rules = await self.rules.current(conn)
            loaded = await load(conn, self.cipher, [item.ref for item in items], rules)
        decided, view = DecidedBatch(), loaded.view()
        for start in range(0, len(items), YIELD_EVERY):
            decide_into(decided, items[start : start + YIELD_EVERY], loaded, view, rules, now)
            await asyncio.sleep(0)
        for tries in range(WRITE_TRIES_MAX):
            try:
                async with self.pool.connection() as conn, conn.transaction() as transaction:
                    current = await agenda.unmoved(conn, items)
                    chosen = current[: max(1, len(items) >> tries)]
                    written = decided.only([item.ref for item in chosen])
                    is_written = not chosen or await self._write(conn, chosen, written, loaded, rules, now)
                    transaction.force_rollback = not is_written
                if is_written:
                    self._modes.update(written.modes())
                    return len(chosen) < len(current)
            except CONTENDED as error:
                log.info("decisions stood in another's way", error=type(error).__name__, subjects=len(items))
        return True

    async def _give_up(self, items: Sequence[AgendaItem], now: datetime) -> None:
        """Take subjects nobody could decide off the agenda, each with a case; a new state of theirs, or a retry, has them decided again."""
        async with self.pool.connection() as conn, conn.transaction():
            await cases.open_or_count(conn, [poisoned_case(item.ref, now) for item in items], now)
            await agenda.finish(conn, items)

    async def _rest(self, conn: Conn, shards: Sequence[int], lanes: range) -> Turn:
        """Return that nothing is left for now, and when the next postponed subject is due."""
        if await agenda.is_bundled(conn, shards, lanes=lanes):
            return Turn(has_more=True)
        due = await agenda.next_due(conn, shards, lanes=lanes)
        return Turn(has_more=False, wake_in_s=None if due is None else max(0.2, (due - self.clock.now()).total_seconds()))

    async def _write(
        self, conn: Conn, items: Sequence[AgendaItem], decided: DecidedBatch, loaded: LoadedBatch, rules: Rules, now: datetime
    ) -> bool:
        """Write decisions; False if a subject got a newer reason meanwhile, or was decided by somebody else: nothing of it may stay."""
        stepping = await processes.write(conn, self.cipher, items, decided, loaded, rules, now)
        if stepping is None:
            return False  # moved by somebody else meanwhile
        again = await agenda.replace_waits(conn, [item.ref for item in items], waits_of(items, decided, loaded, rules), now)
        wishes = [self._wish(command, item, loaded, now) for item in items for command in decided.commands(item.ref)]
        wished = await outbox.wish(conn, self.cipher, wishes, now)
        touched = [
            *self.rules.to_be_sent(wishes, wished.touched),
            *await outbox_refresh.refresh(conn, self.cipher, decided.refreshes(loaded)),
        ]
        replaced = decided.replaced(loaded, wished.new)
        displaced = [*decided.displaced(loaded), *decided.withdrawn(loaded)]
        canceled, late = await self._cancel(conn, [*replaced, *decided.no_longer_wished(loaded), *displaced], now)
        booked = [*displaced, *(row for row in replaced if not SPECS[command_kind(row.kind)].is_ordered)]
        if {row.subject for row in booked} & {subject.ref for subject in late}:
            return False  # sent meanwhile: booked or matched as it was, and not again; what is sent in order may follow it
        kept = [to_row(item, ref) for ref, decision in decided.decisions.items() for item in decision.summary]
        documents = [to_document(document) for decision in decided.decisions.values() for document in decision.documents]
        await summary.add(conn, documents, kept, now)
        await modes.remember(conn, decided.modes() - self._modes, now)
        await case_subjects.release_subjects(conn, "decide", [ref.key for ref in decided.clear()], now)
        openings = await processes.wanted(conn, decided, openings_of(decided, loaded, now))
        opened = await cases.open_or_count(conn, openings, now)
        await case_subjects.stay_in(conn, "decide", _standing_in(openings, opened, decided), now)
        await processes.retell(conn, decided, openings, opened, now)
        await customer_fields.write(conn, decided.decisions, loaded, rules, now)
        if await agenda.finish(conn, items) < len(items):
            return False
        subjects = [*again, *late, *decided.followers(items, loaded), *stepping.subjects]
        again_at = await agenda_deadlines.put(conn, decided.deadlines())
        await self.arm(conn, [*touched, *canceled, *stepping.touched, *await agenda.add(conn, subjects, now), *again_at])
        return True

    async def _cancel(self, conn: Conn, rows: Sequence[CommandRow], now: datetime) -> tuple[list[PartitionKey], list[agenda.Subject]]:
        """Cancel commands their subject's state no longer calls for; one that was sent meanwhile has its subject decided again."""
        if not rows:
            return [], []
        by_id = {row.id: row for row in rows}
        canceled, touched = await outbox_cancel.cancel(conn, sorted(by_id), outbox.NO_LONGER_CALLED_FOR)
        await case_subjects.release_subjects(conn, "deliver", canceled, now)
        late = {by_id[command_id].subject for command_id in by_id.keys() - canceled}
        return touched, [agenda.Subject(ref) for ref in sorted(late)]

    def _wish(self, command: Command, item: AgendaItem, loaded: LoadedBatch, now: datetime) -> outbox.NewCommand:
        row = loaded.rows.get(item.ref)
        lane, not_before = self.lanes.place(command.kind, command.entity, command.lane, now)
        return wish_of(
            command,
            self.batch_key(command),
            lane=max(int(lane), item.lane),
            not_before=not_before,
            order_key=command.order_key if SPECS[command.kind].is_ordered else "",
            causation_id="" if row is None else f"event/{row.last_event}",
        )


def _standing_in(openings: Sequence[cases.Opening], opened: Mapping[str, int], decided: DecidedBatch) -> dict[str, set[int]]:
    """Return the cases that each decided subject stands still for; of one that could not be decided nothing else is known."""
    standing: dict[str, set[int]] = {ref.key: set() for ref, decision in decided.decisions.items() if decision.problems}
    for one in openings:
        if one.subject.subject in standing:
            standing[one.subject.subject].add(opened[one.fingerprint])
    return standing

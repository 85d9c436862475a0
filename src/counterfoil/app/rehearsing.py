"""Rehearsing a replay: receipts are read and their objects decided by today's program and rules, and nothing is written.

But by what objects are found, which an older program left out: without it other things would be told than are done.

Receipts stream through page by page. Only objects that would change are kept, at most OBJECTS_MAX, and laid over what is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce

from counterfoil.app.hub import Hub
from counterfoil.app.ruling import follow
from counterfoil.core.commands.books import Allocate
from counterfoil.core.identity.echoes import Written
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.kinds.refund import REFUND
from counterfoil.core.language.commands import Command, Lane
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import wait_for
from counterfoil.core.language.money import Money
from counterfoil.core.policies.rules import Rules
from counterfoil.decide.decisions import DecidedBatch, decide_batch, load
from counterfoil.decide.linking import link_all
from counterfoil.kit.connector import Source
from counterfoil.kit.context import Context
from counterfoil.kit.stage import PLAIN
from counterfoil.normalize.batch import NormalizedBatch, normalize
from counterfoil.normalize.fetching import prepare
from counterfoil.normalize.merging import Merged, Merger, event_ids
from counterfoil.normalize.replaying import page_size
from counterfoil.normalize.writing import matching
from counterfoil.store import agenda, claims, events, objects, replays, written
from counterfoil.store.agenda import AgendaItem
from counterfoil.store.claims import ClaimRow
from counterfoil.store.commands import command_of
from counterfoil.store.objects import ObjectRow
from counterfoil.store.receipts import Receipt
from counterfoil.store.replays import Replay, ReplayOrder, ReplayState
from counterfoil.store.written import Place

OBJECTS_MAX = 20_000
"""Objects that may change in one rehearsal; they are kept in memory."""
EXAMPLES_MAX = 10
DECIDE_AT_ONCE = 100


@dataclass(slots=True)
class CommandTally:
    """Commands of a kind and currency: how many, and what they come to in minor units (0 where they carry no amount)."""

    count: int = 0
    minor: int = 0


@dataclass(slots=True)
class Rehearsal:
    """What a replay would do.

    Attributes:
        read: receipts read.
        outcomes: (as it is, as it would be) -> receipts, each as ``state`` or ``state: rule``.
        objects: kind -> objects that would change.
        new, canceled: (kind of command, currency) -> commands that would be wished, or canceled before they are sent.
        problems: code -> subjects that would stand still with a case.
        examples: a few objects that would change, and commands.
    """

    read: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)
    new: dict[tuple[str, str], CommandTally] = field(default_factory=dict)
    canceled: dict[tuple[str, str], CommandTally] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def is_without_effect(self) -> bool:
        """Whether nothing would differ."""
        return not (self.objects or self.new or self.canceled or self.problems or any(was != now for was, now in self.outcomes))

    def note(self, example: str) -> None:
        """Keep an example, if there are not enough yet."""
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(example)


@dataclass(slots=True)
class _Play:
    """A rehearsal under way. ``over``: the objects as they would be, ``claims``: what their sources would have said; ``beside``: those to
    be decided again with them; ``written``: what was written to connections that tell of it, as it would be known by then.
    """

    hub: Hub
    order: ReplayOrder
    now: datetime
    result: Rehearsal = field(default_factory=Rehearsal)
    over: dict[ObjectRef, ObjectRow] = field(default_factory=dict)
    beside: set[ObjectRef] = field(default_factory=set)
    claims: dict[ObjectRef, list[ClaimRow]] = field(default_factory=dict)
    written: dict[Place, Written] = field(default_factory=dict)

    async def read(self, batch: Sequence[Receipt]) -> None:
        """Read one page again."""
        self.result.read += len(batch)
        for connection in sorted({receipt.connection for receipt in batch}):
            if connection in self.hub.readers:
                several = [
                    replace(one, lane=Lane.REPLAY, must_fetch=self.order.must_fetch) for one in batch if one.connection == connection
                ]
                await self._read_some(*self.hub.readers[connection], several)
        if len(self.over) > OBJECTS_MAX:
            raise ValueError(f"more than {OBJECTS_MAX:,} objects would change; rehearse a shorter period or fewer kinds")

    async def _read_some(self, source: Source, ctx: Context, batch: Sequence[Receipt]) -> None:
        ties = await self._merge(source, ctx, batch, {})
        if ties:
            await self._merge(source, ctx, [receipt for receipt in batch if receipt.id in ties], ties)

    async def _merge(
        self, source: Source, ctx: Context, batch: Sequence[Receipt], ties: Mapping[int, tuple[ObjectRef, ...]]
    ) -> dict[int, tuple[ObjectRef, ...]]:
        prepared = await prepare(source, ctx, batch, ties)
        result = await normalize(source, ctx, batch, prepared, self.now)
        refs = {fact.subject for _, facts in result.facts for fact in facts}
        async with self.hub.pool.connection() as conn:
            known = await events.known(conn, event_ids(result.facts))
            stored = await objects.load(conn, self.hub.cipher, refs - self.over.keys())
            stored |= {ref: self.over[ref] for ref in refs & self.over.keys()}
            told = await claims.load(conn, self.hub.cipher, [ref for ref, row in stored.items() if row.claimed])
            kept = await written.load(conn, self._places(result) - self.written.keys())
        told = {ref: [*told.get(ref, ()), *self.claims.get(ref, ())] for ref in stored}
        rules = self.hub.rules
        merger = Merger(
            stored,
            set(ties),
            self.now,
            rules.purposes(),
            known,
            claims=told,
            ownership=rules.ownership,
            written=kept | self.written,
            matches=matching(self.hub.cipher),
        )
        for receipt, facts in result.facts:
            merger.add(receipt, facts)
        merged = merger.finish()
        self.beside |= {ref for ref, _, _ in merged.beside}
        for claim in merged.claims:
            self.claims.setdefault(claim.ref, []).append(claim)
        for place, traces in merged.traces.items():
            self.written[place] = reduce(lambda known, trace: trace.of(known), traces, self.written.get(place) or kept[place])
        self._note(merged, stored)
        by_id = {receipt.id: receipt for receipt in batch}
        for one in result.settled(without=merged.ties, echoes=merged.echoes):
            before = by_id[one.id]
            self.result.outcomes[_named(before.state.value, before.rule), _named(one.state.value, one.rule)] += 1
        return merged.ties

    def _places(self, result: NormalizedBatch) -> set[Place]:
        """Return the things a batch tells of at connections that tell of what is written to them."""
        told = ((receipt.connection, fact.subject) for receipt, facts in result.facts for fact in facts)
        return {Place(connection, ref) for connection, ref in told if connection in self.hub.echoing}

    def _note(self, merged: Merged, stored: Mapping[ObjectRef, ObjectRow]) -> None:
        for ref in sorted(merged.rows):
            if ref not in self.over:
                self.result.objects[ref.kind] += 1
                before = stored.get(ref)
                was = "is not known" if before is None else _said(before)
                self.result.note(f"{ref.key}: {was} -> {_said(merged.rows[ref])}")
        self.over |= merged.rows

    async def decide(self) -> None:
        """Decide the objects that would change, who waits for one of them, and what is decided again with them."""
        await link_all(self.hub.pool, self.hub.cipher)
        async with self.hub.pool.connection() as conn:
            rules = await self.hub.rules.current(conn)
            waiting = await agenda.waiting_on(conn, [wait_for(ref) for ref in self.over])
            decided = self.over.keys() | set(waiting) | self.beside
            beside = await objects.linked_to(conn, [ref for ref in decided if ref.kind == PAYMENT.name])
        subjects = sorted(decided | {ref for ref in beside if ref.kind == REFUND.name})
        for start in range(0, len(subjects), DECIDE_AT_ONCE):
            await self._decide_some(subjects[start : start + DECIDE_AT_ONCE], rules)

    async def _decide_some(self, subjects: Sequence[ObjectRef], rules: Rules) -> None:
        async with self.hub.pool.connection() as conn:
            loaded = await load(conn, self.hub.cipher, subjects, rules, over=self.over)
        items = [AgendaItem(ref, 0, Lane.REPLAY, self.now) for ref in subjects]
        decided = decide_batch(items, loaded, rules, self.now)
        known = {row.id for row in loaded.commands}
        new = {command.id: command for ref in subjects for command in decided.commands(ref) if command.id not in known}
        _count(self.result.new, new.values())
        gone = {row.id: command_of(row) for row in (*decided.replaced(loaded, new.keys()), *decided.no_longer_wished(loaded))}
        _count(self.result.canceled, gone.values())
        for command in (*new.values(), *gone.values()):
            self.result.note(f"{command.external_key}: {command.kind.value} {'new' if command.id in new else 'canceled'}")
        self.result.problems.update(_problems(decided))


async def rehearse(hub: Hub, order: ReplayOrder) -> AsyncIterator[Rehearsal]:
    """Read the receipts of an order again without writing anything; yield what it comes to after each page, the last time complete.

    Raises:
        ValueError: more objects would change than are kept in memory.
        TransientError, SetupError: of a source, where it has to be asked.
    """
    await follow(hub)
    now = hub.clock.now()
    play = _Play(hub, order, now)
    place = Replay(0, order, 0, "", now, ReplayState.RUNNING, 0, 0, 0, None, now)
    while True:
        async with hub.pool.connection() as conn:
            batch = await replays.page(conn, hub.cipher, place, page_size(place, PLAIN))
        if not batch:
            break
        await play.read(batch)
        place = replace(place, place=batch[-1].id)
        yield play.result
    await play.decide()
    yield play.result


def _count(tallies: dict[tuple[str, str], CommandTally], commands: Iterable[Command]) -> None:
    for command in commands:
        money = amount_of(command)
        tally = tallies.setdefault((command.kind.value, "" if money is None else money.currency), CommandTally())
        tally.count += 1
        tally.minor += 0 if money is None else money.minor


def amount_of(command: Command) -> Money | None:
    """Return what a command posts: a document's total, a payment, the debits of an entry; None for master data and matches."""
    return None if isinstance(command.arguments, Allocate) else command.arguments.money


def _problems(decided: DecidedBatch) -> list[str]:
    codes = [problem.code for decision in decided.decisions.values() for problem in decision.problems]
    return [*codes, *("decide.invariant" for _ in decided.failed)]


def _named(state: str, rule: str) -> str:
    return f"{state}: {rule}" if rule else state


def _said(row: ObjectRow) -> str:
    total = "" if row.total_minor is None else f" {row.total_minor} {row.currency} (minor units)"
    return f"version {row.version}{' ' + row.state if row.state else ''}{total}"

"""The delivering turn: claim, commit the intent, send or resolve in the target's bulk form, record one outcome per command.

Several batches of one partition are under way at once (as many as the target's setting allows), so that the target is never idle while an
outcome is written down. While the target as a whole cannot be used, nothing is sent and no attempt is used up: see ``resting``. What a
late write may have undone is sent again by a hand of its own, at the end of a turn: see ``rechecking``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from counterfoil.core.commands import command_kind
from counterfoil.core.policies.rules import NOTHING_OBSERVED, ObservedFlows
from counterfoil.core.policies.stepping import PROCESSES
from counterfoil.delivery.causes import case_of, discreet
from counterfoil.delivery.echoing import note_ended, note_sent
from counterfoil.delivery.ends import (
    Try,
    all_failed,
    attempt_of,
    broken,
    doubtful_of,
    end_of,
    gone_of,
    is_bulk,
    opened_by,
    poisoned,
    poisoned_end,
    trouble_of,
    unanswered,
)
from counterfoil.delivery.persons import about
from counterfoil.delivery.rechecking import Batch, Rechecker
from counterfoil.delivery.resting import CLOSED_MAX_S, Rest, TargetLink
from counterfoil.delivery.sizing import LearnedSizes
from counterfoil.kit.clock import Clock
from counterfoil.kit.doubts import counting_doubts
from counterfoil.kit.errors import HubError, TransientError
from counterfoil.kit.limits import yielding
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import (
    agenda,
    attempts,
    bindings,
    case_subjects,
    case_work,
    cases,
    micro_batches,
    outbox,
    outbox_due,
    producers,
    standing,
)
from counterfoil.store.cipher import Cipher
from counterfoil.store.commands import command_of
from counterfoil.store.outbox import CommandRow, EndStatus
from counterfoil.store.pool import Conn, Pool, single_statements
from counterfoil.store.work import EVERY_LANE, ORDINARY, Arm, split_key

__all__ = ["Deliverer", "TargetLink", "command_of"]

log = structlog.get_logger()

TURN_MAX_S = 20.0
"""A turn ends after this long, so that the engine's checkpoint stays recent."""
FENCED_S = 5.0
"""A worker that may not send looks again after this long, should it be taken up among the workers again."""
WATCH_S = 0.1
"""How often a hand kept free for real-time work looks for some."""
PAUSE_S = 0.5
"""How long a partition rests after a whole batch failed."""
IN_DOUBT = (EndStatus.UNKNOWN, EndStatus.GIVEN_UP)


@dataclass(slots=True)
class _Flow:
    """One turn's running state: what this process has under way, and whether the turn is to end.

    ``rechecked``: external keys nothing is sent for now, since the newest of what was done with them is being sent again. ``ended``: how
    many batches did; ``dry_at``: how many had when the last look that found nothing to send began.
    """

    target: str
    batch_key: str
    link: TargetLink
    context: TurnContext
    deadline: float
    is_trial: bool = False
    has_real_time: bool = False
    bulk: int = 0
    in_flight: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    pause_s: float | None = None
    has_tried: bool = False
    ended: int = 0
    dry_at: int = -1
    rechecked: frozenset[str] = frozenset()

    @property
    def is_dry(self) -> bool:
        """Whether nothing was found to send, and nothing ended since that something may have waited for."""
        return self.dry_at == self.ended

    @property
    def is_over(self) -> bool:
        """Whether no further batch is begun."""
        return self.pause_s is not None or self.context.is_ending or time.monotonic() >= self.deadline

    @property
    def width(self) -> int:
        """How many batches may be under way at once."""
        return 1 if self.is_trial or self.context.limit is not None else self.link.width

    @property
    def is_watching(self) -> bool:
        """Whether real-time work may come while something else is under way, which the turn's end has to wait for anyway."""
        return (bool(self.rechecked) or (self.has_real_time and self.bulk > 0)) and self.pause_s is None

    @property
    def is_bulk_full(self) -> bool:
        """Whether no further batch of bulk work is begun, so that real-time work finds a free hand."""
        return self.has_real_time and self.bulk >= max(1, self.width - 1)


@dataclass(frozen=True, slots=True)
class Deliverer:
    """The shell of stage 4. ``may_send``: whether this worker still counts as alive, asked between the intent and the sending.
    ``observed``: what of each target is decided and not sent.

    A batch holds commands of one kind, all to send or all to resolve, in the order of the claim.
    """

    pool: Pool
    cipher: Cipher
    targets: Mapping[str, TargetLink]
    clock: Clock
    arm: Arm
    rest: Rest
    may_send: Callable[[], bool] = lambda: True
    observed: Mapping[str, ObservedFlows] = field(default_factory=dict)
    sizes: LearnedSizes = field(default_factory=LearnedSizes)

    @property
    def rechecker(self) -> Rechecker:
        """What puts right what a late write may have undone."""
        return Rechecker(self.pool, self.cipher, self.clock, self.arm, self.may_send)

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Work one partition (``target/batch key``) down, at most for TURN_MAX_S."""
        target, batch_key = split_key(key)
        link = self.targets[target]
        if not self.may_send():
            return Turn(has_more=False, wake_in_s=FENCED_S)
        async with self.rest.look(target, link) as look:
            if look.wait_s is not None:
                return Turn(has_more=False, wake_in_s=look.wait_s)
            return await self._work(
                _Flow(target, batch_key, link, context, time.monotonic() + TURN_MAX_S, look.is_trial, look.has_real_time)
            )

    async def _work(self, flow: _Flow) -> Turn:
        await self._pump_all(flow)
        if flow.pause_s is not None:
            return Turn(has_more=False, wake_in_s=flow.pause_s)
        if flow.is_trial and not flow.has_tried:
            await self.rest.idle(flow.target)
        elif flow.is_over or flow.is_trial:
            await self._recheck(flow)
            return Turn(has_more=True)
        if await self._look_further(flow):
            return Turn(has_more=True)
        async with single_statements(self.pool) as conn:
            due = await outbox_due.next_due(conn, flow.target, flow.batch_key, self._held(flow.target))
            if due is not None and await self._has_full_batch(conn, flow):
                return Turn(has_more=True)
        left_s = None if due is None else (due - self.clock.now()).total_seconds()
        if left_s is not None and left_s <= 0 and await self._recheck(flow):
            return Turn(has_more=flow.pause_s is None, wake_in_s=flow.pause_s)
        return Turn(has_more=False, wake_in_s=None if left_s is None else max(0.2, left_s))

    async def _look_further(self, flow: _Flow) -> bool:
        """Have commands that lack something else than what was bound wait for that; return whether any can be sent after all."""
        async with single_statements(self.pool) as conn:
            found = await outbox_due.released(conn, flow.target, flow.batch_key)
            if found.is_any_whole and await outbox_due.is_free(
                conn, flow.target, flow.batch_key, self.clock.now(), self._held(flow.target)
            ):
                return True
        if not found.lacking:
            return False
        async with self.pool.connection() as conn, conn.transaction():
            return await outbox_due.look_further(conn, found.lacking)

    async def _pump_all(self, flow: _Flow, batch: Batch | None = None) -> None:
        """Work with all hands; one more sends ``batch`` again, and as long as it does, the others look for real-time work."""
        async with asyncio.TaskGroup() as group:
            if batch is not None:
                group.create_task(self._send_again(flow, batch))
            for _ in range(flow.width):
                group.create_task(self._pump(flow))

    async def _recheck(self, flow: _Flow) -> bool:
        """Send again what is due to be, one call's worth; return whether anything was due. A turn about to end takes none up."""
        if flow.is_trial or flow.context.is_ending:
            return False
        batch = await self.rechecker.take(flow.target, flow.batch_key, flow.link, flow.context)
        if batch is None:
            return False
        if batch.rows:
            flow.rechecked = batch.all_keys
            await self._pump_all(flow, batch)
        return True

    async def _send_again(self, flow: _Flow, batch: Batch) -> None:
        try:
            outcomes = await self.rechecker.send(flow.link, batch, is_yielding=flow.has_real_time)
        finally:
            flow.rechecked = frozenset()
        trouble = trouble_of(outcomes)
        if trouble is not None:
            flow.pause_s = await self.rest.went_down(batch.target, trouble, is_trial=False)

    async def _pump(self, flow: _Flow) -> None:
        while not flow.is_over or flow.is_watching:
            batch = await self._take(flow)
            if batch is None and flow.is_watching:
                await asyncio.sleep(WATCH_S)  # a hand kept free for real-time work that may come while bulk work is under way
                continue
            if batch is None:
                return
            flow.bulk += batch.is_bulk
            try:
                await self._deliver(flow, batch)
            finally:
                flow.bulk -= batch.is_bulk
                flow.in_flight.difference_update(row.id for row in batch.rows)
            if flow.is_trial:
                return

    async def _take(self, flow: _Flow) -> Try | None:
        """Claim one batch of one kind and commit the intent to send it. None: there is nothing to do."""
        async with flow.lock:
            if flow.is_dry and not flow.is_watching:
                return None
            ended = flow.ended
            rows = await self._claim(flow)
            while rows and (held := await flow.context.hold([row.id for row in rows])):
                await self._park(flow, [row for row in rows if row.id in held])
                rows = await self._claim(flow)
            if not rows:
                flow.dry_at = ended
                return None
            async with self.pool.connection() as conn, conn.transaction():
                now = self.clock.now()
                noted = await outbox.mark_sent(conn, rows, now)
                batch = tuple(row for row in rows if row.id in noted)
                await self.rechecker.note(conn, flow.link, doubtful_of(batch))
                await note_sent(conn, self.cipher, flow.link, batch)
            flow.in_flight.update(row.id for row in batch)
            return Try(flow.target, flow.batch_key, batch, now)

    async def _claim(self, flow: _Flow) -> list[CommandRow]:
        now = self.clock.now()
        if flow.link.closed_s(now) > 0:
            flow.pause_s = min(flow.link.closed_s(now), CLOSED_MAX_S)
            return []
        async with single_statements(self.pool) as conn:
            rows = await outbox_due.claim(
                conn,
                self.cipher,
                flow.target,
                flow.batch_key,
                now,
                self._sizes(flow),
                without=flow.in_flight,
                without_keys=flow.rechecked,
                lanes=ORDINARY if flow.is_bulk_full or flow.is_over else EVERY_LANE,
                held=self._held(flow.target),
            )
            if rows and not is_bulk(rows[0]):
                flow.has_real_time = True
                await standing.note_real_time(conn, flow.target, now)
        if rows and command_kind(rows[0].kind) not in flow.link.deliver:  # told as a turn that fails, before anything is noted of it
            raise KeyError(rows[0].kind)
        return rows

    def _held(self, target: str) -> ObservedFlows:
        return self.observed.get(target, NOTHING_OBSERVED)

    def _sizes(self, flow: _Flow) -> dict[str, outbox_due.BatchSizes]:
        """Return how many commands of each kind go into one batch now."""
        sizes = {}
        for kind, delivery in flow.link.deliver.items():
            place, most = (flow.target, flow.batch_key, kind.value), delivery.batch_size_max
            ordinary = self.sizes.size(place, most, is_yielding=False)
            bulk = self.sizes.size(place, most, is_yielding=True) if flow.has_real_time else ordinary
            sizes[kind.value] = outbox_due.BatchSizes(min(ordinary, flow.context.limit or ordinary), min(bulk, flow.context.limit or bulk))
        return sizes

    async def _has_full_batch(self, conn: Conn, flow: _Flow) -> bool:
        """Let micro batches go that became full before their time."""
        sizes = {kind.value: delivery.batch_size_max for kind, delivery in flow.link.deliver.items()}
        return await micro_batches.hasten(conn, flow.target, flow.batch_key, sizes, self.clock.now()) > 0

    async def _park(self, flow: _Flow, rows: Sequence[CommandRow]) -> None:
        """Park commands that workers died of, with a case."""
        now = self.clock.now()
        ends = {row.id: poisoned_end(row) for row in rows}
        known = await about(self.pool, self.cipher, rows)
        async with self.pool.connection() as conn, conn.transaction():
            settled = await outbox.settle(conn, list(ends.values()), now)
            mine = [row for row in rows if row.id in settled.changed]
            again = await self.rechecker.note(conn, flow.link, doubtful_of(rows))
            await cases.open_or_count(conn, [case_of(row, poisoned(row), ends[row.id], now, known.get(row.id)) for row in mine], now)
            await self.arm(conn, [*settled.touched, *again])
        log.error("commands parked: workers ended with them in hand", target=flow.target, batch_key=flow.batch_key, size=len(rows))

    async def _deliver(self, flow: _Flow, batch: Try) -> None:
        if not batch.rows:
            return
        flow.has_tried = True
        bound = await self._bindings(batch)
        if not self.may_send():  # taken for dead meanwhile: whoever is alive resolves what is in doubt
            flow.pause_s = FENCED_S
            return
        with counting_doubts() as doubts:
            outcomes = await self._call(flow, batch, bound)
        await self._settle(flow.link, batch, outcomes, has_doubts=doubts.count > 0)
        flow.ended += 1
        trouble = trouble_of(outcomes)
        if trouble is not None:
            flow.pause_s = await self.rest.went_down(batch.target, trouble, is_trial=flow.is_trial)
        elif flow.is_trial and any(outcome.status is not OutcomeStatus.UNKNOWN for outcome in outcomes):
            await self.rest.came_back(batch.target)

    async def _call(self, flow: _Flow, batch: Try, bound: Mapping[str, str]) -> Sequence[Outcome]:
        delivery = flow.link.deliver[command_kind(batch.rows[0].kind)]
        call = delivery.resolve if batch.is_resolution else delivery.send
        does_yield = batch.is_bulk and flow.has_real_time
        begun = time.monotonic()
        try:
            with yielding(does_yield):
                outcomes = await call(flow.link.ctx, [command_of(row) for row in batch.rows], bound)
            place = (batch.target, batch.batch_key, batch.rows[0].kind)
            has_failed = any(outcome.status is OutcomeStatus.UNKNOWN for outcome in outcomes)
            if trouble_of(outcomes) is None:
                took_s = time.monotonic() - begun
                self.sizes.learn(place, delivery.batch_size_max, len(batch.rows), took_s, is_yielding=does_yield, has_failed=has_failed)
            return outcomes
        except HubError as error:
            log.warning("batch failed", target=batch.target, batch_key=batch.batch_key, size=len(batch.rows), code=error.code)
            asked_s = error.retry_after_s if isinstance(error, TransientError) else None
            flow.pause_s = PAUSE_S if asked_s is None else max(0.2, asked_s)
            return all_failed(batch.rows, error)
        except Exception as error:  # a connector's own fault: what it did is unknown, and it is resolved, counted and parked like any other
            log.exception("connector failed", target=batch.target, batch_key=batch.batch_key, size=len(batch.rows))
            flow.pause_s = 2 * PAUSE_S
            return broken(batch.rows, error)

    async def _bindings(self, batch: Try) -> dict[str, str]:
        keys = {key for row in batch.rows for key in (*row.needs, row.produces) if key}
        async with single_statements(self.pool) as conn:
            return {key: binding.external_id for key, binding in (await bindings.current(conn, batch.target, keys)).items()}

    async def _settle(self, link: TargetLink, batch: Try, outcomes: Sequence[Outcome], *, has_doubts: bool) -> None:
        now = self.clock.now()
        by_id = {outcome.command_id: outcome for outcome in outcomes}
        pairs = [(row, by_id.get(row.id) or unanswered(row)) for row in batch.rows]
        known = await about(self.pool, self.cipher, [row for row, outcome in pairs if outcome.message])
        pairs = [(row, discreet(outcome, known[row.id]) if row.id in known else outcome) for row, outcome in pairs]
        tried = [(row, outcome, end_of(row, outcome, now)) for row, outcome in pairs]
        ends = [end for _, _, end in tried]
        async with self.pool.connection() as conn, conn.transaction():
            gone = {key for one in tried for key in gone_of(*one)}
            lost = await producers.lose(conn, batch.target, gone, now)
            settled = await outbox.settle(conn, ends, now)
            doubtful = [row for row, _, end in tried if has_doubts or end.status in IN_DOUBT]
            again = await self.rechecker.note(conn, link, doubtful)
            await note_ended(conn, self.cipher, link, tried, settled.changed)
            await attempts.record(conn, [attempt_of(batch, [end.status for end in ends], now)])
            # What another worker has taken up since is that one's to report; only news of something done is always true.
            mine = [(row, outcome, end) for row, outcome, end in tried if end.id in settled.changed]
            stuck = (EndStatus.REFUSED, EndStatus.GIVEN_UP)
            openings = [case_of(row, outcome, end, now, known.get(row.id)) for row, outcome, end in mine if end.status in stuck]
            opened = await cases.open_or_count(conn, openings, now)
            await case_subjects.move_on(conn, "deliver", {one.subject.subject: opened[one.fingerprint] for one in openings}, now)
            done = [row for row, _, end in mine if end.status is EndStatus.DONE]
            await case_subjects.release_subjects(conn, "deliver", [row.id for row in done], now)
            ended = {row.subject for row, _, end in mine if end.status is EndStatus.REFUSED or row.subject.kind in PROCESSES}
            # The state of its subject may have changed since it was wished: a wish that is moot is canceled, and a process goes on.
            again += await agenda.add(conn, [*(agenda.Subject(ref) for ref in sorted(ended)), *lost], now)
            again += await case_work.release_on(conn, [key for key in map(opened_by, done) if key], now)
            await self.arm(conn, [*settled.touched, *again])

"""The delivering turn: claim, commit the intent, send or resolve in the target's bulk form, record one outcome per command.

Several batches of one partition are under way at once (as many as the target's setting allows), so that the target is never idle while an
outcome is written down.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from counterfoil.core.canonical.commands import Allocate, Command, CommandKind, Unmatch
from counterfoil.kit.clock import Clock
from counterfoil.kit.codec import decode_arguments
from counterfoil.kit.connector import Context, DeliveryOf, Outcome, OutcomeStatus
from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.kit.stage import CALM, Care, Turn, backoff_s
from counterfoil.store import agenda, attempts, bindings, case_work, cases, outbox
from counterfoil.store.cipher import Cipher
from counterfoil.store.opening import opening
from counterfoil.store.outbox import CommandRow, CommandState, End, EndStatus
from counterfoil.store.pool import Conn, Key, Pool
from counterfoil.store.work import split_key

log = structlog.get_logger()

ATTEMPTS_MAX = 12
"""Tries of one command before it is parked as a case; with backoff this bridges more than half an hour."""
BREAK_TRIES_MAX = 3
"""Looks at a document that does not show what it should, before that becomes a case."""
TURN_MAX_S = 20.0
"""A turn ends after this long, so that the engine's checkpoint stays recent."""

Arm = Callable[[Conn, Sequence[Key]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TargetLink:
    """A configured target: its context, its deliveries, and how many batches of a partition may be under way at once.

    Three: while one waits for its last call and one is written down, another one keeps the target busy.
    """

    ctx: Context
    deliver: Mapping[CommandKind, DeliveryOf]
    width: int = 3


@dataclass(slots=True)
class _Flow:
    """One turn's running state: what this process has under way, and whether anything was found."""

    in_flight: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    sent: int = 0
    pause_s: float | None = None
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class Deliverer:
    """The shell of stage 4. ``claim_kind`` order follows the claim: a batch holds one kind, all to send or all to resolve."""

    pool: Pool
    cipher: Cipher
    targets: Mapping[str, TargetLink]
    clock: Clock
    arm: Arm

    async def turn(self, key: str, care: Care = CALM) -> Turn:
        """Work one partition (``target/batch key``) down, at most for TURN_MAX_S."""
        del care
        target, batch_key = split_key(key)
        link = self.targets[target]
        flow = _Flow(deadline=time.monotonic() + TURN_MAX_S)
        async with asyncio.TaskGroup() as group:
            for _ in range(link.width):
                group.create_task(self._pump(target, batch_key, link, flow))
        if flow.pause_s is not None:
            return Turn(has_more=False, wake_in_s=flow.pause_s)
        if time.monotonic() >= flow.deadline:
            return Turn(has_more=True)
        async with self.pool.connection() as conn:
            due = await outbox.next_due(conn, target, batch_key)
        return Turn(has_more=False, wake_in_s=None if due is None else max(0.2, (due - self.clock.now()).total_seconds()))

    async def _pump(self, target: str, batch_key: str, link: TargetLink, flow: _Flow) -> None:
        while flow.pause_s is None and time.monotonic() < flow.deadline:
            batch = await self._take(target, batch_key, link, flow)
            if not batch:
                return
            try:
                await self._deliver(target, batch_key, link, batch, flow)
            finally:
                flow.in_flight.difference_update(row.id for row in batch)

    async def _take(self, target: str, batch_key: str, link: TargetLink, flow: _Flow) -> list[CommandRow]:
        """Claim one batch of one kind and commit the intent to send it."""
        async with flow.lock, self.pool.connection() as conn, conn.transaction():
            now = self.clock.now()
            limit = max(delivery.batch_size_max for delivery in link.deliver.values())
            free = await outbox.claim(conn, self.cipher, target, batch_key, now, limit, without=flow.in_flight)
            if not free:
                return []
            first = free[0]
            size = link.deliver[CommandKind(first.kind)].batch_size_max
            batch = [row for row in free if row.kind == first.kind and row.state is first.state][:size]
            noted = await outbox.mark_sent(conn, batch, now)
            batch = [row for row in batch if row.id in noted]
            flow.in_flight.update(row.id for row in batch)
            flow.sent += len(batch)
            return batch

    async def _deliver(self, target: str, batch_key: str, link: TargetLink, batch: Sequence[CommandRow], flow: _Flow) -> None:
        started = self.clock.now()
        delivery = link.deliver[CommandKind(batch[0].kind)]
        is_resolution = batch[0].state is CommandState.UNKNOWN
        commands = [command_of(row) for row in batch]
        bound = await self._bindings(target, batch)
        call = delivery.resolve if is_resolution else delivery.send
        try:
            outcomes = await call(link.ctx, commands, bound)
        except HubError as error:
            outcomes = _all_failed(batch, error)
            flow.pause_s = _pause_s(error)
            log.warning("batch failed", target=target, batch_key=batch_key, size=len(batch), code=error.code)
        except Exception as error:  # a connector's own fault: what it did is unknown, and it is resolved, counted and parked like any other
            log.exception("connector failed", target=target, batch_key=batch_key, size=len(batch))
            words = f"the connector failed ({type(error).__name__}); the log says where"
            outcomes = tuple(Outcome(row.id, OutcomeStatus.UNKNOWN, code="deliver.failed", message=words) for row in batch)
            flow.pause_s = 1.0
        await self._settle(target, batch_key, batch, outcomes, started, is_resolution)

    async def _bindings(self, target: str, batch: Sequence[CommandRow]) -> dict[str, str]:
        keys = {key for row in batch for key in (*row.needs, row.produces) if key}
        async with self.pool.connection() as conn:
            return {key: binding.external_id for key, binding in (await bindings.current(conn, target, keys)).items()}

    async def _settle(
        self,
        target: str,
        batch_key: str,
        batch: Sequence[CommandRow],
        outcomes: Sequence[Outcome],
        started: datetime,
        is_resolution: bool,
    ) -> None:
        now = self.clock.now()
        by_id = {outcome.command_id: outcome for outcome in outcomes}
        pairs = [(row, by_id.get(row.id) or _unanswered(row)) for row in batch]
        ends = [_end(row, outcome, now) for row, outcome in pairs]
        async with self.pool.connection() as conn, conn.transaction():
            gone = {key for row, outcome in pairs if outcome.status is OutcomeStatus.WAITING for key in row.needs}
            if gone:
                await bindings.end(conn, target, gone, now)
            settled = await outbox.settle(conn, ends, now)
            await attempts.record(conn, [_attempt(target, batch_key, batch, ends, started, now, is_resolution)])
            stuck = (EndStatus.REFUSED, EndStatus.GIVEN_UP)
            openings = [_case(row, outcome, end, now) for (row, outcome), end in zip(pairs, ends, strict=True) if end.status in stuck]
            await cases.open_or_count(conn, openings, now)
            done = [end.id for end in ends if end.status is EndStatus.DONE]
            await cases.release_subjects(conn, "deliver", done, now)
            refused = {row.subject for row, end in zip(batch, ends, strict=True) if end.status is EndStatus.REFUSED}
            # The state of its subject may have changed since it was wished: decided again, a wish that is moot is canceled.
            again = await agenda.add(conn, [agenda.Subject(ref) for ref in sorted(refused)], now)
            opened = [opened_by(row) for row, end in zip(batch, ends, strict=True) if end.status is EndStatus.DONE]
            again += await case_work.release_on(conn, [key for key in opened if key], now)
            await self.arm(conn, [*settled.touched, *again])


def command_of(row: CommandRow) -> Command:
    """Return the canonical command of an outbox row."""
    kind = CommandKind(row.kind)
    return Command(
        id=row.id,
        kind=kind,
        target=row.target,
        entity=row.entity,
        subject=row.subject,
        external_key=row.external_key,
        arguments=decode_arguments(kind, row.arguments),
        needs=row.needs,
        produces=row.produces,
        order_key=row.order_key,
        not_before=row.not_before,
        rules_version=row.rules_version,
        content=row.content,
    )


def opened_by(row: CommandRow) -> str:
    """Return the key that undoing a match releases: allocations to that document that found too little open are tried again."""
    arguments = decode_arguments(CommandKind.UNMATCH, row.arguments) if row.kind == CommandKind.UNMATCH else None
    return f"open/{arguments.debit}" if isinstance(arguments, Unmatch) else ""


def _released_by(row: CommandRow) -> str:
    arguments = decode_arguments(CommandKind.ALLOCATE, row.arguments) if row.kind == CommandKind.ALLOCATE else None
    return f"open/{arguments.debit}" if isinstance(arguments, Allocate) else ""


def _all_failed(batch: Sequence[CommandRow], error: HubError) -> tuple[Outcome, ...]:
    is_unknown = isinstance(error, TransientError) and error.is_outcome_unknown
    status = OutcomeStatus.UNKNOWN if is_unknown else OutcomeStatus.RETRY
    if not isinstance(error, TransientError | SetupError):
        status = OutcomeStatus.UNKNOWN
    retry_after_s = error.retry_after_s if isinstance(error, TransientError) else _pause_s(error)
    case_class = "authentication_refused" if isinstance(error, SetupError) else "target_unavailable"
    return tuple(
        Outcome(row.id, status, code=error.code, message=str(error), case_class=case_class, retry_after_s=retry_after_s) for row in batch
    )


def _pause_s(error: HubError) -> float:
    """How long the partition rests after a whole batch failed."""
    if isinstance(error, SetupError):
        return 30.0
    if isinstance(error, TransientError) and error.retry_after_s is not None:
        return max(0.2, error.retry_after_s)
    return 0.5


def _unanswered(row: CommandRow) -> Outcome:
    return Outcome(row.id, OutcomeStatus.UNKNOWN, code="deliver.no_outcome", message="the connector gave no outcome for this command")


def _end(row: CommandRow, outcome: Outcome, now: datetime) -> End:
    status = EndStatus(outcome.status.value)
    if status is EndStatus.REFUSED and outcome.case_class == "reconciliation_break" and row.attempts < BREAK_TRIES_MAX:
        status = EndStatus.RETRY  # what the target shows may still be changing under us: look again before calling it a break
    wait_s = outcome.retry_after_s if outcome.retry_after_s is not None else backoff_s(row.attempts + 1, base_s=0.5, wait_max_s=240)
    if status in (EndStatus.RETRY, EndStatus.UNKNOWN) and row.attempts + 1 >= ATTEMPTS_MAX:
        status = EndStatus.GIVEN_UP if status is EndStatus.UNKNOWN else EndStatus.REFUSED
    is_again = status in (EndStatus.RETRY, EndStatus.UNKNOWN)
    return End(
        id=row.id,
        created_at=row.created_at,
        status=status,
        external_id=outcome.external_id,
        external_name=outcome.external_name,
        code=outcome.code,
        reason=outcome.message,
        next_try_at=now + timedelta(seconds=wait_s) if is_again else None,
    )


def _attempt(
    target: str,
    batch_key: str,
    batch: Sequence[CommandRow],
    ends: Sequence[End],
    started: datetime,
    now: datetime,
    is_resolution: bool,
) -> attempts.Attempt:
    ids = [row.id for row in batch]
    count = {status: sum(1 for end in ends if end.status is status) for status in EndStatus}
    return attempts.Attempt(
        started_at=started,
        ended_at=now,
        target=target,
        batch_key=batch_key,
        kind=batch[0].kind,
        size=len(batch),
        is_resolution=is_resolution,
        request_digest=hashlib.blake2b("".join(ids).encode(), digest_size=16).digest(),
        done=count[EndStatus.DONE],
        refused=count[EndStatus.REFUSED] + count[EndStatus.GIVEN_UP],
        unknown=count[EndStatus.UNKNOWN],
        retried=count[EndStatus.RETRY] + count[EndStatus.WAITING],
        command_ids=tuple(ids),
    )


def _case(row: CommandRow, outcome: Outcome, end: End, now: datetime) -> cases.Opening:
    is_unknown = end.status is EndStatus.GIVEN_UP
    code = outcome.code or ("deliver.unknown" if is_unknown else "deliver.refused")
    next_step = (
        "Look in the target for the document named by its key; then retry this case: it is resolved by that key and never doubled."
        if is_unknown
        else "Correct the cause named above, then retry this case; or waive it with a reason."
    )
    return opening(
        now=now,
        fingerprint=f"{code}|{row.target}|{row.external_key}",
        case_class=outcome.case_class or "rejected_by_target",
        code=code,
        cause=f"{row.kind} {row.external_key} ({row.subject.key}): {outcome.message}",
        next_step=next_step,
        stage="deliver",
        subject=row.id,
        label=row.subject.key,
        entity=row.entity,
        connection=row.target,
        releases_on=f"period/{row.entity}" if outcome.case_class == "period_locked" else _released_by(row),
    )

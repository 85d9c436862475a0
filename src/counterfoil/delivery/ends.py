"""What becomes of a command after a try: the connector's outcome, or its failure, turned into an end and an attempt. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from counterfoil.core.commands.books import Allocate, BookCommand, Unmatch
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.keys import WAITS_FOR_NOTHING, NeedKey, WaitKey, wait_for_open
from counterfoil.kit.codec import decode_arguments
from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.kit.stage import TRIES_MAX, backoff_s
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import attempts
from counterfoil.store.outbox import CommandRow, CommandState, End, EndStatus
from counterfoil.store.standing import ConnectionTrouble

ATTEMPTS_MAX = 12
"""Tries of one command before it is parked as a case; with backoff this bridges about twelve minutes. A target that is away uses none."""
BREAK_TRIES_MAX = 3
"""Looks at a document that does not show what it should, before that becomes a case."""
GONE_TRIES_MAX = 4
"""Tries after which a command whose prerequisite is missing time and again is a case."""


@dataclass(frozen=True, slots=True)
class Try:
    """One batch under way: its commands, all of one kind, all to be sent or all to be resolved."""

    target: str
    batch_key: str
    rows: tuple[CommandRow, ...]
    started: datetime

    @property
    def is_resolution(self) -> bool:
        """Whether it may have taken effect already and is looked up by its key."""
        return self.rows[0].state is CommandState.UNKNOWN

    @property
    def is_bulk(self) -> bool:
        """Whether it is work that real-time work goes before."""
        return bool(self.rows) and is_bulk(self.rows[0])


def is_bulk(row: CommandRow) -> bool:
    """Whether a command came in bulk: month-end imports, replays, backfills."""
    return row.lane >= Lane.BATCH


def all_failed(batch: Sequence[CommandRow], error: HubError) -> tuple[Outcome, ...]:
    """Return the outcomes of a batch whose call failed as a whole. A failed look at what is in doubt leaves it in doubt."""
    is_certain = isinstance(error, TransientError | SetupError) and not error.is_outcome_unknown and not batch[0].in_doubt
    status = OutcomeStatus.RETRY if is_certain else OutcomeStatus.UNKNOWN
    is_away = isinstance(error, SetupError) or (isinstance(error, TransientError) and error.is_unavailable)
    retry_after_s = error.retry_after_s if isinstance(error, TransientError) else None
    case_class = CaseClass.AUTHENTICATION_REFUSED if isinstance(error, SetupError) else CaseClass.TARGET_UNAVAILABLE
    return tuple(Outcome(row.id, status, "", "", error.code, case_class, str(error), retry_after_s, is_away) for row in batch)


def broken(batch: Sequence[CommandRow], error: Exception) -> tuple[Outcome, ...]:
    """Return the outcomes of a batch on which the connector itself failed: nobody knows."""
    words = f"the connector failed ({type(error).__name__}); the log says where"
    return tuple(Outcome(row.id, OutcomeStatus.UNKNOWN, code="deliver.failed", message=words) for row in batch)


def unanswered(row: CommandRow) -> Outcome:
    """Return the outcome of a command the connector said nothing about."""
    return Outcome(row.id, OutcomeStatus.UNKNOWN, code="deliver.no_outcome", message="the connector gave no outcome for this command")


def poisoned(row: CommandRow) -> Outcome:
    """Return the outcome of a command in whose hands workers died: not tried again before a person has looked."""
    words = f"the worker ended {TRIES_MAX} times while this was in hand; the log of the workers says why"
    status = OutcomeStatus.UNKNOWN if row.in_doubt else OutcomeStatus.REFUSED
    return Outcome(row.id, status, code="deliver.poisoned", case_class=CaseClass.REJECTED_BY_TARGET, message=words)


def trouble_of(outcomes: Sequence[Outcome]) -> ConnectionTrouble | None:
    """Return what keeps the target as a whole from being used, None if nothing does."""
    away = [outcome for outcome in outcomes if outcome.is_unavailable]
    if not away:
        return None
    worst = next((outcome for outcome in away if outcome.case_class == CaseClass.AUTHENTICATION_REFUSED), away[0])
    asked = max((outcome.retry_after_s for outcome in away if outcome.retry_after_s is not None), default=None)
    return ConnectionTrouble(
        worst.code, worst.message, is_refused=worst.case_class == CaseClass.AUTHENTICATION_REFUSED, retry_after_s=asked
    )


def end_of(row: CommandRow, outcome: Outcome, now: datetime) -> End:
    """Return the end of a command's try. ``row`` is as claimed, before the try was noted."""
    status = _status(row, outcome)
    is_again = status in (EndStatus.RETRY, EndStatus.UNKNOWN)
    is_counted = not (is_again and outcome.is_unavailable)
    wait_s = outcome.retry_after_s if outcome.retry_after_s is not None else backoff_s(row.attempts + 1, base_s=0.5, wait_max_s=240)
    if is_again and is_counted and row.attempts + 1 >= ATTEMPTS_MAX:
        status, is_again = (EndStatus.GIVEN_UP if status is EndStatus.UNKNOWN else EndStatus.REFUSED), False
    return End(
        id=row.id,
        created_at=row.created_at,
        status=status,
        external_id=outcome.external_id,
        external_name=outcome.external_name,
        code=outcome.code,
        reason=outcome.message,
        next_try_at=now + timedelta(seconds=wait_s) if is_again and is_counted else None,
        fence=row.fence + 1,
        is_counted=is_counted,
    )


def _status(row: CommandRow, outcome: Outcome) -> EndStatus:
    status = EndStatus(outcome.status.value)
    if status is EndStatus.REFUSED and outcome.case_class == CaseClass.RECONCILIATION_BREAK and row.attempts < BREAK_TRIES_MAX:
        status = EndStatus.RETRY  # what the target shows may still be changing under us: look again before calling it a break
    if status is EndStatus.RETRY and outcome.is_unavailable and row.in_doubt:
        status = EndStatus.UNKNOWN  # the look at it failed, which says nothing about the write it was to look for
    if status is EndStatus.WAITING and row.attempts >= GONE_TRIES_MAX:
        status = EndStatus.REFUSED  # what it needs was made again, and is missing again
    return status


def gone_of(row: CommandRow, outcome: Outcome, end: End) -> tuple[NeedKey, ...]:
    """Return which of its needs a command that was tried turned out to miss in the target."""
    if end.status is not EndStatus.WAITING:
        return ()
    return tuple(key for key in row.needs if not outcome.missing or key in outcome.missing)


def poisoned_end(row: CommandRow) -> End:
    """Return the end of a command that is parked without a further try."""
    outcome = poisoned(row)
    status = EndStatus.GIVEN_UP if row.in_doubt else EndStatus.REFUSED
    return End(row.id, row.created_at, status, code=outcome.code, reason=outcome.message, fence=row.fence)


def attempt_of(one: Try, statuses: Sequence[EndStatus], now: datetime) -> attempts.Attempt:
    """Return the record of a try. ``statuses``: how its commands ended."""
    ids = [row.id for row in one.rows]
    count = Counter(statuses)
    return attempts.Attempt(
        started_at=one.started,
        ended_at=now,
        target=one.target,
        batch_key=one.batch_key,
        kind=one.rows[0].kind,
        size=len(one.rows),
        is_resolution=one.is_resolution,
        request_digest=hashlib.blake2b("".join(ids).encode(), digest_size=16).digest(),
        done=count[EndStatus.DONE],
        refused=count[EndStatus.REFUSED] + count[EndStatus.GIVEN_UP],
        unknown=count[EndStatus.UNKNOWN],
        retried=count[EndStatus.RETRY] + count[EndStatus.WAITING],
        command_ids=tuple(ids),
    )


def opened_by(row: CommandRow) -> WaitKey:
    """Return the key that undoing a match releases: allocations to that document that found too little open are tried again."""
    arguments = decode_arguments(BookCommand.UNMATCH, row.arguments) if row.kind == BookCommand.UNMATCH else None
    return wait_for_open(NeedKey(arguments.debit)) if isinstance(arguments, Unmatch) else WAITS_FOR_NOTHING


def released_by(row: CommandRow) -> WaitKey:
    """Return the key on which a match that found too little open is tried again; empty for anything else."""
    arguments = decode_arguments(BookCommand.ALLOCATE, row.arguments) if row.kind == BookCommand.ALLOCATE else None
    return wait_for_open(NeedKey(arguments.debit)) if isinstance(arguments, Allocate) else WAITS_FOR_NOTHING


def doubtful_of(rows: Sequence[CommandRow]) -> list[CommandRow]:
    """Return the commands, as claimed, that were sent before and whose outcome nobody wrote down: their senders may have died."""
    return [row for row in rows if row.state is CommandState.UNKNOWN and row.sent_at is not None]

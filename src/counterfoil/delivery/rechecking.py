"""Sending again what a write that was in doubt, and is done late, may have undone.

A write without an answer may still be done in the target: at the latest so many seconds (``late_s``) after anybody could have sent it. It
is resolved at once, as every write, and newer commands on the same thing follow. If it is done only then, older data stand over newer, or a
match is back that was undone. So when it can no longer come, the newest command on the same thing that is done is sent once more. If that
is the command in doubt itself there is nothing to put right: whenever it was done, the target holds what it is to hold.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from counterfoil.core.commands import command_kind, same_thing
from counterfoil.core.commands.books import BookCommand
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.masking import masked
from counterfoil.delivery.causes import arguments_of, whose
from counterfoil.delivery.ends import ATTEMPTS_MAX, Try, all_failed, attempt_of, broken, opened_by, poisoned, unanswered
from counterfoil.delivery.resting import TargetLink
from counterfoil.kit.clock import Clock
from counterfoil.kit.doubts import counting_doubts
from counterfoil.kit.errors import HubError
from counterfoil.kit.limits import yielding
from counterfoil.kit.stage import TurnContext, backoff_s
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import attempts, bindings, case_subjects, case_work, cases, outbox, rechecks
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.commands import command_of
from counterfoil.store.opening import opening
from counterfoil.store.outbox import CommandRow, EndStatus
from counterfoil.store.pool import Conn, PartitionKey, Pool
from counterfoil.store.rechecks import Recheck
from counterfoil.store.work import RECHECK

log = structlog.get_logger()

LOOK_MAX = 200
"""Rechecks looked at in one go."""
OPEN_FIRST_S = 15.0
OPEN_MAX_S = 1800.0
"""While a newer command is being sent or in doubt, a recheck waits: half as long again as it has, within these bounds."""
SENT_AGAIN = "sent again: an older write may have been done late"


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent again with one call: commands that are done, all of one kind. ``of``: the rechecks each is sent for, by its id.

    ``keys``: the external keys of all commands that write on the same things, which nobody sends meanwhile; by command in doubt.
    """

    target: str
    batch_key: str
    rows: tuple[CommandRow, ...]
    of: Mapping[str, tuple[Recheck, ...]]
    keys: Mapping[str, tuple[str, ...]]
    started: datetime

    @property
    def all_keys(self) -> frozenset[str]:
        """The external keys of everything that is not to be sent meanwhile."""
        return frozenset(key for keys in self.keys.values() for key in keys)


@dataclass(frozen=True, slots=True)
class Rechecker:
    """The shell. ``may_send``: whether this worker still counts as alive."""

    pool: Pool
    cipher: Cipher
    clock: Clock
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]
    may_send: Callable[[], bool]

    async def note(self, conn: Conn, link: TargetLink, rows: Sequence[CommandRow]) -> list[PartitionKey]:
        """Note, in the caller's transaction, commands that were sent and may be done late; return the partitions to arm.

        Counted from now, not from when they were sent: within one sending a connector makes several calls, the last of them just now.
        """
        now = self.clock.now()
        overwriting = [row for row in rows if link.deliver[command_kind(row.kind)].overwrites]
        return await rechecks.note(conn, overwriting, now, now + timedelta(seconds=link.late_s))

    async def take(self, target: str, batch_key: str, link: TargetLink, context: TurnContext) -> Batch | None:
        """Look at what is due, and take what is to be sent again: one call's worth. None: nothing is due.

        Not to run beside a claim of the same partition: what the batch's keys name must be sent by nobody until it is settled.
        """
        now = self.clock.now()
        if link.closed_s(now) > 0 or not self.may_send():
            return None
        async with self.pool.connection() as conn:
            found = await rechecks.due(conn, target, batch_key, now, context.limit or LOOK_MAX)
            if not found:
                return None
            rows = {row.id: row for row in await outbox.read(conn, self.cipher, [one.command_id for one in found])}
        held = await context.hold([f"{RECHECK}/{one.command_id}" for one in found])
        poison = [one for one in found if one.command_id in rows and f"{RECHECK}/{one.command_id}" in held]
        keys = {id: same_thing(command_of(row)) for id, row in rows.items()}
        async with self.pool.connection() as conn, conn.transaction():
            await self._give_up(conn, [(one, rows[one.command_id], poisoned(rows[one.command_id])) for one in poison], now)
            ready = await self._sort(conn, target, [one for one in found if one not in poison], keys, now)
            newest = {row.id: row for row in await outbox.read(conn, self.cipher, sorted(set(ready.values())))}
            anew = {id: keys[id] for id, newer in ready.items() if {rows[id].kind, newest[newer].kind} == {BookCommand.ALLOCATE}}
            undoing = await rechecks.undoing(conn, target, anew)
            ready |= undoing
            newest |= {row.id: row for row in await outbox.read(conn, self.cipher, sorted(set(undoing.values())))}
            chosen = _of_one_kind(ready, newest, link)
            taken = await rechecks.take(
                conn, [one for one in found if one.command_id in chosen], now + timedelta(seconds=max(link.late_s, OPEN_FIRST_S))
            )
        of: dict[str, tuple[Recheck, ...]] = {}
        for id, one in taken.items():
            of[ready[id]] = (*of.get(ready[id], ()), one)
        return Batch(target, batch_key, tuple(newest[id] for id in of), of, {id: keys[id] for id in taken}, now)

    async def _sort(
        self, conn: Conn, target: str, found: Sequence[Recheck], keys: Mapping[str, tuple[str, ...]], now: datetime
    ) -> dict[str, str]:
        """Forget what is moot, put off what has to wait, and return what is to be sent again, by the command that was in doubt."""
        things = await rechecks.look(conn, target, {one.command_id: keys[one.command_id] for one in found if one.command_id in keys})
        waiting, moot, ready = [], [], {}
        for one in found:
            thing = things.get(one.command_id)
            if thing is not None and thing.is_open:
                waiting.append((one, now + timedelta(seconds=_patience_s(one, now))))
            elif thing is None or thing.newest in ("", one.command_id):
                moot.append(one)
            else:
                ready[one.command_id] = thing.newest
        await rechecks.drop(conn, moot)
        await rechecks.put_off(conn, waiting)
        return ready

    async def send(self, link: TargetLink, batch: Batch, *, is_yielding: bool) -> Sequence[Outcome]:
        """Send a batch that was taken, write down what came of it, and return the outcomes."""
        if not batch.rows or not self.may_send():
            return ()
        keys = {key for row in batch.rows for key in (*row.needs, row.produces) if key}
        async with self.pool.connection() as conn:
            bound: dict[str, str] = {key: one.external_id for key, one in (await bindings.current(conn, batch.target, keys)).items()}
        with counting_doubts() as doubts:
            outcomes = await self._call(link, batch, bound, is_yielding=is_yielding)
        by_id = {outcome.command_id: outcome for outcome in outcomes}
        pairs = [(row, by_id.get(row.id) or unanswered(row)) for row in batch.rows]
        await self._settle(link, batch, pairs, has_doubts=doubts.count > 0)
        return [outcome for _, outcome in pairs]

    async def _call(self, link: TargetLink, batch: Batch, bound: Mapping[str, str], *, is_yielding: bool) -> Sequence[Outcome]:
        commands = [command_of(row) for row in batch.rows]
        try:
            with yielding(is_yielding):
                return await link.deliver[commands[0].kind].send(link.ctx, commands, bound)
        except HubError as error:
            return all_failed(batch.rows, error)
        except Exception as error:  # a connector's own fault, as in every sending
            log.exception("connector failed", target=batch.target, batch_key=batch.batch_key, size=len(batch.rows))
            return broken(batch.rows, error)

    async def _settle(self, link: TargetLink, batch: Batch, pairs: Sequence[tuple[CommandRow, Outcome]], *, has_doubts: bool) -> None:
        """Write down what came of a batch: what is done is forgotten, unless something newer came in between; the rest has to wait."""
        now = self.clock.now()
        done = [(row, outcome) for row, outcome in pairs if outcome.status is OutcomeStatus.DONE]
        async with self.pool.connection() as conn, conn.transaction():
            touched = await self._rebind(conn, done, now)
            things = await rechecks.look(conn, batch.target, batch.keys)
            through, later, stuck, undone = [], [], [], []
            for row, outcome in pairs:
                for one in batch.of[row.id]:
                    thing = things[one.command_id]
                    if outcome.status is not OutcomeStatus.DONE:
                        again = _again(one, outcome, now, link.late_s)
                        later += [again] if again is not None else []
                        stuck += [(one, row, outcome)] if again is None else []
                    elif row.kind == BookCommand.UNMATCH and not thing.is_open and thing.newest != row.id:
                        through.append(one)
                        undone.append(row)
                    elif thing.is_open or thing.newest != row.id:
                        later.append((one, now))
                    else:
                        through.append(one)
            await rechecks.drop(conn, through)
            await rechecks.put_off(conn, later)
            touched += await rechecks.note(conn, undone, now, now)  # it let go of the newest match, too
            if has_doubts:  # what was sent again may come late itself
                touched += await self.note(conn, link, [row for row, _ in done])
            await attempts.record(conn, [_attempt_of(batch, pairs, now)])
            await self._give_up(conn, stuck, now)
            await case_subjects.release_subjects(conn, RECHECK, [one.command_id for one in through], now)
            touched += await case_work.release_on(conn, [key for key in (opened_by(row) for row, _ in done) if key], now)
            await self.arm(conn, touched)
        log.info(
            "sent again what a late write may have undone", target=batch.target, batch_key=batch.batch_key, size=len(pairs), done=len(done)
        )

    async def _rebind(self, conn: Conn, done: Sequence[tuple[CommandRow, Outcome]], now: datetime) -> list[PartitionKey]:
        """Bind anew what turned out to be another record than before: somebody had deleted it there."""
        changed = [
            Binding(row.target, row.produces, outcome.external_id, outcome.external_name)
            for row, outcome in done
            if row.produces and outcome.external_id not in ("", row.external_id)
        ]
        return await outbox.bind_and_release(conn, changed, now)

    async def _give_up(self, conn: Conn, stuck: Sequence[tuple[Recheck, CommandRow, Outcome]], now: datetime) -> None:
        """Leave to people what could not be sent again: one case for each thing."""
        await rechecks.put_off(conn, [(one, None) for one, _, _ in stuck])
        await cases.open_or_count(conn, [_case_of(*each, now) for each in stuck], now)


def _patience_s(one: Recheck, now: datetime) -> float:
    return min(OPEN_MAX_S, max(OPEN_FIRST_S, (now - one.noted_at).total_seconds() / 2))


def _of_one_kind(ready: Mapping[str, str], newest: Mapping[str, CommandRow], link: TargetLink) -> Collection[str]:
    """Return the commands in doubt of which the newest ones are of one kind, so many as are sent with one call."""
    kinds = {id: command_kind(newest[newer].kind) for id, newer in ready.items()}
    first = next(iter(kinds.values()), None)
    return [] if first is None else [id for id, kind in kinds.items() if kind is first][: link.deliver[first].batch_size_max]


def _again(one: Recheck, outcome: Outcome, now: datetime, late_s: float) -> tuple[Recheck, datetime] | None:
    """Return when a recheck that is not done is tried again, None if it is a case. A target that is away uses up no tries.

    One that may have taken effect waits until that, too, can no longer come.
    """
    if outcome.status in (OutcomeStatus.REFUSED, OutcomeStatus.WAITING):
        return None
    tries = one.tries - 1 if outcome.is_unavailable else one.tries
    if tries >= ATTEMPTS_MAX:
        return None
    wait_s = backoff_s(max(1, tries), base_s=2.0, wait_max_s=240.0)
    if outcome.retry_after_s is not None:
        wait_s = max(wait_s, outcome.retry_after_s)
    if outcome.status is OutcomeStatus.UNKNOWN:
        wait_s = max(wait_s, late_s)
    return replace(one, tries=tries), now + timedelta(seconds=wait_s)


def _attempt_of(batch: Batch, pairs: Sequence[tuple[CommandRow, Outcome]], now: datetime) -> attempts.Attempt:
    statuses = [EndStatus(outcome.status.value) for _, outcome in pairs]
    return replace(attempt_of(Try(batch.target, batch.batch_key, batch.rows, batch.started), statuses, now), detail=SENT_AGAIN)


def _case_of(one: Recheck, row: CommandRow, outcome: Outcome, now: datetime) -> cases.Opening:
    arguments = arguments_of(row)
    words = masked(outcome.message, () if arguments is None else arguments.personal)
    return opening(
        now=now,
        fingerprint=f"deliver.recheck|{row.target}|{row.external_key}",
        case_class=outcome.case_class or CaseClass.REJECTED_BY_TARGET,
        code="deliver.recheck",
        cause=(
            f"Something {row.target} took for {whose(row.entity)} is done, but an older write that got no answer may have undone it"
            f" since, and it could not be sent again: {words}"
        ),
        next_step=(
            "Compare the record in the target with its source; correct the cause named above and retry this case, which sends it again;"
            " or waive it if the target is right."
        ),
        stage=RECHECK,
        subject=one.command_id,
        label=row.subject.key,
        entity=row.entity,
        connection=row.target,
        detail=words,
    )

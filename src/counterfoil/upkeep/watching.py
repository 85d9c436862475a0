"""The stage ``watch``: whatever waits has an owner. What nobody makes, does not come or cannot be worked becomes a case for as long."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import WaitKey
from counterfoil.core.policies.service_levels import wait_limits
from counterfoil.kit.clock import Clock
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import agenda, case_closing, case_subjects, cases, rulesets, strangers, waits
from counterfoil.store.cases import CaseSubject, Opening
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn, PartitionKey, Pool
from counterfoil.store.work import TURN, split_key

log = structlog.get_logger()

WATCH_EVERY_S = 20.0
MENDED_AFTER_S = 10.0
"""So long a key nobody makes may stay so after its subjects were put on the agenda again."""
WHILE_S = 60.0
"""So long of real time something must have waited, however the hub's clock was moved."""
STRANGE_AFTER_S = 60.0
"""So long work of a connection that is not configured here may lie untouched before it is a case."""

RULES_AFTER_S = 60.0
"""So long a worker must have waited because another one has newer rules before it is a case: an upgrade takes its time."""
_SETTINGS_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Watcher:
    """The shell. ``limit``: how long an object may be waited for; ``knows``: whether this process's configuration has a partition."""

    pool: Pool
    clock: Clock
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]
    limit: timedelta
    knows: Callable[[str, str], bool]
    _strange: dict[PartitionKey, float] = field(default_factory=dict)

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Look at all that waits; ``key`` does not matter."""
        del key, context
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            await self._watch_keys(conn, now)
        async with self.pool.connection() as conn, conn.transaction():
            await self._watch_objects(conn, now)
        async with self.pool.connection() as conn, conn.transaction():
            await self._watch_partitions(conn, now)
        async with self.pool.connection() as conn, conn.transaction():
            await self._watch_rules(conn, now)
        return Turn(has_more=False, wake_in_s=WATCH_EVERY_S)

    async def _watch_keys(self, conn: Conn, now: datetime) -> None:
        """Have whoever could help with a key nobody makes decided again; if that does not help, it is a case."""
        new, found = await waits.missing(conn, MENDED_AFTER_S)
        again = [subject for one in new for subject in await waits.concerned(conn, one.target, one.key)]
        openings = [
            _key_case(one, subject, now) for one in found if one.is_old for subject in await waits.standing(conn, one.target, one.key)
        ]
        await cases.open_or_count(conn, openings, now)
        await _close_others(conn, "waits.nobody_makes", {f"{one.target}|{one.key}" for one in found}, now)
        await self.arm(conn, await agenda.add(conn, again, now))

    async def _watch_objects(self, conn: Conn, now: datetime) -> None:
        """Make a case of every object that does not come, and have its source asked once more."""
        found = await waits.overdue(conn, now, self.limit, wait_limits(self.limit), WHILE_S)
        is_open = {WaitKey(one.partition("|")[2]) for one in await case_closing.open_fingerprints(conn, "waits.overdue")}
        await cases.open_or_count(conn, [_object_case(one, subject, now) for one in found for subject in one.subjects], now)
        await waits.ask_again(conn, [one.key for one in found if one.key not in is_open])
        await _close_others(conn, "waits.overdue", await waits.still_waited(conn, sorted(is_open)) | {one.key for one in found}, now)

    async def _watch_partitions(self, conn: Conn, now: datetime) -> None:
        """Make a case of work whose connection nobody has, and close those of partitions that work again."""
        idle = [key for key in await strangers.untouched(conn, STRANGE_AFTER_S) if not self.knows(*key)]
        for key in self._strange.keys() - set(idle):
            del self._strange[key]
        for key in idle:
            self._strange.setdefault(key, time.monotonic())
        late = [key for key in idle if time.monotonic() - self._strange[key] >= STRANGE_AFTER_S]
        openings = []
        for name in sorted({split_key(key)[0] for _, key in late}):
            left = await strangers.left_behind(conn, name)
            if left.receipts or left.commands:
                openings += [_strange_case(name, key, left, now) for key in late if split_key(key[1])[0] == name]
        await cases.open_or_count(conn, openings, now)
        standing = {f"{stage}:{key}" for stage, key in idle}
        await case_subjects.release_subjects(conn, TURN, [one for one in await strangers.working(conn) if one not in standing], now)

    async def _watch_rules(self, conn: Conn, now: datetime) -> None:
        """Make a case of workers that wait because another one's rules are newer; one case per set of rules."""
        found = await rulesets.differing(conn, RULES_AFTER_S)
        await cases.open_or_count(conn, [_rules_case(one, now) for one in found], now)
        await _close_others(conn, "work.rules_differ", {one.rules for one in found}, now, "no worker waits with these rules any more")


async def _close_others(
    conn: Conn,
    code: str,
    standing: set[str],
    now: datetime,
    reason: str = "what was waited for has come, or has a case of its own",
) -> None:
    """Close the open cases of a code whose cause stands no longer."""
    gone = [one for one in await case_closing.open_fingerprints(conn, code) if one.partition("|")[2] not in standing]
    await case_closing.resolve(conn, gone, reason, now)


def _key_case(one: waits.Missing, subject: CaseSubject, now: datetime) -> Opening:
    code = "waits.nobody_makes"
    return _opening(
        now,
        code,
        f"{code}|{one.target}|{one.key}",
        f"{one.key} is not in {one.target} and nothing on its way would make it; what needs it waits",
        (
            f"Look with `counterfoil trace {one.key.partition('/')[2]}` what became of it: dropped by a waived case, removed"
            f" in {one.target}, or no longer called for by a changed rule. Set that right and retry this case; or waive it, which drops"
            " what waits."
        ),
        subject,
        one.target,
    )


def _object_case(one: waits.Overdue, subject: CaseSubject, now: datetime) -> Opening:
    code = "waits.overdue"
    is_self = one.key == subject.subject
    what = f"{one.key} waits for news of its own (its settlement, or money that is to come back)" if is_self else f"{one.key} is waited for"
    return _opening(
        now,
        code,
        f"{code}|{one.key}",
        f"{what} since {one.since:%Y-%m-%d %H:%M} UTC, and its source did not tell it, not even when asked",
        "Look for it at the source: if it is there, retry this case, which asks again; if it never comes, waive it with the reason.",
        subject,
    )


def _strange_case(name: str, key: PartitionKey, left: strangers.LeftWork, now: datetime) -> Opening:
    code = "work.connection_unknown"
    return _opening(
        now,
        code,
        f"{code}|{name}",
        (
            f"work of connection {name} lies untouched ({left.receipts} deliveries to be read, {left.commands} postings to be made):"
            " no running worker has that connection in its configuration"
        ),
        f"Put [connections.{name}] back into the configuration and restart; what waits goes on by itself, in order.",
        CaseSubject(TURN, f"{key[0]}:{key[1]}"),
        name,
    )


def _rules_case(one: rulesets.Differing, now: datetime) -> Opening:
    code = "work.rules_differ"
    named = [f"{path}: {own or 'not set'}, newer: {newer or 'not set'}" for path, (own, newer) in one.settings.items()]
    more = f", and {len(named) - _SETTINGS_NAMED_MAX} more" if len(named) > _SETTINGS_NAMED_MAX else ""
    return _opening(
        now,
        code,
        f"{code}|{one.rules}",
        (
            f"worker {one.worker} decides and sends nothing: worker {one.newer} has a newer configuration, and they differ in what decides"
            f" bookings ({'; '.join(named[:_SETTINGS_NAMED_MAX])}{more})"
        ),
        (
            f"Give both the same configuration and restart the one that is wrong. If {one.newer} has the wrong one, stop it: {one.worker}"
            " then goes on by itself. The case closes by itself."
        ),
        CaseSubject("worker", one.worker),
    )


def _opening(now: datetime, code: str, fingerprint: str, cause: str, next_step: str, held: CaseSubject, connection: str = "") -> Opening:
    made = opening(
        now=now,
        fingerprint=fingerprint,
        case_class=CaseClass.DEPENDENCY_MISSING,
        code=code,
        cause=cause,
        next_step=next_step,
        stage=held.stage,
        subject=held.subject,
        connection=connection,
    )
    return replace(made, subject=held)

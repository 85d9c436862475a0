"""Small standing jobs: what targets have locked, the months the log will need, and work that nobody was told of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from counterfoil.core.language.keys import WaitKey, wait_for_period
from counterfoil.core.policies.rules import ObservedFlows
from counterfoil.decide.linking import link_some
from counterfoil.delivery.resting import Rest, as_trouble
from counterfoil.kit.clock import Clock
from counterfoil.kit.codec import decode_record
from counterfoil.kit.connector import Connector
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError
from counterfoil.kit.requirements import TargetState
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.normalize.merging import found_by
from counterfoil.store import agenda, case_work, migrate, objects, standing, targets, unarmed
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn, PartitionKey, Pool
from counterfoil.store.standing import ConnectionStanding

log = structlog.get_logger()

TARGET_EVERY_S = 30.0
PARTITIONS_EVERY_S = 3600.0
UNARMED_EVERY_S = 60.0
LOOKUPS_EVERY_S = 3600.0
UNARMED_AFTER = timedelta(seconds=30)


def _locks_of(state: TargetState) -> dict[str, targets.LockedDays]:
    return {
        entity: targets.LockedDays(day, state.sales_locked_until.get(entity), state.taxed_locked_until.get(entity))
        for entity, day in state.locked_until.items()
    }


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The stages ``target`` (a partition per target), ``partitions`` and ``unarmed``. ``closed_s``: how long each stays in maintenance;
    ``observed``: what of each is decided and not sent.
    """

    pool: Pool
    cipher: Cipher
    targets: Mapping[str, tuple[Connector, Context]]
    clock: Clock
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]
    rest: Rest
    closed_s: Mapping[str, Callable[[datetime], float]] = field(default_factory=dict)
    sources: Sequence[str] = ()
    observed: Mapping[str, ObservedFlows] = field(default_factory=dict)

    async def target_turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Read a target's version and, of books, its lock dates; what waited for a moved lock is decided or sent again.

        This is also how a target that is down is looked at when nothing is to be sent to it; the case about it closes by itself.
        """
        del context
        if key not in self.targets:
            return Turn(has_more=False)  # nothing is written to it any more
        if key in self.closed_s and self.closed_s[key](self.clock.now()) > 0:
            return Turn(has_more=False, wake_in_s=TARGET_EVERY_S)
        async with self.pool.connection() as conn:
            before = await standing.read(conn, key)
        if not before.is_down:
            await self._read(key, before)
        else:
            async with self.rest.claim(key) as is_ours:
                if is_ours:
                    await self._read(key, before)
        return Turn(has_more=False, wake_in_s=TARGET_EVERY_S)

    async def _read(self, key: str, before: ConnectionStanding) -> None:
        connector, ctx = self.targets[key]
        try:
            state = await connector.books.state(ctx) if connector.books is not None else None
            if state is None:
                await connector.probe(ctx)
        except HubError as error:
            log.warning("target cannot be read", target=key, code=error.code)
            await self.rest.went_down(key, as_trouble(error), is_trial=before.is_down, is_by_sending=False)
            return
        if state is not None:
            await self._keep(key, state)
        if before.is_by_sending:
            await self.rest.trial(key)
        elif before.is_down:
            await self.rest.came_back(key)

    async def _keep(self, key: str, state: TargetState) -> None:
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            moved = await targets.save(conn, key, state.version, _locks_of(state), now)
            if not moved:
                return
            prefixes = tuple(WaitKey(f"{wait_for_period(entity)}/") for entity in moved)
            keys = await agenda.waited_keys(conn, prefixes)
            touched = await agenda.release(conn, keys, now)
            touched += await case_work.release_on(conn, [*keys, *map(wait_for_period, moved)], now)
            await self.arm(conn, touched)

    async def partitions_turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Make the partitions of the coming months."""
        del context
        del key
        async with self.pool.connection() as conn, conn.transaction():
            await migrate.ensure_partitions(conn, self.clock.now())
        return Turn(has_more=False, wake_in_s=PARTITIONS_EVERY_S)

    async def lookups_turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Make the digests objects are found by of those an older program wrote, or that were made by a former key."""
        del key
        for kind in objects.LOOKED_UP:
            await self._look_up(kind, context)
        await self._number(context)
        await self._link(context)
        return Turn(has_more=False, wake_in_s=LOOKUPS_EVERY_S)

    async def _look_up(self, kind: str, context: TurnContext) -> None:
        """Write the digests of the objects of a kind that have none of their state and our key."""
        after_id = ""
        while not context.is_ending:
            async with self.pool.connection() as conn, conn.transaction():
                rows = await objects.to_look_up(conn, self.cipher, kind, after_id)
                await objects.set_lookups(conn, self.cipher, _named(rows))
            if not rows:
                break
            after_id = rows[-1].ref.id

    async def _number(self, context: TurnContext) -> None:
        """Write the digests of the numbers of documents that have none."""
        while not context.is_ending:
            async with self.pool.connection() as conn, conn.transaction():
                rows = await objects.to_number(conn, self.cipher)
                await objects.set_lookups(conn, self.cipher, _named(rows))
            if not rows:
                break

    async def _link(self, context: TurnContext) -> None:
        """Write by what objects are found from those they name, of objects an older program wrote."""
        is_more = True
        while is_more and not context.is_ending:
            async with self.pool.connection() as conn, conn.transaction():
                is_more = await link_some(conn, self.cipher)

    async def unarmed_turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Arm partitions whose work is ready and was not told to anybody; ``key`` does not matter."""
        del context, key
        async with self.pool.connection() as conn, conn.transaction():
            found = await unarmed.find(conn, self.sources, self.clock.now() - UNARMED_AFTER, self.observed)
            await self.arm(conn, found)
        if found:
            log.warning("work was ready and nobody told", partitions=[f"{stage} {place}" for stage, place in found[:20]], count=len(found))
        return Turn(has_more=False, wake_in_s=UNARMED_EVERY_S)


def _named(rows: Sequence[ObjectRow]) -> list[ObjectRow]:
    """Return objects with what they are found by."""
    return [replace(row, names=found_by(decode_record(row.ref.kind, row.data))) for row in rows]

"""The hub seen from outside while its processes come and go: how much is left, and a nudge for what waits by the machine's clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from counterfoil.app.coverage import coverage
from counterfoil.app.database import Database
from counterfoil.app.demo.entities import ENTITIES
from counterfoil.app.demo.world import BOOKS
from counterfoil.store import agenda_deadlines, cursors, outbox_due, proofs, rechecks, views, work
from counterfoil.store.pool import Conn, PartitionKey

from .clock import WrittenClock

T = TypeVar("T")

_WORKING = (work.NORMALIZE, work.DECIDE, work.DELIVER)
"""What the names of stages that lead to the books begin with."""


@dataclass(frozen=True, slots=True)
class WorkLeft:
    """What the hub has done and still has to do: receipts to read, subjects to decide, commands to send or resolve.

    ``is_busy``: it is at work on some of it, or about to.
    """

    done: int
    open: int
    is_busy: bool


@dataclass(frozen=True, slots=True)
class HubView:
    """Reads the hub's database; None where it does not answer just now.

    ``sources``: what is polled beside the books; ``targets``: what is written to beside them.
    """

    database: Database
    clock: WrittenClock
    sources: tuple[str, ...]
    targets: tuple[str, ...] = ()

    async def left(self) -> WorkLeft | None:
        """Return what is left to do."""
        return await self.ask(lambda conn: left_at(conn, self.clock.now()))

    async def covered(self) -> dict[str, datetime]:
        """Return until when each source was read, nothing while the database does not answer."""
        return await self.ask(_covered) or {}

    async def proven_since(self, instant: datetime) -> bool:
        """Tell whether all that the hub proves by itself was proven at or after an instant."""
        return bool(await self.ask(lambda conn: proofs.are_made(conn, instant)))

    async def nudge(self) -> None:
        """Arm what wakes itself and whatever waits to be sent: their waits are the machine's, and virtual time has moved on."""

        async def arm(conn: Conn) -> None:
            keys: list[PartitionKey] = [("poll", name) for name in (*self.sources, BOOKS)]
            keys += [("target", name) for name in (BOOKS, *self.targets)]
            keys += [("heal", "all"), (proofs.STAGE, "all"), (work.DEADLINES, "all")]
            keys += [("close_day", entity.key) for entity in ENTITIES]
            async with conn.transaction():
                await self.database.arm(conn, [*keys, *await outbox_due.partitions_open(conn), *await rechecks.partitions(conn)])

        await self.ask(arm)

    async def ask(self, question: Callable[[Conn], Awaitable[T]]) -> T | None:
        """Return the answer to a question put to the database."""
        try:
            async with self.database.pool.connection(timeout=5.0) as conn:
                return await question(conn)
        except (psycopg.OperationalError, PoolTimeout):
            return None


async def left_at(conn: Conn, now: datetime) -> WorkLeft:
    """Return what is left to do, all as of one instant; a deadline that has come by the hub's clock, too."""
    async with views.at_one_instant(conn):
        where = await views.conservation(conn)
        undecided = await views.undecided(conn)
        is_busy = any(stage.startswith(_WORKING) for stage, _ in await work.armed(conn))
        due = await agenda_deadlines.next_due(conn)
    waiting = sum(line.ready + line.waiting + line.unknown for line in where.targets)
    pending = sum(line.pending for line in where.sources)
    left = undecided + waiting + pending + (due is not None and due <= now)
    return WorkLeft(sum(line.done for line in where.targets), left, is_busy)


async def _covered(conn: Conn) -> dict[str, datetime]:
    rows = await cursors.list_cursors(conn)
    return {one.connection: one.no_gap_until for one in coverage(rows, datetime.now(UTC)) if one.no_gap_until is not None}

"""Deadlines: subjects that a decision wants decided again at an instant go on the agenda when it has come, or when the rules it was made
by have changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from counterfoil.decide import processes
from counterfoil.decide.rules_source import RENEWED_WITHIN_S, RulesSource
from counterfoil.kit.clock import Clock
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import agenda_deadlines
from counterfoil.store.pool import Conn, PartitionKey, Pool

BATCH_MAX = 500
"""Subjects put on the agenda at once."""
WAKE_AT_LEAST_S = 0.2


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The stage ``deadlines``: one partition looks after all of them, and sleeps until the earliest is due."""

    pool: Pool
    rules: RulesSource
    clock: Clock
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Put what is due on the agenda; ``key`` does not matter."""
        del context, key
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            if not await self.rules.is_in_force(conn, now):
                return Turn(has_more=False, wake_in_s=RENEWED_WITHIN_S)
            touched, has_more = await agenda_deadlines.take(conn, now, BATCH_MAX)
            touched += await processes.renew(conn, await self.rules.current(conn), now)
            await self.arm(conn, touched)
            next_at = await agenda_deadlines.next_due(conn)
        if has_more or next_at is None:
            return Turn(has_more)
        return Turn(has_more=False, wake_in_s=max(WAKE_AT_LEAST_S, (next_at - now).total_seconds()))

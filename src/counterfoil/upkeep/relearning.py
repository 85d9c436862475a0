"""The stage ``relearn``: a hub put back to an earlier state reads from each target what it holds, before anything is delivered there.

One partition per target. First the target's own list, page by page, each committed with its place; then, until every source was read up to
the time of the restore and all that is decided, a look every second; from then on days of summary posting are closed again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Connector
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, TransientError
from counterfoil.kit.holdings import KnownPage
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import relearning
from counterfoil.store.pool import Conn, PartitionKey, Pool

log = structlog.get_logger()

STAGE = "relearn"
PAGES_A_TURN = 20
AGAIN_S = 15.0
CATCH_UP_S = 1.0
NO_LIST = KnownPage((), "", has_more=False, is_listed=False)
"""Of a target that cannot tell what bears our keys."""


@dataclass(frozen=True, slots=True)
class Relearner:
    """Learns marked targets again. ``sources``: names of all that are polled and booked, whose reading a day's closing waits for."""

    pool: Pool
    targets: Mapping[str, tuple[Connector, Context]]
    sources: Sequence[str]
    clock: Clock
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Read some pages of what a target holds, or see whether the sources have caught up; nothing if it is not marked."""
        async with self.pool.connection() as conn:
            at = await relearning.load(conn, key)
        if at is None or at.caught_up_at is not None:
            return Turn(has_more=False)
        if at.learned_at is None:
            return await self._learn(key, at.cursor, context)
        async with self.pool.connection() as conn, conn.transaction():
            is_caught_up = await relearning.catch_up(conn, key, self.sources, self.clock.now())
        if not is_caught_up:
            return Turn(has_more=False, wake_in_s=CATCH_UP_S)
        await self._report(key)
        return Turn(has_more=False)

    async def _learn(self, key: str, cursor: str, context: TurnContext) -> Turn:
        connector, ctx = self.targets[key]
        for _ in range(PAGES_A_TURN):
            if context.is_ending:
                break
            try:
                page = await connector.lists.known(ctx, cursor) if connector.lists is not None else NO_LIST
            except HubError as error:
                log.warning("target cannot be learned again", target=key, code=error.code)
                wait_s = error.retry_after_s if isinstance(error, TransientError) and error.retry_after_s else AGAIN_S
                return Turn(has_more=False, wake_in_s=wait_s)
            found = [relearning.Known(*record) for record in page.records]
            async with self.pool.connection() as conn, conn.transaction():
                touched = await relearning.take_page(
                    conn, key, found, page.cursor, self.clock.now(), is_last=not page.has_more, is_blind=not page.is_listed
                )
                await self.arm(conn, touched)
            cursor = page.cursor
            if not page.has_more:
                log.info("target learned again", target=key, is_listed=page.is_listed)
                return Turn(has_more=False, wake_in_s=CATCH_UP_S)
        return Turn(has_more=True)

    async def _report(self, key: str) -> None:
        async with self.pool.connection() as conn, conn.transaction():
            left = await relearning.forget_done(conn, key)
        log.info("sources caught up with the restore", target=key, unclaimed=left)

"""The stage ``poll``: one partition per source, which wakes itself; an unreachable source becomes a case and is tried again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from counterfoil.core.language.commands import Lane
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Context, Polls
from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.kit.stage import CALM, Care, Turn
from counterfoil.store import reading
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.standing import Trouble

from .keeping import Arm
from .poller import Poller

log = structlog.get_logger()

PAGES_A_TURN = 10


@dataclass(frozen=True, slots=True)
class Polling:
    """Polls every source; ``every_s``: how often each, by its name, in seconds. ``lanes``: of what each brings; real time if not named.

    ``closed_s``: how long each stays in declared maintenance, in which nobody is told that it cannot be read.
    """

    pool: Pool
    cipher: Cipher
    sources: Mapping[str, tuple[Polls, Context]]
    clock: Clock
    arm: Arm
    every_s: Mapping[str, float]
    lanes: Mapping[str, Lane] = field(default_factory=dict)
    closed_s: Mapping[str, Callable[[datetime], float]] = field(default_factory=dict)

    async def turn(self, key: str, care: Care = CALM) -> Turn:
        """Read what is new at one source."""
        del care
        source, ctx = self.sources[key]
        try:
            poller = Poller(source, ctx, self.pool, self.cipher, self.arm, self.lanes.get(key, Lane.REAL_TIME))
            polled = await poller.poll(pages_max=PAGES_A_TURN)
        except HubError as error:
            await self._note(key, error)
            wait_s = error.retry_after_s if isinstance(error, TransientError) and error.retry_after_s else min(self.every_s[key], 15.0)
            return Turn(has_more=False, wake_in_s=wait_s)
        async with self.pool.connection() as conn, conn.transaction():
            if await reading.succeeded(conn, key, self.clock.now()):
                log.info("source can be read again", connection=key)
        return Turn(has_more=polled.has_more, wake_in_s=None if polled.has_more else self.every_s[key])

    async def _note(self, key: str, error: HubError) -> None:
        log.warning("poll failed", connection=key, code=error.code)
        now = self.clock.now()
        if key in self.closed_s and self.closed_s[key](now) > 0:
            return  # maintenance that was declared
        trouble = Trouble(error.code, str(error), is_refused=isinstance(error, SetupError))
        async with self.pool.connection() as conn, conn.transaction():
            await reading.failed(conn, key, trouble, now)

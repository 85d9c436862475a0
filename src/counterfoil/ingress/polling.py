"""The stage ``poll``: one partition per source, which wakes itself; an unreachable source becomes a case and is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from counterfoil.core.language.commands import Lane
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Context, Polls
from counterfoil.kit.errors import HubError, TransientError
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.work import Arm

from .poller import Poller
from .unread import ClosedUntil, note_read, note_unread

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
    closed_s: ClosedUntil = field(default_factory=dict)

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Read what is new at one source."""
        del context
        source, ctx = self.sources[key]
        try:
            poller = Poller(source, ctx, self.pool, self.cipher, self.arm, self.lanes.get(key, Lane.REAL_TIME))
            polled = await poller.poll(pages_max=PAGES_A_TURN)
        except HubError as error:
            log.warning("poll failed", connection=key, code=error.code)
            await note_unread(self.pool, key, error, self.clock.now(), self.closed_s)
            wait_s = error.retry_after_s if isinstance(error, TransientError) and error.retry_after_s else min(self.every_s[key], 15.0)
            return Turn(has_more=False, wake_in_s=wait_s)
        await note_read(self.pool, key, self.clock.now())
        return Turn(has_more=polled.has_more, wake_in_s=None if polled.has_more else self.every_s[key])

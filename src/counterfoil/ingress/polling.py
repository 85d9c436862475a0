"""The stage ``poll``: one partition per source, which wakes itself; an unreachable source becomes a case and is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from counterfoil.core.canonical.commands import Lane
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Context, Source
from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.kit.stage import CALM, Care, Turn
from counterfoil.store import cases
from counterfoil.store.cipher import Cipher
from counterfoil.store.opening import opening
from counterfoil.store.pool import Pool

from .keeping import Arm
from .poller import Poller

log = structlog.get_logger()

PAGES_A_TURN = 10


@dataclass(frozen=True, slots=True)
class Polling:
    """Polls every source; ``every_s``: how often each, by its name, in seconds. ``lanes``: of what each brings; real time if not named."""

    pool: Pool
    cipher: Cipher
    sources: Mapping[str, tuple[Source, Context]]
    clock: Clock
    arm: Arm
    every_s: Mapping[str, float]
    lanes: Mapping[str, Lane] = field(default_factory=dict)

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
        async with self.pool.connection() as conn:
            await cases.release_subjects(conn, "poll", [key], self.clock.now())
        return Turn(has_more=polled.has_more, wake_in_s=None if polled.has_more else self.every_s[key])

    async def _note(self, key: str, error: HubError) -> None:
        log.warning("poll failed", connection=key, code=error.code)
        if not isinstance(error, SetupError):
            return  # it passes by itself; the coverage statement shows how long it has lasted
        case = opening(
            fingerprint=f"poll|{key}|{error.code}",
            case_class="authentication_refused",
            code=error.code,
            cause=f"{key} cannot be read: {error}",
            next_step="Renew the connection's key or its rights; reading goes on by itself.",
            stage="poll",
            subject=key,
            connection=key,
            now=self.clock.now(),
        )
        async with self.pool.connection() as conn:
            await cases.open_or_count(conn, [case], self.clock.now())

"""Healing: an object somebody waits for is asked of its source, as a receipt of its own, so that lost deliveries do not stop others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from counterfoil.core.kinds import KINDS
from counterfoil.core.language.ids import ObjectRef
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Context, Source
from counterfoil.kit.stage import CALM, Care, Turn
from counterfoil.normalize.fetching import WANTED
from counterfoil.store import agenda, receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Key, Pool

PATIENCE_S = 4.0
"""How long an object may be waited for before the source is asked: most arrive by themselves, out of order."""
LOOK_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Healer:
    """The stage ``heal``: one partition looks after all waits."""

    pool: Pool
    cipher: Cipher
    sources: Mapping[str, tuple[Source, Context]]
    clock: Clock
    arm: Callable[[Conn, Sequence[Key]], Awaitable[None]]

    async def turn(self, key: str, care: Care = CALM) -> Turn:
        """Ask for what is waited for longer than PATIENCE_S."""
        del care
        del key
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            wanted = await agenda.to_fetch(conn, now - timedelta(seconds=PATIENCE_S))
            incoming = [found for one in wanted if (found := self._receipt(one)) is not None]
            appended = await receipts.append(conn, self.cipher, incoming, now)
            await agenda.mark_fetch_asked(conn, [one.key for one in wanted])
            await self.arm(conn, appended.touched)
        return Turn(has_more=False, wake_in_s=LOOK_EVERY_S)

    def _receipt(self, wanted: agenda.Wanted) -> receipts.Incoming | None:
        kind, _, object_id = wanted.key.partition("/")
        known = self.sources.get(wanted.connection)
        if known is None or kind not in KINDS or known[0].locate(ObjectRef(kind, object_id)) is None:
            return None
        now = self.clock.now()
        return receipts.Incoming(
            connection=wanted.connection,
            dedupe_key=f"wanted/{wanted.key}/{now.isoformat(timespec='seconds')}",
            shard_key=wanted.key,
            kind=WANTED,
            body=wanted.key.encode(),
            occurred_at=now,
            lane=wanted.lane,
        )

"""Healing: an object somebody waits for is asked of its source, as a receipt of its own, so that lost deliveries do not stop others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from counterfoil.core.kinds import KINDS
from counterfoil.core.language.ids import ObjectRef
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Source
from counterfoil.kit.context import Context
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.normalize.fetching import WANTED
from counterfoil.store import agenda, receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, PartitionKey, Pool

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
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Ask for what is waited for longer than PATIENCE_S."""
        del context
        del key
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            wanted = await agenda.to_fetch(conn, now - timedelta(seconds=PATIENCE_S))
            incoming = [self._receipt(one, connection) for one in wanted for connection in self._who_can_tell(one)]
            appended = await receipts.append(conn, self.cipher, incoming, now)
            await agenda.mark_fetch_asked(conn, [one.key for one in wanted])
            await self.arm(conn, appended.touched)
        return Turn(has_more=False, wake_in_s=LOOK_EVERY_S)

    def _who_can_tell(self, wanted: agenda.MissingObject) -> tuple[str, ...]:
        """Return the connections to ask for an object: those that can fetch what has such an id.

        Where one of those who wait comes from such a connection, it is of the same account, and that one alone is asked. For all others,
        such as a file that names a processor's payment, every account of that system is: one has it, and the others say they do not.
        """
        kind, _, object_id = wanted.key.partition("/")
        if kind not in KINDS:
            return ()
        ref = ObjectRef(kind, object_id)
        able = tuple(name for name, (source, _) in sorted(self.sources.items()) if source.locate(ref) is not None)
        return tuple(name for name in able if name in wanted.connections) or able

    def _receipt(self, wanted: agenda.MissingObject, connection: str) -> receipts.Incoming:
        now = self.clock.now()
        return receipts.Incoming(
            connection=connection,
            dedupe_key=f"wanted/{wanted.key}/{now.isoformat(timespec='seconds')}",
            shard_key=wanted.key,
            kind=WANTED,
            body=wanted.key.encode(),
            occurred_at=now,
            lane=wanted.lane,
        )

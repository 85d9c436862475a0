"""Small standing jobs: what targets have locked, and the months the log will need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Context, Target
from counterfoil.kit.errors import HubError, SetupError
from counterfoil.kit.stage import CALM, Care, Turn
from counterfoil.store import agenda, case_work, cases, migrate, targets
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn, Key, Pool

log = structlog.get_logger()

TARGET_EVERY_S = 30.0
PARTITIONS_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The stages ``target`` (one partition per target) and ``partitions``."""

    pool: Pool
    targets: Mapping[str, tuple[Target, Context]]
    clock: Clock
    arm: Callable[[Conn, Sequence[Key]], Awaitable[None]]

    async def target_turn(self, key: str, care: Care = CALM) -> Turn:
        """Read a target's version and lock dates; what waited for a moved lock is decided or sent again."""
        del care
        target, ctx = self.targets[key]
        try:
            state = await target.state(ctx)
        except HubError as error:
            await self._cannot_read(key, error)
            return Turn(has_more=False, wake_in_s=TARGET_EVERY_S)
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            moved = await targets.save(conn, key, state.version, state.locked_until, now)
            touched = list[Key]()
            if moved:
                prefixes = tuple(f"period/{entity}/" for entity in moved)
                keys = await agenda.waited_keys(conn, prefixes)
                touched += await agenda.release(conn, keys, now)
                touched += await case_work.release_on(conn, [*keys, *(f"period/{entity}" for entity in moved)], now)
            await cases.release_subjects(conn, "poll", [f"target/{key}"], now)
            await self.arm(conn, touched)
        return Turn(has_more=False, wake_in_s=TARGET_EVERY_S)

    async def _cannot_read(self, key: str, error: HubError) -> None:
        log.warning("target cannot be read", target=key, code=error.code)
        now = self.clock.now()
        is_setup = isinstance(error, SetupError)
        case = opening(
            fingerprint=f"target|{key}|{error.code}",
            case_class="authentication_refused" if is_setup else "target_unavailable",
            code=error.code,
            cause=f"{key} cannot be read: {error}",
            next_step="Renew the key or its rights." if is_setup else "Nothing, if it is being maintained: what waits goes on by itself.",
            stage="poll",
            subject=f"target/{key}",
            connection=key,
            now=now,
        )
        async with self.pool.connection() as conn, conn.transaction():
            await cases.open_or_count(conn, [case], now)

    async def partitions_turn(self, key: str, care: Care = CALM) -> Turn:
        """Make the partitions of the coming months."""
        del care
        del key
        async with self.pool.connection() as conn, conn.transaction():
            await migrate.ensure_partitions(conn, self.clock.now())
        return Turn(has_more=False, wake_in_s=PARTITIONS_EVERY_S)

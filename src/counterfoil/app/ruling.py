"""What a worker decides by: the release in force, whatever its own file says. Taken up at its start and whenever another takes effect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from counterfoil.app import releasing
from counterfoil.app.changed_modes import refuse_changed_modes
from counterfoil.app.release_settings import Approval
from counterfoil.app.rules import approval_of, body_of, declared_rules, rules_source, settled
from counterfoil.app.settings import Settings
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.keys import RULED_PREFIXES
from counterfoil.decide.rules_source import RulesSource
from counterfoil.kit.clock import Clock
from counterfoil.kit.errors import SetupError
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import agenda, outbox_due, releases, rulesets, work, workers
from counterfoil.store.agenda import Subject
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, PartitionKey, Pool
from counterfoil.store.releases import Release, ReleaseOrigin

log = structlog.get_logger()

ALIVE_WITHIN_S = 20.0
"""A worker heard of so lately may still decide by the rules it has."""
LOOK_AGAIN_S = 60.0
DECLARED = "configuration"
"""Who proposed and approved what a start released: whoever wrote the file."""


class Ruled(Protocol):
    """A hub as far as rules go: see :class:`counterfoil.app.hub.Hub`."""

    file: Settings
    settings: Settings
    rules: RulesSource
    clock: Clock
    pool: Pool
    cipher: Cipher

    def decide_by(self, settings: Settings, release: int) -> None:
        """Decide by a release from now on."""
        ...

    def standing_keys(self) -> list[PartitionKey]:
        """Return the partitions that wake themselves."""
        ...

    async def arm(self, conn: Conn, keys: Iterable[PartitionKey]) -> None:
        """Note work in the caller's transaction."""
        ...


@dataclass(slots=True)
class Ruling:
    """The rules of one hub at work."""

    hub: Ruled

    async def is_outdated(self, conn: Conn) -> bool:
        """Tell whether another release than the one this process decides by is in force."""
        return await releases.version_in_force(conn, self.hub.clock.now()) != self.hub.rules.release

    async def renew(self, conn: Conn) -> str:
        """Decide by the release in force; return the digest of its rules, empty if this process cannot."""
        release = await releases.in_force(conn, self.hub.clock.now())
        if release is None:
            return ""
        try:
            self.hub.decide_by(settled(self.hub.file, release.body, release.version), release.version)
        except SetupError as error:
            log.warning("nothing is decided and sent here", code=error.code, reason=str(error))
            return ""
        log.info("decides by another release", version=release.version)
        await self.hub.arm(conn, self.hub.standing_keys())  # of connections and entities that were not released before
        return await rulesets.lead(conn, declared_rules(self.hub.settings))

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Have everything that is not booked yet decided again, once for each release, when all workers decide by it."""
        del key, context
        now = self.hub.clock.now()
        async with self.hub.pool.connection() as conn, conn.transaction():
            if await self.is_outdated(conn):
                return Turn(has_more=False, wake_in_s=1.0)
            if await releases.apply(conn, self.hub.rules.release, now):
                unsent = await outbox_due.partitions_open(conn)  # of a flow that was only observed until now
                await self.hub.arm(conn, [*await _decide_again(conn, now), *unsent, (work.DEADLINES, "all")])
        return Turn(has_more=False, wake_in_s=LOOK_AGAIN_S)


async def _decide_again(conn: Conn, now: datetime) -> list[PartitionKey]:
    """Put what waits for rules, and whatever has a command that certainly took no effect, on the agenda."""
    released = await agenda.release(conn, await agenda.waited_keys(conn, RULED_PREFIXES), now)
    subjects = [Subject(ref, int(Lane.BATCH)) for ref in await outbox_due.open_subjects(conn)]
    return [*released, *await agenda.add(conn, subjects, now)]


async def released(place: releasing.OpenDatabase, file: Settings, now: datetime) -> Settings:
    """Return a file's settings as they decide by the release in force; before the first one as they are. Raises SetupError, StoreError."""
    async with place.pool.connection() as conn:
        held = await releases.in_force(conn, now)
    return file if held is None else settled(file, held.body, held.version)


async def follow(hub: Ruled) -> None:
    """Have a hub that is not at work decide by the release in force; without one by its file. Raises SetupError, StoreError."""
    if not hub.rules.release:
        async with hub.pool.connection() as conn:
            held = await releases.in_force(conn, hub.clock.now())
        if held is not None:
            hub.decide_by(settled(hub.file, held.body, held.version), held.version)


async def settle(hub: Ruled) -> str:
    """Find the release to decide by, make this process decide by it, and return what is to be said of its file, if anything.

    The first start of a hub makes its file the first release. Where the release in force asks for no approval, a changed file is released
    by a start with it: not while a proposal or a scheduled release waits, not if it was released before and others are at work, or a
    person has released other rules since, and not if it still says what a person has rolled back.

    Raises:
        SetupError: the file would be released, but contradicts what is booked; or this process cannot decide by the release in force.
        StoreError: the release in force is not what was released.
    """
    body, now = body_of(hub.file), hub.clock.now()
    async with hub.pool.connection() as conn:
        async with conn.transaction():
            await releases.lock(conn)
            known = await releases.load(conn)
            held = releases.current(known, now)
            if held is None or (held.body != body and await _is_released_by_a_start(conn, known, held, body, now)):
                await refuse_changed_modes(conn, rules_source(hub.file))
                held = await releasing.release_at_start(conn, hub.cipher, body, held, DECLARED, now)
        hub.decide_by(settled(hub.file, held.body, held.version), held.version)
        await refuse_changed_modes(conn, hub.rules)
    said = releasing.state_words(held, known, body, now)
    if said:
        log.warning("rules", said=said)
    return said


async def _is_released_by_a_start(conn: Conn, known: Sequence[Release], held: Release, body: str, now: datetime) -> bool:
    """Tell whether a start may release its file."""
    if approval_of(held.body) is not Approval.NONE or any(releasing.is_waiting(one, now) for one in known):
        return False
    if all(one.body != body for one in known):
        return not releasing.redoes_rollback(known, held, body)
    return held.origin is ReleaseOrigin.START and not await workers.has_working(conn, ALIVE_WITHIN_S)

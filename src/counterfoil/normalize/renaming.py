"""What a connection said under another name: taken for its own word now, or for nobody's, step by step, each a transaction of its own.

Nothing is told by it, and no event made: who says a thing is another's name, and what survives is worked out anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.identity.ownership import Ownership
from counterfoil.core.kinds import KINDS
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Purpose, Survivorship
from counterfoil.kit.errors import TransientError
from counterfoil.normalize.merging import Merger
from counterfoil.normalize.writing import moved
from counterfoil.store import agenda, claims, links, matches, objects, unbooked, written
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import CONTENDED, Conn, Pool
from counterfoil.store.work import Arm

STEP = 200
TRIES_MAX = 12
BY_FIELD = tuple(name for name, kind in KINDS.items() if kind.survivorship is Survivorship.BY_FIELD)
"""The kinds of which each source has a word of its own."""
DOCUMENTS = tuple(name for name, kind in KINDS.items() if name not in BY_FIELD and Purpose.BOOKS not in kind.ignored)
"""The kinds that are told whole and booked: the last that told it counts, whatever its name. What is booked stays as it is; what is not is
routed by that name.
"""


@dataclass(frozen=True, slots=True)
class Renaming:
    """``former``: the name that is no connection any more; ``name``: the one it has now, empty: none, and what it said is dropped."""

    former: str
    name: str


@dataclass(frozen=True, slots=True)
class Renamer:
    """Renames. ``ownership``: whose word counts."""

    pool: Pool
    cipher: Cipher
    arm: Arm
    ownership: Ownership

    async def rename(self, what: Renaming, now: datetime) -> AsyncIterator[int]:
        """Rename all a connection said; yield how many things each step changed. May be stopped and begun again.

        Raises:
            TransientError: others kept changing the same things; what is done stays done.
        """
        async with self.pool.connection() as conn, conn.transaction():
            await links.rename(conn, what.former, what.name)
            await written.rename(conn, what.former, what.name)
        for finds in (self._beside, self._alone, self._unbooked) if what.name else (self._beside,):
            after = ObjectRef("", "")
            while refs := await finds(what.former, after):
                yield await self._step(what, refs, now)
                after = refs[-1]

    async def _beside(self, former: str, after: ObjectRef) -> list[ObjectRef]:
        async with self.pool.connection() as conn:
            return await claims.said_by(conn, former, after, STEP)

    async def _alone(self, former: str, after: ObjectRef) -> list[ObjectRef]:
        async with self.pool.connection() as conn:
            return await claims.known_from(conn, former, BY_FIELD, after, STEP)

    async def _unbooked(self, former: str, after: ObjectRef) -> list[ObjectRef]:
        async with self.pool.connection() as conn:
            return await unbooked.of(conn, former, DOCUMENTS, after, STEP)

    async def _step(self, what: Renaming, refs: Sequence[ObjectRef], now: datetime) -> int:
        for _ in range(TRIES_MAX):
            try:
                async with self.pool.connection() as conn, conn.transaction() as transaction:
                    changed = await self._rename_some(conn, what, refs, now)
                    transaction.force_rollback = changed is None
                if changed is not None:
                    return changed
            except CONTENDED:
                continue
        raise TransientError("things kept changing while their source was renamed; run the command again", code="normalize.contended")

    async def _rename_some(self, conn: Conn, what: Renaming, refs: Sequence[ObjectRef], now: datetime) -> int | None:
        """Rename what is said of some things; None: somebody else changed one of them meanwhile."""
        stored = await objects.load(conn, self.cipher, refs)
        told = await claims.load(conn, self.cipher, [ref for ref, row in stored.items() if row.claimed])
        merger = Merger(stored, set(), now, tuple(Purpose), claims=told, ownership=self.ownership)
        for ref in stored:
            merger.rename(ref, what.former, what.name)
        merged = merger.finish()
        if await objects.upsert(conn, self.cipher, list(merged.rows.values())) != set(merged.rows):
            return None
        await claims.drop(conn, merged.unsaid)
        await claims.upsert(conn, self.cipher, merged.claims)
        await links.relink(conn, merged.relinks)
        other = [ref for ref, row in merged.rows.items() if row.data != stored[ref].data or row.connection != stored[ref].connection]
        subjects = [agenda.Subject(ref, merged.changed[ref]) for ref in other]
        subjects += [agenda.Subject(*beside) for beside in merged.beside] if other else []
        subjects += await moved(conn, merged, (), tuple(Purpose))
        touched = [*await agenda.add(conn, subjects, now), *await matches.note(conn, merged.compared)]
        await self.arm(conn, touched)
        return len(merged.rows)

"""Connections that were renamed or are no more: what they said, and taking it for another one's word or dropping it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from counterfoil.app.database import Database
from counterfoil.app.explaining import ownership_in_force
from counterfoil.app.reasons import need_reason
from counterfoil.app.settings_file import FileSettings
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.language.keys import Declared, wait_for_route
from counterfoil.kit.connector import Finding, Severity
from counterfoil.normalize.renaming import BY_FIELD, DOCUMENTS, Renamer, Renaming
from counterfoil.store import agenda, audit, claims, unbooked
from counterfoil.store.audit import AuditLine
from counterfoil.store.pool import Conn

__all__ = ["Renaming", "RenamingPlan", "plan_of_renaming", "rename", "unnamed"]


@dataclass(frozen=True, slots=True)
class RenamingPlan:
    """What renaming comes to.

    Attributes:
        beside: how many things other systems tell of, too.
        alone: those it alone told of, and ``unbooked``: its documents of which nothing is booked; a drop leaves both.
    """

    what: Renaming
    beside: int
    alone: int
    unbooked: int

    @property
    def total(self) -> int:
        """How many things are renamed, or lose its word."""
        return self.beside + (self.alone + self.unbooked if self.what.name else 0)


async def plan_of_renaming(database: Database, file: FileSettings, what: Renaming) -> RenamingPlan:
    """Return what would be renamed or dropped.

    Raises:
        ValueError: the former name still is a connection, the new one is none, or nothing was said under the former.
    """
    known = ", ".join(sorted(file.connections)) or "none"
    if what.former in file.connections or what.former == PEOPLE:
        raise ValueError(f"{what.former!r} is a connection: what it says is its own")
    if what.name and what.name not in file.connections:
        raise ValueError(f"there is no connection {what.name!r} in the configuration; there are: {known}")
    async with database.pool.connection() as conn:
        beside = (await claims.counts(conn)).get(what.former, 0)
        alone = await claims.count_known_from(conn, what.former, BY_FIELD)
        left = await unbooked.count(conn, what.former, DOCUMENTS)
    plan = RenamingPlan(what, beside, alone, left)
    if not plan.total:
        raise ValueError(f"nothing is kept that a connection {what.former!r} said{' beside others' if alone or left else ''}")
    return plan


async def rename(
    database: Database, file: FileSettings, what: Renaming, actor: str, reason: str, now: datetime
) -> AsyncIterator[tuple[int, int]]:
    """Rename or drop, step by step; yield how many things are done, and of how many. Raises as :func:`plan_of_renaming`, TransientError."""
    need_reason(reason)
    plan = await plan_of_renaming(database, file, what)
    async with database.pool.connection() as conn, conn.transaction():
        owners = await ownership_in_force(conn, [one.owner() for one in file.ownership])
        detail = {"name": what.name, "reason": reason} if what.name else {"reason": reason}
        verb = "source renamed" if what.name else "source dropped"
        await audit.append(conn, AuditLine(now, actor, verb, f"connection/{what.former}", detail))
    done = 0
    async for step in Renamer(database.pool, database.cipher, database.arm, owners).rename(what, now):
        done += step
        yield done, max(done, plan.total)


async def unnamed(conn: Conn, known: Collection[str]) -> list[Finding]:
    """Return whose word still counts beside others', or whose documents wait for a route, though it is no connection (any more)."""
    counts = {name: count for name, count in (await claims.counts(conn)).items() if name not in known}
    waiting = [key.removeprefix(Declared.ROUTE.prefix) for key in await agenda.waited_keys(conn, [Declared.ROUTE.prefix])]
    routed = {name: len(await agenda.waiting_on(conn, [wait_for_route(name)])) for name in waiting if name not in known}
    return [*_findings(counts), *_unrouted(routed)]


def _findings(counts: dict[str, int]) -> Iterator[Finding]:
    for name, count in sorted(counts.items()):
        message = (
            f"{count} customers, products or companies still have a word of {name}, which is no connection: it counts where nobody says"
            " otherwise"
        )
        remedy = (
            f"If it was renamed, `counterfoil identity rename-source {name} NEW_NAME`; if it is gone,"
            f" `counterfoil identity drop-source {name}`"
        )
        yield Finding(Severity.WARNING, "identity.source_unknown", message, remedy)


def _unrouted(counts: dict[str, int]) -> Iterator[Finding]:
    for name, count in sorted(counts.items()):
        message = f"{count} things told by {name}, which is no connection, wait for a route, and none can name it"
        remedy = f"If it was renamed, `counterfoil identity rename-source {name} NEW_NAME`: they are routed by the new name then"
        yield Finding(Severity.WARNING, "identity.source_unknown", message, remedy)

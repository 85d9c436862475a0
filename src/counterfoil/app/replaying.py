"""Replaying: receipts kept in the log are read again, by today's normalizer and rules; what is booked already is not booked twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from counterfoil.app.database import Database
from counterfoil.core.canonical.commands import Lane
from counterfoil.store import audit, receipts
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import ReceiptState, Selection

STATES = (ReceiptState.NORMALIZED, ReceiptState.IGNORED, ReceiptState.PARKED)
"""States that can be replayed; what is pending will be read anyway."""
PAGE = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would read again: how many receipts by state."""

    counts: Mapping[ReceiptState, int]
    ids: tuple[int, ...] = field(default=(), repr=False)
    selection: Selection | None = None

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


async def plan_of_ids(database: Database, ids: tuple[int, ...]) -> Plan:
    """Return the plan for single receipts. Raises ValueError for an unknown one."""
    async with database.pool.connection() as conn:
        found = await receipts.read(conn, database.cipher, ids)
    missing = sorted(set(ids) - {receipt.id for receipt in found})
    if missing:
        raise ValueError(f"there is no receipt {', '.join(map(str, missing))}; `counterfoil trace ID` names an id's receipts")
    wanted = [receipt for receipt in found if receipt.state in STATES]
    counts = {state: sum(receipt.state is state for receipt in wanted) for state in STATES}
    return Plan(counts, tuple(receipt.id for receipt in wanted))


async def plan_of_selection(database: Database, selection: Selection) -> Plan:
    """Return the plan for a selection."""
    states = [state for state in STATES if not selection.states or state in selection.states]
    counts = dict.fromkeys(STATES, 0)
    async with database.pool.connection() as conn:
        for state in states:
            one = replace(selection, states=(state,))
            counts[state] = sum([len(page) async for page in _pages(conn, one, 10_000)])
    return Plan(counts, selection=replace(selection, states=tuple(states)))


async def _pages(conn: Conn, selection: Selection, size: int) -> AsyncIterator[list[int]]:
    after = 0
    while page := await receipts.select_ids(conn, selection, after_id=after, limit=size):
        yield page
        after = page[-1]


async def replay(database: Database, plan: Plan, actor: str, now: datetime, *, must_fetch: bool = False) -> AsyncIterator[int]:
    """Have the receipts of a plan read again, behind all other work; yield how many so far, after each committed page.

    ``must_fetch``: the source is asked again for the objects they lead to; otherwise what was fetched then is used. May be stopped at
    any page and run again: reading twice changes nothing.
    """
    done = 0
    if plan.selection is None:
        async with database.pool.connection() as conn, conn.transaction():
            done = await _requeue(conn, database, list(plan.ids), must_fetch)
            await _note(conn, actor, now, {"receipts": list(plan.ids[:20]), "count": done})
        yield done
        return
    async with database.pool.connection() as conn:
        await _note(conn, actor, now, _described(plan.selection, plan.total))
    after = 0
    while True:
        async with database.pool.connection() as conn, conn.transaction():
            page = await receipts.select_ids(conn, plan.selection, after_id=after, limit=PAGE)
            if not page:
                return
            done += await _requeue(conn, database, page, must_fetch)
        after = page[-1]
        yield done


async def _requeue(conn: Conn, database: Database, ids: list[int], must_fetch: bool) -> int:
    await database.arm(conn, await receipts.requeue(conn, ids, lane=Lane.REPLAY, must_fetch=must_fetch))
    return len(ids)


def _described(selection: Selection, total: int) -> dict[str, object]:
    return {
        "connection": selection.connection,
        "since": selection.since.isoformat(),
        "until": selection.until.isoformat(),
        "kinds": list(selection.kinds),
        "states": [state.value for state in selection.states],
        "count": total,
    }


async def _note(conn: Conn, actor: str, now: datetime, detail: dict[str, object]) -> None:
    await audit.append(conn, audit.AuditLine(now, actor, "replayed", "receipts", detail))

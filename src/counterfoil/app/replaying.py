"""Replaying: receipts kept in the log are read again, by today's normalizer and rules; what is booked already is not booked twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from counterfoil.app.database import Database
from counterfoil.store import audit, receipts, replays
from counterfoil.store.receipts import ReceiptState, Selection
from counterfoil.store.replays import STATES, Order, Replay


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would read again: the order, how many receipts by the state they are in now, and how many are left out as erased."""

    order: Order
    counts: Mapping[ReceiptState, int]
    erased: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


async def plan_of_ids(database: Database, order: Order) -> Plan:
    """Return the plan for single receipts. Raises ValueError for an unknown one."""
    async with database.pool.connection() as conn:
        found = await receipts.read(conn, database.cipher, order.ids)
    missing = sorted(set(order.ids) - {receipt.id for receipt in found})
    if missing:
        raise ValueError(f"there is no receipt {', '.join(map(str, missing))}; `counterfoil trace ID` names an id's receipts")
    erased = sum(receipt.is_erased for receipt in found)
    wanted = [receipt for receipt in found if receipt.state in STATES and not receipt.is_erased]
    counts = {state: sum(receipt.state is state for receipt in wanted) for state in STATES}
    return Plan(replace(order, ids=tuple(receipt.id for receipt in wanted)), counts, erased)


async def plan_of_selection(database: Database, order: Order, selection: Selection) -> Plan:
    """Return the plan for a selection."""
    states = tuple(state for state in STATES if not selection.states or state in selection.states)
    narrowed = replace(selection, states=states)
    async with database.pool.connection() as conn:
        found = await receipts.count(conn, narrowed)
        erased = await receipts.count_erased(conn, narrowed)
    return Plan(replace(order, selection=narrowed), {state: found.get(state, 0) for state in STATES}, erased)


async def begin(database: Database, plan: Plan, actor: str, now: datetime) -> int:
    """Order the replay of a plan, behind all other work, and return its id: a worker does it, this one or the next that starts."""
    async with database.pool.connection() as conn, conn.transaction():
        id, keys = await replays.add(conn, plan.order, plan.total, actor, now)
        await audit.append(conn, audit.AuditLine(now, actor, "replayed", "receipts", _described(plan) | {"replay": id}))
        await database.arm(conn, keys)
    return id


async def listed(database: Database) -> list[Replay]:
    """Return the latest replays, newest first."""
    async with database.pool.connection() as conn:
        return await replays.recent(conn)


async def stop(database: Database, id: int, actor: str, now: datetime) -> bool:
    """Have a replay end after the page in hand; False if it does not run."""
    async with database.pool.connection() as conn, conn.transaction():
        is_stopped = await replays.stop(conn, id, now)
        if is_stopped:
            await audit.append(conn, audit.AuditLine(now, actor, "replay stopped", f"replay/{id}", {}))
    return is_stopped


async def resume(database: Database, id: int, actor: str, now: datetime) -> bool:
    """Have a stopped replay go on after the last page it read; False if it was not stopped."""
    async with database.pool.connection() as conn, conn.transaction():
        keys = await replays.resume(conn, id, now)
        if keys:
            await audit.append(conn, audit.AuditLine(now, actor, "replay resumed", f"replay/{id}", {}))
            await database.arm(conn, keys)
    return bool(keys)


def _described(plan: Plan) -> dict[str, object]:
    order, selection = plan.order, plan.order.selection
    common: dict[str, object] = {"count": plan.total, "rate": order.rate, "fetch": order.must_fetch}
    if selection is None:
        return {"receipts": list(order.ids[:20]), **common}
    return {
        "connection": selection.connection,
        "since": selection.since.isoformat(),
        "until": selection.until.isoformat(),
        "kinds": list(selection.kinds),
        "states": [state.value for state in selection.states],
        **common,
    }

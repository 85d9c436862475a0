"""Replaying: receipts kept in the log are read again, by today's normalizer and rules; what is booked already is not booked twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from counterfoil.app.database import Database
from counterfoil.store import receipts
from counterfoil.store.receipts import ReceiptState, Selection
from counterfoil.store.replays import STATES, ReplayOrder


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay would read again: the order, how many receipts by the state they are in now, and how many are left out as erased."""

    order: ReplayOrder
    counts: Mapping[ReceiptState, int]
    erased: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


async def plan_of_ids(database: Database, order: ReplayOrder) -> ReplayPlan:
    """Return the plan for single receipts. Raises ValueError for an unknown one."""
    async with database.pool.connection() as conn:
        found = await receipts.read(conn, database.cipher, order.ids)
    missing = sorted(set(order.ids) - {receipt.id for receipt in found})
    if missing:
        raise ValueError(f"there is no receipt {', '.join(map(str, missing))}; `counterfoil trace ID` names an id's receipts")
    erased = sum(receipt.is_erased for receipt in found)
    wanted = [receipt for receipt in found if receipt.state in STATES and not receipt.is_erased]
    counts = {state: sum(receipt.state is state for receipt in wanted) for state in STATES}
    return ReplayPlan(replace(order, ids=tuple(receipt.id for receipt in wanted)), counts, erased)


async def plan_of_selection(database: Database, order: ReplayOrder, selection: Selection) -> ReplayPlan:
    """Return the plan for a selection."""
    states = tuple(state for state in STATES if not selection.states or state in selection.states)
    narrowed = replace(selection, states=states)
    async with database.pool.connection() as conn:
        found = await receipts.count(conn, narrowed)
        erased = await receipts.count_erased(conn, narrowed)
    return ReplayPlan(replace(order, selection=narrowed), {state: found.get(state, 0) for state in STATES}, erased)


def described(plan: ReplayPlan) -> dict[str, object]:
    """Return a plan as the audit keeps it: no more than twenty receipts by number."""
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

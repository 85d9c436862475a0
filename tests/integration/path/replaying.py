"""Ordering replays and rehearsals of a house's hub, and everything that a replay might have changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.integration.path.house import House

from counterfoil.app.rehearsing import Rehearsal, rehearse
from counterfoil.store import bundles, replays
from counterfoil.store.receipts import Selection
from counterfoil.store.replays import Replay, ReplayOrder, ReplayState

_LEFT_BEHIND = {
    "receipts": f"select id, {bundles.STATE}, rule, lane, attempts, normalized_at from receipt r order by id",
    "events": "select id, merged, key_id, data from event order by id",
    "objects": "select kind, id, version, sequence, digest, last_event, entity from object order by kind, id",
    "commands": "select id, seq, state::text, attempts, external_id, done_at, reason from command order by seq",
    "bindings": "select connection, key, external_id, since, until from binding order by connection, key, since",
    "attempts": "select count(*) from attempt",
    "cases": 'select id, fingerprint, state::text, count from "case" order by id',
    "waits": "select key, subject_kind, subject_id from wait order by 1, 2, 3",
    "items": "select entity, item_key, number from summary_item order by 1, 2",
}


async def left_behind(made: House) -> dict[str, Any]:
    """Return everything a replay might have changed: in the database, and in the books."""
    async with made.hub.pool.connection() as conn:
        found: dict[str, Any] = {name: await (await conn.execute(statement)).fetchall() for name, statement in _LEFT_BEHIND.items()}
    return found | {"books": made.odoo.books(), "keys": made.external_keys(), "unnamed": made.unnamed()}


def everything_of(connection: str) -> Selection:
    """Return the selection of all receipts of a connection."""
    return Selection(connection, datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


async def order(made: House, wanted: ReplayOrder) -> int:
    """Order a replay and return its id."""
    async with made.hub.pool.connection() as conn, conn.transaction():
        id, keys = await replays.add(conn, wanted, 0, "tester", made.clock.now())
        await made.hub.arm(conn, keys)
    return id


async def load(made: House, id: int) -> Replay:
    """Return a replay."""
    async with made.hub.pool.connection() as conn:
        found = await replays.load(conn, id)
    assert found is not None
    return found


async def replayed(made: House, wanted: ReplayOrder) -> Replay:
    """Order a replay and return it when it is done and everything that came of it is settled."""
    id = await order(made, wanted)

    async def is_done() -> bool:
        return (await load(made, id)).state is ReplayState.DONE

    await made.until(is_done)
    await made.settle()
    return await load(made, id)


async def rehearsed(made: House, wanted: ReplayOrder) -> Rehearsal:
    """Return what a replay would do."""
    found = Rehearsal()
    async for page in rehearse(made.hub, wanted):
        found = page
    return found

"""Table ``replay``: orders to read kept receipts again, each with its place, so that any worker goes on where the last one ended.

An order changes nothing about its receipts: they are read page by page in order of their id, and ``advance`` notes the place after each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from . import receipts
from .cipher import Cipher
from .pool import Conn, PartitionKey
from .receipts import Receipt, ReceiptState, Selection
from .work import REPLAY

STATES = (ReceiptState.NORMALIZED, ReceiptState.IGNORED, ReceiptState.PARKED)
"""States that can be read again; what is pending will be read anyway."""


class ReplayState(StrEnum):
    """Where a replay stands."""

    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ReplayOrder:
    """What is to be read again: single receipts (``ids``) or a ``selection``; ``rate`` receipts a second at most, 0: as many as come.

    ``must_fetch``: the source is asked again for the objects they lead to; otherwise what was fetched then is used.
    """

    ids: tuple[int, ...] = ()
    selection: Selection | None = None
    must_fetch: bool = False
    rate: int = 0


@dataclass(frozen=True, slots=True)
class Replay:
    """An order and how far it has come. ``next_at``: not before that instant, for the rate."""

    id: int
    order: ReplayOrder
    total: int
    ordered_by: str
    ordered_at: datetime
    state: ReplayState
    place: int
    read_count: int
    changed_count: int
    next_at: datetime | None
    updated_at: datetime


def replay_key(id: int) -> PartitionKey:
    """Return the partition that works a replay."""
    return REPLAY, str(id)


async def add(conn: Conn, order: ReplayOrder, total: int, actor: str, now: datetime) -> tuple[int, list[PartitionKey]]:
    """Keep an order; return its id and the partitions to arm."""
    selection = order.selection
    cursor = await conn.execute(
        "insert into replay (connection, ids, since, until, kinds, states, must_fetch, rate, total, ordered_by, ordered_at, updated_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id",
        (
            "" if selection is None else selection.connection,
            sorted(set(order.ids)),
            None if selection is None else selection.since,
            None if selection is None else selection.until,
            [] if selection is None else list(selection.kinds),
            [state.value for state in (STATES if selection is None else _replayable(selection))],
            order.must_fetch,
            order.rate,
            total,
            actor,
            now,
            now,
        ),
    )
    row = await cursor.fetchone()
    id = 0 if row is None else int(row[0])
    return id, [replay_key(id)]


def _replayable(selection: Selection) -> tuple[ReceiptState, ...]:
    return tuple(state for state in STATES if not selection.states or state in selection.states)


_SELECT = """
select id, connection, ids, since, until, kinds, states, must_fetch, rate, total, ordered_by, ordered_at, state, place, read_count,
    changed_count, next_at, updated_at
from replay
"""


async def load(conn: Conn, id: int) -> Replay | None:
    """Return a replay, None if there is none with this id."""
    row = await (await conn.execute(_SELECT + "where id = %s", (id,))).fetchone()
    return None if row is None else _replay(row)


async def recent(conn: Conn, limit: int = 50) -> list[Replay]:
    """Return the latest replays, newest first."""
    return [_replay(row) for row in await (await conn.execute(_SELECT + "order by id desc limit %s", (limit,))).fetchall()]


def _replay(row: Any) -> Replay:
    id, connection, ids, since, until, kinds, states, must_fetch, rate, total, by, at, state, *rest = row
    selection = None
    if connection:
        selection = Selection(connection, since, until, tuple(kinds), tuple(ReceiptState(one) for one in states))
    return Replay(id, ReplayOrder(tuple(ids), selection, must_fetch, rate), total, by, at, ReplayState(state), *rest)


async def page(conn: Conn, cipher: Cipher, replay: Replay, limit: int) -> list[Receipt]:
    """Return a replay's next receipts after its place, in order of id."""
    order = replay.order
    if order.selection is not None:
        return await receipts.select(conn, cipher, order.selection, after_id=replay.place, limit=limit)
    left = [id for id in order.ids if id > replay.place]
    for start in range(0, len(left), limit):
        found = await receipts.read(conn, cipher, left[start : start + limit])
        if through := [receipt for receipt in found if receipt.state in STATES and not receipt.is_erased]:
            return through
    return []


_ADVANCE = """
update replay set place = %(place)s, read_count = read_count + %(read)s, changed_count = changed_count + %(changed)s,
    next_at = %(next_at)s, updated_at = %(now)s, state = case when %(is_done)s and state = 'running' then 'done' else state end
where id = %(id)s and place = %(seen)s
"""


async def advance(
    conn: Conn, replay: Replay, place: int, now: datetime, *, read: int = 0, changed: int = 0, next_at: datetime | None = None
) -> bool:
    """Note that a page was read; False if somebody else has gone on from the same place. The same place again: the replay is done."""
    given = {"place": place, "read": read, "changed": changed, "next_at": next_at, "now": now, "is_done": place == replay.place}
    return (await conn.execute(_ADVANCE, given | {"id": replay.id, "seen": replay.place})).rowcount > 0


async def stop(conn: Conn, id: int, now: datetime) -> bool:
    """Have a running replay end after the page that is in hand; False if it does not run."""
    cursor = await conn.execute("update replay set state = 'stopped', updated_at = %s where id = %s and state = 'running'", (now, id))
    return cursor.rowcount > 0


async def resume(conn: Conn, id: int, now: datetime) -> list[PartitionKey]:
    """Have a stopped replay go on after its place; return the partitions to arm, none if it was not stopped."""
    cursor = await conn.execute("update replay set state = 'running', updated_at = %s where id = %s and state = 'stopped'", (now, id))
    return [replay_key(id)] if cursor.rowcount else []

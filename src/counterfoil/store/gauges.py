"""Figures for monitoring, cheap enough to be asked every few seconds of a big database: open rows, ends of indexes, small tables.

Counts of what is open stop at ``OPEN_MAX`` per table; then they are lower bounds. Nothing here is read by a stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from . import cases, cursors, notices, pulse, reading, refused, standing, workers
from .observed import NOTHING_HELD, Held, held_given
from .pool import Conn

OPEN_MAX = pulse.OPEN_MAX


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits at a stage, of a connection (empty: of all) in a lane: how many, and since when the oldest."""

    stage: str
    connection: str
    lane: int
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of postings to a target in the last five minutes."""

    target: str
    done: int
    refused: int
    unknown: int
    retried: int


@dataclass(frozen=True, slots=True)
class Gauges:
    """Everything a scrape shows, of one instant."""

    at: datetime
    depths: list[Depth]
    tried: list[Tried]
    counters: pulse.Counters
    cases: list[cases.CaseTotal]
    standings: list[standing.ConnectionStanding]
    unread: list[reading.Unread]
    cursors: list[cursors.Cursor]
    workers: list[workers.Worker]
    refused: list[refused.Refused]
    channels: list[notices.ChannelState]


_DEPTHS = f"""
select 'read', connection, lane, count(*), min(at) from (
    select connection, lane, received_at as at from to_read limit %(limit)s) r group by 2, 3
union all select 'decide', '', lane, count(*), min(at) from (select lane, added_at as at from to_decide limit %(limit)s) a group by 3
union all select 'wait', '', lane, count(*), min(at) from (select lane, since as at from wait limit %(limit)s) w group by 3
union all select stands, target, lane, count(*), min(at) from ({pulse.OPEN}) c group by 1, 2, 3
order by 1, 2, 3
"""
"""How much waits in each place, by lane, and since when. Each count ends at ``limit``: a figure that is looked at every few seconds must
not cost more the more there is."""
_TRIED = """
select target, sum(done)::int8, sum(refused)::int8, sum(unknown)::int8, sum(retried)::int8 from attempt
where started_at > %(now)s - interval '10 min' and ended_at > %(now)s - interval '5 min' group by 1 order by 1
"""


async def read(conn: Conn, now: datetime, held: Held = NOTHING_HELD) -> Gauges:
    """Return the figures; ``now``: by the hub's clock; ``held``: what is only observed."""
    depths = await (await conn.execute(_DEPTHS, {"limit": OPEN_MAX, **held_given(held)})).fetchall()
    tried = await (await conn.execute(_TRIED, {"now": now})).fetchall()
    return Gauges(
        at=now,
        depths=[Depth(*row) for row in depths],
        tried=[Tried(*row) for row in tried],
        counters=await pulse.counters(conn),
        cases=await cases.totals(conn, now),
        standings=[one for one in await standing.read_all(conn) if one.is_down],
        unread=await reading.read_all(conn),
        cursors=await cursors.list_cursors(conn),
        workers=await workers.list_workers(conn),
        refused=await refused.read_all(conn),
        channels=await notices.channels(conn),
    )

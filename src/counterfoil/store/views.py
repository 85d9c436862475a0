"""Figures over all tables for people and tests: conservation, status, lag. Nothing here is read by a stage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from . import (
    blocking,
    cases,
    cursors,
    lacking,
    notices,
    objects,
    reading,
    refused,
    relearning,
    retention,
    sending,
    standing,
    workers,
)
from .observed import IS_HELD, NOTHING_HELD, Held, held_given
from .pool import Conn


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Where a source's deliveries are. ``received`` is counted on its own, from the keys; in balance it is the sum of the others."""

    connection: str
    received: int
    normalized: int
    ignored: int
    parked: int
    pending: int

    @property
    def is_balanced(self) -> bool:
        """Whether nothing was lost or doubled."""
        return self.received == self.normalized + self.ignored + self.parked + self.pending


@dataclass(frozen=True, slots=True)
class TargetLine:
    """Where a target's commands are. ``observed``: they are sent once their flow is switched on; such are counted nowhere else."""

    target: str
    done: int
    ready: int
    waiting: int
    unknown: int
    parked: int
    canceled: int
    observed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.done + self.ready + self.waiting + self.unknown + self.parked + self.canceled + self.observed


@dataclass(frozen=True, slots=True)
class Conservation:
    """Received = normalized + ignored + parked + pending, per source; wished (counted from the bodies) = the sum over all targets."""

    sources: tuple[SourceLine, ...]
    targets: tuple[TargetLine, ...]
    wished: int

    @property
    def is_balanced(self) -> bool:
        """Whether both equations hold."""
        return all(line.is_balanced for line in self.sources) and self.wished == sum(line.total for line in self.targets)


_SOURCES = """
select connection, coalesce(k.received, 0), coalesce(r.normalized, 0) - coalesce(u.unread, 0), coalesce(r.ignored, 0),
    coalesce(r.parked, 0), coalesce(r.pending, 0) + coalesce(u.unread, 0)
from (select connection, count(*) as received from receipt_key group by 1) k
full join (
    select connection, count(*) filter (where state = 'normalized') as normalized, count(*) filter (where state = 'ignored') as ignored,
        count(*) filter (where state = 'parked') as parked, count(*) filter (where state = 'pending') as pending
    from receipt group by 1
) r using (connection)
left join (
    select connection, sum(cardinality(ids))::int8 as unread from receipt_bundle where read_at is null group by 1
) u using (connection)
order by 1
"""
"""What was received, by keys that are kept for ever, against what became of it, by receipts: equal unless something was lost."""
_STANDS = f"""
select s.target, s.created_at, case when s.state in ('done', 'canceled', 'parked') then s.state::text
    when f.started_at is null and {IS_HELD} then 'observed'
    when f.started_at is not null then 'unknown' when s.state <> 'waiting' then s.state::text when not {lacking.MAY_BE_BOUND} then 'waiting'
    when s.in_doubt then 'unknown' else 'ready' end as state
from command_standing s {sending.IN_FLIGHT}
"""
"""Commands with how they stand: one under way is in doubt, one whose last lack is bound is as good as ready."""
_TARGETS = f"""
select target, count(*) filter (where state = 'done'), count(*) filter (where state = 'ready'), count(*) filter (where state = 'waiting'),
    count(*) filter (where state = 'unknown'), count(*) filter (where state = 'parked'), count(*) filter (where state = 'canceled'),
    count(*) filter (where state = 'observed')
from ({_STANDS}) s group by 1 order by 1
"""
"""What became of commands, by their states, against what was wished, by their bodies: equal unless something was lost."""


@asynccontextmanager
async def at_one_instant(conn: Conn) -> AsyncIterator[None]:
    """Have all that is read within be as of one instant: what goes on from one stage to the next meanwhile is seen at one of them.

    Read one after the other it may be seen at none: not sent yet when commands are read, and decided when the agenda is.
    """
    async with conn.transaction():
        await conn.execute("set transaction isolation level repeatable read")
        yield


async def conservation(conn: Conn, held: Held = NOTHING_HELD) -> Conservation:
    """Return where everything is; for figures of one instant see :func:`at_one_instant`. ``held``: what is told apart as only observed."""
    sources = tuple(SourceLine(*row) for row in await (await conn.execute(_SOURCES)).fetchall())
    targets = tuple(TargetLine(*row) for row in await (await conn.execute(_TARGETS, held_given(held))).fetchall())
    row = await (await conn.execute("select count(*) from command_body")).fetchone()
    return Conservation(sources, targets, 0 if row is None else row[0])


async def ignored_by_rule(conn: Conn) -> dict[tuple[str, str], int]:
    """Return how many receipts each rule ignored: (connection, rule) -> count."""
    rows = await (
        await conn.execute("select connection, rule, count(*) from receipt where state = 'ignored' group by 1, 2 order by 1, 2")
    ).fetchall()
    return {(connection, rule): count for connection, rule, count in rows}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a stage still has to do in one place: how many, and since when the oldest waits."""

    stage: str
    place: str
    count: int
    oldest_at: datetime


_BACKLOG = f"""
select 'normalize', connection, count(*), min(received_at) from to_read group by 2
union all select 'decide', kind, count(*), min(added_at) from to_decide group by 2
union all select 'wait', split_part(key, '/', 1), count(*), min(since) from wait group by 2
union all select 'deliver', target || '/' || state, count(*), min(created_at)
    from ({_STANDS} where s.state not in ('done', 'canceled') and s.state <> 'parked') s group by 2
order by 1, 2
"""
"""What is not done, in each place, and since when."""


async def backlog(conn: Conn, held: Held = NOTHING_HELD) -> list[Backlog]:
    """Return what is still to be done, by stage and place; what is ``held`` is in a place of its own."""
    return [Backlog(*row) for row in await (await conn.execute(_BACKLOG, held_given(held))).fetchall()]


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from wish to done of a kind of command in a time window: how many, the middle one, and the 95th percentile."""

    kind: str
    entity: str
    count: int
    p50_s: float
    p95_s: float


_LATENCY = """
select kind, entity, count(*), percentile_disc(0.5) within group (order by taken), percentile_disc(0.95) within group (order by taken)
from (
    select kind, entity, extract(epoch from done_at - created_at)::float8 as taken from command where state = 'done' and created_at >= %s
) c
group by 1, 2 order by 1, 2
"""
"""Percentiles that somebody had, and no average: one slow day of a target would hide in it. Only what is done has a time."""


async def latencies(conn: Conn, since: datetime) -> list[Latency]:
    """Return how long commands wished since then took to be done."""
    return [Latency(*row) for row in await (await conn.execute(_LATENCY, (since,))).fetchall()]


@dataclass(frozen=True, slots=True)
class Status:
    """Everything ``counterfoil status`` shows."""

    conservation: Conservation
    ignored: dict[tuple[str, str], int]
    backlog: list[Backlog]
    latencies: list[Latency]
    cases: list[cases.CaseTotal]
    cursors: list[cursors.Cursor]
    workers: list[workers.Worker]
    objects: list[objects.ObjectTotal]
    blockers: list[blocking.Blocker]
    relearning: list[relearning.Relearning]
    unclaimed: dict[str, int]  # target -> keys it holds that the hub does not know as done
    kept: list[retention.RetentionState]
    standings: list[standing.ConnectionStanding] = field(default_factory=list)  # targets that cannot be used
    unread: list[reading.Unread] = field(default_factory=list)  # sources that cannot be read
    refused: list[refused.Refused] = field(default_factory=list)  # deliveries refused at the door
    channels: list[notices.ChannelState] = field(default_factory=list)  # of notifications


async def status(conn: Conn, now: datetime, since: datetime, held: Held = NOTHING_HELD) -> Status:
    """Return the status; latencies are those of commands wished since ``since``, ``held`` is what is only observed."""
    marked = await relearning.list_all(conn)
    return Status(
        conservation=await conservation(conn, held),
        ignored=await ignored_by_rule(conn),
        backlog=await backlog(conn, held),
        latencies=await latencies(conn, since),
        cases=await cases.totals(conn, now),
        cursors=await cursors.list_cursors(conn),
        workers=await workers.list_workers(conn),
        objects=await objects.totals(conn),
        blockers=await blocking.blockers(conn),
        relearning=marked,
        kept=await retention.kept(conn),
        unclaimed={one.target: (await relearning.unclaimed(conn, one.target, 0))[0] for one in marked if one.learned_at is not None},
        standings=[one for one in await standing.read_all(conn) if one.is_down],
        unread=await reading.read_all(conn),
        refused=await refused.read_all(conn),
        channels=await notices.channels(conn),
    )


async def undecided(conn: Conn) -> int:
    """Return how many subjects are on the agenda."""
    row = await (await conn.execute("select count(*) from to_decide")).fetchone()
    return 0 if row is None else int(row[0])

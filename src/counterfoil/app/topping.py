"""What `counterfoil top` shows: samples of the live figures, and the rates between them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from counterfoil.app.queries import observed_now
from counterfoil.kit.clock import Clock
from counterfoil.kit.windows import Window, closed_until
from counterfoil.store import blocking, pulse, reading, relearning, standing, workers
from counterfoil.store.blocking import Blocker
from counterfoil.store.budgets import BudgetSeen, list_budgets
from counterfoil.store.observed import Held
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.pulse import Counters, PostedCounts, Queue, Recent
from counterfoil.store.reading import Unread
from counterfoil.store.relearning import Relearning
from counterfoil.store.standing import ConnectionStanding
from counterfoil.store.workers import Worker

SLOW_EVERY = 5
"""What costs more than a look (percentiles, what cases block) is read with every fifth sample."""
FIRST_GAP_S = 1.0


@dataclass(frozen=True, slots=True)
class Flow:
    """How fast a stage goes: records per second over the last ten seconds and the last minute; None: not watched for long enough."""

    stage: str
    last_10_s: float | None
    last_60_s: float | None


@dataclass(frozen=True, slots=True)
class Maintained:
    """A connection in declared maintenance: nothing is sent to it before ``until``, by the hub's clock."""

    connection: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Top:
    """One picture. ``flows``: received, read, decided, posted; lanes as in ``commands.Lane``."""

    at: datetime
    flows: tuple[Flow, ...]
    queues: tuple[Queue, ...]
    recent: tuple[Recent, ...]
    budgets: tuple[BudgetSeen, ...]
    standings: tuple[ConnectionStanding, ...]
    relearning: tuple[Relearning, ...]
    blockers: tuple[Blocker, ...]
    workers: tuple[Worker, ...]
    maintenance: tuple[Maintained, ...] = ()


@dataclass(slots=True)
class Sampler:
    """Takes samples one after the other and remembers a minute of them. ``windows``: declared maintenance, by connection."""

    pool: Pool
    clock: Clock
    windows: Mapping[str, Sequence[Window]] = field(default_factory=dict)
    _history: deque[Counters] = field(default_factory=deque)
    _taken: int = 0
    _recent: tuple[Recent, ...] = ()
    _blockers: tuple[Blocker, ...] = ()
    _held: Held = field(default_factory=dict)

    async def first(self) -> Top:
        """Take two samples a second apart, so that the first picture has rates."""
        async with self.pool.connection() as conn:
            self._history.append(await pulse.counters(conn))
        await asyncio.sleep(FIRST_GAP_S)
        return await self.take()

    async def take(self) -> Top:
        """Take a sample and return the picture."""
        now = self.clock.now()
        async with self.pool.connection() as conn:
            self._note(await pulse.counters(conn))
            if self._taken % SLOW_EVERY == 0:
                self._recent = tuple(await pulse.recent(conn, now))
                self._blockers = tuple(await blocking.blockers(conn, limit=5))
                self._held = await observed_now(conn, now)
            self._taken += 1
            return await self._picture(conn, now)

    def _note(self, sample: Counters) -> None:
        self._history.append(sample)
        while sample.at_s - self._history[0].at_s > 65.0:
            self._history.popleft()

    async def _picture(self, conn: Conn, now: datetime) -> Top:
        return Top(
            at=now,
            flows=flows(list(self._history), await pulse.posted(conn, now)),
            queues=tuple(await pulse.queues(conn, self._held)),
            recent=self._recent,
            budgets=tuple(await list_budgets(conn)),
            standings=_down(await standing.read_all(conn), await reading.read_all(conn)),
            relearning=tuple(one for one in await relearning.list_all(conn) if one.caught_up_at is None),
            blockers=self._blockers,
            workers=tuple(await workers.list_workers(conn)),
            maintenance=maintained(self.windows, now),
        )


def _down(standings: Sequence[ConnectionStanding], unread: Sequence[Unread]) -> tuple[ConnectionStanding, ...]:
    """Return every connection that cannot be sent to or read, each once, as it has been for the longest."""
    found = [one for one in standings if one.is_down]
    found += [
        ConnectionStanding(one.connection, down_since=one.since, is_refused=one.is_refused, code=one.code, words=one.told) for one in unread
    ]
    oldest: dict[str, ConnectionStanding] = {}
    for one in found:
        known = oldest.get(one.connection)
        if known is None or (one.down_since is not None and known.down_since is not None and one.down_since < known.down_since):
            oldest[one.connection] = one
    return tuple(oldest[name] for name in sorted(oldest))


def maintained(windows: Mapping[str, Sequence[Window]], now: datetime) -> tuple[Maintained, ...]:
    """Return the connections that are in declared maintenance now, by name."""
    found = ((name, closed_until(windows[name], now)) for name in sorted(windows))
    return tuple(Maintained(name, until) for name, until in found if until is not None)


def flows(history: Sequence[Counters], posted: PostedCounts) -> tuple[Flow, ...]:
    """Return the rates by the samples of the last minute, oldest first. A minute's rate is shown from half a minute of watching on."""
    last = history[-1]
    ten = next((one for one in reversed(history[:-1]) if last.at_s - one.at_s >= 9.0), history[0])
    sixty = history[0] if last.at_s - history[0].at_s >= 30.0 else None

    names = {"received": _received, "read": _read, "decided": _decided}
    found = tuple(Flow(name, _rate(of, ten, last), _rate(of, sixty, last)) for name, of in names.items())
    return (*found, Flow("posted", posted.last_10_s / 10, posted.last_60_s / 60))


def _received(sample: Counters) -> int:
    return sample.received


def _read(sample: Counters) -> int:
    return sample.read


def _decided(sample: Counters) -> int:
    return sample.decided


def _rate(of: Callable[[Counters], int], since: Counters | None, last: Counters) -> float | None:
    if since is None or last.at_s <= since.at_s:
        return None
    return max(0.0, (of(last) - of(since)) / (last.at_s - since.at_s))

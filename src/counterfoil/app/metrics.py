"""The figures of a hub as Prometheus reads them: ``/metrics`` on the health port of every process.

The database is asked at most once in ``EVERY_S`` per process, however often it is scraped; between two looks the same figures are given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from psycopg_pool import PoolClosed, PoolTimeout

from counterfoil import __version__
from counterfoil.app.coverage import coverage
from counterfoil.app.queries import observed_now
from counterfoil.app.verdict import alive
from counterfoil.kit.clock import Clock
from counterfoil.store import gauges
from counterfoil.store.gauges import Gauges
from counterfoil.store.pool import Pool

EVERY_S = 10.0
WAIT_S = 2.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Metrics:
    """What is asked by scrapes. ``every_s``: the database is looked at no more often."""

    pool: Pool
    clock: Clock
    every_s: float = EVERY_S
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _text: bytes = b""
    _read_at: float = float("-inf")

    async def text(self) -> bytes:
        """Return the figures in Prometheus' text format; ``counterfoil_database_up`` alone says no if the database does not answer."""
        async with self._lock:
            if time.monotonic() - self._read_at >= self.every_s:
                self._text = await self._read()
                self._read_at = time.monotonic()
            return self._text

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(WAIT_S * 2), self.pool.connection(timeout=WAIT_S) as conn:
                now = self.clock.now()
                found = await gauges.read(conn, now, await observed_now(conn, now))
        except (psycopg.Error, PoolTimeout, PoolClosed, TimeoutError):
            return rendered(None)
        return rendered(found)


class _Once(Collector):
    """A collector of what was read already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._families


def rendered(found: Gauges | None) -> bytes:
    """Return figures in the text format; None: the database does not answer."""
    registry = CollectorRegistry(auto_describe=False)
    up = GaugeMetricFamily("counterfoil_database_up", "Whether the hub's database answers.", value=0 if found is None else 1)
    info = _gauge("counterfoil_build", "The version of the process that answers.", ("version",), [((__version__,), 1)])
    registry.register(_Once([up, info, *([] if found is None else families(found))]))
    return generate_latest(registry)


def families(found: Gauges) -> Iterator[Metric]:
    """Yield every figure."""
    yield from _flow(found)
    yield from _cases(found)
    yield from _connections(found)
    yield from _workers(found)


def _flow(found: Gauges) -> Iterator[Metric]:
    where = ("stage", "connection", "lane")
    depths = [((one.stage, one.connection, str(one.lane)), one) for one in found.depths]
    yield _gauge("counterfoil_queue_depth", "Records that wait, by stage, connection and lane.", where, [(k, d.count) for k, d in depths])
    ages = [(key, _age_s(one.oldest_at, found.at)) for key, one in depths]
    yield _gauge("counterfoil_queue_oldest_seconds", "How long the oldest of them has waited.", where, ages)
    yield CounterMetricFamily("counterfoil_received", "Deliveries ever received.", value=found.counters.received)
    yield CounterMetricFamily("counterfoil_called_for", "Postings ever called for.", value=found.counters.decided)
    tried = [((one.target, name), getattr(one, name)) for one in found.tried for name in ("done", "refused", "unknown", "retried")]
    yield _gauge("counterfoil_outcomes_5m", "Postings tried in the last five minutes, by outcome.", ("target", "outcome"), tried)
    turned = CounterMetricFamily("counterfoil_deliveries_refused", "Deliveries refused at the door.", labels=("connection", "code"))
    for one in found.refused:
        turned.add_metric((one.connection, one.code), one.total)
    yield turned


def _cases(found: Gauges) -> Iterator[Metric]:
    by_class: dict[tuple[str, ...], tuple[int, int]] = {}
    for one in found.cases:  # a case of two currencies is in two lines
        cases, overdue = by_class.get((one.case_class,), (0, 0))
        by_class[one.case_class,] = (max(cases, one.cases), max(overdue, one.overdue))
    yield _gauge("counterfoil_cases_open", "Open cases, by class.", ("class",), [(key, count) for key, (count, _) in by_class.items()])
    yield _gauge("counterfoil_cases_overdue", "Of them past due.", ("class",), [(key, late) for key, (_, late) in by_class.items()])
    money = [((one.case_class, one.currency), one.money_minor) for one in found.cases if one.currency]
    yield _gauge("counterfoil_cases_money_minor", "Money in open cases, in minor units.", ("class", "currency"), money)


def _connections(found: Gauges) -> Iterator[Metric]:
    down = [((one.connection, "post"), _age_s(one.down_since, found.at)) for one in found.standings]
    unread = {one.connection: one for one in sorted(found.unread, key=lambda one: one.since, reverse=True)}
    down += [((name, "read" if one.is_all else "read in part"), _age_s(one.since, found.at)) for name, one in unread.items()]
    yield _gauge("counterfoil_connection_down_seconds", "How long a connection cannot be used.", ("connection", "way"), down)
    read = coverage(found.cursors, found.at)
    ages = [((one.connection,), _age_s(one.read_at, found.at)) for one in read]
    yield _gauge("counterfoil_source_read_age_seconds", "How long ago a source was read.", ("connection",), ages)
    covered = [((one.connection,), _age_s(one.no_gap_until, found.at)) for one in read if one.no_gap_until]
    yield _gauge("counterfoil_coverage_age_seconds", "Up to how long ago every change was received.", ("connection",), covered)
    failing = [((one.channel,), 1 if one.failing_since else 0) for one in found.channels]
    yield _gauge("counterfoil_notify_failing", "Whether a channel of notifications cannot be reached.", ("channel",), failing)


def _workers(found: Gauges) -> Iterator[Metric]:
    yield GaugeMetricFamily("counterfoil_workers", "Workers heard of in the last minute.", value=len(alive(found.workers, found.at)))
    drains = [((one.name or one.id,), one.drains) for one in found.workers]
    yield _gauge("counterfoil_worker_drains", "What a worker has under way.", ("worker",), drains)


def _gauge(name: str, says: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, says, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _age_s(then: datetime | None, now: datetime) -> float:
    return 0.0 if then is None else max(0.0, (now - then).total_seconds())

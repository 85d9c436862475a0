"""Figures for Prometheus: what they say, and how seldom the database is asked for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from counterfoil.app.metrics import Metrics
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money
from counterfoil.kit.clock import SettableClock
from counterfoil.store import cases, cursors, reading, receipts, refused, standing, workers
from counterfoil.store.cipher import Cipher
from counterfoil.store.cursors import Cursor
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn, Pool, open_pool
from counterfoil.store.standing import ConnectionTrouble

NOW = datetime.now(UTC)


def values(text: bytes) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and the values of its labels, in the order of their names."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        found.update({(one.name, *one.labels.values()): one.value for one in family.samples})
    return found


async def seed(conn: Conn, cipher: Cipher) -> None:
    incoming = [receipts.Incoming("stripe_us", f"evt_{n}", f"cus_{n}", "invoice.paid", b"{}", NOW) for n in range(3)]
    await receipts.append(conn, cipher, incoming, NOW - timedelta(seconds=30))
    one = opening(
        fingerprint="f", case_class=CaseClass.UNMAPPED_TAX, code="c", cause="x", next_step="y", stage="decide",
        subject="invoice/stripe:in_1",
        now=NOW - timedelta(days=2), money=Money(11_900, "EUR"),
    )  # fmt: skip
    await cases.open_or_count(conn, [one], NOW - timedelta(days=2))
    await standing.note_down(conn, "books", ConnectionTrouble("http.unreachable", "no"), NOW - timedelta(seconds=90), is_by_sending=False)
    missed = reading.Missed("poll", ConnectionTrouble("http.timeout", "no"), NOW)
    await reading.failed(conn, "stripe_us", [missed], NOW - timedelta(seconds=20), is_all=True)
    await cursors.save(conn, Cursor("stripe_us", "poll", "c", covers_until=NOW - timedelta(seconds=100)), NOW - timedelta(seconds=40))
    await workers.join(conn, "local", "host", "1")
    await refused.note(conn, {("stripe_us", "stripe.signature_mismatch"): 7}, NOW)


async def test_figures_are_those_of_the_database(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as conn:
        await seed(conn, cipher)
    found = values(await Metrics(pool, SettableClock(NOW)).text())
    assert found["counterfoil_database_up",] == 1
    assert found["counterfoil_queue_depth", "stripe_us", "10", "read"] == 3
    assert found["counterfoil_queue_oldest_seconds", "stripe_us", "10", "read"] == 30
    assert found["counterfoil_received_total",] == 3
    assert (found["counterfoil_cases_open", "unmapped_tax"], found["counterfoil_cases_overdue", "unmapped_tax"]) == (1, 1)
    assert found["counterfoil_cases_money_minor", "unmapped_tax", "EUR"] == 11_900
    assert found["counterfoil_connection_down_seconds", "books", "post"] == 90
    assert found["counterfoil_connection_down_seconds", "stripe_us", "read"] == 20
    assert found["counterfoil_source_read_age_seconds", "stripe_us"] == 40
    assert found["counterfoil_coverage_age_seconds", "stripe_us"] == 100
    assert found["counterfoil_workers",] == 1
    assert found["counterfoil_deliveries_refused_total", "stripe.signature_mismatch", "stripe_us"] == 7


async def test_the_database_is_asked_once_however_often_it_is_scraped(pool: Pool) -> None:
    metrics = Metrics(pool, SettableClock(NOW), every_s=3600.0)
    before = values(await metrics.text())
    async with pool.connection() as conn:
        await workers.join(conn, "local", "host", "1")
    assert values(await metrics.text()) == before
    metrics.every_s = 0.0
    assert values(await metrics.text())["counterfoil_workers",] == 1


async def test_a_database_that_is_away_is_a_figure_too(database: str) -> None:
    async with open_pool(database, size_min=1, size_max=1) as pool:
        metrics = Metrics(pool, SettableClock(NOW))
    found = values(await metrics.text())  # the pool is closed
    assert found["counterfoil_database_up",] == 0
    assert "counterfoil_workers" not in {name for name, *_ in found}

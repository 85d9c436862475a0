"""The live picture: rates worked by hand, everything in 80 columns, and a database asked only for what is open."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console
from tests.claiming import claim_all

from counterfoil.app.topping import Flow, Maintained, Top, flows, maintained
from counterfoil.cli.top import picture
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.keys import WAITS_FOR_NOTHING, NeedKey
from counterfoil.kit.limits import BreakerState
from counterfoil.kit.windows import Dated, Weekly, Window
from counterfoil.store import outbox, pulse
from counterfoil.store.blocking import Blocked, Blocker
from counterfoil.store.budgets import BudgetSeen
from counterfoil.store.cases import Case, CaseMoney, CaseState
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import End, EndStatus
from counterfoil.store.pool import Conn
from counterfoil.store.pulse import Counters, PostedCounts, Queue, Recent
from counterfoil.store.standing import ConnectionStanding
from counterfoil.store.workers import Worker

from .conftest import Program
from .seeds import deliveries

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_rates_are_differences_over_ten_seconds_and_a_minute() -> None:
    # 100 more in the last ten seconds, 310 in the 62 before.
    history = [Counters(0.0, 0, 0, 0), Counters(50.0, 205, 0, 0), Counters(52.0, 210, 0, 0), Counters(62.0, 310, 62, 0)]
    found = {flow.stage: flow for flow in flows(history, PostedCounts(50, 120))}
    assert found["received"] == Flow("received", 10.0, 5.0)
    assert found["read"] == Flow("read", 6.2, 1.0)
    assert found["decided"] == Flow("decided", 0.0, 0.0)
    assert found["posted"] == Flow("posted", 5.0, 2.0)


def test_a_minute_that_was_not_watched_has_no_rate() -> None:
    found = flows([Counters(0.0, 0, 0, 0), Counters(1.0, 7, 0, 0)], PostedCounts(0, 0))
    assert found[0] == Flow("received", 7.0, None)


def test_statistics_that_were_reset_give_no_negative_rate() -> None:
    assert flows([Counters(0.0, 0, 500, 0), Counters(10.0, 0, 20, 0)], PostedCounts(0, 0))[1].last_10_s == 0.0


def full() -> Top:
    """Return a picture with something of everything."""
    case = Case(
        12, "f", "rejected_by_target", "odoo.refused", "upsert_customer customer_stripe.cus_NffrFeUfNV2Hib: the VAT number is wrong",
        "Mend it.",
        "de", "books", "finance", "revenue", None, "", CaseState.OPEN, NOW, NOW, None, "", "", 1, WAITS_FOR_NOTHING,
    )  # fmt: skip
    blocked = Blocked(41, 2, (CaseMoney("EUR", 1234567), CaseMoney("JPY", 5000)), NOW - timedelta(minutes=7), "post_payment")
    return Top(
        at=NOW,
        flows=(Flow("received", 120.4, 98.2), Flow("read", 118.0, 97.0), Flow("decided", 260.0, None), Flow("posted", 31.5, 30.0)),
        queues=(
            Queue("read", 10, 3, NOW - timedelta(seconds=1)),
            Queue("read", 40, 20001, NOW - timedelta(hours=5), is_cut=True),
            Queue("decide", 10, 12, NOW - timedelta(seconds=2)),
            Queue("post", 10, 950, NOW - timedelta(seconds=31)),
            Queue("verify", 10, 4, NOW - timedelta(seconds=3)),
            Queue("needs", 10, 41, NOW - timedelta(minutes=7)),
            Queue("parked", 10, 1, NOW - timedelta(minutes=8)),
        ),
        recent=(Recent("read", 10, 1000, 0.41), Recent("post", 10, 1000, 7.9), Recent("post", 40, 12, 3600.0)),
        budgets=(
            BudgetSeen("books", 50.0, 200.0, 3, 4, None, BreakerState.CLOSED, None, "odoo.locked", NOW - timedelta(seconds=40)),
            BudgetSeen("stripe_us", 25.0, 25.0, 0, 8, None, BreakerState.OPEN, NOW, "stripe.unavailable", NOW),
        ),
        standings=(ConnectionStanding("stripe_us", down_since=NOW - timedelta(minutes=3)),),
        relearning=(),
        blockers=(Blocker(case, blocked),),
        workers=(
            Worker("web1#17", "web1.example", "0.3.0", NOW - timedelta(days=2), NOW - timedelta(seconds=2), drains=8),
            Worker("web2#18", "web2.example", "0.3.0", NOW - timedelta(days=2), NOW - timedelta(seconds=44), drains=3),
        ),
    )


@pytest.mark.parametrize("width", [80, 140])
def test_everything_is_told_in_80_columns_as_in_140(width: int) -> None:
    file = io.StringIO()
    Console(width=width, file=file, force_terminal=False).print(picture(full(), width))
    text = file.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    squeezed = " ".join(text.split())
    for words in ("1 worker", "120", "20,001+", "real time", "away since 3 min", "41 postings", "12,345.67 EUR", "44.0 s", "950"):
        assert words in squeezed, words


def connections_shown(found: Top, width: int = 140) -> str:
    """Return the table of connections as it is printed, every run of white space as one blank."""
    file = io.StringIO()
    Console(width=width, file=file, force_terminal=False).print(picture(found, width))
    return " ".join(file.getvalue().partition("Connections")[2].partition("Stands still")[0].split())


def test_a_declared_maintenance_is_told_with_its_end_beside_what_else_is_wrong() -> None:
    # The books are well, the source is away, and a connection nobody has called yet is maintained till the day after.
    ends = {"archive": timedelta(hours=13), "books": timedelta(hours=2), "stripe_us": timedelta(minutes=45)}
    shown = connections_shown(replace(full(), maintenance=tuple(Maintained(name, NOW + after) for name, after in ends.items())))
    assert "archive declared maintenance until 2026-03-03 01:00 UTC, 13.0 h left" in shown
    assert "books declared maintenance until 14:00 UTC, 2.0 h left 50.0 200" in shown
    assert "stripe_us declared maintenance until 12:45 UTC, 45 min left 25.0 25.0" in shown
    assert "away since 3 min" in shown
    assert "fine" not in shown
    assert "maintenance" not in connections_shown(full())


def test_windows_in_force_are_found_by_the_clock() -> None:
    # 2 March 2026 is a Monday; noon in UTC is 13:00 in Berlin.
    berlin = Weekly(frozenset({0}), time(13), time(15, 30), ZoneInfo("Europe/Berlin"))
    windows: dict[str, list[Window]] = {"books": [berlin], "stripe_us": [Dated(NOW - timedelta(hours=2), NOW)], "archive": []}
    assert maintained(windows, NOW) == (Maintained("books", datetime(2026, 3, 2, 14, 30, tzinfo=UTC)),)
    assert maintained(windows, NOW - timedelta(seconds=1)) == (Maintained("stripe_us", NOW),)


def test_the_configuration_s_maintenance_is_shown_and_told_to_programs(program: Program) -> None:
    assert program.run("top", "--json").json()["maintenance"] == []
    window = "[[connections.books.maintenance]]\nstarts_at = 2020-01-01T00:00:00Z\nends_at = 2999-12-31T22:00:00Z\n"
    program.config.write_text(f"{program.config.read_text('utf-8')}\n{window}", "utf-8")
    assert program.run("top", "--json").json()["maintenance"] == [{"connection": "books", "until": "2999-12-31T22:00:00+00:00"}]
    assert "declared maintenance until 2999-12-31 22:00 UTC" in " ".join(program.run("top", "--once").out.split())


def test_an_empty_hub_says_what_to_do(program: Program) -> None:
    ended = program.run("top", "--once")
    assert ended.code == 0
    assert "no worker is running: `counterfoil up`" in ended.out


def test_what_waits_is_told_by_stage_and_lane(program: Program, database: str) -> None:
    deliveries(database, program.folder, "invoice.paid", "invoice.paid")
    found = program.run("top", "--json").json()
    assert [(one["stage"], one["lane"], one["count"]) for one in found["queues"]] == [("read", 10, 2)]
    assert [flow["stage"] for flow in found["flows"]] == ["received", "read", "decided", "posted"]


async def test_open_postings_are_told_apart_and_done_ones_give_the_time_they_took(conn: Conn, cipher: Cipher) -> None:
    subject = INVOICE.ref("stripe:in_1")
    wishes = [
        outbox.NewCommand(
            f"{n:032x}", "post_invoice", "books", "de", "b", subject, f"k{n}", b"{}", needs=(NeedKey("x"),) if n == 3 else (), lane=10 * n
        )
        for n in (1, 2, 3)
    ]
    await outbox.wish(conn, cipher, wishes, NOW - timedelta(seconds=30))
    (row, *_) = await claim_all(conn, cipher, "books", "b", NOW)
    await outbox.mark_sent(conn, [row], NOW)
    seen = [(one.stage, one.lane, one.count) for one in await pulse.queues(conn)]
    assert seen == [("needs", 30, 1), ("post", 20, 1), ("verify", 10, 1)]
    (row,) = await outbox.read(conn, cipher, [row.id])
    await outbox.settle(conn, [End(row.id, row.created_at, EndStatus.DONE, "account.move/1")], NOW)
    await conn.execute(
        "insert into attempt (started_at, ended_at, target, batch_key, kind, size, request_digest, done, refused, unknown, retried,"
        " command_ids) values (%(now)s, %(now)s, 'books', 'b', 'post_invoice', 1, '', 1, 0, 0, 0, array[%(id)s::uuid])",
        {"now": NOW - timedelta(seconds=20), "id": row.id},
    )
    assert await pulse.recent(conn, NOW) == [Recent("post", 10, 1, 30.0)]
    assert await pulse.posted(conn, NOW) == PostedCounts(0, 1)


async def test_a_long_queue_is_told_as_at_least_so_long(conn: Conn, cipher: Cipher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "OPEN_MAX", 2)
    subject = INVOICE.ref("stripe:in_1")
    wishes = [outbox.NewCommand(f"{n:032x}", "post_invoice", "books", "de", "b", subject, f"k{n}", b"{}") for n in range(5)]
    await outbox.wish(conn, cipher, wishes, NOW)
    (queue,) = await pulse.queues(conn)
    assert (queue.count, queue.is_cut) == (3, True)


async def test_counters_rise_with_what_comes_in(conn: Conn, cipher: Cipher) -> None:
    before = await pulse.counters(conn)
    subject = INVOICE.ref("stripe:in_1")
    await outbox.wish(conn, cipher, [outbox.NewCommand(f"{9:032x}", "post_invoice", "books", "de", "b", subject, "k9", b"{}")], NOW)
    after = await pulse.counters(conn)
    assert (after.decided - before.decided, after.received - before.received) == (1, 0)
    assert after.at_s > before.at_s

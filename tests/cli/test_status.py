"""What status tells, and when it is a finding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from counterfoil.app.coverage import coverage
from counterfoil.cli.output import money, span
from counterfoil.cli.status import left, under_way
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.store import cursors, embedded, reading, standing, workers
from counterfoil.store.cursors import Cursor
from counterfoil.store.objects import ObjectTotal
from counterfoil.store.receipts import ReceiptState
from counterfoil.store.standing import ConnectionTrouble

from .conftest import Program
from .seeds import deliveries, in_database, settled, unmapped_tax

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_an_empty_hub_is_in_balance(program: Program, database: str) -> None:
    at_work(database)
    ended = program.run("status", "--json")
    assert ended.code == 0
    found = ended.json()
    assert found["problems"] == []
    assert (found["balanced"], found["wished"], found["sources"], found["cases"]) == (True, 0, [], [])


def at_work(database: str) -> None:
    """Have a worker be heard of now."""
    in_database(database, lambda conn: workers.join(conn, "local", "host", "1.0"))


def test_a_hub_nobody_works_for_is_a_finding(program: Program, database: str) -> None:
    ended = program.run("status")
    assert (ended.code, "no worker is running" in ended.err) == (1, True)
    at_work(database)
    in_database(database, lambda conn: conn.execute("update worker set beat_at = clock_timestamp() - interval '61 s'"))
    assert program.run("status").code == 1


def test_a_disk_without_room_for_the_database_is_a_finding_while_it_still_answers(
    program: Program, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work(database)
    (program.folder / "home" / "postgres").mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(embedded, "DISK_FULL_BYTES", 10**18)
    found = program.run("status", "--json")
    assert (found.code, len(found.json()["problems"])) == (1, 1)
    assert " is full (" in found.json()["problems"][0]


def test_a_target_that_is_away_and_a_source_that_cannot_be_read_are_findings(program: Program, database: str) -> None:
    at_work(database)
    away, refused_key = (
        ConnectionTrouble("http.unreachable", "POST /json/2: no connection"),
        ConnectionTrouble("http.unauthorized", "401", is_refused=True),
    )
    minute_ago = datetime.now(UTC) - timedelta(seconds=50)
    in_database(database, lambda conn: standing.note_down(conn, "books", away, minute_ago, is_by_sending=False))
    missed = reading.Missed("poll", refused_key, datetime.now(UTC))
    in_database(database, lambda conn: reading.failed(conn, "stripe_de", [missed], datetime.now(UTC), is_all=True))
    ended = program.run("status", "--json")
    assert ended.code == 1
    by_name = {one["connection"]: one for one in ended.json()["connections"]}
    assert (by_name["books"]["state"], by_name["books"]["reason"]) == ("away", "http.unreachable: POST /json/2: no connection")
    assert by_name["stripe_de"]["state"] == "refused"
    assert [one.split(":")[0].rsplit(" since", 1)[0] for one in ended.json()["problems"]] == [
        "books is away",
        "stripe_de is refused",
        "1 open case(s) of operations",
    ]
    in_database(database, lambda conn: standing.note_up(conn, "books", datetime.now(UTC)))
    in_database(database, lambda conn: reading.succeeded(conn, "stripe_de", {"poll"}, datetime.now(UTC)))
    assert program.run("status").code == 0


def test_a_list_of_changes_that_alone_cannot_be_read_is_named(program: Program, database: str) -> None:
    at_work(database)
    minute_ago = datetime.now(UTC) - timedelta(seconds=50)
    missed = reading.Missed("poll/journal", ConnectionTrouble("word.down", "GET /journal: status 500"), minute_ago)
    in_database(database, lambda conn: reading.failed(conn, "stripe_de", [missed], minute_ago, is_all=False))
    ended = program.run("status", "--json")
    (one,) = [one for one in ended.json()["connections"] if one["connection"] == "stripe_de"]
    assert (ended.code, one["state"], one["reason"]) == (1, "read in part", "journal: word.down: GET /journal: status 500")
    assert ended.json()["problems"][0].startswith("stripe_de is read in part since ")


def test_a_source_nobody_reads_any_more_is_a_finding(program: Program, database: str) -> None:
    at_work(database)
    # Polled every 60 s: three rounds missed and a minute more are 240 s.
    for seconds, code in ((200, 0), (250, 1)):
        read_at = datetime.now(UTC) - timedelta(seconds=seconds)
        seen = Cursor("stripe_de", "poll", "c", covers_until=read_at)
        in_database(database, partial(cursors.save, cursor=seen, now=read_at))
        assert program.run("status").code == code


def test_a_database_that_is_away_is_told_at_once_with_its_cause(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    for command in (("status",), ("top", "--once")):
        ended = program.run(*command)
        assert (ended.code, "Connection refused" in ended.err) == (3, True)


def test_every_delivery_is_somewhere(program: Program, database: str) -> None:
    first, second, _third = deliveries(database, program.folder, "invoice.paid", "plan.created", "invoice.paid")
    settled(database, ReceiptState.NORMALIZED, first)
    settled(database, ReceiptState.IGNORED, second, rule="plan_not_kept")
    found = program.run("status", "--json").json()
    assert found["sources"] == [{"connection": "stripe_de", "received": 3, "normalized": 1, "ignored": 1, "parked": 0, "pending": 1}]
    assert found["ignored"] == [{"connection": "stripe_de", "rule": "plan_not_kept", "count": 1}]
    shown = program.run("status").out
    assert "Received = read + ignored by rule + parked + to be read" in shown
    assert "plan_not_kept" in shown


def test_payments_under_way_are_shown_apart() -> None:
    found = [ObjectTotal(PAYMENT.name, "", "USD", state, 2, 30000) for state in ("pending", "succeeded")]
    assert [(one.state, one.count, one.total_minor) for one in under_way(found)] == [("pending", 2, 30000)]


def test_an_overdue_case_is_a_finding_and_its_money_is_shown_in_its_currency(program: Program, database: str) -> None:
    unmapped_tax(database)
    ended = program.run("status")
    assert ended.code == 1
    assert "tax not mapped" in ended.out
    assert "119.00 EUR" in ended.out


def test_coverage_says_until_when_there_is_no_gap_and_how_long_the_rest_can_be_had(program: Program, database: str) -> None:
    at_work(database)
    read_at = datetime.now(UTC)
    seen = Cursor("stripe_de", "poll", "c", covers_until=read_at - timedelta(minutes=2), recoverable_since=read_at - timedelta(days=30))
    in_database(database, lambda conn: cursors.save(conn, seen, read_at))
    ended = program.run("status", "--json")
    assert ended.code == 0
    line = ended.json()["coverage"][0]
    assert line["no_gap_until"] == (read_at - timedelta(minutes=2)).isoformat()
    assert 719 < line["hours_left"] < 720


def test_hours_left_shrink_while_nobody_polls() -> None:
    # Read on 1 February with events kept for 30 days, covered up to that day: what happened just after is gone on 3 March at noon.
    read_at = datetime(2026, 2, 1, 12, tzinfo=UTC)
    cursor = Cursor("s", "poll", "", covers_until=read_at, recoverable_since=datetime(2026, 1, 2, 12, tzinfo=UTC), updated_at=read_at)
    (line,) = coverage([cursor, Cursor("s", "backfill/invoice/2026", "")], NOW)
    assert line.hours_left == 24.0
    assert not line.is_at_risk
    (later,) = coverage([cursor], NOW + timedelta(hours=30))
    assert later.hours_left == -6.0
    assert later.is_at_risk


def test_coverage_is_what_holds_for_every_list_of_a_source_that_is_read() -> None:
    searches = Cursor("crm", "poll/companies", "c", NOW, NOW - timedelta(days=30), updated_at=NOW)
    journal = Cursor("crm", "poll/journal", "7", NOW - timedelta(hours=5), NOW - timedelta(hours=72), updated_at=NOW - timedelta(hours=4))
    former = Cursor("crm", "poll", "joint", NOW - timedelta(days=9), is_read=False)
    (line,) = coverage([searches, journal, former], NOW)
    # The journal keeps 68 hours before it was read last: what happened 5 hours ago is gone in 63.
    assert (line.no_gap_until, line.read_at, line.hours_left) == (NOW - timedelta(hours=5), NOW, 63.0)
    (begun,) = coverage([searches, Cursor("crm", "poll/journal", "")], NOW)
    assert begun.no_gap_until is None, "a list that was never read proves nothing, and so does its source"


def test_a_stream_beside_the_lists_has_a_clock_of_its_own_and_takes_nothing_from_what_they_prove() -> None:
    lists = Cursor("crm", "poll/Account", "c", NOW, NOW - timedelta(days=15), updated_at=NOW)
    # Kept for 72 hours; the last that was kept is 70 hours old.
    stream = Cursor("crm", "listen", "7", NOW - timedelta(hours=70), NOW - timedelta(hours=142), updated_at=NOW - timedelta(hours=70))
    (line,) = coverage([lists, stream], NOW)
    assert (line.no_gap_until, line.hours_left, line.stream_hours_left, line.is_at_risk) == (NOW, 360.0, 2.0, False)
    assert left(line) == "360 h, stream 2 h"
    (alone,) = coverage([stream], NOW)
    assert (alone.hours_left, alone.stream_hours_left) == (2.0, None)
    assert left(alone) == "2 h - AT RISK"


def test_a_source_that_keeps_everything_has_no_hours_left_to_count() -> None:
    (line,) = coverage([Cursor("files", "poll", "", covers_until=NOW, updated_at=NOW)], NOW + timedelta(days=300))
    assert line.hours_left is None
    assert not line.is_at_risk


def test_amounts_have_the_decimals_of_their_currency() -> None:
    assert money(123456, "EUR") == "1,234.56 EUR"
    assert money(-5000, "JPY") == "-5,000 JPY"
    assert money(1234567, "KWD") == "1,234.567 KWD"
    assert money(None, "EUR") == ""
    assert money(0, "EUR") == "0.00 EUR"


def test_lengths_of_time_are_told_in_their_largest_sensible_unit() -> None:
    assert [span(0.34), span(4.21), span(720), span(12_600), span(2_592_000)] == ["340 ms", "4.2 s", "12 min", "3.5 h", "30 d"]

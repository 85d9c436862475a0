"""Replays at the terminal: the plan, the order a worker takes, stopping and resuming, and the rehearsal."""

from __future__ import annotations

import pytest

from counterfoil.store import bundles
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import ReceiptState

from .conftest import PLAIN, Program
from .seeds import armed, deliveries, in_database, settled


def test_a_replay_shows_its_plan_and_is_then_left_to_a_worker(program: Program, database: str) -> None:
    one, two, three = deliveries(database, program.folder, "invoice.paid", "invoice.paid", "plan.created")
    settled(database, ReceiptState.NORMALIZED, one, two)
    settled(database, ReceiptState.IGNORED, three, rule="plan_not_kept")
    selection = ("replay", "--connection", "stripe_de", "--kind", "invoice.paid")
    plan = program.run(*selection, "--json")
    counted = {"normalized": 2, "ignored": 0, "parked": 0}
    assert plan.json() == {"applied": False, "receipts": counted, "total": 2, "erased": 0, "replay": None}
    assert armed(database) == []
    assert program.run(*selection, "--rate", "50", "--apply", "--json").json() == {**plan.json(), "applied": True, "replay": 1}
    assert _states(database) == ["normalized", "normalized", "ignored"]
    assert armed(database) == [("replay", "1")]
    [listed] = program.run("replay", "--list", "--json").json()
    assert {name: listed[name] for name in ("replay", "state", "total", "read", "rate")} == {
        "replay": 1, "state": "running", "total": 2, "read": 0, "rate": 50,
    }  # fmt: skip


def test_a_replay_is_stopped_and_resumed_once(program: Program, database: str) -> None:
    (one,) = deliveries(database, program.folder, "invoice.paid")
    settled(database, ReceiptState.NORMALIZED, one)
    assert program.run("replay", str(one), "--apply").code == 0
    assert [program.run("replay", "--stop", "1").code for _ in range(2)] == [0, 1]
    assert program.run("replay", "--list", "--json").json()[0]["state"] == "stopped"
    assert [program.run("replay", "--resume", "1").code for _ in range(2)] == [0, 1]
    assert "running" in program.run("replay", "--list").out
    assert program.run("replay", "--stop", "7").code == 1
    assert program.run("replay", "--stop", "1", "--apply").code == 2


def test_a_rehearsal_reads_and_writes_nothing(program: Program, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_STRIPE_KEY", "sk_test_x")
    monkeypatch.setenv("TEST_STRIPE_SECRET", "whsec_x")
    program.configure(PLAIN.replace('box = "', f'box = "{program.folder}/'))
    (one,) = deliveries(database, program.folder, "plan.created")
    settled(database, ReceiptState.NORMALIZED, one)
    ended = program.run("replay", str(one), "--dry-run", "--json")
    assert (ended.code, ended.json()["read"], ended.json()["differs"]) == (1, 1, True)
    assert ended.json()["outcomes"] == [{"is": "normalized", "would_be": "ignored: told_by_price", "receipts": 1}]
    assert "Nothing was changed." in program.run("replay", str(one), "--dry-run").err
    assert _states(database) == ["normalized"]
    settled_again = program.run("replay", str(one), "--dry-run", "--apply")
    assert settled_again.code == 2


def test_a_replay_is_narrowed_down_by_state_and_period(program: Program, database: str) -> None:
    one, two = deliveries(database, program.folder, "invoice.paid", "invoice.paid")
    settled(database, ReceiptState.NORMALIZED, one)
    settled(database, ReceiptState.PARKED, two, rule="x")
    base = ("replay", "--connection", "stripe_de", "--json")
    assert program.run(*base, "--state", "parked").json()["total"] == 1
    assert program.run(*base, "--since", "2026-03-02", "--until", "2026-03-03").json()["total"] == 2
    assert program.run(*base, "--since", "2026-03-03").json()["total"] == 0
    assert program.run(*base, "--until", "2026-03-02T08:00Z").json()["total"] == 0
    assert program.run(*base, "--since", "yesterday").code == 2


def test_single_receipts_are_replayed_by_number(program: Program, database: str) -> None:
    (one,) = deliveries(database, program.folder, "invoice.paid")
    settled(database, ReceiptState.NORMALIZED, one)
    assert program.run("replay", str(one), "--apply", "--json").json()["total"] == 1
    assert program.run("replay", "4711").code == 2
    assert program.run("replay").code == 2
    assert program.run("replay", "--connection", "nobody").code == 2


def _states(database: str) -> list[str]:
    async def read(conn: Conn) -> list[str]:
        return [row[0] for row in await (await conn.execute(f"select {bundles.STATE} from receipt r order by id")).fetchall()]

    return in_database(database, read)

"""Bad rows in a batch: set aside by name, found by halving where Odoo names none, repeated where only a race was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from counterfoil.connectors.odoo import load as module
from counterfoil.connectors.odoo.config import OdooConfig
from counterfoil.connectors.odoo.detect import Dialect, Session, connect
from counterfoil.connectors.odoo.load import LoadRow, LoadTable, load
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk
from counterfoil.kit.errors import SetupError, TransientError

TABLE = LoadTable("account.move", ("id",), is_insert_only=True, context={})
ROWS = [LoadRow(f"k{n}", ((f"x.{n}",),)) for n in range(8)]


class Scripted:
    """Stands for the client: answers each load by a function of its rows."""

    def __init__(self, answer: Callable[[list[str]], dict[str, Any]]) -> None:
        self.answer = answer
        self.sent: list[list[str]] = []

    async def call(self, _model: str, _method: str, **kwargs: Any) -> dict[str, Any]:
        rows = [cells[0] for cells in kwargs["data"]]
        self.sent.append(rows)
        assert kwargs["context"] == {"mode": "update", "noupdate": True}
        return self.answer(rows)


def session(client: Scripted) -> Session:
    """Return a session over the scripted client."""
    config = OdooConfig.model_validate({"url": "http://odoo.example", "database": "d", "api_key": "k"})
    return Session(client, Dialect("19.0", 19, None, {}), config)  # type: ignore[arg-type]


def good(rows: list[str]) -> dict[str, Any]:
    """Answer ids made of the rows' numbers."""
    return {"ids": [int(row.removeprefix("x.")) for row in rows], "messages": [], "nextrow": 0}


def refusing(bad: set[str], *, is_named: bool) -> Callable[[list[str]], dict[str, Any]]:
    """Refuse batches that hold a bad row, naming it or not."""

    def answer(rows: list[str]) -> dict[str, Any]:
        found = [index for index, row in enumerate(rows) if row in bad]
        if not found:
            return good(rows)
        named = [{"type": "error", "message": "no", "record": index, "rows": {"from": index, "to": index}} for index in found]
        return {"ids": False, "messages": named if is_named else [{"type": "error", "message": "no"}], "nextrow": 0}

    return answer


async def test_named_rows_are_set_aside_and_the_rest_sent_again() -> None:
    client = Scripted(refusing({"x.2", "x.5"}, is_named=True))
    done = await load(session(client), TABLE, ROWS)
    assert sorted(done.refused) == ["k2", "k5"]
    assert done.ids == {f"k{n}": n for n in (0, 1, 3, 4, 6, 7)}
    assert len(client.sent) == 2


async def test_a_row_that_is_not_named_is_found_by_halving() -> None:
    client = Scripted(refusing({"x.6"}, is_named=False))
    done = await load(session(client), TABLE, ROWS)
    assert list(done.refused) == ["k6"]
    assert len(done.ids) == 7
    # 8, then 4 good, 4 bad, 2 good... : 8 | 0-3 | 4-7 | 4-5 | 6-7 | 6 | 7
    assert [len(rows) for rows in client.sent] == [8, 4, 4, 2, 2, 1, 1]


async def test_a_lost_race_is_run_again_and_refuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RACE_WAIT_S", (0.0, 0.0))
    lost = {"ids": False, "messages": [{"type": "error", "message": "could not serialize access due to concurrent update", "record": 0}]}
    answers = [lost, lost]
    client = Scripted(lambda rows: answers.pop() if answers else good(rows))
    done = await load(session(client), TABLE, ROWS)
    assert len(done.ids) == 8
    assert not done.refused


async def test_races_lost_again_and_again_end_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RACE_WAIT_S", (0.0, 0.0))
    client = Scripted(lambda rows: {"ids": False, "messages": [{"type": "error", "message": "deadlock detected", "record": 0}]})
    with pytest.raises(TransientError) as caught:
        await load(session(client), TABLE, ROWS)
    assert not caught.value.is_outcome_unknown
    assert len(client.sent) == 5


def told(record: int, words: str, **more: Any) -> dict[str, Any]:
    """Return an error message of load."""
    return {"type": "error", "record": record, "rows": {"from": record, "to": record}, "message": words, **more}


def heading(bad: dict[str, str]) -> Callable[[list[str]], dict[str, Any]]:
    """Refuse bad rows with their words as 18 and 19 do: what the whole batch failed with first, in the name of its first row."""

    def answer(rows: list[str]) -> dict[str, Any]:
        found = [told(index, bad[row]) for index, row in enumerate(rows) if row in bad]
        if not found:
            return good(rows)
        head = {**found[0], "record": 0, "rows": {"from": 0, "to": 0}}
        return {"ids": False, "messages": found if head in found else [head, *found], "nextrow": 0}

    return answer


@pytest.mark.parametrize(
    ("bad", "calls"),
    [
        ({"x.4": "no"}, 2),
        ({"x.4": "no", "x.6": "neither"}, 2),
        ({"x.0": "no"}, 2),
        ({"x.0": "no", "x.4": "no"}, 3),  # row 0 is named alone when row 4 is gone
        ({"x.0": "no", "x.4": "neither"}, 3),
    ],
)
async def test_a_first_row_is_refused_only_for_its_own_fault(bad: dict[str, str], calls: int) -> None:
    client = Scripted(heading(bad))
    done = await load(session(client), TABLE, ROWS)
    assert {key: refusal.message for key, refusal in done.refused.items()} == {f"k{row[2:]}": words for row, words in bad.items()}
    assert len(done.ids) == len(ROWS) - len(bad)
    assert len(client.sent) == calls


async def test_messages_of_a_database_in_trouble_refuse_nobody() -> None:
    words = 'could not extend file "base/16384/16999": No space left on device'
    client = Scripted(lambda rows: {"ids": False, "messages": [told(0, words), told(1, words)], "nextrow": 0})
    with pytest.raises(TransientError) as caught:
        await load(session(client), TABLE, ROWS)
    assert (caught.value.code, caught.value.is_unavailable, caught.value.is_outcome_unknown) == ("odoo.database_away", True, False)
    assert len(client.sent) == 1


async def test_a_right_that_is_missing_stops_the_connection_and_refuses_nobody() -> None:
    words = "You are not allowed to create 'Journal Entry' (account.move) records."
    client = Scripted(lambda rows: {"ids": False, "messages": [told(index, words) for index in range(len(rows))], "nextrow": 0})
    with pytest.raises(SetupError) as caught:
        await load(session(client), TABLE, ROWS)
    assert caught.value.code == "odoo.forbidden"
    assert "Journal Entry" in str(caught.value)


@pytest.mark.parametrize(("barred", "stops"), [(range(1), False), (range(8), True)])
async def test_a_record_out_of_reach_is_refused_and_all_of_them_stop_the_connection(barred: range, stops: bool) -> None:
    words = "Uh-oh! Looks like you have stumbled upon some top-secret records."
    bad = {f"x.{n}": words for n in barred}
    client = Scripted(heading(bad))
    if stops:
        with pytest.raises(SetupError):
            await load(session(client), TABLE, ROWS)
    else:
        assert list((await load(session(client), TABLE, ROWS)).refused) == ["k0"]


@EVERY_VERSION
async def test_the_first_of_a_batch_is_not_refused_for_another_ones_fault(desk: Desk) -> None:
    # Odoo refuses the fourth of five entries, which is not balanced; 18 and 19 name the first as well, with the same words.
    debit, credit = await desk.account_id("699100"), await desk.account_id("199100")
    fields = ("id", "move_type", "date", "line_ids/account_id/.id", "line_ids/debit", "line_ids/credit")
    table = LoadTable("account.move", fields, is_insert_only=True, context={"allowed_company_ids": [desk.company_id]})
    rows = [
        LoadRow(
            f"e{n}",
            (
                (f"counterfoil.{desk.wishes.run}.e{n}", "entry", "2026-03-03", str(debit), "10.00", "0"),
                ("", "", "", str(credit), "0", "9.99" if n == 3 else "10.00"),
            ),
        )
        for n in range(5)
    ]
    done = await load(await connect(desk.ctx), table, rows)
    assert list(done.refused) == ["e3"]
    assert sorted(done.ids) == ["e0", "e1", "e2", "e4"]

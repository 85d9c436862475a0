"""Bad rows in a batch: set aside by name, found by halving where Odoo names none, repeated where only a race was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from counterfoil.connectors.odoo import load as module
from counterfoil.connectors.odoo.config import OdooConfig
from counterfoil.connectors.odoo.detect import Dialect, Session
from counterfoil.connectors.odoo.load import Row, Table, load
from counterfoil.kit.errors import TransientError

TABLE = Table("account.move", ("id",), is_insert_only=True, context={})
ROWS = [Row(f"k{n}", ((f"x.{n}",),)) for n in range(8)]


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

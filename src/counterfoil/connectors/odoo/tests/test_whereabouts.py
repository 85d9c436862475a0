"""What became of records: there, gone, or there and out of the user's sight, which a search alone cannot tell apart."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import pytest

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk
from counterfoil.core.language.commands import Command
from counterfoil.kit.errors import SetupError
from counterfoil.kit.writing import OUT_OF_SIGHT

MODULE = importlib.import_module("counterfoil.connectors.odoo.whereabouts")  # its package names the function so


async def where(desk: Desk, wishes: Sequence[Command]) -> list[str]:
    """Return where the records of the wishes are: here, gone, or out of sight."""
    assert CONNECTOR.whereabouts is not None
    asked = {desk.bindings[wish.produces]: wish.external_key for wish in wishes}
    found = await CONNECTOR.whereabouts(desk.ctx, asked)
    assert found.keys() == asked.keys()
    return ["here" if place == record else place or "gone" for record, place in ((one, found[one]) for one in asked)]


async def five(desk: Desk) -> list[Command]:
    """Make five customers; the second and the third are deleted, the fourth and the fifth given to a company that is none of ours."""
    customers = [desk.wishes.customer(f"Customer {number}") for number in range(5)]
    outcomes = await desk.done(*customers)
    ids = [int(outcome.external_id.rpartition("/")[2]) for outcome in outcomes]
    await desk.plain.call("res.partner", "unlink", ids[1:3])
    elsewhere = await desk.plain.create("res.company", name=f"Elsewhere {desk.wishes.run}")
    await desk.plain.call("res.partner", "write", ids[3:], vals={"company_id": elsewhere})
    return customers


@EVERY_VERSION
@pytest.mark.parametrize("may_list", [True, False], ids=["sees external ids", "may not"])
async def test_what_is_out_of_sight_is_told_from_what_is_gone(desk: Desk, monkeypatch: pytest.MonkeyPatch, may_list: bool) -> None:
    call = OdooClient.call

    async def refusing(client: OdooClient, model: str, *given: Any, **named: Any) -> Any:
        if model == "ir.model.data" and not may_list:
            raise SetupError("You are not allowed to access 'Model Data'", code="odoo.forbidden")
        return await call(client, model, *given, **named)

    customers = await five(desk)
    monkeypatch.setattr(OdooClient, "call", refusing)
    assert await where(desk, customers) == ["here", "gone", "gone", OUT_OF_SIGHT, OUT_OF_SIGHT]


async def test_what_is_not_looked_at_one_by_one_any_more_counts_as_out_of_sight(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # Four of five are not found. The second half is refused, then its first one alone: after that nothing is told apart any further.
    monkeypatch.setattr(MODULE, "_LOOKS_MAX", 1)
    customers = await five(desk)
    assert await where(desk, customers) == ["here", "gone", "gone", OUT_OF_SIGHT, OUT_OF_SIGHT]
    monkeypatch.setattr(MODULE, "_LOOKS_MAX", 0)
    assert await where(desk, customers) == ["here", OUT_OF_SIGHT, OUT_OF_SIGHT, OUT_OF_SIGHT, OUT_OF_SIGHT]

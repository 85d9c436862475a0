"""Drafts that a worker left: posted, made afresh or removed, and never with what somebody changed in them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from counterfoil.connectors.odoo import posting
from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk, statuses
from counterfoil.connectors.odoo.tests.wishes import line
from counterfoil.core.language.commands import Command
from counterfoil.kit.errors import TransientError


async def left_as_draft(desk: Desk, *, edit: dict[str, object]) -> Command:
    """Wish an invoice of 100.00, let the try end before posting, and let a person edit its draft; return the wish."""
    customer = desk.wishes.customer()
    await desk.done(customer)
    wish = desk.wishes.invoice(customer, line(10000, tax="19%", tax_minor=1900), total=11900, tax=1900)
    call = OdooClient.call

    async def stop(client: OdooClient, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "action_post":
            raise TransientError("gone", code="http.closed", is_outcome_unknown=True)
        return await call(client, model, method, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OdooClient, "call", stop)
        assert statuses(await desk.send(wish)) == ["unknown"]
    (row,) = await desk.plain.find("account.move", [["ref", "=", wish.subject.id.removeprefix("stripe:")]], ["id"], desk.company_id)
    move = int(row["id"])
    (sold,) = await desk.plain.find(
        "account.move.line", [["move_id", "=", move], ["display_type", "=", "product"]], ["id"], desk.company_id
    )
    values = {"invoice_line_ids": [[1, sold["id"], edit]]} if edit else {}
    await desk.plain.call("account.move", "write", [move], vals=values, context={"allowed_company_ids": [desk.company_id]})
    return wish


@EVERY_VERSION
async def test_a_draft_that_was_put_on_another_account_is_not_posted_and_is_made_afresh(desk: Desk) -> None:
    wish = await left_as_draft(desk, edit={"account_id": await desk.account_id("299100")})
    (outcome,) = await desk.send(wish)
    assert (outcome.status.value, outcome.code) == ("refused", "odoo.amount_mismatch")
    assert "account 299100 with 19% has 100.00 EUR, the source says 0.00 EUR" in outcome.message
    assert "account 499100 with 19% has 0.00 EUR, the source says 100.00 EUR" in outcome.message
    assert await drafts_left(desk) == 0
    await desk.done(wish)


@EVERY_VERSION
async def test_a_posted_invoice_of_another_customer_is_not_what_was_wished(desk: Desk) -> None:
    customer, other = desk.wishes.customer(), desk.wishes.customer("Other GmbH")
    await desk.done(customer, other)
    wish = desk.wishes.invoice(customer, line(10000), total=10000)
    (outcome,) = await desk.done(wish)
    move, context = int(outcome.external_id.partition("/")[2]), {"allowed_company_ids": [desk.company_id]}
    await desk.plain.call("account.move", "button_draft", [move], context=context)
    stranger = int(desk.bindings[other.produces].partition("/")[2])
    await desk.plain.call("account.move", "write", [move], vals={"partner_id": stranger}, context=context)
    await desk.plain.call("account.move", "action_post", [move], context=context)
    (again,) = await desk.send(wish)
    assert (again.status.value, again.code) == ("refused", "odoo.amount_mismatch")
    assert f"of partner {stranger} in Odoo" in again.message


async def drafts_left(desk: Desk) -> int:
    """Return how many drafts are in the entity's books."""
    domain = [["state", "=", "draft"], ["company_id", "=", desk.company_id]]
    return len(await desk.plain.find("account.move", domain, ["id"], desk.company_id))


@EVERY_VERSION
async def test_a_removed_draft_leaves_neither_itself_nor_its_number(desk: Desk) -> None:
    # 17 numbers the first draft of a period when it is made; the next one, posted before that is removed, comes after it.
    customer = desk.wishes.customer()
    await desk.done(customer)
    day = date(2027, 5, 3)
    bad = desk.wishes.invoice(customer, line(10000), total=20000, on=day)
    good = desk.wishes.invoice(customer, line(10000), total=10000, on=day)
    outcomes = await desk.send(bad, good)
    assert statuses(outcomes) == ["refused", "done"]
    assert "the draft was removed" in outcomes[0].message
    assert await drafts_left(desk) == 0
    (later,) = await desk.done(desk.wishes.invoice(customer, line(10000), total=10000, on=day))
    numbers = [int(name.rpartition("/")[2]) for name in (outcomes[1].external_name, later.external_name)]
    assert numbers[1] == numbers[0] + 1


@EVERY_VERSION
async def test_a_draft_whose_number_another_posted_first_takes_the_next_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    (first,) = await desk.done(desk.wishes.invoice(customer, line(100), total=100))
    taken = (await desk.record(first, "name"))["name"]
    call, posted = OdooClient.call, list[str]()

    async def race(client: OdooClient, model: str, method: str, ids: list[int] | None = None, **named: Any) -> Any:
        """Give the draft the number that was posted first, as two workers do that post a journal's first documents at once."""
        if method == "action_post" and not posted:
            await call(client, model, "write", ids, vals={"name": taken}, is_write=True)
        posted.extend([model] if method == "action_post" else [])
        return await call(client, model, method, ids, **named)

    monkeypatch.setattr(OdooClient, "call", race)
    monkeypatch.setattr(posting, "RACE_WAIT_S", (0.0, 0.0))
    (outcome,) = await desk.done(desk.wishes.invoice(customer, line(100), total=100))
    assert len(posted) == 2
    assert (outcome.external_name != taken, (await desk.record(outcome, "state"))["state"]) == (True, "posted")

"""Entries that say something else than was wished although their total is the same: changed by a person, or there under the key before."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.tests.conftest import Desk, statuses
from counterfoil.connectors.odoo.tests.wishes import CLEARING, FEES, RECEIVABLE
from counterfoil.core.commands.books import Account, AccountRole, EntryLine
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.kit.writing import Outcome


def eur(minor: int) -> Money:
    """Return euros."""
    return Money(minor, "EUR")


async def change(desk: Desk, outcome: Outcome, *lines: Any, is_posted: bool = True) -> None:
    """Have a person take an entry back to draft, change its lines (Odoo's commands) and, by default, post it again."""
    move_id = int(outcome.external_id.partition("/")[2])
    context = {"allowed_company_ids": [desk.company_id]}
    await desk.plain.call("account.move", "button_draft", [move_id], context=context)
    await desk.plain.call("account.move", "write", [move_id], vals={"line_ids": list(lines)}, context=context)
    if is_posted:
        await desk.plain.call("account.move", "action_post", [move_id], context=context)


async def resolve(desk: Desk, command: Command) -> Outcome:
    """Find out what became of a command whose outcome is unknown, as after a restore."""
    (outcome,) = await CONNECTOR.deliver[command.kind].resolve(desk.ctx, [command], desk.bindings)
    return outcome


def fee(desk: Desk) -> Command:
    """Wish a fee of 2.90."""
    return desk.wishes.entry(EntryLine(FEES, eur(290), "fee"), EntryLine(CLEARING, eur(-290), "fee"), journal="stripe")


async def test_the_same_total_on_another_account_is_not_what_was_wished(desk: Desk) -> None:
    entry = fee(desk)
    (outcome,) = await desk.done(entry)
    debit, _ = await desk.lines(outcome)
    await change(desk, outcome, [1, debit["id"], {"account_id": await desk.account_id("299500")}])
    again = await resolve(desk, entry)
    assert (again.status.value, again.code, again.case_class) == ("refused", "odoo.amount_mismatch", "amount_mismatch")
    assert again.external_id == outcome.external_id
    assert "account 699100 has 0.00 EUR, the source says 2.90 EUR" in again.message
    assert "account 299500 has 2.90 EUR, the source says 0.00 EUR" in again.message
    assert f"it is posted as {outcome.external_name}: take that back to draft in Odoo and delete it there" in again.message
    assert statuses(await desk.send(entry)) == ["refused"]
    assert [row["balance"] for row in await desk.lines(outcome)] == [2.9, -2.9]  # nothing was posted beside it


async def test_the_same_amount_for_another_customer_is_not_what_was_wished(desk: Desk) -> None:
    one, other = desk.wishes.customer(), desk.wishes.customer("Beta GmbH")
    ids = [outcome.external_id.partition("/")[2] for outcome in await desk.done(one, other)]
    bad_debt = EntryLine(Account(AccountRole.BAD_DEBT), eur(5000))
    entry = desk.wishes.entry(bad_debt, EntryLine(RECEIVABLE, eur(-5000), customer_id=one.subject.id))
    (outcome,) = await desk.done(entry)
    assert (await resolve(desk, entry)).status.value == "done"
    _, credit = await desk.lines(outcome)
    await change(desk, outcome, [1, credit["id"], {"partner_id": int(ids[1])}])
    again = await resolve(desk, entry)
    assert (again.status.value, again.case_class) == ("refused", "amount_mismatch")
    assert f"for partner {ids[0]} has 0.00 EUR, the source says -50.00 EUR" in again.message
    assert f"for partner {ids[1]} has -50.00 EUR, the source says 0.00 EUR" in again.message


async def test_another_amount_in_the_lines_own_currency_is_found_though_the_companys_is_equal(desk: Desk) -> None:
    entry = desk.wishes.entry(EntryLine(CLEARING, Money(1000, "USD"), company_amount=eur(925)), EntryLine(FEES, eur(-925)))
    (outcome,) = await desk.done(entry)
    debit, _ = await desk.lines(outcome)
    await change(desk, outcome, [1, debit["id"], {"amount_currency": 11.0, "debit": 9.25}])
    assert [row["balance"] for row in await desk.lines(outcome)] == [9.25, -9.25]
    again = await resolve(desk, entry)
    assert again.status.value == "refused"
    assert "account 199100 has 11.00 USD (9.25 EUR), the source says 10.00 USD (9.25 EUR)" in again.message


async def test_a_draft_with_other_lines_is_removed_and_never_posted(desk: Desk) -> None:
    entry = fee(desk)
    (outcome,) = await desk.done(entry)
    debit, _ = await desk.lines(outcome)
    await change(desk, outcome, [1, debit["id"], {"account_id": await desk.account_id("299500")}], is_posted=False)
    (again,) = await desk.send(entry)
    assert (again.status.value, again.code) == ("refused", "odoo.amount_mismatch")
    assert "nothing was posted and the draft was removed" in again.message
    assert await desk.lines(outcome) == []


async def test_an_amount_cut_into_lines_otherwise_is_still_what_was_wished(desk: Desk) -> None:
    # 2.00 and 0.90 on the fees are 2.90 on the fees.
    cut = (EntryLine(FEES, eur(200)), EntryLine(FEES, eur(90)), EntryLine(CLEARING, eur(-290)))
    entry = desk.wishes.entry(*cut)
    (outcome,) = await desk.done(entry)
    first, second, _ = await desk.lines(outcome)
    fees = await desk.account_id("699100")
    await change(desk, outcome, [1, first["id"], {"debit": 2.9}], [2, second["id"], 0])
    assert [(row["balance"], row["account_id"]) for row in await desk.lines(outcome, "account_id") if row["balance"] > 0] == [(2.9, fees)]
    assert (await resolve(desk, entry)).status.value == "done"


async def test_the_lines_of_a_whole_batch_are_read_in_one_call(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    call = OdooClient.call

    async def counted(self: OdooClient, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        if (model, method) == ("account.move.line", "search_read"):
            reads.append(kwargs["domain"])
        return await call(self, model, method, *args, **kwargs)

    monkeypatch.setattr(OdooClient, "call", counted)
    wrong = desk.wishes.entry(EntryLine(FEES, eur(100)), EntryLine(CLEARING, eur(-99)))
    outcomes = await desk.send(*(fee(desk) for _ in range(20)), wrong)
    assert statuses(outcomes) == ["done"] * 20 + ["refused"]
    assert len(reads) == 1

"""Taxes, accounts and journals made in Odoo after they were read: found by the batch that misses them, which reads once and not more."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk, statuses
from counterfoil.connectors.odoo.tests.wishes import DAY, RECEIVABLE, line
from counterfoil.core.commands.books import Account, AccountRole, EntryLine
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money


def watch_readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with the reading of taxes: a catalog's."""
    call, seen = OdooClient.call, list[str]()

    async def watching(client: OdooClient, model: str, method: str, *given: Any, **named: Any) -> Any:
        if (model, method) == ("account.tax", "search_read"):
            seen.append(model)
        return await call(client, model, method, *given, **named)

    monkeypatch.setattr(OdooClient, "call", watching)
    return seen


async def make_tax(desk: Desk, name: str) -> None:
    """Make a sales tax of 7 %, as a person does in Odoo."""
    values = {"name": name, "amount_type": "percent", "amount": 7.0, "type_tax_use": "sale", "company_id": desk.company_id}
    await desk.plain.create("account.tax", desk.company_id, **values)


def taxed(desk: Desk, customer: Command, name: str) -> Command:
    return desk.wishes.invoice(customer, line(10000, tax=name, tax_minor=700), total=10700, tax=700)


@EVERY_VERSION
async def test_a_tax_made_a_moment_ago_is_found_at_once(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    name = f"New {desk.wishes.run}"
    wish = taxed(desk, customer, name)
    (outcome,) = await desk.send(wish)  # taxes are known from here on
    assert outcome.code == "odoo.tax_unmapped"
    await make_tax(desk, name)
    (outcome,) = await desk.done(wish)
    assert (await desk.record(outcome, "amount_total"))["amount_total"] == 107.0


@EVERY_VERSION
async def test_an_account_made_a_moment_ago_is_found_at_once(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    code = "477199"
    await desk.done(desk.wishes.invoice(customer, line(100), total=100))  # accounts are known from here on
    lines = (
        EntryLine(Account(AccountRole.EXPLICIT, code), Money(-700, "EUR")),
        EntryLine(RECEIVABLE, Money(700, "EUR"), customer_id=customer.subject.id),
    )
    wish = desk.wishes.entry(*lines, on=DAY, needs=(customer.produces,))
    (outcome,) = await desk.send(wish)
    assert outcome.code == "odoo.account_unmapped"
    owner = {"company_id": desk.company_id} if desk.plain.major == 17 else {"company_ids": [[6, 0, [desk.company_id]]]}
    await desk.plain.create("account.account", desk.company_id, code=code, name="Other income", account_type="income_other", **owner)
    await desk.done(wish)


async def test_a_batch_that_misses_much_reads_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    await desk.done(desk.wishes.invoice(customer, line(100), total=100))
    readings = watch_readings(monkeypatch)
    await desk.done(desk.wishes.invoice(customer, line(100), total=100))
    assert readings == []  # nothing was missed
    # 60 documents go in two or more chunks, some of them at the same time.
    outcomes = await desk.send(*(taxed(desk, customer, "no such tax") for _ in range(60)))
    assert (set(statuses(outcomes)), len(readings)) == ({"refused"}, 1)
    outcomes = await desk.send(*(taxed(desk, customer, "no such tax") for _ in range(60)))
    assert len(readings) == 2  # the next batch looks once more


async def test_what_a_batch_read_itself_it_does_not_read_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    readings = watch_readings(monkeypatch)
    (outcome,) = await desk.send(taxed(desk, customer, "no such tax"))  # the first of all, so nothing is known
    assert (outcome.code, len(readings)) == ("odoo.tax_unmapped", 1)

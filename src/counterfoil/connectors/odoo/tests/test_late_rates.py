"""Rates entered while a document is a draft: no document is booked at two of them. 17 converts what is added late by its table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.one_rate import RatedLine, is_at_two_rates
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk, statuses
from counterfoil.connectors.odoo.tests.wishes import line
from counterfoil.core.language.commands import Command
from counterfoil.kit.errors import TransientError

DAY = date(2031, 3, 5)


async def sent_until(desk: Desk, wish: Command, *, amends: str) -> None:
    """Send a document up to the call that is to amend its draft (load: its taxes, write: a rounding line)."""
    call = OdooClient.call

    async def stop(client: OdooClient, model: str, method: str, *args: Any, **named: Any) -> Any:
        is_amend = method == "write" or "line_ids/amount_currency" in named.get("fields", ())
        if model == "account.move" and method == amends and is_amend:
            raise TransientError("gone", code="http.closed", is_outcome_unknown=True)
        return await call(client, model, method, *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OdooClient, "call", stop)
        assert statuses(await desk.send(wish)) == ["unknown"]


@asynccontextmanager
async def another_rate(desk: Desk) -> AsyncIterator[None]:
    """Have a dollar be 0.95 euros from the day before on, as long as the context lasts; it was 0.80 since 2020."""
    currency = (await desk.plain.find("res.currency", [["name", "=", "USD"]], ["id"]))[0]["id"]
    values = {"currency_id": currency, "name": "2031-03-04", "inverse_company_rate": 0.95, "company_id": desk.company_id}
    entered = await desk.plain.create("res.currency.rate", desk.company_id, **values)
    yield
    await desk.plain.call("res.currency.rate", "unlink", [entered])


@EVERY_VERSION
async def test_taxes_set_after_another_rate_was_entered_are_booked_at_the_documents_rate(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    # 19 % of 100.00 USD is 19.00; the source says 19.01, which is set on the draft.
    taxed = line(10000, "USD", tax="19%", tax_minor=1901)
    wish = desk.wishes.invoice(customer, taxed, total=11901, tax=1901, currency="USD", on=DAY)
    await sent_until(desk, wish, amends="load")
    async with another_rate(desk):
        outcomes = await desk.send(wish)
        if desk.plain.major == 17:
            # Left as it is the tax would be 18.06 and the rest 80.00: the draft is removed, and made afresh as soon as it is looked up.
            assert statuses(outcomes) == ["unknown"]
            outcomes = await desk.done(wish)
            assert await balances(desk, outcomes) == [113.06, -18.06, -95.0]
        else:
            assert statuses(outcomes) == ["done"]
            assert await balances(desk, outcomes) == [95.21, -15.21, -80.0]


@EVERY_VERSION
async def test_a_rounding_line_added_after_another_rate_was_entered_is_booked_at_the_documents_rate(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    # 100.00 USD by its line, 105.00 in all: a rounding line of 5.00, for which this test allows.
    wish = desk.wishes.invoice(customer, line(10000, "USD"), total=10500, currency="USD", on=DAY, rounding_tolerance=500)
    await sent_until(desk, wish, amends="write")
    async with another_rate(desk):
        outcomes = await desk.send(wish)
        if desk.plain.major == 17:
            # Left as it is the rounding line would be 4.75 and the rest 80.00.
            assert statuses(outcomes) == ["unknown"]
            outcomes = await desk.done(wish)
            assert await balances(desk, outcomes) == [99.75, -4.75, -95.0]
        else:
            assert statuses(outcomes) == ["done"]
            assert await balances(desk, outcomes) == [84.0, -4.0, -80.0]


async def balances(desk: Desk, outcomes: list[Any]) -> list[float]:
    """Return the balances of a document's lines, largest first."""
    return [row["balance"] for row in await desk.lines(outcomes[0])]


@pytest.mark.parametrize(
    ("lines", "is_told"),
    [
        # 100.00 USD at 0.80 and a tax of 19.01 at 0.80 (15.208, so 15.21), at 0.95 (18.06).
        ((("-80.00", "-100.00"), ("-15.21", "-19.01")), False),
        ((("-80.00", "-100.00"), ("-18.06", "-19.01")), True),
        # One cent of rounding makes no other rate: 0.01 USD is 0.01 EUR at 0.80 (0.008) and at 0.95.
        ((("-80.00", "-100.00"), ("0.01", "0.01")), False),
        # Many small ones: 3 x 0.33 USD are 0.26 each (0.264).
        ((("-0.26", "-0.33"), ("-0.26", "-0.33"), ("-0.26", "-0.33")), False),
        ((("0.00", "0.00"),), False),
    ],
)
def test_what_rounding_cannot_do_is_another_rate(lines: tuple[tuple[str, str], ...], is_told: bool) -> None:
    given = [RatedLine(1, 1, Decimal(balance), Decimal(amount)) for balance, amount in lines]
    assert is_at_two_rates(given, Decimal("0.01")) == is_told

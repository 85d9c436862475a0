"""Currencies Odoo keeps with other decimals than the source has: named as the cause before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.entry_rows import Weighed, balanced
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk
from counterfoil.connectors.odoo.tests.test_readback import books
from counterfoil.connectors.odoo.tests.wishes import CLEARING, FEES, line
from counterfoil.core.commands.books import EntryLine
from counterfoil.core.language.money import Money
from counterfoil.kit.connector import Severity
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.requirements import Requirements
from counterfoil.kit.writing import Outcome


async def use_dollars_of_taiwan(desk: Desk) -> int:
    """Activate TWD, which Odoo comes with without decimals, at 0.03 EUR; return its id."""
    domain = [["name", "=", "TWD"], ["active", "in", [True, False]]]
    [row] = await desk.plain.find("res.currency", domain, ["id", "decimal_places"])
    assert row["decimal_places"] == 0
    await desk.plain.call("res.currency", "write", [row["id"]], vals={"active": True})
    rate = {"currency_id": row["id"], "name": "2020-01-01", "company_id": desk.company_id}
    if not await desk.plain.find("res.currency.rate", [[name, "=", value] for name, value in rate.items()], ["id"], desk.company_id):
        await desk.plain.create("res.currency.rate", desk.company_id, **rate, inverse_company_rate=0.03)
    return int(row["id"])


def said(outcome: Outcome) -> tuple[str, str, str, str]:
    return outcome.status.value, outcome.code, outcome.case_class, outcome.about


@EVERY_VERSION
async def test_so_are_a_line_a_tax_a_payment_and_an_entry(desk: Desk) -> None:
    await use_dollars_of_taiwan(desk)
    customer = desk.wishes.customer()
    await desk.done(customer)
    lines = line(10050, "TWD"), line(9950, "TWD")
    taxed = line(10000, "TWD", tax="19%", tax_minor=1950)
    fee = EntryLine(FEES, Money(340, "TWD")), EntryLine(CLEARING, Money(-340, "TWD"))
    for wish, amount in (
        (desk.wishes.invoice(customer, *lines, total=20000, currency="TWD"), "100.50 TWD"),
        (desk.wishes.invoice(customer, taxed, total=11950, tax=1950, currency="TWD"), "119.50 TWD"),
        (desk.wishes.payment(customer, 10050, "TWD"), "100.50 TWD"),
        (desk.wishes.entry(*fee), "3.40 TWD"),
    ):
        (outcome,) = await desk.send(wish)
        assert said(outcome) == ("refused", "odoo.currency_decimals", "amount_mismatch", "decimals/TWD")
        assert outcome.message.startswith(amount)


async def test_check_tells_it_before_anything_is_posted(desk: Desk) -> None:
    await use_dollars_of_taiwan(desk)
    assert CONNECTOR.books is not None
    findings = await CONNECTOR.books.check(desk.ctx, Requirements({"DE": "EUR"}, {}, {}, ("EUR", "TWD")))
    [found] = [one for one in findings if one.code == "odoo.currency_decimals"]
    assert (found.severity, found.entity) == (Severity.WARNING, "DE")
    assert found.message.startswith("TWD has 0 decimals in Odoo and 2 in ISO 4217")


# After the others: a real server is the same for all of them, and a currency in use keeps what decimals it was given.
@EVERY_VERSION
async def test_an_amount_odoo_would_round_is_refused_with_both_decimals_and_what_to_do(desk: Desk) -> None:
    twd = await use_dollars_of_taiwan(desk)
    customer = desk.wishes.customer()
    await desk.done(customer)
    broken = desk.wishes.invoice(customer, line(10050, "TWD"), total=10050, currency="TWD")
    whole = desk.wishes.invoice(customer, line(10000, "TWD"), total=10000, currency="TWD")
    outcomes = await desk.send(broken, whole)
    assert said(outcomes[0]) == ("refused", "odoo.currency_decimals", "amount_mismatch", "decimals/TWD")
    assert outcomes[0].message == ("100.50 TWD cannot be booked as it is: Odoo keeps TWD with 0 decimals, the source, as ISO 4217, with 2")
    assert outcomes[0].remedy.startswith(
        "Set the Rounding Factor of TWD in Odoo (Accounting, Configuration, Currencies) so that it has 2 decimals"
    )
    assert (await desk.record(outcomes[1], "amount_total"))["amount_total"] == 100.0
    # What the case says, done to the letter. TWD is used in the books already: more decimals are allowed at any time.
    await desk.plain.call("res.currency", "write", [twd], vals={"rounding": 0.01})
    (outcome,) = await desk.done(broken)
    assert (await desk.record(outcome, "amount_total"))["amount_total"] == 100.5


def test_what_is_converted_is_rounded_as_the_books_keep_it() -> None:
    # 100.00 USD at 0.958: 95.80 EUR, where euros are kept without decimals 96 EUR.
    rates = {"USD": ((date(2020, 1, 1), Decimal(1) / Decimal("0.958")),)}
    exact, whole = replace(books(), rates=rates), replace(books(), rates=rates, decimals={"EUR": 0})
    assert exact.to_company(Money(10000, "USD"), date(2026, 3, 3)) == Money(9580, "EUR")
    assert whole.to_company(Money(10000, "USD"), date(2026, 3, 3)) == Money(9600, "EUR")
    lines = [Weighed(EntryLine(FEES, Money(1, "USD")), Money(minor, "EUR"), is_converted=True) for minor in (3200, 3200, -6300)]
    assert [one.balance.minor for one in balanced(lines, "EUR", 100)] == [3200, 3200, -6400]
    with pytest.raises(RejectedError, match=r"sum to 1\.00 EUR, not to zero"):
        balanced(lines, "EUR")

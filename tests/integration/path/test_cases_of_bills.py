"""Small inputs from use (``cases/``): how invoices end and what is paid on them, each with the values worked by hand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.integration.path.cases_player import play
from tests.integration.path.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIVABLE, CREDIT, OUT_OF_BAND = "121000", "212500", "105604"


async def test_a_credit_note_on_a_written_off_invoice_leaves_no_bad_debt(home_of_all: House) -> None:
    # 100.00 billed, lost, credited: nothing is left, neither owed nor lost.
    played = await play(home_of_all, "uncollectible-then-credit-note")
    assert (played.change(), await played.new_cases()) == ({}, [])
    assert home_of_all.document(played.key("invoice", "in_RUN"))["amount_residual"] == 0.0
    assert home_of_all.document(played.key("credit_note", "cn_RUN"))["amount_residual"] == 0.0


async def test_an_invoice_paid_too_much_is_paid_and_the_rest_is_the_customers_credit(home_of_all: House) -> None:
    # 150.00 on 100.00, fee 4.65: revenue 100.00, credit 50.00, clearing 145.35.
    played = await play(home_of_all, "overpaid-invoice-whole-payment-named")
    assert await played.new_cases() == []
    assert played.change() == {"revenue": -10000, "customer_credit": -5000, "clearing": 14535, "fees": 465}
    assert home_of_all.document(played.key("invoice", "in_RUNa"))["amount_residual"] == 0.0
    assert home_of_all.lines(played.key("paid_credit", "cbtxn_RUN")) == {CREDIT: -5000, RECEIVABLE: 5000}


async def test_two_cheques_on_one_invoice_are_two_payments_each_on_its_day(home_of_all: House) -> None:
    played = await play(home_of_all, "two-out-of-band-payments")
    assert await played.new_cases() == []
    assert played.change() == {"revenue": -10000, "out_of_band": 10000}
    first, second = played.key("payment", "oob_in_RUN"), played.key("payment", "oob_in_RUN.inpay_RUN2")
    assert [home_of_all.payment(key)["amount"] for key in (first, second)] == [30.0, 70.0]
    days = [date.fromisoformat(str(home_of_all.payment(key)["date"])) for key in (first, second)]
    assert days[1] - days[0] == timedelta(days=2)
    assert home_of_all.document(played.key("invoice", "in_RUN"))["amount_residual"] == 0.0


async def test_an_invoice_whose_tax_is_rounded_on_the_subtotal_is_booked_as_it_is(home_of_all: House) -> None:
    # 15 % of 0.43, 0.43 and 4.84: 0.85 line by line, 0.86 of 5.70.
    company = home_of_all.provisioned.companies["US"].company_id
    values = {"name": "Sales 15%", "amount_type": "percent", "amount": 15.0, "type_tax_use": "sale", "company_id": company}
    await home_of_all.plain.create("account.tax", values | {"price_include_override": "tax_excluded"}, company)
    await home_of_all.map("tax", "US", "15|exclusive", "Sales 15%")
    played = await play(home_of_all, "tax-rounded-on-the-subtotal")
    assert await played.new_cases() == []
    found = home_of_all.document(played.key("invoice", "in_RUN"))
    assert (found["amount_total"], found["amount_tax"]) == (6.56, 0.86)


async def test_a_customer_deleted_before_we_knew_it_is_called_as_its_invoice_calls_it(home_of_all: House) -> None:
    played = await play(home_of_all, "deleted-customer-named-by-id")
    assert await played.new_cases() == []
    env = home_of_all.odoo.env()
    partner = env.row("res.partner", env.ref(f"counterfoil.{played.key('customer', 'cus_RUNA')}"))
    assert partner["name"] == "Gone Customer Ltd"

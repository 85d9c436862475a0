"""A match whose amount changes is undone and made anew, as often as it takes: nothing but the last one is left of it."""

from __future__ import annotations

from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk
from counterfoil.connectors.odoo.tests.wishes import line
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.kit.writing import Outcome

pytestmark = EVERY_VERSION


async def invoice_and_payment(desk: Desk, currency: str, settled: Money | None = None) -> tuple[Command, Command, Outcome, Outcome]:
    """Return an invoice of 100.00 and a payment of 100.00, both posted."""
    customer = desk.wishes.customer()
    await desk.done(customer)
    invoice = desk.wishes.invoice(customer, line(10000, currency), total=10000, currency=currency)
    payment = desk.wishes.payment(customer, 10000, currency, settled=settled)
    (invoiced,) = await desk.done(invoice)
    (paid,) = await desk.done(payment)
    return invoice, payment, invoiced, paid


async def left_open(desk: Desk, invoiced: Outcome, paid: Outcome) -> tuple[float, float, float, float]:
    """Return what is open on the invoice and on the payment, in their currency; then the same in the company's."""
    account = await desk.account_id("121000")
    fields = ("account_id", "amount_residual_currency", "amount_residual")
    found = [
        next(row for row in await desk.lines(outcome, *fields) if row["account_id"] == account and row["balance"] * sign > 0)
        for outcome, sign in ((invoiced, 1), (paid, -1))
    ]
    owed, given = found
    return owed["amount_residual_currency"], given["amount_residual_currency"], owed["amount_residual"], given["amount_residual"]


async def matched_anew(desk: Desk, invoice: Command, payment: Command, minor: int, currency: str) -> None:
    """Undo what the two are matched by, and match them by another amount; each twice, as a try without an answer does."""
    undo, wish = desk.wishes.unmatch(invoice, payment), desk.wishes.allocation(invoice, payment, minor, currency)
    for step in (undo, undo, wish, wish):
        await desk.done(step)


async def test_a_match_made_anew_leaves_open_what_its_new_amount_leaves(desk: Desk) -> None:
    invoice, payment, invoiced, paid = await invoice_and_payment(desk, "EUR")
    await desk.done(desk.wishes.allocation(invoice, payment, 4000))
    assert await left_open(desk, invoiced, paid) == (60.0, -60.0, 60.0, -60.0)
    for minor, rest in ((7000, 30.0), (10000, 0.0), (2500, 75.0), (10000, 0.0)):
        await matched_anew(desk, invoice, payment, minor, "EUR")
        assert await left_open(desk, invoiced, paid) == (rest, -rest, rest, -rest)
    row = await desk.record(invoiced, "payment_state")
    assert row["payment_state"] == "paid"


async def test_a_match_made_anew_at_another_rate_books_the_exchange_difference_once(desk: Desk) -> None:
    # 100.00 USD are 80.00 EUR on the invoice, and 85.00 EUR came in: 5.00 EUR gained, once all is matched.
    invoice, payment, invoiced, paid = await invoice_and_payment(desk, "USD", settled=Money(8500, "EUR"))
    before = await gained(desk)
    await desk.done(desk.wishes.allocation(invoice, payment, 10000, "USD"))
    assert await left_open(desk, invoiced, paid) == (0.0, 0.0, 0.0, 0.0)
    assert round(await gained(desk) - before, 2) == 5.0
    await matched_anew(desk, invoice, payment, 6000, "USD")
    # 60.00 USD at the invoice's rate are 48.00 EUR of its 80.00; the difference waits for the part that closes the payment.
    assert (await left_open(desk, invoiced, paid))[:3] == (40.0, -40.0, 32.0)
    assert round(await gained(desk) - before, 2) in (0.0, 3.0)
    await matched_anew(desk, invoice, payment, 10000, "USD")
    assert await left_open(desk, invoiced, paid) == (0.0, 0.0, 0.0, 0.0)
    assert round(await gained(desk) - before, 2) == 5.0


async def gained(desk: Desk) -> float:
    """Return what the company's exchange gains and losses come to so far, in EUR."""
    fields = ["income_currency_exchange_account_id", "expense_currency_exchange_account_id"]
    (company,) = await desk.plain.find("res.company", [["id", "=", desk.company_id]], fields)
    domain = [["account_id", "in", [company[field] for field in fields]], ["parent_state", "=", "posted"]]
    rows = await desk.plain.find("account.move.line", domain, ["balance"], desk.company_id)
    return -sum(float(row["balance"]) for row in rows)

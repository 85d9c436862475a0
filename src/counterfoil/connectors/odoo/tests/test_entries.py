"""Journal entries: fees, payouts, disputes, opening balances."""

from __future__ import annotations

from counterfoil.connectors.odoo.tests.conftest import Desk, statuses
from counterfoil.connectors.odoo.tests.wishes import CLEARING, FEES, RECEIVABLE
from counterfoil.core.canonical.commands import Account, AccountRole, EntryLine
from counterfoil.core.canonical.money import Money


def eur(minor: int) -> Money:
    """Return euros."""
    return Money(minor, "EUR")


async def test_a_fee_is_an_entry_in_the_processors_journal(desk: Desk) -> None:
    entry = desk.wishes.entry(EntryLine(FEES, eur(290), "fee"), EntryLine(CLEARING, eur(-290), "fee"), journal="stripe")
    (outcome,) = await desk.done(entry)
    row = await desk.record(outcome, "state", "date", "move_type")
    assert (row["state"], row["date"], row["move_type"]) == ("posted", "2026-03-11", "entry")
    lines = await desk.lines(outcome, "account_id")
    assert [row["balance"] for row in lines] == [2.9, -2.9]
    assert [row["account_id"] for row in lines] == [await desk.account_id("699100"), await desk.account_id("199100")]
    assert (await desk.done(entry))[0].external_id == outcome.external_id


async def test_foreign_lines_keep_their_currency_and_sum_to_zero_in_the_companys(desk: Desk) -> None:
    # At 0.80 EUR: 0.99 USD = 0.792, so 0.79; 0.01 USD = 0.008, so 0.01; 1.00 USD = 0.80.
    usd = [Money(99, "USD"), Money(1, "USD"), Money(-100, "USD")]
    (outcome,) = await desk.done(desk.wishes.entry(*(EntryLine(CLEARING, money) for money in usd)))
    lines = await desk.lines(outcome, "amount_currency")
    assert [(row["amount_currency"], row["balance"]) for row in lines] == [(0.99, 0.79), (0.01, 0.01), (-1.0, -0.8)]


async def test_a_rest_of_rounding_goes_to_the_largest_converted_line(desk: Desk) -> None:
    # 3 x 0.33 USD = 3 x 0.264, so 0.26 each, 0.78 together; 0.99 USD = 0.792, so 0.79: the rest of 0.01 is taken off the latter.
    usd = [Money(33, "USD"), Money(33, "USD"), Money(33, "USD"), Money(-99, "USD")]
    (outcome,) = await desk.done(desk.wishes.entry(*(EntryLine(CLEARING, money) for money in usd)))
    assert [row["balance"] for row in await desk.lines(outcome)] == [0.26, 0.26, 0.26, -0.78]


async def test_company_amounts_that_are_given_are_kept(desk: Desk) -> None:
    lines = (EntryLine(CLEARING, Money(1000, "USD"), company_amount=eur(925)), EntryLine(FEES, eur(-925)))
    (outcome,) = await desk.done(desk.wishes.entry(*lines))
    assert [row["balance"] for row in await desk.lines(outcome)] == [9.25, -9.25]


async def test_an_unbalanced_entry_is_refused_alone(desk: Desk) -> None:
    good = desk.wishes.entry(EntryLine(FEES, eur(100)), EntryLine(CLEARING, eur(-100)))
    bad = desk.wishes.entry(EntryLine(FEES, eur(100)), EntryLine(CLEARING, eur(-99)))
    outcomes = await desk.send(good, bad)
    assert statuses(outcomes) == ["done", "refused"]
    assert outcomes[1].code == "odoo.entry_unbalanced"


async def test_an_unknown_account_is_named(desk: Desk) -> None:
    lines = (EntryLine(Account(AccountRole.EXPLICIT, "987654"), eur(100)), EntryLine(CLEARING, eur(-100)))
    (outcome,) = await desk.send(desk.wishes.entry(*lines))
    assert (outcome.status.value, outcome.case_class) == ("refused", "unmapped_account")
    assert "987654" in outcome.message


async def test_a_tax_in_a_summary_entry_goes_to_the_taxs_own_account(desk: Desk) -> None:
    lines = (EntryLine(CLEARING, eur(1900)), EntryLine(Account(AccountRole.TAX, "19%"), eur(-1900)))
    (outcome,) = await desk.done(desk.wishes.entry(*lines))
    assert (await desk.lines(outcome, "account_id"))[1]["account_id"] == await desk.account_id("299500")


async def test_a_receivable_line_needs_its_customer(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    bad_debt = Account(AccountRole.BAD_DEBT)
    named = (EntryLine(bad_debt, eur(5000)), EntryLine(RECEIVABLE, eur(-5000), customer_id=customer.subject.id))
    nameless = (EntryLine(bad_debt, eur(5000)), EntryLine(RECEIVABLE, eur(-5000)))
    outcomes = await desk.send(desk.wishes.entry(*named), desk.wishes.entry(*nameless))
    assert statuses(outcomes) == ["done", "refused"]
    assert outcomes[1].case_class == "missing_mandatory_field"

"""Journal entries: fees, payouts, disputes, opening balances."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from counterfoil.connectors.odoo.catalog_read import read_catalog
from counterfoil.connectors.odoo.config import CompanyConfig
from counterfoil.connectors.odoo.detect import connect
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk, statuses
from counterfoil.connectors.odoo.tests.wishes import CLEARING, FEES, RECEIVABLE, line
from counterfoil.core.commands.books import Account, AccountRole, EntryLine
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.money import Money

pytestmark = EVERY_VERSION


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


async def rate(desk: Desk, on: str, value: float, company_id: int | bool) -> int:
    """Enter a rate of the dollar in euros."""
    currency = (await desk.plain.find("res.currency", [["name", "=", "USD"]], ["id"]))[0]["id"]
    values = {"currency_id": currency, "name": on, "inverse_company_rate": value, "company_id": company_id}
    return await desk.plain.create("res.currency.rate", desk.company_id, **values)


async def booked(desk: Desk, on: date) -> list[float]:
    """Book 100.00 USD of fees on a day and return the balances."""
    lines = (EntryLine(FEES, Money(10000, "USD")), EntryLine(CLEARING, Money(-10000, "USD")))
    (outcome,) = await desk.done(desk.wishes.entry(*lines, on=on))
    return [row["balance"] for row in await desk.lines(outcome)]


async def test_a_rate_that_is_entered_changed_or_deleted_counts_from_the_next_entry_on(desk: Desk) -> None:
    day = date(2031, 3, 5)
    assert await booked(desk, day) == [80.0, -80.0]  # 0.80 since 2020
    new = await rate(desk, "2031-03-04", 0.95, desk.company_id)
    assert await booked(desk, day) == [95.0, -95.0]
    customer = desk.wishes.customer()
    await desk.done(customer)
    (invoiced,) = await desk.done(desk.wishes.invoice(customer, line(10000, "USD"), total=10000, currency="USD", on=day))
    assert [row["balance"] for row in await desk.lines(invoiced)] == [95.0, -95.0]
    context = {"allowed_company_ids": [desk.company_id]}
    await desk.plain.call("res.currency.rate", "write", [new], vals={"inverse_company_rate": 0.9}, context=context)
    # Odoo's write dates are of whole seconds: the change counts at the latest when the catalog is read again.
    desk.ctx.state.clear()
    assert await booked(desk, day) == [90.0, -90.0]
    await desk.plain.call("res.currency.rate", "unlink", [new], context=context)
    assert await booked(desk, day) == [80.0, -80.0]


async def test_rates_of_the_companys_own_win_over_newer_ones_of_all(desk: Desk) -> None:
    shared = await rate(desk, "2032-02-01", 0.5, False)
    assert await booked(desk, date(2032, 2, 2)) == [80.0, -80.0]
    await desk.plain.call("res.currency.rate", "unlink", [shared], context={"allowed_company_ids": [desk.company_id]})


async def merged(desk: Desk, kept: str, gone: str) -> None:
    """Merge one customer's partner into another's, as people do in Odoo."""
    ids = [int(desk.bindings[key].partition("/")[2]) for key in (kept, gone)]
    model = "base.partner.merge.automatic.wizard"
    wizard = await desk.plain.create(model, partner_ids=[[6, 0, ids]], dst_partner_id=ids[0], state="selection")
    await desk.plain.call(model, "action_merge", [wizard])


async def test_entries_and_payments_follow_customers_merged_by_hand(desk: Desk) -> None:
    kept, gone = desk.wishes.customer("Kept"), desk.wishes.customer("Gone")
    await desk.done(kept, gone)
    before = desk.wishes.entry(
        EntryLine(Account(AccountRole.BAD_DEBT), eur(700)), EntryLine(RECEIVABLE, eur(-700), customer_id=gone.subject.id)
    )
    (first,) = await desk.done(before)
    await merged(desk, kept.produces, gone.produces)
    survivor = int(desk.bindings[kept.produces].partition("/")[2])
    entry = desk.wishes.entry(
        EntryLine(Account(AccountRole.BAD_DEBT), eur(500)), EntryLine(RECEIVABLE, eur(-500), customer_id=gone.subject.id)
    )
    (booked,) = await desk.done(entry)
    assert (await desk.lines(booked, "partner_id"))[1]["partner_id"] == survivor
    (paid,) = await desk.done(desk.wishes.payment(gone, 10000))
    assert (await desk.record(paid, "partner_id"))["partner_id"] == survivor
    assert (await desk.done(before))[
        0
    ].external_id == first.external_id  # sent again it is found as it was wished, though its partner is another


async def own_receivable(desk: Desk, customer_id: int) -> int:
    """Give a partner a receivable account of its own and return it."""
    owner = {"company_id": desk.company_id} if desk.plain.major == 17 else {"company_ids": [[6, 0, [desk.company_id]]]}
    values = {"code": "121900", "name": "Receivables abroad", "account_type": "asset_receivable", "reconcile": True, **owner}
    account = await desk.plain.create("account.account", desk.company_id, **values)
    context = {"allowed_company_ids": [desk.company_id]}
    await desk.plain.call("res.partner", "write", [customer_id], vals={"property_account_receivable_id": account}, context=context)
    return account


async def test_what_a_customer_owes_is_on_its_own_receivable_account_in_entries_too(desk: Desk) -> None:
    customer = desk.wishes.customer("Foreign Ltd")
    (bound,) = await desk.done(customer)
    write_off = (EntryLine(Account(AccountRole.BAD_DEBT), eur(5000)), EntryLine(RECEIVABLE, eur(-5000), customer_id=customer.subject.id))
    earlier = desk.wishes.entry(*write_off)
    await desk.done(earlier)  # on the account all partners have
    account = await own_receivable(desk, int(bound.external_id.partition("/")[2]))
    dollars = desk.wishes.invoice(customer, line(10000, "USD"), total=10000, currency="USD")
    (invoiced,) = await desk.done(dollars)
    assert (await desk.lines(invoiced, "account_id"))[0]["account_id"] == account
    # 100.00 USD, settled as 79.00 EUR: an entry; a write-off of another invoice: an entry, too. Both are matched and close their invoice.
    settled = desk.wishes.payment(customer, 10000, "USD", settled=eur(7900))
    other, entry = desk.wishes.invoice(customer, line(5000), total=5000), desk.wishes.entry(*write_off)
    (paid,) = await desk.done(settled)
    await desk.done(other)
    await desk.done(entry)
    assert (await desk.lines(paid, "account_id"))[1]["account_id"] == account
    await desk.done(desk.wishes.allocation(dollars, settled, 10000, "USD"), desk.wishes.allocation(other, entry, 5000))
    assert (await desk.record(invoiced, "amount_residual"))["amount_residual"] == 0.0
    await desk.done(earlier)  # sent again, what was posted before the account was given is still what was wished


async def test_a_label_is_never_empty_and_names_the_sources_id_as_the_source_does(desk: Desk) -> None:
    lines = (EntryLine(FEES, eur(290), "fee of stripe:txn_1Abc"), EntryLine(CLEARING, eur(-290), "Refund for Acme: 14:30"))
    (outcome,) = await desk.done(desk.wishes.entry(*lines))
    assert [row["name"] for row in await desk.lines(outcome, "name")] == ["fee of txn_1Abc", "Refund for Acme: 14:30"]
    customer = desk.wishes.customer()
    await desk.done(customer)
    payment = desk.wishes.payment(customer, 10000, "USD", settled=eur(8250))
    (paid,) = await desk.done(payment)
    words = f"payment {payment.subject.id.removeprefix('stripe:')}"
    assert [row["name"] for row in await desk.lines(paid, "name")] == [words, words]


async def test_a_branch_uses_rates_and_accounts_of_the_company_it_belongs_to(desk: Desk) -> None:
    if desk.sandbox is None:
        pytest.skip("a real server's companies are not given branches")
    euro = (await desk.plain.find("res.currency", [["name", "=", "EUR"]], ["id"]))[0]["id"]
    branch = await desk.plain.create("res.company", name="Northwind Hamburg", currency_id=euro, parent_id=desk.company_id)
    await desk.plain.call("res.users", "write", [desk.plain.uid], vals={"company_ids": [[4, branch]]})
    settings = desk.settings(companies={"HH": CompanyConfig(company=branch, accounts={"revenue": "499100"})})
    session = replace(await connect(desk.ctx), settings=settings)
    catalog = await read_catalog(session, "HH", datetime(2026, 3, 3, tzinfo=UTC))
    assert catalog.to_company(Money(10000, "USD"), date(2026, 3, 3)) == eur(8000)  # the company's own 0.80; the branch has none
    assert catalog.account_id(Account(AccountRole.REVENUE)) == await desk.account_id("499100")


async def test_an_entry_moves_a_customers_part_out_of_a_sum_and_is_matched_with_his_payment(desk: Desk) -> None:
    # After a change of the posting mode: 60.00 of a sum of many customers become this customer's, whose payment of 60.00 then closes them.
    customer = desk.wishes.customer()
    await desk.done(customer)
    payment = desk.wishes.payment(customer, 6000)
    await desk.done(payment)
    his, of_all = EntryLine(RECEIVABLE, eur(6000), customer_id=customer.subject.id), EntryLine(RECEIVABLE, eur(-6000))
    entry = desk.wishes.entry(his, of_all, needs=(customer.produces,))
    (booked,) = await desk.done(replace(entry, produces=NeedKey("entry/mode_switch.1")))
    partners = [row["partner_id"] for row in await desk.lines(booked, "partner_id")]
    assert partners == [int(desk.bindings[customer.produces].rpartition("/")[2]), False]
    match = desk.wishes.allocation(replace(entry, produces=NeedKey("entry/mode_switch.1")), payment, 6000)
    await desk.done(match)
    assert [row["amount_residual"] for row in await desk.lines(booked, "amount_residual")] == [0.0, -60.0]

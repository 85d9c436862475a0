"""Invoices and credit notes: posted once, equal to the minor unit, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk, statuses
from counterfoil.connectors.odoo.tests.wishes import REVENUE, line
from counterfoil.core.commands.books import DocumentLine, DocumentTax, PostDocument
from counterfoil.core.kinds.customer import Address
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.kit.writing import Outcome


async def test_a_taxed_invoice_is_posted_with_the_sources_dates_and_total(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    # 3 x 33.33 = 99.99; 19 % of it is 18.9981, so 19.00; together 118.99.
    lines = [line(3333, tax="19%", tax_minor=633) for _ in range(3)]
    invoice = desk.wishes.invoice(customer, *lines, total=11899, tax=1900, number="NW-0001", due_on=date(2026, 5, 1))
    (outcome,) = await desk.done(invoice)
    row = await desk.record(
        outcome, "state", "name", "amount_total", "amount_tax", "invoice_date", "date", "invoice_date_due", "payment_reference", "ref"
    )
    assert outcome.external_name == row["name"]
    assert row["name"].startswith("INV/2026/")
    assert (row["state"], row["amount_total"], row["amount_tax"]) == ("posted", 118.99, 19.0)
    assert (row["invoice_date"], row["date"], row["invoice_date_due"]) == ("2026-03-03", "2026-03-03", "2026-05-01")
    assert row["payment_reference"] == "NW-0001"
    assert row["ref"] == invoice.subject.id.removeprefix("stripe:")
    assert statuses(await desk.send(invoice)) == ["done"]


async def test_a_tax_included_in_the_price_leaves_the_total_as_printed(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    # 100.00 with 19 % inside: 100 / 1.19 = 84.03 net, 15.97 tax.
    (outcome,) = await desk.done(desk.wishes.invoice(customer, line(10000, tax="19% incl", tax_minor=1597), total=10000, tax=1597))
    row = await desk.record(outcome, "amount_total", "amount_untaxed")
    assert (row["amount_total"], row["amount_untaxed"]) == (100.0, 84.03)


async def test_an_inclusive_line_may_map_to_a_tax_that_odoo_adds(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    inclusive = line(11900, tax="19% incl", tax_minor=1900)
    tax = inclusive.taxes[0]
    mapped = DocumentLine(
        inclusive.description, inclusive.amount, inclusive.account, taxes=(DocumentTax("19%", tax.amount, tax.taxable, True),)
    )
    (outcome,) = await desk.done(desk.wishes.invoice(customer, mapped, total=11900, tax=1900))
    assert (await desk.record(outcome, "amount_total", "amount_untaxed"))["amount_untaxed"] == 100.0


async def test_where_odoo_rounds_tax_otherwise_the_sources_tax_is_set(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    # The source rounded per line: 3 x 6.33 = 18.99; Odoo computes 19.00 on the sum.
    lines = [line(3333, tax="19%", tax_minor=633) for _ in range(3)]
    plain, mended = await desk.done(
        desk.wishes.invoice(customer, line(5000), total=5000), desk.wishes.invoice(customer, *lines, total=11898, tax=1899)
    )
    row = await desk.record(mended, "state", "amount_total", "amount_tax", "amount_residual")
    assert (row["state"], row["amount_total"], row["amount_tax"], row["amount_residual"]) == ("posted", 118.98, 18.99, 118.98)
    assert (await desk.record(plain, "amount_total"))["amount_total"] == 50.0


async def test_a_credit_notes_tax_is_set_with_the_right_sign(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    lines = [line(3333, tax="19%", tax_minor=633) for _ in range(3)]
    (outcome,) = await desk.done(desk.wishes.credit_note(customer, *lines, total=11898, tax=1899))
    row = await desk.record(outcome, "state", "amount_total", "amount_tax", "move_type")
    assert (row["state"], row["amount_total"], row["amount_tax"], row["move_type"]) == ("posted", 118.98, 18.99, "out_refund")


async def test_what_tax_cannot_explain_goes_to_a_rounding_line_within_the_tolerance(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    # 15.96 instead of 15.97 tax inside 100.00: the lines then lack 0.01.
    wish = desk.wishes.invoice(customer, line(10000, tax="19% incl", tax_minor=1596), total=10000, tax=1596, rounding_tolerance=2)
    (outcome,) = await desk.done(wish)
    row = await desk.record(outcome, "amount_total", "amount_tax", "state")
    assert (row["state"], row["amount_total"], row["amount_tax"]) == ("posted", 100.0, 15.96)
    lines = await desk.lines(outcome, "account_id")
    rounding = await desk.account_id("499500")
    assert [entry["balance"] for entry in lines if entry["account_id"] == rounding] == [-0.01]


async def test_a_document_that_differs_is_never_posted_and_leaves_no_draft(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    good, bad = desk.wishes.invoice(customer, line(5000), total=5000), desk.wishes.invoice(customer, line(5000), total=5010)
    outcomes = await desk.send(good, bad)
    assert statuses(outcomes) == ["done", "refused"]
    assert (outcomes[1].case_class, outcomes[1].code) == ("amount_mismatch", "odoo.amount_mismatch")
    assert "50.00 EUR" in outcomes[1].message
    assert "50.10 EUR" in outcomes[1].message
    found = await desk.plain.find("account.move", [["ref", "=", bad.subject.id.removeprefix("stripe:")]], ["id"], desk.company_id)
    assert found == []


async def test_a_credit_note_names_its_invoice_and_is_matched_with_nothing_by_itself(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    invoice = desk.wishes.invoice(customer, line(10000), total=10000)
    (invoiced,) = await desk.done(invoice)
    (credited,) = await desk.done(desk.wishes.credit_note(customer, line(2500), total=2500, reverses=invoice.subject.id))
    assert (await desk.record(credited, "reversed_entry_id"))["reversed_entry_id"] == int(invoiced.external_id.partition("/")[2])
    assert (await desk.record(invoiced, "amount_residual"))["amount_residual"] == 100.0


async def test_a_line_without_tax_takes_no_default_tax(desk: Desk) -> None:
    customer, product = desk.wishes.customer(), desk.wishes.product()
    await desk.done(customer)
    await desk.done(product)
    plan = DocumentLine("Plan", Money(9900, "EUR"), REVENUE, product_id=product.subject.id)
    (outcome,) = await desk.done(desk.wishes.invoice(customer, plan, total=9900))
    assert (await desk.record(outcome, "amount_tax", "amount_total"))["amount_tax"] == 0.0
    assert any(entry["product_id"] for entry in await desk.lines(outcome, "product_id"))


async def test_a_quantity_that_odoo_cannot_hold_goes_into_the_label(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    lines = (line(1000, quantity="4"), line(1000, quantity="3"), line(1000, quantity="1234.5678", name="Calls"))
    (outcome,) = await desk.done(desk.wishes.invoice(customer, *lines, total=3000))
    assert await told_lines(desk, outcome) == {("Plan Pro", 4.0, 2.5), ("3 × Plan Pro", 1.0, 10.0), ("1234.5678 × Calls", 1.0, 10.0)}


@EVERY_VERSION
async def test_a_price_that_odoo_would_round_goes_into_the_label(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    # 1000 x 0.002 = 2.00, 7800 x 0.0137 = 106.86, 4 x 480.6025 = 1922.41; together 2031.27. Prices of two decimals (17, 18) would make
    # 0.00, 78.00 and 1922.40 of them.
    lines = (line(200, quantity="1000"), line(10686, quantity="7800"), line(192241, quantity="4"))
    (outcome,) = await desk.done(desk.wishes.invoice(customer, *lines, total=203127))
    assert (await desk.record(outcome, "amount_total"))["amount_total"] == 2031.27
    kept = {("Plan Pro", 1000.0, 0.002), ("Plan Pro", 7800.0, 0.0137), ("Plan Pro", 4.0, 480.6025)}
    folded = {("1000 × Plan Pro", 1.0, 2.0), ("7800 × Plan Pro", 1.0, 106.86), ("4 × Plan Pro", 1.0, 1922.41)}
    assert await told_lines(desk, outcome) == (kept if desk.plain.major >= 19 else folded)


@EVERY_VERSION
async def test_prices_keep_as_many_decimals_as_the_database_says(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    (row,) = await desk.plain.find("decimal.precision", [["name", "=", "Product Price"]], ["digits"])
    await desk.plain.call("decimal.precision", "write", [row["id"]], vals={"digits": 3})
    try:
        # 8 x 0.125 = 1.00 fits three decimals, 16 x 0.0625 = 1.00 does not.
        wish = desk.wishes.invoice(customer, line(100, quantity="8"), line(100, quantity="16"), total=200)
        (outcome,) = await desk.done(wish)
    finally:
        await desk.plain.call("decimal.precision", "write", [row["id"]], vals={"digits": row["digits"]})
        desk.ctx.state.clear()
    second = ("Plan Pro", 16.0, 0.0625) if desk.plain.major >= 19 else ("16 × Plan Pro", 1.0, 1.0)
    assert await told_lines(desk, outcome) == {("Plan Pro", 8.0, 0.125), second}


async def told_lines(desk: Desk, outcome: Outcome) -> set[tuple[str, float, float]]:
    """Return name, quantity and price of a document's own lines."""
    rows = await desk.lines(outcome, "name", "quantity", "price_unit", "display_type")
    return {(row["name"], row["quantity"], row["price_unit"]) for row in rows if row["display_type"] == "product"}


async def test_a_foreign_currency_is_booked_at_odoos_rate(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    (outcome,) = await desk.done(desk.wishes.invoice(customer, line(10000, "USD"), total=10000, currency="USD"))
    lines = await desk.lines(outcome, "amount_currency")
    assert [(row["amount_currency"], row["balance"]) for row in lines] == [(100.0, 80.0), (-100.0, -80.0)]


async def test_a_currency_without_decimals_is_whole_units(desk: Desk) -> None:
    desk.wishes.entity = "JP"
    customer = desk.wishes.customer()
    await desk.done(customer)
    (outcome,) = await desk.done(desk.wishes.invoice(customer, line(1980, "JPY"), total=1980, currency="JPY"))
    assert (await desk.record(outcome, "amount_total"))["amount_total"] == 1980.0


async def test_a_currency_without_a_rate_is_refused_before_odoo_books_it_one_to_one(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    await desk.plain.call("res.currency", "write", [await currency_id(desk, "GBP")], vals={"active": True})
    (outcome,) = await desk.send(desk.wishes.invoice(customer, line(10000, "GBP"), total=10000, currency="GBP"))
    assert (outcome.status.value, outcome.code) == ("refused", "odoo.rate_missing")


async def test_an_unmapped_tax_refuses_its_document_alone(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    bad = desk.wishes.invoice(customer, line(10000, tax="7%", tax_minor=700), total=10700, tax=700)
    outcomes = await desk.send(desk.wishes.invoice(customer, line(100), total=100), bad)
    assert statuses(outcomes) == ["done", "refused"]
    assert (outcomes[1].case_class, outcomes[1].code) == ("unmapped_tax", "odoo.tax_unmapped")


async def test_a_document_waits_for_its_customer(desk: Desk) -> None:
    (outcome,) = await desk.send(desk.wishes.invoice(desk.wishes.customer(), line(100), total=100))
    assert (outcome.status.value, outcome.code) == ("waiting", "odoo.dependency_missing")


async def test_nothing_is_posted_into_a_locked_period(desk: Desk) -> None:
    desk.wishes.entity = "JP"
    customer = desk.wishes.customer()
    await desk.done(customer)
    early = desk.wishes.invoice(customer, line(100, "JPY"), total=100, currency="JPY", on=date(2024, 12, 31))
    late = desk.wishes.invoice(customer, line(100, "JPY"), total=100, currency="JPY", on=date(2025, 1, 1))
    async with desk.locked(date(2024, 12, 31)):
        outcomes = await desk.send(early, late)
    assert statuses(outcomes) == ["refused", "done"]
    assert (outcomes[0].case_class, outcomes[0].code) == ("period_locked", "odoo.period_locked")
    found = await desk.plain.find("account.move", [["ref", "=", early.subject.id.removeprefix("stripe:")]], ["id"], desk.company_id)
    assert found == []


async def test_an_invoice_without_amount_is_posted(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    (outcome,) = await desk.done(desk.wishes.invoice(customer, line(0, name="Trial"), total=0))
    row = await desk.record(outcome, "state", "payment_state")
    assert (row["state"], row["payment_state"]) == ("posted", "paid")


async def test_a_negative_line_lowers_the_total(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    lines = (line(10000, tax="19%", tax_minor=1900), line(-4000, tax="19%", tax_minor=-760, name="Unused time"))
    (outcome,) = await desk.done(desk.wishes.invoice(customer, *lines, total=7140, tax=1140))
    assert (await desk.record(outcome, "amount_total"))["amount_total"] == 71.4


async def test_a_large_batch_has_one_outcome_and_one_number_each(desk: Desk) -> None:
    customers = [desk.wishes.customer(f"Customer {n}") for n in range(3)]
    await desk.done(*customers)
    wishes = [desk.wishes.invoice(customers[n % 3], line(100 + n, tax="8.875%", tax_minor=9 if n < 7 else 10), total=0) for n in range(16)]
    # 8.875 % of 1.00 to 1.06 is 0.09 (at most 0.0941), of 1.07 to 1.15 is 0.10 (0.0950 to 0.1021).
    totals = [replace_total(wish, 100 + n + (9 if n < 7 else 10), 9 if n < 7 else 10) for n, wish in enumerate(wishes)]
    many = totals + [desk.wishes.invoice(customers[n % 3], line(1000 + n), total=1000 + n) for n in range(70)]
    outcomes = await desk.done(*many)
    assert len({outcome.external_name for outcome in outcomes}) == 86
    again = await desk.done(*many)
    assert [outcome.external_id for outcome in again] == [outcome.external_id for outcome in outcomes]


async def test_a_document_changed_by_hand_is_not_taken_for_done(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    invoice = desk.wishes.invoice(customer, line(10000), total=10000)
    (outcome,) = await desk.done(invoice)
    move_id = int(outcome.external_id.partition("/")[2])
    context = {"allowed_company_ids": [desk.company_id]}
    await desk.plain.call("account.move", "button_cancel", [move_id], context=context)
    (again,) = await desk.send(invoice)
    assert (again.status.value, again.code, again.external_id) == ("refused", "odoo.not_posted", outcome.external_id)


async def test_customers_merged_by_hand_are_followed(desk: Desk) -> None:
    kept, merged = desk.wishes.customer("Kept"), desk.wishes.customer("Merged")
    kept_outcome, merged_outcome = await desk.done(kept, merged)
    winner, loser = (int(outcome.external_id.partition("/")[2]) for outcome in (kept_outcome, merged_outcome))
    wizard = await desk.plain.create(
        "base.partner.merge.automatic.wizard", state="selection", dst_partner_id=winner, partner_ids=[[6, 0, [winner, loser]]]
    )
    await desk.plain.call("base.partner.merge.automatic.wizard", "action_merge", [wizard])
    (outcome,) = await desk.done(desk.wishes.invoice(merged, line(100), total=100))
    assert (await desk.record(outcome, "partner_id"))["partner_id"] == winner
    outcomes = await desk.done(kept, merged)
    assert outcomes[1].code == "odoo.partner_merged"
    assert outcomes[0].external_id == outcomes[1].external_id


async def currency_id(desk: Desk, code: str) -> int:
    """Return a currency, active or not."""
    rows = await desk.plain.find("res.currency", [["name", "=", code], ["active", "in", [True, False]]], ["id"])
    return int(rows[0]["id"])


def replace_total(wish: Command, total: int, tax: int) -> Command:
    """Return the wish with another total and tax."""
    document = wish.arguments
    assert isinstance(document, PostDocument)
    return replace(wish, arguments=replace(document, total=Money(total, "EUR"), tax=Money(tax, "EUR")))


async def test_a_mapped_product_is_found_by_its_internal_reference(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    reference = f"SEAT-{desk.wishes.run}"
    product_id = await desk.plain.create("product.product", name="Seat", default_code=reference, type="service")
    mapped = DocumentLine("Seats", Money(9900, "EUR"), REVENUE, product_id=f"target:{reference}")
    unknown = DocumentLine("Seats", Money(9900, "EUR"), REVENUE, product_id="target:NO-SUCH-PRODUCT")
    outcomes = await desk.send(desk.wishes.invoice(customer, mapped, total=9900), desk.wishes.invoice(customer, unknown, total=9900))
    assert statuses(outcomes) == ["done", "refused"]
    assert (outcomes[1].code, outcomes[1].case_class) == ("odoo.product_unmapped", "unmapped_product")
    assert product_id in [row["product_id"] for row in await desk.lines(outcomes[0], "product_id")]


@EVERY_VERSION
async def test_a_document_has_no_salesperson_and_no_fiscal_position_and_every_line_a_label(desk: Desk) -> None:
    customer = desk.wishes.customer(address=Address("Bahnhofstr. 1", "", "Zürich", "", "8001", "CH"))
    await desk.done(customer)
    unnamed = line(100, name="")
    (invoice,) = await desk.done(desk.wishes.invoice(customer, unnamed, total=100, number="NW-7"))
    wish = desk.wishes.credit_note(customer, unnamed, total=100)
    (credit,) = await desk.done(wish)
    for outcome in (invoice, credit):
        row = await desk.record(outcome, "fiscal_position_id", "invoice_user_id")
        assert (row["fiscal_position_id"], row["invoice_user_id"]) == (False, False)
    # 18 and 19 put the reference before the number on the receivable line.
    for outcome, number in ((invoice, "NW-7"), (credit, wish.subject.id.rpartition(":")[2])):
        labels = [row["name"] for row in await desk.lines(outcome, "name")]
        assert [str(label).endswith(number) for label in labels] == [True, True], labels

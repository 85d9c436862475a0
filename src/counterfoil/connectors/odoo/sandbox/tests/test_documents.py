"""Items 13 to 16: dynamic lines, taxes and rounding, states and refusals, numbers, lock dates. Figures measured on real servers."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError
from counterfoil.connectors.odoo.sandbox.tests.desk import Books, made


def rounding(books: Books, method: str) -> None:
    books.call("res.company", "write", [books.company], vals={"tax_calculation_rounding_method": method})


def test_an_invoice_has_product_tax_and_term_lines(any_books: Books) -> None:
    partner = any_books.partner()
    tax = any_books.tax("VAT", 15)
    move = any_books.invoice(partner, 99.99, taxes=(tax,))
    assert any_books.shape(move) == [("400000", -99.99), ("251000", -15.0), ("121000", 114.99)]
    assert any_books.read("account.move", move, "amount_untaxed", "amount_tax", "amount_total", "amount_residual") == [
        99.99,
        15.0,
        114.99,
        114.99,
    ]
    assert [line["date_maturity"] for line in any_books.lines(move)] == [False, False, "2026-03-31"]


def test_lines_are_on_the_commercial_partner(books: Books) -> None:
    company = books.create("res.partner", name="Acme", is_company=True)
    contact = books.create("res.partner", name="Jane", parent_id=company)
    move = books.invoice(contact, 5)
    assert {line["partner_id"][0] for line in books.lines(move)} == {company}
    assert books.read("account.move", move, "partner_id")[0] == contact


ROUNDED = [  # method, prices, tax in percent, included -> untaxed, tax, balances of the product lines on 19
    ("round_globally", (33.33, 33.33, 33.33), 8.875, False, 99.99, 8.87, [-33.33, -33.33, -33.33]),
    ("round_per_line", (33.33, 33.33, 33.33), 8.875, False, 99.99, 8.88, [-33.33, -33.33, -33.33]),
    ("round_globally", (21.53, 21.53), 21, True, 35.59, 7.47, [-17.8, -17.79]),
    ("round_per_line", (21.53, 21.53), 21, True, 35.58, 7.48, [-17.79, -17.79]),
]


@pytest.mark.parametrize(("method", "prices", "rate", "included", "untaxed", "tax", "balances"), ROUNDED)
def test_taxes_round_per_line_or_over_the_document(
    books: Books, method: str, prices: tuple[float, ...], rate: float, included: bool, untaxed: float, tax: float, balances: list[float]
) -> None:
    rounding(books, method)
    move = books.invoice(books.partner(), *prices, taxes=(books.tax("VAT", rate, included),))
    assert books.read("account.move", move, "amount_untaxed", "amount_tax") == [untaxed, tax]
    assert [line["balance"] for line in books.lines(move)][: len(prices)] == balances


def test_on_17_an_inclusive_base_is_rounded_on_its_line_even_globally() -> None:
    books = made(17)
    rounding(books, "round_globally")
    move = books.invoice(books.partner(), 21.53, 21.53, taxes=(books.tax("VAT", 21, True),))
    assert books.read("account.move", move, "amount_untaxed", "amount_tax") == [35.58, 7.48]


@pytest.mark.parametrize(("version", "method"), [(17, "round_per_line"), (18, "round_per_line"), (19, "round_globally")])
def test_new_companies_round_as_their_version_does(version: int, method: str) -> None:
    books = made(version)
    assert books.read("res.company", books.company, "tax_calculation_rounding_method") == method


def test_group_compound_and_fixed_taxes(books: Books) -> None:
    partner = books.partner()
    first = books.tax("10 on base", 10, include_base_amount=True)
    second = books.tax("5", 5, sequence=5)
    assert books.read("account.move", books.invoice(partner, 99.99, taxes=(first, second)), "amount_tax") == 15.5  # 10.00 + 5 % of 109.99
    group = books.create(
        "account.tax", name="group", amount_type="group", amount=0, children_tax_ids=[[6, 0, [second, books.tax("8.875", 8.875)]]]
    )
    assert books.read("account.move", books.invoice(partner, 100.55, taxes=(group,)), "amount_tax") == 13.95
    fixed = books.tax("fix", 1.5, amount_type="fixed")
    assert books.read("account.move", books.invoice(partner, 99.99, taxes=(fixed,)), "amount_tax") == 1.5


def test_a_tax_without_account_books_on_the_lines_account(books: Books) -> None:
    tax = books.create("account.tax", name="no account", amount=3)
    move = books.invoice(books.partner(), 55.55, taxes=(tax,))
    assert books.shape(move) == [("400000", -55.55), ("400000", -1.67), ("121000", 57.22)]


def test_a_tax_amount_written_on_a_draft_stays_until_a_base_line_changes(any_books: Books) -> None:
    tax = any_books.tax("VAT", 19)
    move = any_books.invoice(any_books.partner(), 100, taxes=(tax,), post=False)
    product, line, _term = (ln["id"] for ln in any_books.lines(move))
    any_books.call("account.move", "write", [move], vals={"line_ids": [[1, line, {"amount_currency": -19.02}]]})
    assert any_books.shape(move) == [("400000", -100.0), ("251000", -19.02), ("121000", 119.02)]
    any_books.call("account.move", "write", [move], vals={"ref": "x", "invoice_date_due": "2026-04-15"})
    any_books.call("account.move", "write", [move], vals={"invoice_date": "2026-03-05"})
    assert any_books.read("account.move", move, "amount_tax") == 19.02
    any_books.call(
        "account.move", "write", [move], vals={"invoice_line_ids": [[0, 0, {"name": "untaxed", "price_unit": 5, "tax_ids": []}]]}
    )
    assert any_books.read("account.move", move, "amount_tax") == 19.02
    values = {"invoice_line_ids": [[1, product, {"price_unit": 102}]], "line_ids": [[1, line, {"amount_currency": -20}]]}
    any_books.call("account.move", "write", [move], vals=values)
    assert any_books.read("account.move", move, "amount_tax") == 19.38  # computed again, the written amount is gone
    any_books.post(move)
    assert any_books.read("account.move", move, "amount_total") == 126.38


def test_a_written_foreign_tax_amount_moves_the_company_amount_too(any_books: Books) -> None:
    any_books.rate("EUR", "2026-01-01", 1.10)
    tax = any_books.tax("VAT", 19)
    move = any_books.invoice(any_books.partner(), 100, taxes=(tax,), currency_id=any_books.ref("base.EUR"), post=False)
    line = any_books.lines(move)[1]["id"]
    any_books.call("account.move", "write", [move], vals={"line_ids": [[1, line, {"amount_currency": -19.02}]]})
    assert any_books.shape(move) == [("400000", -110.0), ("251000", -20.92), ("121000", 130.92)]


def test_currency_converts_at_the_rate_of_the_invoice_date_and_one_without_rates(any_books: Books) -> None:
    partner = any_books.partner()
    euro = any_books.ref("base.EUR")
    assert any_books.shape(any_books.invoice(partner, 5, currency_id=euro)) == [("400000", -5.0), ("121000", 5.0)]
    any_books.rate("EUR", "2026-01-01", 1.10)
    any_books.rate("EUR", "2026-06-01", 1.20)
    assert any_books.shape(any_books.invoice(partner, 100, currency_id=euro)) == [("400000", -110.0), ("121000", 110.0)]
    assert any_books.shape(any_books.invoice(partner, 100, currency_id=euro, invoice_date="2026-07-01"))[0] == ("400000", -120.0)


def test_a_line_added_after_another_rate_was_entered_is_converted_by_it_on_17_alone(any_books: Books) -> None:
    # 100.00 EUR at 1.10; 1.20 is entered for the day; 10.00 EUR are added: 11.00 by the document's rate, 12.00 by the table's.
    any_books.rate("EUR", "2026-01-01", 1.10)
    move = any_books.invoice(any_books.partner(), 100, currency_id=any_books.ref("base.EUR"), post=False)
    any_books.rate("EUR", "2026-02-01", 1.20)
    assert any_books.shape(move) == [("400000", -110.0), ("121000", 110.0)]
    more = [[0, 0, {"name": "More", "price_unit": 10, "tax_ids": [[6, 0, []]]}]]
    any_books.call("account.move", "write", [move], vals={"invoice_line_ids": more})
    added = 12.0 if any_books.sandbox.version == 17 else 11.0
    assert sorted(any_books.shape(move)) == sorted([("400000", -110.0), ("400000", -added), ("121000", 110.0 + added)])


def test_one_rate_per_day(books: Books) -> None:
    books.rate("EUR", "2026-01-01", 1.10)
    with pytest.raises(OdooError, match="Only one currency rate per day allowed!"):
        books.rate("EUR", "2026-01-01", 1.20)


@pytest.mark.parametrize(("version", "balance"), [(18, -110.0), (19, -125.0)])
def test_an_imposed_rate_counts_at_creation_on_19_only(version: int, balance: float) -> None:
    books = made(version)
    books.rate("EUR", "2026-01-01", 1.10)
    move = books.invoice(books.partner(), 100, currency_id=books.ref("base.EUR"), invoice_currency_rate=0.8, post=False)
    assert books.shape(move)[0] == ("400000", balance)
    books.call("account.move", "write", [move], vals={"invoice_currency_rate": 0.5})
    assert books.shape(move)[0] == ("400000", -200.0)


@pytest.mark.parametrize(("version", "price", "total"), [(17, 0.0, 0.0), (18, 0.0, 0.0), (19, 0.00123456, 1.52)])
def test_unit_prices_keep_their_digits_on_19_only_and_quantities_two(version: int, price: float, total: float) -> None:
    books = made(version)
    line = {"name": "usage", "price_unit": 0.00123456, "quantity": 1234.5678, "tax_ids": []}
    move = books.invoice(books.partner(), post=False, invoice_line_ids=[[0, 0, line]])
    shown = books.find("account.move.line", [["move_id", "=", move], ["display_type", "=", "product"]], "price_unit", "quantity")[0]
    assert (shown["price_unit"], shown["quantity"], books.read("account.move", move, "amount_total")) == (price, 1234.57, total)


def test_payment_terms_split_the_receivable(any_books: Books) -> None:
    term = any_books.ref("account.account_payment_term_advance_60days")
    values: dict[str, Any] = {"invoice_payment_term_id": term, "invoice_date_due": False}
    move = any_books.invoice(any_books.partner(), 100.01, post=False, **values)
    assert [(line["date_maturity"], line["balance"]) for line in any_books.lines(move)[1:]] == [("2026-03-01", 30.0), ("2026-04-30", 70.01)]


def test_without_due_date_and_term_the_due_date_is_today(any_books: Books) -> None:
    values: dict[str, Any] = {"move_type": "out_invoice", "partner_id": any_books.partner(), "invoice_date": "2026-03-01"}
    move = any_books.create("account.move", **values, invoice_line_ids=[[0, 0, {"name": "x", "price_unit": 1}]])
    assert any_books.read("account.move", move, "invoice_date_due") == "2026-11-21"


def test_entries_balance_or_are_refused_at_creation(any_books: Books) -> None:
    receivable, income = any_books.account("121000"), any_books.account("400000")
    with pytest.raises(OdooError, match="not balanced"):
        any_books.entry({"account_id": receivable, "debit": 10}, {"account_id": income, "credit": 9})
    move = any_books.entry({"account_id": receivable, "debit": 10, "partner_id": any_books.partner()}, {"account_id": income, "credit": 10})
    assert any_books.shape(move) == [("121000", 10.0), ("400000", -10.0)]


def refusal(books: Books, move: int) -> str:
    with pytest.raises(OdooError) as caught:
        books.post(move)
    return caught.value.message


def test_posting_refuses_what_real_servers_refuse(books: Books) -> None:
    partner = books.partner()
    assert refusal(books, books.create("account.move", move_type="out_invoice", partner_id=partner)) == "Even magicians can't post nothing!"
    assert "The 'Customer' field is required" in refusal(books, books.invoice(0, 5, post=False, partner_id=False))
    assert "negative total amount" in refusal(books, books.invoice(partner, -5, post=False))
    pound = books.invoice(partner, 5, post=False, currency_id=books.ref("base.GBP"))
    assert refusal(books, pound) == "You cannot validate a document with an inactive currency: GBP"
    posted = books.invoice(partner, 5)
    assert refusal(books, posted) == f"The entry INV/2026/00001 (id {posted}) must be in draft."


def test_one_bad_move_takes_back_the_whole_posting_call(books: Books) -> None:
    partner = books.partner()
    good, bad = books.invoice(partner, 5, post=False), books.invoice(partner, -5, post=False)
    with pytest.raises(OdooError):
        books.post(good, bad)
    assert books.read("account.move", good, "state", "name") == ["draft", False]


def test_a_zero_invoice_posts_and_is_paid(any_books: Books) -> None:
    move = any_books.invoice(any_books.partner(), 10, -10)
    assert any_books.read("account.move", move, "state", "payment_state") == ["posted", "paid"]


def test_draft_cancel_and_delete(any_books: Books) -> None:
    move = any_books.invoice(any_books.partner(), 10)
    with pytest.raises(OdooError, match="You can't delete a posted journal item"):
        any_books.call("account.move", "unlink", [move])
    any_books.call("account.move", "button_draft", [move])
    assert any_books.read("account.move", move, "state", "name") == ["draft", "INV/2026/00001"]
    any_books.post(move)
    any_books.call("account.move", "button_cancel", [move])
    assert any_books.read("account.move", move, "state", "payment_state") == ["cancel", "not_paid"]
    any_books.call("account.move", "unlink", [move])
    assert any_books.find("account.move", [], "id") == []


def test_posting_to_an_archived_account_fails(any_books: Books) -> None:
    account = any_books.create("account.account", name="Old", code="400999", account_type="income")
    line = {"name": "x", "price_unit": 1, "account_id": account}
    move = any_books.invoice(any_books.partner(), post=False, invoice_line_ids=[[0, 0, line]])
    archived = {"active": False} if any_books.sandbox.version == 19 else {"deprecated": True}
    any_books.call("account.account", "write", [account], vals=archived)
    expected = (
        "The account Old (400999) is archived." if any_books.sandbox.version == 19 else "A line of this move is using a deprecated account"
    )
    assert refusal(any_books, move).startswith(expected)


# -- numbers ----------------------------------------------------------------------------------------------------------------------


def number(books: Books, move: int) -> str:
    return str(books.read("account.move", move, "name"))


def test_numbers_are_given_at_posting_per_journal_and_period(books: Books) -> None:
    partner = books.partner()
    invoices = [books.invoice(partner, 5), books.invoice(partner, 5, invoice_date="2025-05-05"), books.invoice(partner, 5)]
    assert [number(books, m) for m in invoices] == ["INV/2026/00001", "INV/2025/00001", "INV/2026/00002"]
    assert number(books, books.invoice(partner, 5, move_type="out_refund")) == "RINV/2026/00001"
    expense, income = books.account("600000"), books.account("400000")
    entries = [
        books.entry({"account_id": expense, "debit": 5}, {"account_id": income, "credit": 5}, date=d)
        for d in ("2026-03-01", "2026-03-05", "2026-04-01")
    ]
    assert [number(books, m) for m in entries] == ["MISC/2026/03/0001", "MISC/2026/03/0002", "MISC/2026/04/0001"]
    assert books.read("account.payment", books.payment(partner, 5), "name") == "PBNK1/2026/00001"


@pytest.mark.parametrize(("version", "first", "second"), [(17, "INV/2026/00001", "/"), (18, False, False), (19, False, False)])
def test_a_draft_has_no_number_but_on_17_the_first_one_shows_it(version: int, first: object, second: object) -> None:
    books = made(version)
    partner = books.partner()
    drafts = [books.invoice(partner, 5, post=False) for _ in range(2)]
    assert [books.read("account.move", m, "name") for m in drafts] == [first, second]


def test_a_deleted_last_number_is_used_again(any_books: Books) -> None:
    partner = any_books.partner()
    any_books.invoice(partner, 5)
    last = any_books.invoice(partner, 5)
    any_books.call("account.move", "button_draft", [last])
    any_books.call("account.move", "unlink", [last])
    assert number(any_books, any_books.invoice(partner, 5)) == "INV/2026/00002"


def test_numbering_continues_the_newest_format_and_names_are_unique_among_posted(books: Books) -> None:
    partner = books.partner()
    journal = books.create("account.journal", name="Imported", code="IMP", type="sale", default_account_id=books.account("400000"))
    own = books.invoice(partner, 5, journal_id=journal, name="IN-0042")
    following = books.invoice(partner, 5, journal_id=journal)
    assert [number(books, m) for m in (own, following)] == ["IN-0042", "IN-0043"]
    twin = books.invoice(partner, 5, journal_id=journal, name="IN-0042", post=False)
    assert "Another entry with the same name already exists." in refusal(books, twin)


def test_each_company_has_its_own_numbers(books: Books) -> None:
    german = Books(books.sandbox, books.company + 1)
    assert [number(b, b.invoice(b.partner(), 5)) for b in (books, german)] == ["INV/2026/00001", "INV/2026/00001"]


# -- locks ------------------------------------------------------------------------------------------------------------------------


def lock(books: Books, **dates: object) -> None:
    books.call("res.company", "write", [books.company], vals=dates)


def test_posting_into_a_locked_period_silently_moves_the_date(any_books: Books) -> None:
    partner = any_books.partner()
    any_books.invoice(partner, 1)  # the series exists, as on a server in use
    lock(any_books, fiscalyear_lock_date="2025-12-31")
    invoice = any_books.invoice(partner, 5, invoice_date="2025-06-16")
    assert any_books.read("account.move", invoice, "date", "invoice_date", "name") == ["2026-11-21", "2025-06-16", "INV/2026/00002"]
    expense, income = any_books.account("600000"), any_books.account("400000")
    entry = any_books.entry({"account_id": expense, "debit": 5}, {"account_id": income, "credit": 5}, date="2025-06-10")
    assert any_books.read("account.move", entry, "date") == "2026-01-31"


def test_a_locked_posted_move_cannot_be_taken_back(any_books: Books) -> None:
    move = any_books.invoice(any_books.partner(), 5, invoice_date="2025-06-16")
    lock(any_books, fiscalyear_lock_date="2025-12-31")
    with pytest.raises(OdooError, match="You cannot add/modify entries prior to and inclusive of"):
        any_books.call("account.move", "button_draft", [move])
    any_books.call("account.move", "write", [move], vals={"ref": "free"})


def test_a_payment_keeps_its_date_while_its_entry_moves() -> None:
    for version, shown in ((17, "2026-01-31"), (18, "2025-06-20"), (19, "2025-06-20")):
        books = made(version)
        lock(books, fiscalyear_lock_date="2025-12-31")
        payment = books.payment(books.partner(), 5, date="2025-06-20")
        assert books.read("account.payment", payment, "date") == shown
        assert books.read("account.move", books.payment_move(payment), "date") == "2026-01-31"


def test_sale_and_tax_locks_touch_only_their_documents(books: Books) -> None:
    partner = books.partner()
    books.invoice(partner, 1)
    lock(books, tax_lock_date="2026-01-31")
    plain, taxed = (
        books.invoice(partner, 5, invoice_date="2026-01-10"),
        books.invoice(partner, 5, taxes=(books.tax("V", 5),), invoice_date="2026-01-10"),
    )
    assert [books.read("account.move", m, "date") for m in (plain, taxed)] == ["2026-01-10", "2026-11-21"]
    lock(books, tax_lock_date=False, sale_lock_date="2026-02-28")
    assert books.read("account.move", books.invoice(partner, 5, invoice_date="2026-02-10"), "date") == "2026-11-21"
    assert books.read("res.company", books.company, "user_sale_lock_date", "user_hard_lock_date") == ["2026-02-28", "1-01-01"]


def test_the_hard_lock_cannot_be_removed(books: Books) -> None:
    lock(books, hard_lock_date="2024-12-31")
    with pytest.raises(OdooError, match="The Hard Lock Date cannot be removed"):
        lock(books, hard_lock_date=False)


def test_posted_documents_protect_their_content_but_not_their_references(books: Books) -> None:
    move = books.invoice(books.partner(), 5)
    for values in ({"date": "2026-04-01"}, {"invoice_date": "2026-04-01"}, {"currency_id": books.ref("base.EUR")}):
        with pytest.raises(OdooError, match="You cannot modify the following readonly fields on a posted move"):
            books.call("account.move", "write", [move], vals=values)
    books.call("account.move", "write", [move], vals={"ref": "r", "payment_reference": "p", "narration": "n", "name": "INV/2026/00077"})
    assert number(books, books.invoice(books.partner(), 5)) == "INV/2026/00078"

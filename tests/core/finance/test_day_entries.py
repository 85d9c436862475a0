"""Summary posting in whole values: the items of a document, the document made of items, the entry of a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from tests.core.builders import eur

from counterfoil.core.commands.books import Account, AccountRole, BookCommand, DocumentLine, DocumentTax, EntryLine, PostDocument, PostEntry
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.finance.summary import DayEntry, SummaryItem, bare, by_day, close_day, document_of, items_of

DAY = date(2026, 3, 10)
RECEIVABLE, PLANS, SEATS = Account(AccountRole.RECEIVABLE), Account(AccountRole.REVENUE, "plans"), Account(AccountRole.REVENUE, "seats")
VAT, CITY = Account(AccountRole.TAX, "VAT 19"), Account(AccountRole.TAX, "City")


def item(account: Account, minor: int, *, group: str = "", tax: str = "", document: str = "invoice_a", day: date = DAY) -> SummaryItem:
    """Return an item of Germany in euros."""
    return SummaryItem("DE", day, "EUR", group, tax, account, eur(minor), document)


INVOICE = (
    item(RECEIVABLE, 17980),
    item(PLANS, -10000, group="plans", tax="VAT 19"),
    item(VAT, -2850, tax="VAT 19"),
    item(SEATS, -5000, group="seats", tax="VAT 19+City"),
    item(CITY, -100, tax="City"),
    item(Account(AccountRole.TAX, "Old"), -30, tax="Old"),
)
LINES = (
    DocumentLine("", eur(10000), PLANS, Decimal(1), (DocumentTax("VAT 19", eur(2850), eur(10000), False),)),
    DocumentLine(
        "", eur(5000), SEATS, Decimal(1), (DocumentTax("VAT 19", eur(0), eur(5000), False), DocumentTax("City", eur(100), eur(5000), False))
    ),
    DocumentLine("", eur(0), Account(AccountRole.REVENUE), Decimal(1), (DocumentTax("Old", eur(30), eur(0), False),)),
)
DOCUMENT = PostDocument("", "EUR", DAY, DAY, DAY, eur(17980), eur(2980), LINES)


def test_a_document_is_made_of_its_items_with_the_whole_of_a_tax_on_the_first_line_that_names_it() -> None:
    assert document_of(INVOICE, is_credit_note=False) == DOCUMENT


def test_the_items_of_a_credit_note_have_the_other_sign_and_make_the_same_document() -> None:
    turned = tuple(replace(one, amount=-one.amount) for one in INVOICE)
    assert document_of(turned, is_credit_note=True) == DOCUMENT


@pytest.mark.parametrize(("is_credit_note", "plans"), [(False, 500), (True, -500)])
def test_a_document_of_nothing_is_signed_by_what_it_is(is_credit_note: bool, plans: int) -> None:
    items = (item(PLANS, -500, group="plans"), item(SEATS, 500, group="seats"))
    made = document_of(items, is_credit_note=is_credit_note)
    assert (made.total, made.tax) == (eur(0), eur(0))
    assert made.lines == (DocumentLine("", eur(plans), PLANS, Decimal(1)), DocumentLine("", eur(-plans), SEATS, Decimal(1)))


def test_a_document_for_one_cent_is_signed_by_what_is_owed() -> None:
    made = document_of((item(RECEIVABLE, 1), item(PLANS, -1, group="plans")), is_credit_note=True)
    assert (made.total, made.lines) == (eur(1), (DocumentLine("", eur(1), PLANS, Decimal(1)),))
    made = document_of((item(RECEIVABLE, -1), item(PLANS, 1, group="plans")), is_credit_note=False)
    assert (made.total, made.lines) == (eur(1), (DocumentLine("", eur(1), PLANS, Decimal(1)),))


def test_items_are_one_for_each_account_group_and_tax_and_nothing_for_zeros() -> None:
    # Two lines of plans, 60.00 and 40.00, are one item; a free line is none.
    vat = DocumentTax("VAT 19", eur(1900), eur(10000), False)
    lines = (
        DocumentLine("Plan", eur(6000), PLANS, taxes=(vat,)),
        DocumentLine("Plan", eur(4000), PLANS, taxes=(replace(vat, amount=eur(0)),)),
        DocumentLine("Free", eur(0), SEATS),
    )
    document = PostDocument("stripe:cus_A", "EUR", DAY, DAY, DAY, eur(11900), eur(1900), lines)
    assert items_of("DE", "invoice_a", DAY, BookCommand.POST_INVOICE, document) == (
        item(RECEIVABLE, 11900),
        item(PLANS, -10000, group="plans", tax="VAT 19"),
        item(VAT, -1900, tax="VAT 19"),
    )


def test_a_document_kept_bare_names_nobody_and_describes_nothing() -> None:
    line = replace(LINES[0], description="Plan Pro", quantity=Decimal(3), product_id="stripe:prod_pro", period_start=DAY, period_end=DAY)
    full = replace(DOCUMENT, customer_id="stripe:cus_A", number="A-1", reverses="invoice/b", memo="void of A-0", lines=(line, *LINES[1:]))
    assert bare(full) == DOCUMENT


def test_items_are_by_entity_day_and_currency_each_once() -> None:
    later = item(RECEIVABLE, 500, document="invoice_b", day=date(2026, 3, 11))
    other = replace(INVOICE[0], entity="AT")
    days = by_day([later, INVOICE[0], INVOICE[0], other])
    assert list(days.items()) == [
        (("AT", DAY, "EUR"), (other,)),
        (("DE", DAY, "EUR"), (INVOICE[0],)),
        (("DE", date(2026, 3, 11), "EUR"), (later,)),
    ]


@pytest.mark.parametrize(("number", "memo"), [(1, "summary DE 2026-03-10 EUR"), (2, "summary DE 2026-03-10 EUR, supplement 2")])
def test_a_closed_day_is_one_entry_of_all_its_documents(number: int, memo: str) -> None:
    # A second invoice of 11.90: receivable 179.80 + 11.90, plans 100.00 + 10.00, VAT 28.50 + 1.90.
    second = (
        item(RECEIVABLE, 1190, document="invoice_b"),
        item(PLANS, -1000, group="plans", tax="VAT 19", document="invoice_b"),
        item(VAT, -190, tax="VAT 19", document="invoice_b"),
    )
    lines = (
        EntryLine(RECEIVABLE, eur(19170)),
        EntryLine(PLANS, eur(-11000), "plans VAT 19"),
        EntryLine(SEATS, eur(-5000), "seats VAT 19+City"),
        EntryLine(CITY, eur(-100), "City"),
        EntryLine(Account(AccountRole.TAX, "Old"), eur(-30), "Old"),
        EntryLine(VAT, eur(-3040), "VAT 19"),
    )
    keys = tuple(sorted(one.key for one in (*INVOICE, *second)))
    made = close_day(("DE", DAY, "EUR"), [*second, *INVOICE, *second], *([number] if number > 1 else []))
    assert made == DayEntry("DE", DAY, "EUR", number, PostEntry(DAY, lines, memo), ("invoice_a", "invoice_b"), keys)


def test_a_day_that_cancels_out_has_its_documents_and_no_entry() -> None:
    back = tuple(replace(one, amount=-one.amount, document_id="void_a") for one in INVOICE)
    made = close_day(("DE", DAY, "EUR"), [*INVOICE, *back])
    assert (made.entry, made.documents, len(made.item_keys)) == (None, ("invoice_a", "void_a"), 12)


def test_a_day_that_does_not_balance_and_an_item_of_another_day_are_refused() -> None:
    with pytest.raises(InvariantError, match=r"^debits differ from credits by 179\.80 EUR$"):
        close_day(("DE", DAY, "EUR"), INVOICE[:1])
    with pytest.raises(
        InvariantError, match=r"^invoice_a is of DE, 2026-03-10, EUR, not of \('DE', datetime\.date\(2026, 3, 10\), 'USD'\)$"
    ):
        close_day(("DE", DAY, "USD"), INVOICE)

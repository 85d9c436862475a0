"""Bookings as debits and credits, and the invariants checked before anything is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from tests.core.builders import eur, settled, usd

from counterfoil.core.commands.books import (
    Account,
    AccountRole,
    Allocate,
    BookCommand,
    DocumentLine,
    DocumentTax,
    EntryLine,
    PostDocument,
    PostEntry,
    PostPayment,
    UpsertProduct,
)
from counterfoil.core.finance.entries import customer_balance_lines, fee_lines, movement_lines, transfer_lines
from counterfoil.core.finance.invariants import InvariantError, check_arguments, check_balanced
from counterfoil.core.finance.postings import Posting, postings_of
from counterfoil.core.finance.proportion import scale, scale_lines
from counterfoil.core.language.money import Money

DAY = date(2026, 3, 10)
RECEIVABLE, REVENUE = Account(AccountRole.RECEIVABLE), Account(AccountRole.REVENUE, "plans")
CLEARING = Account(AccountRole.CLEARING, "stripe")
EXCLUSIVE = DocumentLine("Plan", eur(10000), REVENUE, taxes=(DocumentTax("VAT 19", eur(1900), eur(10000), False),))
INCLUSIVE = DocumentLine("Plan", eur(11900), REVENUE, taxes=(DocumentTax("VAT 19", eur(1900), eur(10000), True),))
DOCUMENT = PostDocument("stripe:cus_A", "EUR", DAY, DAY, DAY, eur(11900), eur(1900), (EXCLUSIVE,))


def as_text(postings: tuple[Posting, ...]) -> list[str]:
    """Return postings as text."""
    return [f"{posting.account} {posting.amount}" for posting in postings]


@pytest.mark.parametrize("line", [EXCLUSIVE, INCLUSIVE], ids=["exclusive", "inclusive"])
def test_an_invoice_debits_the_receivable_and_credits_revenue_and_tax(line: DocumentLine) -> None:
    found = as_text(postings_of(BookCommand.POST_INVOICE, replace(DOCUMENT, lines=(line,))))
    assert found == ["receivable 119.00 EUR", "revenue:plans -100.00 EUR", "tax:VAT 19 -19.00 EUR"]


def test_a_credit_note_is_its_mirror() -> None:
    found = as_text(postings_of(BookCommand.POST_CREDIT_NOTE, DOCUMENT))
    assert found == ["receivable -119.00 EUR", "revenue:plans 100.00 EUR", "tax:VAT 19 19.00 EUR"]


def test_a_payment_debits_clearing_and_one_out_credits_it() -> None:
    paid = PostPayment("stripe:cus_A", eur(500), True, DAY, CLEARING)
    assert as_text(postings_of(BookCommand.POST_PAYMENT, paid)) == ["clearing:stripe 5.00 EUR", "receivable -5.00 EUR"]
    assert as_text(postings_of(BookCommand.POST_PAYMENT, replace(paid, is_inbound=False))) == [
        "clearing:stripe -5.00 EUR",
        "receivable 5.00 EUR",
    ]


def test_a_payment_settled_in_another_currency_balances_in_both_over_the_exchange_account() -> None:
    paid = PostPayment("stripe:cus_A", eur(500), True, DAY, CLEARING, settled=usd(540))
    assert as_text(postings_of(BookCommand.POST_PAYMENT, paid)) == [
        "clearing:stripe 5.40 USD",
        "exchange_difference -5.40 USD",
        "exchange_difference 5.00 EUR",
        "receivable -5.00 EUR",
    ]


def test_matches_and_master_data_book_nothing() -> None:
    assert postings_of(BookCommand.ALLOCATE, Allocate("invoice/a", "payment/b", eur(1))) == ()
    assert postings_of(BookCommand.UPSERT_PRODUCT, UpsertProduct("p", "P")) == ()


def test_an_entry_whose_debits_differ_from_its_credits_is_refused_with_the_difference() -> None:
    with pytest.raises(InvariantError, match=r"differ from credits by 0\.01 USD"):
        check_balanced([EntryLine(RECEIVABLE, usd(100)), EntryLine(REVENUE, usd(-99))])
    with pytest.raises(InvariantError, match="without lines"):
        check_balanced([])


def test_an_entry_in_several_currencies_balances_by_company_amounts() -> None:
    lines = [EntryLine(CLEARING, eur(100), company_amount=usd(110)), EntryLine(REVENUE, usd(-110), company_amount=usd(-110))]
    check_balanced(lines)
    with pytest.raises(InvariantError):
        check_balanced([lines[0], replace(lines[1], company_amount=None)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (replace(DOCUMENT, total=eur(11901)), "lines sum to 119.00 EUR, the document says 119.01 EUR"),
        (replace(DOCUMENT, tax=eur(1800)), "taxes sum to 19.00 EUR, the document says 18.00 EUR"),
        (replace(DOCUMENT, total=eur(-100), tax=eur(0), lines=(DocumentLine("x", eur(-100), REVENUE),)), "negative invoice"),
        (replace(DOCUMENT, lines=(replace(EXCLUSIVE, amount=usd(10000)),)), "cannot mix EUR and USD"),
    ],
)
def test_a_document_whose_parts_are_not_the_whole_is_refused(wrong: PostDocument, message: str) -> None:
    with pytest.raises(InvariantError, match=message):
        check_arguments(BookCommand.POST_INVOICE, wrong)


def test_nothing_and_less_is_neither_paid_nor_matched_and_arguments_fit_their_kind() -> None:
    with pytest.raises(InvariantError, match=r"post_payment of 0\.00 EUR"):
        check_arguments(BookCommand.POST_PAYMENT, PostPayment("c", eur(0), True, DAY, CLEARING))
    with pytest.raises(InvariantError, match=r"allocate of -0\.01 EUR"):
        check_arguments(BookCommand.ALLOCATE, Allocate("a", "b", eur(-1)))
    with pytest.raises(InvariantError, match="does not take"):
        check_arguments(BookCommand.POST_ENTRY, DOCUMENT)
    check_arguments(BookCommand.POST_ENTRY, PostEntry(DAY, transfer_lines(RECEIVABLE, REVENUE, eur(1))))


def test_lines_of_zero_are_left_out_and_a_transfer_of_nothing_has_none() -> None:
    assert transfer_lines(RECEIVABLE, REVENUE, eur(0)) == ()
    assert fee_lines(settled(usd(100)), CLEARING) == ()
    assert [line.amount for line in movement_lines(settled(usd(-100)), CLEARING, REVENUE)] == [usd(100), usd(-100)]


def test_a_fee_given_back_goes_the_other_way() -> None:
    lines = fee_lines(settled(usd(-100), fee=-3), CLEARING)
    assert [(str(line.account), line.amount) for line in lines] == [("fees", usd(-3)), ("clearing:stripe", usd(3))]


def test_more_credit_of_a_customer_is_a_credit_of_the_customer_credit_account() -> None:
    lines = customer_balance_lines(usd(-500), "stripe:cus_A", RECEIVABLE)
    assert [(str(line.account), line.amount, line.customer_id) for line in lines] == [
        ("customer_credit", usd(-500), "stripe:cus_A"),
        ("receivable", usd(500), "stripe:cus_A"),
    ]


def test_amounts_of_mixed_signs_scale_to_a_part_by_largest_remainder() -> None:
    # 100.00 - 40.00 = 60.00 scaled to 20.01: 33.35 and -13.34.
    assert scale([usd(10000), usd(-4000)], usd(2001)) == (usd(3335), usd(-1334))
    # A third of 1.00 + 1.00 + 1.00 to 1.00: the first gets the odd cent.
    assert scale([usd(100)] * 3, usd(100)) == (usd(34), usd(33), usd(33))
    with pytest.raises(InvariantError, match="sum to zero"):
        scale([usd(1), usd(-1)], usd(1))


def test_lines_and_their_taxes_scale_together() -> None:
    # Half of 100.00 + 19.00 of tax.
    (half,) = scale_lines([EXCLUSIVE], eur(5950))
    assert (half.amount, half.taxes[0].amount, half.taxes[0].taxable) == (eur(5000), eur(950), eur(5000))
    (half,) = scale_lines([INCLUSIVE], eur(5950))
    assert (half.amount, half.taxes[0].amount) == (eur(5950), eur(950))


def test_a_posting_knows_its_product_group_and_tax() -> None:
    _, revenue, tax = postings_of(BookCommand.POST_INVOICE, DOCUMENT)
    assert (revenue.product_group, revenue.tax, tax.tax, tax.product_group) == ("plans", "VAT 19", "VAT 19", "")
    assert Money(0, "EUR") == revenue.amount + tax.amount + DOCUMENT.total


def test_a_command_takes_only_arguments_of_its_kind_and_only_those_that_add_up() -> None:
    with pytest.raises(InvariantError, match=r"^post_entry does not take PostDocument$"):
        check_arguments(BookCommand.POST_ENTRY, DOCUMENT)
    with pytest.raises(InvariantError, match=r"^debits differ from credits by 1\.00 EUR$"):
        check_arguments(BookCommand.POST_ENTRY, PostEntry(DAY, (EntryLine(RECEIVABLE, eur(100)),)))
    with pytest.raises(InvariantError, match=r"^allocate of 0\.00 EUR$"):
        check_arguments(BookCommand.ALLOCATE, Allocate("invoice/a", "payment/b", eur(0)))


def test_revenue_under_two_taxes_names_both() -> None:
    city = DocumentTax("City", eur(100), eur(10000), False)
    line = replace(EXCLUSIVE, taxes=(*EXCLUSIVE.taxes, city))
    postings = postings_of(BookCommand.POST_INVOICE, replace(DOCUMENT, lines=(line,), total=eur(12000)))
    assert [posting.tax for posting in postings] == ["", "VAT 19+City", "VAT 19", "City"]

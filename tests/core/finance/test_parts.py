"""Parts of documents: lines scaled to a part of the whole, and what is left of lines when others are taken off."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.core.builders import eur

from counterfoil.core.commands.books import Account, AccountRole, DocumentLine, DocumentTax
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.finance.proportion import less_lines, scale, scale_lines

PLANS, SEATS = Account(AccountRole.REVENUE, "plans"), Account(AccountRole.REVENUE, "seats")


def vat(amount: int, taxable: int, *, inclusive: bool = False) -> DocumentTax:
    """Return a tax of 19 %."""
    return DocumentTax("VAT 19", eur(amount), eur(taxable), inclusive)


def plan(amount: int, *taxes: DocumentTax) -> DocumentLine:
    """Return a line of the plan, three of it."""
    return DocumentLine("Plan", eur(amount), PLANS, Decimal(3), taxes, "stripe:prod_pro")


def test_the_cents_left_over_go_to_the_largest_fractions_and_of_equal_ones_to_the_earlier() -> None:
    # 1.00 in three equal parts: 33.3 each. 1.00 over 1, 2, 5: 12.5, 25, 62.5: of two halves the earlier.
    assert scale((eur(1), eur(1), eur(1)), eur(100)) == (eur(34), eur(33), eur(33))
    assert scale((eur(1), eur(2), eur(5)), eur(100)) == (eur(13), eur(25), eur(62))
    # 0.10 over 7, 7, 86: 0.7, 0.7, 8.6: both cents go to the larger fractions.
    assert scale((eur(7), eur(7), eur(86)), eur(10)) == (eur(1), eur(1), eur(8))


def test_amounts_that_sum_to_zero_cannot_be_scaled() -> None:
    with pytest.raises(InvariantError, match="cannot scale amounts that sum to zero"):
        scale((eur(1), eur(-1)), eur(5))


def test_lines_and_their_exclusive_taxes_are_scaled_together_and_keep_all_else() -> None:
    # 119.00 + 50.00 to a half, 84.50: 50.00 + 9.50 tax on 50.00, and 25.00.
    lines = (plan(10000, vat(1900, 10000)), DocumentLine("Seats", eur(5000), SEATS))
    assert scale_lines(lines, eur(8450)) == (plan(5000, vat(950, 5000)), DocumentLine("Seats", eur(2500), SEATS))


def test_an_exclusive_tax_has_its_own_place_among_the_cents_left_over() -> None:
    # 0.01 and 0.03 of tax to 0.02: 0.5 and 1.5; the cent over goes to the line, the earlier of two halves.
    assert scale_lines((plan(1, vat(3, 1)),), eur(2)) == (plan(1, vat(1, 0)),)


def test_taxes_in_the_price_follow_and_exactly_one_half_goes_to_the_even_cent() -> None:
    lines = (plan(30, vat(5, 25, inclusive=True)), plan(70), plan(100, vat(19, 81), vat(3, 97, inclusive=True)))
    # 2.19 in all (0.30, 0.70, 1.00 and 0.19 of tax) to 1.10: 15.07, 35.16, 50.23 and 9.54: the cent over goes to the tax.
    half = scale_lines(lines, eur(110))
    assert [line.amount.minor for line in half] == [15, 35, 50]
    assert [[tax.amount.minor for tax in line.taxes] for line in half] == [[3], [], [10, 2]]
    # Half of 0.05 is 2.5: two cents; half of 0.25 is 12.5: twelve.
    (exact,) = scale_lines((plan(30, vat(5, 25, inclusive=True)),), eur(15))
    assert exact == plan(15, vat(2, 12, inclusive=True))


def test_what_is_taken_off_comes_off_a_line_of_its_like_which_then_is_one_piece() -> None:
    lines = (DocumentLine("Seats", eur(5000), SEATS), plan(10000, vat(1900, 10000)))
    left = less_lines(lines, (plan(4000, vat(760, 4000)),))
    assert left == (lines[0], replace(plan(6000, vat(1140, 6000)), quantity=Decimal(1)))


def test_a_line_that_is_taken_off_whole_is_gone() -> None:
    lines = (DocumentLine("Seats", eur(5000), SEATS), plan(10000, vat(1900, 10000)))
    assert less_lines(lines, (lines[1],)) == (lines[0],)
    assert less_lines(lines, ()) == lines


def test_a_line_that_only_its_tax_is_left_of_stays() -> None:
    left = less_lines((plan(10000, vat(1900, 10000)),), (plan(10000, vat(1000, 10000)),))
    assert left == (replace(plan(0, vat(900, 0)), quantity=Decimal(1)),)


@pytest.mark.parametrize(
    "other",
    [
        plan(10001, vat(1900, 10001)),  # larger than the line
        plan(-4000, vat(-760, -4000)),  # of the other sign
        plan(4000, vat(760, 4000, inclusive=True)),  # its tax is in the price
        plan(4000, DocumentTax("VAT 7", eur(280), eur(4000), False)),  # another tax
        replace(plan(4000, vat(760, 4000)), account=SEATS),
        replace(plan(4000, vat(760, 4000)), product_id="stripe:prod_other"),
    ],
)
def test_what_finds_no_line_of_its_like_that_is_large_enough_stays_as_a_line_of_the_other_sign(other: DocumentLine) -> None:
    line = plan(10000, vat(1900, 10000))
    taxes = tuple(replace(tax, amount=-tax.amount, taxable=-tax.taxable) for tax in other.taxes)
    turned = replace(other, amount=-other.amount, taxes=taxes, quantity=Decimal(1))
    assert less_lines((line,), (other,)) == (line, turned)


def test_a_line_exactly_as_large_covers_what_is_taken_off_and_one_of_nothing_is_of_the_positive_ones() -> None:
    assert less_lines((plan(-10000), plan(10000)), (plan(10000),)) == (plan(-10000),)
    assert less_lines((plan(-500), plan(0, vat(19, 0))), (plan(0, vat(19, 0)),)) == (plan(-500),)

"""The form of the keys taxes are mapped by, as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from counterfoil.core.kinds.invoice import LineTax
from counterfoil.core.kinds.tax_rate import TaxRate
from counterfoil.core.language.money import Money
from counterfoil.core.policies.tax_keys import tax_key_problem
from counterfoil.core.policies.taxes import tax_keys


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("15%", "15|exclusive"),
        ("15", "15|exclusive"),
        ("19 %|exclusive", "19|exclusive"),
        ("19.00|inclusive", "19|inclusive"),
        ("8,875|exclusive", "8.875|exclusive"),
        ("19|incl", "19|inclusive"),
        ("DE/19.0|exclusive", "DE/19|exclusive"),
        ("US-CA/sales_tax/8.250%|exclusive", "US-CA/sales_tax/8.25|exclusive"),
        ("txr_1Abc|exclusive", "<source>:<tax rate id>|exclusive"),
        ("VAT 19|exclusive", "19|exclusive, DE/19|inclusive"),
        ("|exclusive", "19|exclusive"),
    ],
)
def test_a_key_that_can_never_match_is_told_with_the_near_right_one(key: str, meant: str) -> None:
    assert meant in tax_key_problem(key)


def test_every_key_a_tax_is_looked_up_by_has_the_right_form() -> None:
    # 8.250 % of 100.00 is 8.25; the keys say 8.25, whatever zeros the source sends.
    rate = TaxRate("stripe:txr_1Abc", "CA", Decimal("8.250"), is_inclusive=False, country="US", jurisdiction="US-CA", type="sales_tax")
    tax = LineTax(rate.id, Money(825, "USD"), Money(10000, "USD"), is_inclusive=False, reason="standard_rated")
    keys = tax_keys(tax, rate)
    assert keys == (
        "stripe:txr_1Abc|exclusive",
        "US-CA/sales_tax/8.25|exclusive",
        "US-CA/8.25|exclusive",
        "US/8.25|exclusive",
        "standard_rated|exclusive",
        "8.25|exclusive",
    )
    assert [tax_key_problem(key) for key in keys] == [""] * 6


NEVER = (
    "the key {!r} can never match a tax; write one of the forms 19|exclusive, DE/19|inclusive, DE/vat/19|exclusive, "
    "<source>:<tax rate id>|exclusive or <taxability reason>|exclusive"
)


@pytest.mark.parametrize("key", ["VAT 19", "a|19|exclusive", "/19|exclusive", "DE/abc|exclusive", ":abc:|exclusive", "|"])
def test_a_key_that_is_near_to_nothing_is_told_all_the_forms(key: str) -> None:
    assert tax_key_problem(key) == NEVER.format(key)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("15", "the key '15' does not say whether the tax is in the price; write '15|exclusive', or '15|inclusive' if it is"),
        ("19|incl", "the key '19|incl' ends in 'incl'; write '19|exclusive', or '19|inclusive' if the tax is in the price"),
        (" 19 |exclusive", "the key ' 19 |exclusive' can never match a tax; write '19|exclusive'"),
        ("X:ab|exclusive", ""),
        ("reverse_charge|inclusive", ""),
    ],
)
def test_a_key_near_to_a_right_one_is_told_that_one(key: str, problem: str) -> None:
    assert tax_key_problem(key) == problem

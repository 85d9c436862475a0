"""Money: exponents, decimal text, rounding by name, splits that never gain or lose a minor unit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.core.language.currencies import EXPONENTS
from counterfoil.core.language.money import (
    CurrencyError,
    Money,
    Rounding,
    allocate,
    exponent_of,
    format_money,
    from_major,
    round_minor,
    to_major,
    total,
)

CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "CLF", "ISK", "HUF"])
AMOUNTS = st.builds(Money, st.integers(-(10**15), 10**15), CURRENCIES)


@pytest.mark.parametrize(
    ("code", "exponent"), [("USD", 2), ("JPY", 0), ("ISK", 0), ("UGX", 0), ("MGA", 2), ("KWD", 3), ("TND", 3), ("CLF", 4)]
)
def test_exponents_are_those_of_iso_4217(code: str, exponent: int) -> None:
    assert exponent_of(code) == exponent


def test_every_code_is_listed_once_in_upper_case() -> None:
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)
    assert len(EXPONENTS) == 17 + len([code for code, exponent in EXPONENTS.items() if exponent == 2]) + 7 + 2


def test_a_code_that_is_no_currency_is_refused() -> None:
    with pytest.raises(CurrencyError, match="'usd' is not an ISO 4217"):
        exponent_of("usd")


def test_a_vendors_deviation_overrides_the_exponent() -> None:
    assert exponent_of("ISK", {"ISK": 2}) == 2


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("12.34", "USD", 1234), ("-0.01", "EUR", -1), ("12", "USD", 1200), ("1234", "JPY", 1234), ("1.5", "KWD", 1500), ("0.0001", "CLF", 1)],
)
def test_decimal_text_becomes_minor_units(text: str, currency: str, minor: int) -> None:
    assert from_major(text, currency) == Money(minor, currency)


@pytest.mark.parametrize("text", ["", "1,234.00", "1e3", "NaN", "Infinity", "12.3.4", "1_000", " 12"])
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal amount"):
        from_major(text, "USD")


def test_what_is_finer_than_the_minor_unit_is_refused_unless_the_rounding_is_named() -> None:
    with pytest.raises(ValueError, match="finer than the minor unit"):
        from_major("0.125", "USD")
    assert from_major("0.125", "USD", Rounding.HALF_EVEN) == Money(12, "USD")
    assert from_major("0.125", "USD", Rounding.HALF_UP) == Money(13, "USD")


def test_major_units_carry_all_decimals_of_the_currency() -> None:
    assert str(to_major(Money(-1230, "USD"))) == "-12.30"
    assert str(to_major(Money(5, "KWD"))) == "0.005"
    assert str(Money(1980, "JPY")) == "1980 JPY"


def test_amounts_are_formatted_for_people() -> None:
    assert format_money(Money(-123450, "USD")) == "-1,234.50 USD"
    assert format_money(Money(1234, "JPY")) == "1,234 JPY"


@pytest.mark.parametrize(
    ("value", "even", "up"), [("0.5", 0, 1), ("1.5", 2, 2), ("-0.5", 0, -1), ("-1.5", -2, -2), ("2.49", 2, 2), ("-2.51", -3, -3)]
)
def test_halves_go_to_the_even_neighbor_or_away_from_zero(value: str, even: int, up: int) -> None:
    assert round_minor(Decimal(value), Rounding.HALF_EVEN) == even
    assert round_minor(Decimal(value), Rounding.HALF_UP) == up


def test_an_amount_times_a_rate_is_rounded_by_name() -> None:
    # 8.875 % of 20.00 is 1.775.
    assert Money(2000, "USD").times(Decimal("0.08875"), Rounding.HALF_EVEN) == Money(178, "USD")
    assert Money(-2000, "USD").times(Decimal("0.08875"), Rounding.HALF_UP) == Money(-178, "USD")


def test_currencies_are_never_mixed() -> None:
    for operation in (Money.__add__, Money.__sub__, Money.__lt__, Money.__le__, Money.__gt__, Money.__ge__):
        with pytest.raises(CurrencyError, match="cannot mix USD and EUR"):
            operation(Money(1, "USD"), Money(1, "EUR"))


def test_amounts_compare_and_sum() -> None:
    assert Money(1, "USD") < Money(2, "USD") <= Money(2, "USD")
    assert Money(2, "USD") > Money(1, "USD") >= Money(1, "USD")
    assert total([], "USD") == Money(0, "USD")
    assert total([Money(3, "USD"), Money(-1, "USD")], "USD") == Money(2, "USD")
    assert (abs(Money(-3, "USD")), -Money(3, "USD"), bool(Money(0, "USD"))) == (Money(3, "USD"), Money(-3, "USD"), False)


def test_a_split_gives_the_odd_cents_to_the_largest_fractions_first() -> None:
    # 1.00 by 1:1:1 is 0.34, 0.33, 0.33; 1.00 by 1:2:3 is 16.67, 33.33, 50: the first has the largest fraction.
    assert [part.minor for part in allocate(Money(100, "USD"), [1, 1, 1])] == [34, 33, 33]
    assert [part.minor for part in allocate(Money(100, "USD"), [1, 2, 3])] == [17, 33, 50]
    assert [part.minor for part in allocate(Money(-100, "USD"), [1, 1, 1])] == [-34, -33, -33]


def test_a_split_by_days_may_have_decimal_and_zero_weights() -> None:
    assert [part.minor for part in allocate(Money(1000, "USD"), [Decimal("0.5"), 0, Decimal("1.5")])] == [250, 0, 750]


def test_a_split_without_any_weight_is_as_equal_as_can_be() -> None:
    assert [part.minor for part in allocate(Money(5, "JPY"), [0, 0])] == [3, 2]


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_a_split_needs_weights_of_zero_or_more(weights: list[int]) -> None:
    with pytest.raises(ValueError, match=r"weights|no parts"):
        allocate(Money(5, "JPY"), weights)


@settings(max_examples=100)
@given(AMOUNTS, st.lists(st.one_of(st.integers(0, 10**6), st.decimals(0, 1000, places=3)), min_size=1, max_size=12))
def test_parts_sum_to_the_whole_and_stay_within_one_unit_of_their_share(whole: Money, weights: list[int | Decimal]) -> None:
    parts = allocate(whole, weights)
    assert total(parts, whole.currency) == whole
    assert allocate(-whole, weights) == tuple(-part for part in parts)
    all_weights = sum(Decimal(weight) for weight in weights)
    if all_weights:
        shares = [whole.minor * Decimal(weight) / all_weights for weight in weights]
        assert all(abs(part.minor - share) < Decimal("1.000001") for part, share in zip(parts, shares, strict=True))


@settings(max_examples=100)
@given(AMOUNTS)
def test_major_units_lead_back_to_the_same_amount(amount: Money) -> None:
    assert from_major(to_major(amount), amount.currency) == amount
    assert from_major(str(to_major(amount)), amount.currency) == amount

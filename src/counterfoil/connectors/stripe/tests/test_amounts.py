"""Stripe's amounts as ISO 4217 minor units. Expected values by https://docs.stripe.com/currencies and ISO 4217:2015."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.connectors.stripe.normalize.amounts import decimal_minor, instant, microseconds, money
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import RejectedError

ZERO_DECIMAL = ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]


@pytest.mark.parametrize("currency", ZERO_DECIMAL)
def test_zero_decimal_currencies_are_told_in_whole_units(currency: str) -> None:
    assert money(500, currency) == Money(500, currency.upper())


@pytest.mark.parametrize(
    ("told", "currency", "minor"),
    [
        (1099, "usd", 1099),  # 10.99 USD
        (1099, "EUR", 1099),
        (500, "mga", 50_000),  # 500 ariary; ISO 4217 counts iraimbilanja with two decimals
        (500_00, "isk", 500),  # 500 kronur, told with two decimals that are 00
        (500_00, "ugx", 500),
        (5_120, "kwd", 5_120),  # 5.120 dinar, three decimals in both
        (-2_000, "isk", -20),
    ],
)
def test_deviations_become_iso_minor_units(told: int, currency: str, minor: int) -> None:
    assert money(told, currency) == Money(minor, currency.upper())


def test_an_amount_that_would_lose_a_fraction_is_refused() -> None:
    with pytest.raises(RejectedError) as refused:
        money(50_050, "isk")
    assert str(refused.value) == (
        "500.50 ISK is no whole amount: Stripe tells ISK with 2 decimals that must be 0, ISO 4217 and the books have 0"
    )
    assert refused.value.code == "stripe.amount_fraction"
    assert "waive this case" in refused.value.remedy
    with pytest.raises(RejectedError) as other:
        money(-1, "isk")
    assert other.value.cause == refused.value.cause  # one case for all amounts of the currency


def test_the_dollar_of_taiwan_is_told_with_its_two_decimals() -> None:
    # https://docs.stripe.com/currencies#special-cases: only payouts are whole
    assert money(10_050, "twd") == Money(10_050, "TWD")


@pytest.mark.parametrize("currency", ["", "us", "usdx", "u$d", "üsd"])
def test_what_is_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(RejectedError):
        money(1, currency)


def test_an_amount_beyond_64_bits_is_refused() -> None:
    with pytest.raises(RejectedError):
        money(2**63, "usd")
    assert money(2**63 - 1, "usd").minor == 2**63 - 1


def test_unit_prices_are_decimal_minor_units() -> None:
    assert decimal_minor(Decimal("0.05"), "usd") == Decimal("0.05")
    assert decimal_minor(Decimal("2"), "mga") == Decimal("200")
    assert decimal_minor(Decimal("250"), "isk") == Decimal("2.5")
    for bad in ("NaN", "Infinity", "1E+400"):
        with pytest.raises(RejectedError):
            decimal_minor(Decimal(bad), "usd")


def test_instants_out_of_the_calendar_are_refused() -> None:
    assert instant(0).isoformat() == "1970-01-01T00:00:00+00:00"
    for bad in (-1, 253_402_300_800, 10**30):
        with pytest.raises(RejectedError):
            instant(bad)


@given(st.integers(0, 253_402_300_799))
def test_sequences_count_microseconds(seconds: int) -> None:
    assert microseconds(instant(seconds)) == seconds * 1_000_000

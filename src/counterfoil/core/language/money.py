"""Money: an integer count of a currency's minor units with its ISO 4217 code. No floats, ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction

from .currencies import EXPONENTS


class Rounding(StrEnum):
    """How a fraction of a minor unit is rounded; named wherever it happens."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"  # away from zero at exactly one half


class CurrencyError(ValueError):
    """Two currencies were mixed, or a code is no currency."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: ``minor`` units of ``currency`` (upper-case ISO 4217). Arithmetic across currencies raises CurrencyError, a ValueError."""

    minor: int
    currency: str

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyError(f"cannot mix {self.currency} and {other.currency}")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.minor), self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.minor <= other.minor

    def __gt__(self, other: Money) -> bool:
        self._same(other)
        return self.minor > other.minor

    def __ge__(self, other: Money) -> bool:
        self._same(other)
        return self.minor >= other.minor

    def __str__(self) -> str:
        return f"{to_major(self)} {self.currency}"

    def times(self, factor: int | Decimal, rounding: Rounding) -> Money:
        """Return the amount times a factor, rounded to the minor unit."""
        return Money(round_minor(Fraction(self.minor) * Fraction(factor), rounding), self.currency)


def exponent_of(currency: str, overrides: Mapping[str, int] | None = None) -> int:
    """Return the number of decimals of a currency; ``overrides`` are a vendor's deviations from ISO 4217, by code.

    Raises:
        ValueError: the code is neither overridden nor a currency of ISO 4217 (codes are upper case).
    """
    if overrides is not None and currency in overrides:
        return overrides[currency]
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise CurrencyError(f"{currency!r} is not an ISO 4217 currency code") from None


def round_minor(value: Fraction | Decimal, rounding: Rounding) -> int:
    """Return the integer nearest to an exact number; one half goes to the even neighbor or away from zero."""
    exact = Fraction(value)
    if rounding is Rounding.HALF_EVEN:
        return round(exact)
    magnitude = int(abs(exact) + Fraction(1, 2))
    return magnitude if exact >= 0 else -magnitude


def from_major(text: str | int | Decimal, currency: str, rounding: Rounding | None = None) -> Money:
    """Return the money of a decimal amount in major units, e.g. ``from_major("12.34", "USD")``.

    Args:
        text: a plain decimal with ``.``; no thousands separators, no exponent.
        currency: upper-case ISO 4217 code.
        rounding: how to round what is finer than the minor unit; None refuses it.

    Raises:
        ValueError: not a finite decimal, an unknown currency, or finer than the minor unit without a rounding.
    """
    exponent = exponent_of(currency)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal amount") from None
    if not value.is_finite() or (isinstance(text, str) and not set(text) <= set("0123456789.+-")):
        raise ValueError(f"{text!r} is not a plain decimal amount")
    minor = Fraction(value) * 10**exponent
    if minor.denominator == 1:
        return Money(minor.numerator, currency)
    if rounding is None:
        raise ValueError(f"{text} is finer than the minor unit of {currency} ({exponent} decimals)")
    return Money(round_minor(minor, rounding), currency)


def to_major(money: Money) -> Decimal:
    """Return the amount in major units with all the currency's decimals, e.g. ``Decimal("12.30")``. Exact at any size."""
    digits = tuple(int(digit) for digit in str(abs(money.minor)))
    return Decimal((1 if money.minor < 0 else 0, digits, -exponent_of(money.currency)))


def format_money(money: Money) -> str:
    """Return the amount for people, with thousands separators: ``-1,234.50 USD``, ``1,234 JPY``."""
    return f"{to_major(money):,f} {money.currency}"


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Return the sum; zero of ``currency`` when there are none. Raises ValueError on any other currency."""
    result = Money(0, currency)
    for amount in amounts:
        result = result + amount
    return result


def allocate(whole: Money, weights: Sequence[int | Decimal]) -> tuple[Money, ...]:
    """Split an amount in proportion to the weights; the parts sum to the whole exactly.

    Largest remainder: each part is cut towards zero, the minor units left over go to the largest fractions, earlier parts first when
    those are equal. A negative amount splits as its positive mirror. If all weights are zero, the parts are as equal as can be.

    Raises:
        ValueError: no weights, or a negative one.

    Source: Hare-Niemeyer (largest remainder) method.
    """
    if not weights:
        raise ValueError("cannot split an amount into no parts")
    if any(weight < 0 for weight in weights):
        raise ValueError("weights are zero or positive")
    shares = [Fraction(weight) for weight in weights]
    if not any(shares):
        shares = [Fraction(1)] * len(shares)
    magnitude, whole_weight = abs(whole.minor), sum(shares)
    exact = [magnitude * share / whole_weight for share in shares]
    parts = [int(part) for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: magnitude - sum(parts)]:
        parts[i] += 1
    sign = -1 if whole.minor < 0 else 1
    return tuple(Money(sign * part, whole.currency) for part in parts)

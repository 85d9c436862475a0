"""Stripe's numbers and instants as ours: minor units by ISO 4217, aware UTC instants, finite decimals."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money, exponent_of
from counterfoil.kit.errors import RejectedError

MULTIPLIED: dict[str, int] = {"MGA": 100}
"""Stripe counts the ariary whole (https://docs.stripe.com/currencies#zero-decimal), ISO 4217 gives it two decimals."""

DIVIDED: dict[str, int] = {"ISK": 100, "UGX": 100}
"""Without decimals in ISO 4217, but told with two that are always 00 (https://docs.stripe.com/currencies#special-cases)."""

DEVIATING = MULTIPLIED.keys() | DIVIDED.keys()
"""All others agree: BHD, JOD, KWD, OMR and TND have three decimals in both (https://docs.stripe.com/currencies#three-decimal)."""

MINOR_MAX = 2**63 - 1
SECONDS_MAX = 253_402_300_799  # 9999-12-31T23:59:59Z


def rejected(message: str, code: str) -> RejectedError:
    """Return the refusal of one unreadable value."""
    return RejectedError(message, code=f"stripe.{code}", case_class=CaseClass.MISSING_FIELD)


@lru_cache(maxsize=512)
def currency_code(text: str) -> str:
    """Return the ISO 4217 code of Stripe's lower-case one. Raises RejectedError unless it has three letters."""
    if len(text) != 3 or not text.isascii() or not text.isalpha():
        raise rejected(f"{text[:20]!r} is not a currency", "currency_invalid")
    return text.upper()


def money(amount: int, currency: str) -> Money:
    """Return Stripe's amount in ISO 4217 minor units.

    All of Stripe's zero-decimal, two-decimal and three-decimal currencies have ISO 4217's own number of decimals but those in
    :data:`MULTIPLIED` and :data:`DIVIDED`. Raises RejectedError if a fraction of the ISO unit would be lost, or the amount has no room.
    """
    code = currency_code(currency)
    minor = amount if code not in DEVIATING else _converted(amount, code)
    if not -MINOR_MAX <= minor <= MINOR_MAX:
        raise rejected(f"an amount in {code} is too large to be money", "amount_too_large")
    return Money(minor, code)


def _converted(amount: int, code: str) -> int:
    minor = amount * MULTIPLIED.get(code, 1)
    divisor = DIVIDED.get(code, 1)
    if minor % divisor:
        raise _fraction(amount, code, divisor)
    return minor // divisor


_NO_FRACTION = (
    "It can neither be corrected at the source nor booked exactly, and nothing is rounded by itself: ask Stripe what was charged, enter the"
    " whole amount in the books by hand with the rest as a rounding difference, and waive this case with that as its reason."
)


def _fraction(amount: int, code: str, divisor: int) -> RejectedError:
    decimals = len(str(divisor)) - 1
    cause = f"Stripe tells {code} with {decimals} decimals that must be 0, ISO 4217 and the books have {exponent_of(code)}"
    return RejectedError(
        f"{Decimal(amount).scaleb(-decimals)} {code} is no whole amount: {cause}",
        code="stripe.amount_fraction",
        case_class=CaseClass.MISSING_FIELD,
        cause=f"{cause}, and an amount has a fraction",
        remedy=_NO_FRACTION,
    )


def optional_money(amount: int | None, currency: str) -> Money | None:
    """Return :func:`money`, or None for None."""
    return None if amount is None else money(amount, currency)


def decimal_minor(amount: Decimal, currency: str) -> Decimal:
    """Return a unit price in decimal ISO 4217 minor units. Raises RejectedError unless it is a finite number."""
    code = currency_code(currency)
    return finite(amount) * MULTIPLIED.get(code, 1) / DIVIDED.get(code, 1)


def finite(number: Decimal) -> Decimal:
    """Return the number. Raises RejectedError for NaN, infinities and numbers no rate, quantity or price has."""
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise rejected("a rate, quantity or price is not a reasonable number", "number_invalid")
    return number


def instant(seconds: int) -> datetime:
    """Return Unix seconds as an aware UTC instant. Raises RejectedError outside the years 1970 to 9999."""
    if not 0 <= seconds <= SECONDS_MAX:
        raise rejected(f"{seconds} is not a time", "time_invalid")
    return datetime.fromtimestamp(seconds, UTC)


def optional_instant(seconds: int | None) -> datetime | None:
    """Return :func:`instant`, or None for None."""
    return None if seconds is None else instant(seconds)


def microseconds(moment: datetime) -> int:
    """Return an instant as whole microseconds since the epoch: the unit of sequences."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds

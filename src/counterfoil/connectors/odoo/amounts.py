"""Between the hub's integer minor units and the decimal numbers on Odoo's wire. No floats."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money, exponent_of
from counterfoil.kit.errors import RejectedError


def to_decimal(money: Money) -> Decimal:
    """Return an amount in major units, with exactly the currency's decimals."""
    return Decimal(money.minor).scaleb(-exponent_of(money.currency))


def to_text(money: Money) -> str:
    """Return an amount in major units as Odoo's ``load`` takes it, e.g. ``-12.30``."""
    return format(to_decimal(money), "f")


def from_number(value: Decimal | int, currency: str) -> Money:
    """Return Odoo's number as money.

    Odoo sends binary floats, so a trailing error far below a minor unit is rounded away. Raises RejectedError if the value
    lies between two minor units: Odoo's currency then has other decimals than ISO 4217.
    """
    scaled = Decimal(value).scaleb(exponent_of(currency))
    whole = scaled.to_integral_value(ROUND_HALF_UP)
    if abs(scaled - whole) > Decimal("0.001"):
        raise RejectedError(
            f"Odoo reports {value} {currency}, with more decimals than the {exponent_of(currency)} of ISO 4217; set the currency's decimal"
            f" places in Odoo to {exponent_of(currency)}",
            code="odoo.currency_decimals",
            case_class=CaseClass.AMOUNT_MISMATCH,
        )
    return Money(int(whole), currency)

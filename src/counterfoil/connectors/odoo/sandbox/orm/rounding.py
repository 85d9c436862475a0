"""Rounding as the server does it: amounts are doubles, rounded half away from zero to a number of decimals at every step.

Odoo keeps and transmits monetary values as floating-point numbers; a faithful simulator has to as well. Every stored amount passes
through :func:`round_half_up`, so sums of stored amounts are exact to the minor unit after one more rounding.
"""

from __future__ import annotations

import math

_POWERS = tuple(10.0**n for n in range(16))


def round_half_up(value: float, digits: int) -> float:
    """Round to ``digits`` decimals, halves away from zero, forgiving the last bits of a double (1.005 gives 1.01)."""
    power = _POWERS[digits]
    scaled = value * power
    size = abs(scaled)
    whole = math.floor(size + 0.5 + size * 2.220446049250313e-16 * 2)
    if not whole:
        return 0.0
    return math.copysign(whole / power, value)


def is_zero(value: float, digits: int) -> bool:
    """Return whether the amount rounds to nothing."""
    return abs(value) * _POWERS[digits] < 0.5 - 1e-9


def compare(left: float, right: float, digits: int) -> int:
    """Return -1, 0 or 1 after rounding both."""
    a, b = round_half_up(left, digits), round_half_up(right, digits)
    return (a > b) - (a < b)

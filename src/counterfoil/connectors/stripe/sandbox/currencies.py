"""Minor units as Stripe counts them, minimum charges, rounding, conversion. Integers and fractions only.

Source: https://docs.stripe.com/currencies (zero-decimal, three-decimal, special cases, minimum amounts).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

ZERO_DECIMAL = frozenset(["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"])
"""Amounts are whole units. ISK and UGX have no minor unit in use, yet Stripe counts them in hundredths (ending in 00)."""
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
"""Amounts are thousandths and must end in 0."""
WHOLE_HUNDREDTHS = frozenset(("isk", "ugx"))
_CODES = """
aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd btn bwp byn bzd cad cdf chf clp cny cop crc cve czk djf
dkk dop dzd egp etb eur fjd fkp gbp gel ghs gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr iqd isk jmd jod jpy kes kgs khr kmf krw kwd kyd
kzt lak lbp lkr lrd lsl lyd mad mdl mga mkd mmk mnt mop mro mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg
qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std stn svc szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf
xcd xcg xof xpf yer zar zmw
"""
ISO = frozenset(_CODES.split())
"""Currencies that are known, in lower case."""
MINIMUM = {
    "usd": 50,
    "aed": 200,
    "aud": 50,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
}
"""Smallest amounts that can be charged; other currencies: 1."""


def exponent(currency: str) -> int:
    """Return how many decimals Stripe's minor unit of a currency (lower case) stands for: 0, 2 or 3."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def step(currency: str) -> int:
    """Return the number of minor units an amount must be a multiple of."""
    if currency in THREE_DECIMAL:
        return 10
    return 100 if currency in WHOLE_HUNDREDTHS else 1


def half_up(value: Fraction, unit: int = 1) -> int:
    """Round to the nearest multiple of unit, halves away from zero (https://support.stripe.com/questions/rounding-rules-for-stripe-fees)."""
    value = value / unit
    doubled = abs(value.numerator) * 2 + value.denominator
    whole = doubled // (2 * value.denominator) * unit
    return whole if value >= 0 else -whole


def convert(amount: int, source: str, target: str, rate: Fraction) -> int:
    """Return an amount of minor units in another currency; ``rate`` is target per source in major units."""
    return half_up(amount * rate * Fraction(10) ** (exponent(target) - exponent(source)), step(target))


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Split total in proportion to non-negative weights by largest remainder; parts sum to total exactly."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts

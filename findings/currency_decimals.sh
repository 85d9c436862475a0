#!/usr/bin/env bash
# Babel counts the decimals of fifteen current currencies otherwise than ISO 4217, the forint and the Colombian peso among them.
#
# Behaviour: babel.numbers.get_currency_precision follows CLDR, which says how amounts are usually shown, not what the minor unit is: HUF, COP,
# IDR, LAK and eleven others have none there and two in ISO 4217 (IQD: none and three). format_currency rounds to it: 1234.56 HUF is shown as
# 1,235, and a page that adds up shown lines does not add up.
# Guessed before: both tables say the same of every currency, as they do for all large ones.
# Why it matters: minor units divided by 10**precision are wrong by a factor of 100 or 1,000, without an error.
# Versions: babel 2.19.0, iso4217 1.16.20260101 (PyPI). Seen on 2026-11-29 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check babel==2.19.0 iso4217==1.16.20260101
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from decimal import Decimal
from importlib.metadata import version
from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency

found = {one.code: (get_currency_precision(one.code), one.exponent) for one in Currency if one.exponent is not None}
apart = {code: pair for code, pair in found.items() if pair[0] != pair[1]}
shown = format_currency(Decimal("1234.56"), "HUF", locale="en_US")
print(f"babel {version('babel')}, iso4217 {version('iso4217')}; (babel, ISO 4217) where they differ:")
print(*(f"{code} {pair}" for code, pair in sorted(apart.items())), sep="\n")
print("1234.56 HUF is shown as", ascii(shown))
none, three = {code for code, pair in apart.items() if pair == (0, 2)}, {code for code, pair in apart.items() if pair == (0, 3)}
is_so = len(apart) == 15 and {"HUF", "COP", "IDR", "LAK"} <= none and three == {"IQD"} and "1,235" in shown
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

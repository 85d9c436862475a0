#!/usr/bin/env bash
# CurrencyConverter answers for a Sunday with a rate nobody published, half made of Monday's.
#
# Behaviour: with fallback_on_missing_rate=True a day without a rate of the European Central Bank gets the straight line between the last one
# before and the first one after it: 31 May 2026, a Sunday, has 1.16453333... between Friday's 1.1644 and Monday's 1.1646. The last rate before
# it needs fallback_on_missing_rate_method="last_known".
# Guessed before: the fallback is the last rate that was published, which is what the Bank and accounting rules mean for such a day.
# Why it matters: a month that ends on a weekend is revalued at a rate that was not known then and that no auditor finds; every document of the
# weekend is translated so.
# Versions: CurrencyConverter 0.18.23 (PyPI), with its rates up to 2026-10-30. Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check currencyconverter==0.18.23
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from datetime import date
from decimal import Decimal
from importlib.metadata import version

from currency_converter import CurrencyConverter

line = CurrencyConverter(decimal=True, fallback_on_missing_rate=True)
last = CurrencyConverter(decimal=True, fallback_on_missing_rate=True, fallback_on_missing_rate_method="last_known")
friday, sunday, monday = date(2026, 5, 29), date(2026, 5, 31), date(2026, 6, 1)
rates = {day: line.convert(Decimal(1), "EUR", "USD", day) for day in (friday, sunday, monday)}
known = last.convert(Decimal(1), "EUR", "USD", sunday)
print(f"CurrencyConverter {version('currencyconverter')}, dollars for a euro:")
for day, rate in rates.items():
    print(f"{day:%A %Y-%m-%d} {rate}")
print("the last known on Sunday", known)
is_so = known == rates[friday] != rates[monday] and rates[sunday] == rates[friday] + (rates[monday] - rates[friday]) * 2 / 3
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

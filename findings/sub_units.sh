#!/usr/bin/env bash
# stockholm's amounts in the minor unit are hundredths in every currency: 1,000 yen are 100,000 of it, and 1 dinar of Kuwait 100.
#
# Behaviour: Money.sub_units, to_sub_units and from_sub_units count hundredths for all currencies, also for the 26 that have none, three or four
# decimals by ISO 4217. py-moneyed's get_amount_in_sub_unit knows them, and cuts what is finer off.
# Guessed before: a class that knows currencies, and is meant for amounts of payment processors in minor units, knows their minor units.
# Why it matters: a charge of 1,000 yen sent so is one of 100,000 yen; one of 12.340 dinars of Kuwait is one of 1.234.
# Versions: stockholm 0.5.7, py-moneyed 3.0, iso4217 1.16.20260101 (PyPI). Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check stockholm==0.5.7 py-moneyed==3.0 iso4217==1.16.20260101
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import moneyed
import stockholm
from iso4217 import Currency

exponents = {one.code: one.exponent for one in Currency if one.exponent is not None}
apart = sorted(code for code, exponent in exponents.items() if stockholm.Money(1, code).sub_units != 10**exponent)
print(f"stockholm {version('stockholm')} counts hundredths of:", *(f"{code} ({exponents[code]})" for code in apart))
seen = {}
for code, amount in (("JPY", "1000"), ("KWD", "12.340"), ("EUR", "12.34")):
    seen[code] = int(stockholm.Money(amount, code).sub_units), moneyed.Money(amount, code).get_amount_in_sub_unit()
    print(f"{amount} {code}: stockholm {seen[code][0]}, py-moneyed {version('py-moneyed')} {seen[code][1]}")
back = str(stockholm.Money.from_sub_units(1000, "JPY"))
print("1000 minor units of JPY are", back)
is_so = len(apart) == 26 and seen == {"JPY": (100000, 1000), "KWD": (1234, 12340), "EUR": (1234, 1234)} and back == "10.00 JPY"
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

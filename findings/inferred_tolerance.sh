#!/usr/bin/env bash
# One amount written with one decimal lets Beancount accept a transaction that is five cents out of balance.
#
# Behaviour: Beancount takes half of the last digit of the coarsest amount of a transaction for its tolerance: beside 1000.0 EUR, 25.25 and
# -1025.30 balance. A balance assertion allows a whole one of its own last digit: 1000.0 EUR are asserted as 1000.1, not as 1000.10. With
# 1000.00 the transaction is refused, and so is one of whole yen that is out by one.
# Guessed before: the finest amount of a transaction tells, so that a coarser one makes nothing laxer.
# Why it matters: journals are written by programs, and str() of a float or of a parsed JSON number says 1000.0: the check that everybody relies
# on is then off by up to five cents a transaction, and what it lets through adds up.
# Versions: beancount 3.2.3 (PyPI). Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check beancount==3.2.3
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from beancount import loader

ACCOUNTS = "".join(f"2026-01-01 open {name}\n" for name in ("Assets:Bank", "Expenses:Fees", "Income:Sales"))


def errors(*postings, asserted=""):
    text = ACCOUNTS + '2026-12-01 * "a payout"\n' + "".join(f"  {posting}\n" for posting in postings)
    text += f"2026-12-02 balance Assets:Bank {asserted}\n" if asserted else ""
    return [type(error).__name__ for error in loader.load_string(text)[1]]


fee, sale = "Expenses:Fees 25.25 EUR", "Income:Sales -1025.30 EUR"
seen = {
    "1000.0 and 25.25 against 1025.30": errors("Assets:Bank 1000.0 EUR", fee, sale),
    "1000.00 and 25.25 against 1025.30": errors("Assets:Bank 1000.00 EUR", fee, sale),
    "1000.0 asserted as 1000.1": errors("Assets:Bank 1000.0 EUR", fee, "Income:Sales -1025.25 EUR", asserted="1000.1 EUR"),
    "1000.0 asserted as 1000.10": errors("Assets:Bank 1000.0 EUR", fee, "Income:Sales -1025.25 EUR", asserted="1000.10 EUR"),
    "1000 against 1001 JPY": errors("Assets:Bank 1000 JPY", "Income:Sales -1001 JPY"),
}
print("beancount", version("beancount"))
for what, found in seen.items():
    print(f"{what}: {', '.join(found) or 'accepted'}")
is_so = [bool(found) for found in seen.values()] == [False, True, False, True, True]
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

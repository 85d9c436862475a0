#!/usr/bin/env bash
# Polars and DuckDB take the decimals of a column of Python's Decimals from some of its rows, and round the others to them.
#
# Behaviour: rows given to Polars as tuples or dictionaries, as a database driver gives them, get the scale of the first 100: after a hundred
# amounts of 100, 12.99 is 13 and -0.50 is 0. pl.read_database does so, in batches, too. DuckDB looks at 1,000 rows spread over a pandas frame: the
# one amount with cents that lies between them is rounded as well. The same values given to Polars as a column are kept exactly.
# Guessed before: what does not fit what was found out is refused, as Polars does with an integer column's first 12.99, or the scale grows.
# Why it matters: a ledger that begins with round amounts, or with yen, is summed wrong by up to half a unit a row, and nothing says so.
# Versions: polars 2.1.0, duckdb 2.0.1, pandas 3.1.1 (PyPI). Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check polars==2.1.0 duckdb==2.0.1 pandas==3.1.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sqlite3
import sys
from decimal import Decimal

import duckdb
import pandas
import polars

amounts = [Decimal("100")] * 100 + [Decimal("12.99"), Decimal("-0.50")]
sqlite3.register_converter("amount", lambda text: Decimal(text.decode()))
database = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES)
database.execute("create table ledger (amount amount)")
database.executemany("insert into ledger values (?)", [(str(one),) for one in amounts])
seen = {
    "rows": polars.DataFrame([(one,) for one in amounts], schema=["amount"], orient="row")["amount"],
    "dictionaries": polars.DataFrame([{"amount": one} for one in amounts])["amount"],
    "a database": polars.read_database("select amount from ledger", database)["amount"],
    "a column": polars.DataFrame({"amount": amounts})["amount"],
}
tails = {how: [str(one) for one in series.tail(2)] for how, series in seen.items()}
for how, series in seen.items():
    print(f"polars {polars.__version__}, of {how}: {series.dtype}, ends with", *tails[how], "sum", series.sum())
frame = pandas.DataFrame({"amount": [Decimal("100")] * 5000})
frame.loc[4321, "amount"] = Decimal("12.99")
kind, least, total = duckdb.sql("select any_value(typeof(amount)), min(amount), sum(amount) from frame").fetchall()[0]
print(f"duckdb {duckdb.__version__}, of a pandas frame: {kind}, least {least}, sum {total}; it is", sum(frame["amount"]))
is_so = (
    all(tails[how] == ["13", "0"] for how in ("rows", "dictionaries", "a database"))
    and tails["a column"] == ["12.99", "-0.50"]
    and (kind, str(least), str(total)) == ("DECIMAL(3,0)", "13", "499913")
)
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

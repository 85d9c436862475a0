#!/usr/bin/env bash
# A product of two decimal columns is rounded in Polars and exact in DuckDB and PyArrow; a mean of them is a float in Polars.
#
# Behaviour: Polars gives a product the scale of its wider operand and rounds half to even (0.05 times 0.50 is 0.02); DuckDB and PyArrow add
# the scales (0.0250). The mean of a decimal column is a float in Polars, and rounded to the column's own scale in PyArrow.
# Guessed before: the scales add up, as in SQL, and a mean of decimals is a decimal.
# Why it matters: tax as amount times rate, summed over lines, comes out as 0.12 in Polars where it is 0.125, without a warning.
# Versions: duckdb 2.0.1, polars 2.1.0, pyarrow 26.0.1 (PyPI). Seen on 2026-11-29 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from decimal import Decimal
import duckdb, polars, pyarrow
import pyarrow.compute as compute

amount = pyarrow.array([Decimal("0.05"), Decimal("0.15"), Decimal("0.05")], pyarrow.decimal128(10, 2))
rate = pyarrow.array([Decimal("0.50")] * 3, pyarrow.decimal128(10, 2))
table = pyarrow.table({"amount": amount, "rate": rate})
frame = polars.from_arrow(table)
products = {
    "duckdb": [row[0] for row in duckdb.connect().from_arrow(table).project("amount * rate as tax").fetchall()],
    "polars": (frame["amount"] * frame["rate"]).to_list(),
    "pyarrow": compute.multiply(amount, rate).to_pylist(),
}
for name, module in (("duckdb", duckdb), ("polars", polars), ("pyarrow", pyarrow)):
    print(f"{name} {module.__version__}: products", *products[name], "sum", sum(products[name]))
cents = pyarrow.array([Decimal("0.01"), Decimal("0.02")], pyarrow.decimal128(10, 2))
means = (polars.from_arrow(cents).mean(), compute.mean(cents).as_py())
print("mean of 0.01 and 0.02: polars", repr(means[0]), "pyarrow", repr(means[1]))
is_so = (
    [str(one) for one in products["duckdb"]] == ["0.0250", "0.0750", "0.0250"] == [str(one) for one in products["pyarrow"]]
    and [str(one) for one in products["polars"]] == ["0.02", "0.08", "0.02"]
    and (type(means[0]), str(means[1])) == (float, "0.02")
)
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

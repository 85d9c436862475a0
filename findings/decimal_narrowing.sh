#!/usr/bin/env bash
# Taking a decimal amount to two places gives three answers in three engines that pass columns to each other.
#
# Behaviour: a cast to DECIMAL(10,2) rounds half away from zero in DuckDB and half to even in Polars; PyArrow refuses it, and with
# safe=False, which is what people then write, cuts the rest off. 2.675 becomes 2.68, 2.68 and 2.67; 1.005 becomes 1.01, 1.00 and 1.00.
# Guessed before: one rounding, as all three hold exact decimals and hand them over as Arrow columns.
# Why it matters: a mart made by one engine and checked by another differs by a cent per line, in both directions.
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

amounts = [Decimal(text) for text in ("1.0050", "-1.0050", "2.6750", "0.0150", "1.0049")]
wide = pyarrow.array(amounts, pyarrow.decimal128(10, 4))
table = pyarrow.table({"amount": wide})
connection = duckdb.connect()
seen = {
    "duckdb": [row[0] for row in connection.from_arrow(table).project("cast(amount as decimal(10,2)) as amount").fetchall()],
    "polars": polars.from_arrow(wide).cast(polars.Decimal(10, 2)).to_list(),
    "pyarrow": compute.cast(wide, pyarrow.decimal128(10, 2), safe=False).to_pylist(),
}
expected = {
    "duckdb": ["1.01", "-1.01", "2.68", "0.02", "1.00"],
    "polars": ["1.00", "-1.00", "2.68", "0.02", "1.00"],
    "pyarrow": ["1.00", "-1.00", "2.67", "0.01", "1.00"],
}
for name, module in (("duckdb", duckdb), ("polars", polars), ("pyarrow", pyarrow)):
    print(f"{name} {module.__version__}:", *seen[name])
is_so = all([str(one) for one in seen[name]] == expected[name] for name in expected)
print("as described" if is_so else f"changed; described: {expected}")
sys.exit(0 if is_so else 1)
PYTHON

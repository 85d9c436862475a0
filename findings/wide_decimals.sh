#!/usr/bin/env bash
# DuckDB reads a Parquet column of decimals wider than 38 digits as floats, and not even as the nearest ones.
#
# Behaviour: DECIMAL(p, s) with p above 38 is a DOUBLE as soon as a file is read, without a warning. BigQuery's client makes such a column
# (BIGNUMERIC, 76 digits, 38 decimals) of a table of Decimals as soon as one has more than nine decimals, such as a quotient. 0.10 and 0.20
# are read as 0.09999999999999999 and 0.19999999999999998, and 12345678901234567.89 loses its cents.
# Guessed before: decimals too wide are refused, as DuckDB refuses them in an Arrow table, or cut to 38 digits.
# Why it matters: a mart over exported files adds up floats: sums differ by cents from the books, and 0.10 is not found by = 0.10.
# Versions: duckdb 2.0.1, pyarrow 26.0.1, pandas 3.1.1, google-cloud-bigquery 3.47.0 (PyPI). Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    duckdb==2.0.1 pyarrow==26.0.1 pandas==3.1.1 google-cloud-bigquery==3.47.0
FOLDER="$folder" "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import os
import sys
from decimal import Decimal

import duckdb
import pandas
import pyarrow
import pyarrow.parquet
from google.cloud.bigquery import _pandas_helpers

amounts = [Decimal("0.10"), Decimal("0.20"), Decimal("12345678901234567.89")]
frame = pandas.DataFrame({"amount": [*amounts, Decimal(1) / Decimal(3)]})
kind = _pandas_helpers.dataframe_to_bq_schema(frame, [])[0].field_type
table = pyarrow.table({"amount": pyarrow.array(amounts, pyarrow.decimal256(76, 38))})
path = os.path.join(os.environ["FOLDER"], "amounts.parquet")
pyarrow.parquet.write_table(table, path)
rows = duckdb.execute("select typeof(amount), amount from read_parquet(?)", [path]).fetchall()
found = duckdb.execute("select count(*) from read_parquet(?) where amount = 0.10", [path]).fetchone()[0]
try:
    duckdb.connect().from_arrow(table).fetchall()
    arrow = "read"
except duckdb.NotImplementedException:
    arrow = "refused"
print(f"BigQuery's client makes of the frame: {kind}")
print(f"duckdb {duckdb.__version__} reads of Parquet:", *rows, f"and finds {found} rows of 0.10; the same as an Arrow table: {arrow}")
values = [row[1] for row in rows]
is_so = (
    kind == "BIGNUMERIC"
    and {row[0] for row in rows} == {"DOUBLE"}
    and values == [0.09999999999999999, 0.19999999999999998, 12345678901234568.0]
    and (found, arrow) == (0, "refused")
)
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

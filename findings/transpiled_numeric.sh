#!/usr/bin/env bash
# sqlglot turns a cast to BigQuery's or PostgreSQL's NUMERIC into a bare DECIMAL, which keeps three decimals in DuckDB and none in Snowflake.
#
# Behaviour: CAST(x AS NUMERIC), nine decimals in BigQuery and as many as there are in PostgreSQL, is transpiled to CAST(x AS DECIMAL) for
# DuckDB and Snowflake, where that means DECIMAL(18, 3) and NUMBER(38, 0). From DuckDB and from Snowflake it does write that default out. MySQL's
# TIMESTAMPDIFF(MONTH, ...), whole months gone by, becomes DuckDB's DATE_DIFF, which counts turns of the month.
# Guessed before: the result of a transpiled query is that of the original, or it warns, as it does where a week begins on another day.
# Why it matters: an amount of 12.99 is 13 in Snowflake, a rate of 1.08345 is 1.083 in DuckDB, and a contract begun yesterday, on the 31st, is
# a month old today; the numbers look plausible and nothing is raised.
# Versions: sqlglot 30.30.0, duckdb 2.0.1 (PyPI). Snowflake's default: docs.snowflake.com, numeric data types. Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check sqlglot==30.30.0 duckdb==2.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import duckdb
from sqlglot import transpile

cast = "SELECT CAST('1.08345' AS NUMERIC)"
queries = {
    ("bigquery", "duckdb"): transpile(cast, read="bigquery", write="duckdb")[0],
    ("postgres", "duckdb"): transpile(cast, read="postgres", write="duckdb")[0],
    ("bigquery", "snowflake"): transpile(cast, read="bigquery", write="snowflake")[0],
    ("postgres", "snowflake"): transpile(cast, read="postgres", write="snowflake")[0],
    ("snowflake", "duckdb"): transpile("SELECT CAST('1.08345' AS NUMBER)", read="snowflake", write="duckdb")[0],
}
print("sqlglot", version("sqlglot"), "duckdb", duckdb.__version__)
for (read, write), text in queries.items():
    print(f"{read} to {write}: {text}", *(duckdb.sql(text).fetchall()[0] if write == "duckdb" else ()))
months = transpile("SELECT TIMESTAMPDIFF(MONTH, DATE '2026-10-31', DATE '2026-11-01')", read="mysql", write="duckdb")[0]
gone = duckdb.sql(months).fetchall()[0][0]
print(f"mysql to duckdb: {months}: {gone}; MySQL answers 0")
bare = "SELECT CAST('1.08345' AS DECIMAL)"
is_so = (
    all(text == bare for (read, _), text in queries.items() if read != "snowflake")
    and str(duckdb.sql(bare).fetchall()[0][0]) == "1.083"
    and queries["snowflake", "duckdb"] == "SELECT CAST('1.08345' AS DECIMAL(38, 0))"
    and gone == 1
)
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

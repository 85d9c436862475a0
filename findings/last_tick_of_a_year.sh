#!/usr/bin/env bash
# 2026-12-31T23:59:59.9999999Z, the last tick of the year in .NET and SQL Server, is in 2027 for msgspec and arrow, and in some casts of DuckDB.
#
# Behaviour: of seven decimals of a second msgspec and arrow round to six, so that a day, a month and a year end early; Python itself, pydantic
# and Polars cut. DuckDB cuts where text is cast to TIMESTAMP or DATE, and rounds where a TIMESTAMP_NS is, as columns of Arrow and Parquet with
# nanoseconds are; pandas cuts the same value. PyArrow refuses it as microseconds.
# Guessed before: what is finer than a microsecond is cut or refused, as no reader may move an instant to another day.
# Why it matters: "to the end of the day" is one tick before midnight in .NET: a service period that ends on 31 December ends on 1 January in one
# step of a pipeline and not in the next, and its last month of revenue is in the next year, or counted in both.
# Versions: msgspec 0.23.0, arrow 1.4.0, duckdb 2.0.1, pyarrow 26.0.1, polars 2.1.0, pandas 3.1.1, pydantic 2.14.4 (PyPI). Seen on 2026-12-01
# with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    msgspec==0.23.0 arrow==1.4.0 duckdb==2.0.1 pyarrow==26.0.1 polars==2.1.0 pandas==3.1.1 pydantic==2.14.4
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from datetime import datetime

import arrow
import duckdb
import msgspec
import pandas
import polars
import pyarrow
import pydantic

TICK = "2026-12-31T23:59:59.9999999Z"


def by_pyarrow():
    try:
        return str(pyarrow.array([TICK]).cast(pyarrow.timestamp("us", "UTC"))[0])
    except pyarrow.ArrowInvalid:
        return "refused"


def by_duckdb(cast):
    return duckdb.sql(f"select ({cast})::varchar".replace("tick", f"'{TICK}'")).fetchall()[0][0]


seen = {
    "datetime": datetime.fromisoformat(TICK),
    "pydantic": pydantic.TypeAdapter(datetime).validate_python(TICK),
    "Polars": polars.Series([TICK]).str.to_datetime(time_zone="UTC")[0],
    "pandas": pandas.Timestamp(TICK).to_pydatetime(),
    "PyArrow": by_pyarrow(),
    "DuckDB, text as TIMESTAMP": by_duckdb("tick::timestamp"),
    "DuckDB, text as DATE": by_duckdb("tick::date"),
    "DuckDB, TIMESTAMP_NS as TIMESTAMP": by_duckdb("tick::timestamp_ns::timestamp"),
    "DuckDB, TIMESTAMP_NS as DATE": by_duckdb("tick::timestamp_ns::date"),
    "msgspec": msgspec.convert(TICK, datetime),
    "arrow": arrow.get(TICK).datetime,
}
for name, value in seen.items():
    print(f"{name}: {value}")
years = [str(value)[:4] for value in seen.values()]
is_so = years == ["2026"] * 4 + ["refu"] + ["2026"] * 2 + ["2027"] * 4
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

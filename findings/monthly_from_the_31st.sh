#!/usr/bin/env bash
# "Monthly from 31 January" falls on other days in each engine: the 28th ever after February, the last of each month, or only months with a 31st.
#
# Behaviour: generate_series in DuckDB (PostgreSQL 18's gives the same) and date_range with DateOffset in pandas add a month to the day before, and
# stay on the 28th. Polars, pendulum and arrow count months from the first day: 28 February, 31 March. dateutil's rrule leaves out each
# month without that day, as RFC 5545 has it: three renewals in half a year instead of six.
# Guessed before: each step is counted from the first day and held back to the month's end, which is what contracts and billing systems mean.
# Why it matters: renewals, due dates and the bounds of revenue schedules made in SQL move three days after the first February, and stay there;
# what was billed on the 31st is compared with what was expected on the 28th, and with rrule half of it is not expected at all.
# Versions: duckdb 2.0.1, pandas 3.1.1, polars 2.1.0, pendulum 3.3.0, arrow 1.4.0, python-dateutil 4.0.0 (PyPI). Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    duckdb==2.0.1 pandas==3.1.1 polars==2.1.0 pendulum==3.3.0 arrow==1.4.0 python-dateutil==4.0.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from datetime import date, datetime

import arrow
import duckdb
import pandas
import pendulum
import polars
from dateutil.rrule import MONTHLY, rrule

first, last = datetime(2026, 1, 31), datetime(2026, 6, 30)
series = duckdb.sql(f"select unnest(generate_series(timestamp '{first}', timestamp '{last}', interval 1 month))").fetchall()
seen = {
    "DuckDB": [row[0] for row in series],
    "pandas": list(pandas.date_range(first, last, freq=pandas.DateOffset(months=1))),
    "Polars": polars.date_range(date(2026, 1, 31), date(2026, 6, 30), "1mo", eager=True).to_list(),
    "pendulum": list(pendulum.interval(pendulum.instance(first), pendulum.instance(last)).range("months")),
    "arrow": list(arrow.Arrow.range("month", first, last)),
    "rrule": list(rrule(MONTHLY, dtstart=first, until=last)),
}
days = {name: " ".join(day.strftime("%d.%m") for day in found) for name, found in seen.items()}
for name, found in days.items():
    print(f"{name}: {found}")
drifts, holds = "31.01 28.02 28.03 28.04 28.05 28.06", "31.01 28.02 31.03 30.04 31.05 30.06"
expected = dict.fromkeys(("DuckDB", "pandas"), drifts) | dict.fromkeys(("Polars", "pendulum", "arrow"), holds) | {"rrule": "31.01 31.03 31.05"}
print("as described" if days == expected else f"changed; described: {expected}")
sys.exit(0 if days == expected else 1)
PYTHON

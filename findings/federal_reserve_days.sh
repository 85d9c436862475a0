#!/usr/bin/env bash
# workalendar's calendar of the Federal Reserve closes it on Fridays on which it is open, and dollars move.
#
# Behaviour: workalendar.usa.FederalReserveSystem takes a holiday on a Saturday for the Friday before, as federal offices do: 3 July 2026,
# 18 June, 24 December and 31 December 2027. The banks' own rule is that they are open then; holidays' XFED follows it.
# Guessed before: a calendar of its own beside that of the United States is there because the two differ, and has the banks' rule.
# Why it matters: value dates, due dates of direct debits and the day a payout should be in the bank are a business day off; a payout that
# comes on 3 July is a break, and one expected on 6 July is looked for too late.
# Versions: workalendar 17.0.0, holidays 0.109 (PyPI). Rule: federalreserve.gov, holiday schedule, footnote. Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check workalendar==17.0.0 holidays==0.109
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from datetime import date
from importlib.metadata import version

import holidays
from workalendar.usa import FederalReserveSystem

fridays = [date(2026, 7, 3), date(2027, 6, 18), date(2027, 12, 24), date(2027, 12, 31)]
calendar, listed = FederalReserveSystem(), holidays.financial_holidays("XFED", years=[2026, 2027, 2028])
seen = [(calendar.is_working_day(day), day not in listed) for day in fridays]
for day, (is_open, is_open_by_the_list) in zip(fridays, seen):
    print(f"{day} {day:%A}: open by workalendar {version('workalendar')} {is_open}, by holidays {version('holidays')} {is_open_by_the_list}")
after = calendar.add_working_days(date(2026, 7, 2), 1), listed.get_nth_working_day(date(2026, 7, 2), 1)
print("the business day after 2026-07-02:", *after)
is_so = seen == [(False, True)] * 4 and after == (date(2026, 7, 6), date(2026, 7, 3))
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON

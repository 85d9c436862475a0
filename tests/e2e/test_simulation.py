"""A few days of the company's life with a worker killed and the books shut, on processes of their own: proven to the cent."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from datetime import UTC, date, datetime, timedelta

from rich.console import Console

from counterfoil.app.simulation.outcome import SimulationResult
from counterfoil.app.simulation.report import show
from counterfoil.app.simulation.run import SimulationOptions, run
from counterfoil.app.simulation.schedule import FaultKind, ScheduledFault

FIRST_DAY = date(2026, 1, 30)
START = datetime(2026, 1, 30, tzinfo=UTC)


def hours(count: float) -> datetime:
    """Return so many hours after the start."""
    return START + timedelta(hours=count)


SCHEDULE = (
    ScheduledFault(hours(1), FaultKind.TARGET_CALLS, None, {"fault": "drop_after", "skip": 2, "times": 2}),
    ScheduledFault(hours(2), FaultKind.DRAFT_DELETED, None, {"calls": 1}),
    ScheduledFault(hours(5), FaultKind.WORKER_KILLED, hours(9)),
    ScheduledFault(hours(12), FaultKind.TARGET_MAINTENANCE, hours(30)),
    ScheduledFault(hours(31), FaultKind.SOURCE_CALLS, None, {"fault": "truncate_after", "skip": 1, "times": 1}),
    ScheduledFault(hours(36), FaultKind.PERIOD_LOCKED, None, {"entity": "DE", "date": "2026-01-30"}),
)


def told(outcome: SimulationResult) -> str:
    """Return all that a simulation shows: which rows differ, and the cause of every case."""
    shown = io.StringIO()
    show(outcome, Console(file=shown, width=240))
    return shown.getvalue()


async def test_days_with_a_killed_worker_and_shut_books_end_in_the_proof() -> None:
    outcome = await run(SimulationOptions(seed=3, days=2, invoices=16, first_day=FIRST_DAY, schedule=SCHEDULE))
    found = (outcome.lost, outcome.doubled, outcome.stuck, outcome.differences, outcome.unbalanced)
    assert (found, outcome.result.cases) == ((0, 0, 0, 0, 0), ()), told(outcome)
    assert outcome.is_right, told(outcome)
    assert outcome.invoices >= 16
    assert {(row.system, row.figure) for row in outcome.result.sales} >= {("Salesforce", "open"), ("HubSpot", "open")}
    assert outcome.faults["worker_killed"] == outcome.faults["target_maintenance"] == 1


async def test_the_schedule_is_printed_as_data_and_plays_nothing() -> None:
    command = [sys.executable, "-m", "counterfoil", "simulate", "--seed", "4", "--days", "3", "--show-schedule", "--json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await asyncio.wait_for(process.communicate(), 60.0)
    entries = json.loads(printed)
    assert process.returncode == 0
    assert {entry["kind"] for entry in entries} >= {"worker_killed", "target_maintenance", "credential_expired", "database_killed"}

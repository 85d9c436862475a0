"""What a simulation shows: its schedule, the demonstration's tables, and what it was made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from counterfoil.app.demo.report import show as show_result

from .outcome import SimulationResult
from .schedule import ScheduledFault


def show_schedule(schedule: Sequence[ScheduledFault], console: Console) -> None:
    """Print what goes wrong, and when."""
    table = Table(title=f"Schedule: {len(schedule)} entries", title_justify="left", title_style="bold")
    for column in ("at", "what", "until", "detail"):
        table.add_column(column)
    for entry in schedule:
        until = f"{entry.until:%Y-%m-%d %H:%M:%S}" if entry.until else ""
        table.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.kind.value, until, _words(entry))
    console.print(table)


def show(outcome: SimulationResult, console: Console) -> None:
    """Print the result, what went wrong on the way, and the digests."""
    show_result(outcome.result, console)
    console.print(f"Went wrong: {faults_in_words(outcome.faults.items())}")
    console.print(
        f"Lost {outcome.lost}, doubled {outcome.doubled}, stuck {outcome.stuck}, differences {outcome.differences},"
        f" conservation off {outcome.unbalanced}."
    )
    for one in outcome.decided:
        console.print(f"Decided by a person: {one.case.cause}: {one.reason}", markup=False)
    digests = outcome.digests
    console.print(f"Digests: company {digests.company}, deliveries {digests.deliveries}, schedule {digests.schedule}")


def faults_in_words(faults: Iterable[tuple[str, int]]) -> str:
    """Return how often what went wrong, e.g. ``database_killed 1, worker_killed 2``."""
    counted = Counter(dict(faults))
    return ", ".join(f"{kind} {counted[kind]}" for kind in sorted(counted) if counted[kind])


def _words(entry: ScheduledFault) -> str:
    return ", ".join(f"{name} {value}" for name, value in entry.detail.items())

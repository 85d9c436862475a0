"""Many seeds, one after the other, and the table of what each of them lost, doubled or left: ``make soak``."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from counterfoil.app.logs import quiet

from .outcome import SimulationResult
from .report import faults_in_words
from .run import FIRST_DAY, SimulationOptions, run

COLUMNS = ("seed", "invoices", "lost", "doubled", "stuck", "differences", "conservation", "seconds", "faults")
WIDTHS = (6, 9, 6, 9, 7, 13, 14, 9)


@dataclass(slots=True)
class SeedResult:
    """One seed's line. ``is_right``: every figure is zero."""

    seed: int
    is_right: bool
    cells: tuple[str, ...]
    faults: str
    remarks: list[str] = field(default_factory=list)


def row_of(seed: int, outcome: SimulationResult) -> SeedResult:
    """Return the line of a run that came to its end; ``conservation`` counts equations that do not hold."""
    figures = (outcome.invoices, outcome.lost, outcome.doubled, outcome.stuck, outcome.differences, outcome.unbalanced)
    cells = (*map(str, figures), f"{outcome.result.seconds:.0f}")
    remarks = [f"decided by a person: {one.case.cause}: {one.reason}" for one in outcome.decided]
    remarks += [f"{case.case_class}: {case.cause}" for case in outcome.result.cases]
    remarks += [f"{row.entity} {row.currency} {row.kind.value}: {row}" for row in outcome.result.proof.totals if not row.is_equal]
    return SeedResult(seed, outcome.is_right, cells, faults_in_words(outcome.faults.items()), remarks)


def line_of(seed: str, cells: Sequence[str], faults: str) -> str:
    """Return a line of the table."""
    figures = (seed, *cells)
    return "".join(f"{text:>{width}}" for text, width in zip(figures, WIDTHS, strict=True)) + f"  {faults}"


def soak(seeds: Sequence[int], days: int, invoices: int, first_day: date = FIRST_DAY) -> bool:
    """Play every seed, print its line as soon as it is known, and return whether all are right."""
    print(line_of(COLUMNS[0], COLUMNS[1:-1], COLUMNS[-1]), flush=True)
    rows = []
    for seed in seeds:
        try:
            row = row_of(seed, asyncio.run(run(SimulationOptions(seed, days, invoices, first_day))))
        except Exception as error:  # outer loop: a run that breaks off is a wrong line of the table, and the next seed is played
            row = SeedResult(seed, False, ("-",) * (len(WIDTHS) - 1), f"{type(error).__name__}: {error}")
        rows.append(row)
        print(line_of(str(seed), row.cells, row.faults), flush=True)
        for remark in row.remarks:
            print(f"        {remark}", flush=True)
    wrong = [row.seed for row in rows if not row.is_right]
    print(f"{len(rows)} seeds, {days} days each: " + (f"not right: {wrong}" if wrong else "every figure is zero"), flush=True)
    return not wrong


def main() -> None:
    """Run as the environment says: SEEDS (a number of seeds, or a list ``3,7``), DAYS, INVOICES, START."""
    quiet()
    given = os.environ.get("SEEDS", "") or "10"
    seeds = [int(part) for part in given.split(",")] if "," in given else list(range(1, int(given) + 1))
    days, invoices = int(os.environ.get("DAYS", "") or 7), int(os.environ.get("INVOICES", "") or 60)
    first_day = date.fromisoformat(os.environ.get("START", "") or FIRST_DAY.isoformat())
    sys.exit(0 if soak(seeds, days, invoices, first_day) else 1)


if __name__ == "__main__":
    main()

"""`counterfoil simulate`: months of the company's life in virtual time with a schedule of faults, ending in the proof."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import FINE, FOUND, data, print_json, words
from counterfoil.cli.running import fail, need_sandboxes, progress, speak_json

if TYPE_CHECKING:
    from counterfoil.app.demo.company import DemoProgress
    from counterfoil.app.simulation.outcome import SimulationResult
    from counterfoil.app.simulation.run import SimulationOptions


def simulate(
    seed: Annotated[int, typer.Option(help="The same seed plays the same company, deliveries and faults.")] = 42,
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days are played.")] = 30,
    invoices: Annotated[int | None, typer.Option(min=10, help="About how many invoices; about ten a day in the first month, else.")] = None,
    start: Annotated[str, typer.Option(help="The first day, as 2025-12-01.")] = "2025-12-01",
    home: Annotated[Path | None, typer.Option(help="Keep the hub's database and logs here; a temporary directory otherwise.")] = None,
    show_schedule: Annotated[bool, typer.Option("--show-schedule", help="Print what would go wrong and when, and play nothing.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object, the same as the demo's.", callback=speak_json)
    ] = False,
) -> None:
    """Play months of a company through Stripe and Odoo in virtual time, with faults drawn from the seed, and prove the books."""
    need_sandboxes()
    from counterfoil.app.demo.report import as_json as result_as_json
    from counterfoil.app.errors import EXPECTED
    from counterfoil.app.logs import quiet
    from counterfoil.app.simulation import report
    from counterfoil.app.simulation.run import SimulationOptions, schedule_of

    quiet()
    try:
        options = SimulationOptions(seed, days, invoices, date.fromisoformat(start), home)
    except ValueError:
        fail(f"--start {start}: write a day as 2025-12-01")
    if show_schedule:
        schedule = schedule_of(options)
        if as_json:
            print_json([entry.as_json() for entry in schedule])
        else:
            report.show_schedule(schedule, data)
        raise typer.Exit(FINE)
    try:
        outcome = _run(options)
    except (*EXPECTED, ValueError, OSError) as error:
        fail(str(error))
    if as_json:
        print_json(result_as_json(outcome.result))
        digests = outcome.digests
        words.print(f"Digests: company {digests.company}, deliveries {digests.deliveries}, schedule {digests.schedule}")
    else:
        report.show(outcome, data)
    raise typer.Exit(FINE if outcome.is_right else FOUND)


def _run(options: SimulationOptions) -> SimulationResult:
    from counterfoil.app.demo.run import DemoProgressReport
    from counterfoil.app.simulation.run import run

    with progress() as shown:
        phase = shown.add_task("Starting", total=None, note="")
        life = shown.add_task("The company's life", total=None, note="", visible=False)
        work = shown.add_task("Booked in Odoo", total=None, note="", visible=False)

        def on_phase(text: str) -> None:
            shown.update(phase, description=text)

        def on_life(at: DemoProgress) -> None:
            shown.update(life, visible=True, total=at.stories_total, completed=at.stories_done, note=f"{at.now:%d %b %Y}")

        def on_work(done: int, still_open: int) -> None:
            shown.update(work, visible=True, total=done + still_open, completed=done, note=f"{done} done, {still_open} open")

        return asyncio.run(run(options, DemoProgressReport(on_phase, on_life, on_work)))

"""`counterfoil demo`: one month through the sandboxes, ending in the proof."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from counterfoil.cli.output import FINE, FOUND, MISUSE, data, print_json, words
from counterfoil.cli.running import need_sandboxes, speak_json
from counterfoil.kit.errors import HubError

if TYPE_CHECKING:
    from counterfoil.app.demo.run import DemoOptions, DemoProgressReport


def demo(
    seed: Annotated[int, typer.Option(help="The same seed plays the same month with the same faults.")] = 42,
    invoices: Annotated[int, typer.Option(min=60, help="About how many invoices the month has.")] = 320,
    odoo_url: Annotated[str, typer.Option(help="A real Odoo instead of the sandbox (a database to throw away).")] = "",
    odoo_db: Annotated[str, typer.Option(help="Its database.")] = "",
    odoo_login: Annotated[str, typer.Option(help="The user the key belongs to.")] = "admin",
    odoo_key: Annotated[str, typer.Option(envvar="COUNTERFOIL_ODOO_KEY", help="Its API key.")] = "",
    home: Annotated[Path | None, typer.Option(help="Keep the hub's database here; a temporary directory otherwise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.", callback=speak_json)] = False,
) -> None:
    """Play one month of a company with three entities through Stripe and Odoo, with everything going wrong, and prove the books."""
    need_sandboxes()
    from counterfoil.app.demo.report import as_json as result_as_json
    from counterfoil.app.demo.report import show
    from counterfoil.app.demo.run import DemoOptions
    from counterfoil.app.logs import quiet

    quiet()
    if odoo_url and not (odoo_db and odoo_key):
        words.print("[red]--odoo-url needs --odoo-db and --odoo-key as well.[/red]")
        raise typer.Exit(MISUSE)
    options = DemoOptions(seed, invoices, odoo_url, odoo_db, odoo_login, odoo_key, home)
    try:
        result = _run(options)
    except (HubError, OSError) as error:
        words.print(f"[red]{error}[/red]")
        raise typer.Exit(MISUSE) from None
    if as_json:
        print_json(result_as_json(result))
    else:
        show(result, data)
    raise typer.Exit(FINE if result.is_proven else FOUND)


def _run(options: DemoOptions):  # type: ignore[no-untyped-def]  # the result's type is imported late
    from counterfoil.app.demo.run import run

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=words) as progress:
        return asyncio.run(run(options, _watch(progress)))


def _watch(progress: Progress) -> DemoProgressReport:
    from counterfoil.app.demo.run import DemoProgressReport

    phase = progress.add_task("Starting", total=None, note="")
    month = progress.add_task("The company's month", total=None, note="", visible=False)
    work = progress.add_task("Booked in Odoo", total=None, note="", visible=False)

    def on_phase(text: str) -> None:
        progress.update(phase, description=text)

    def on_month(at) -> None:  # type: ignore[no-untyped-def]  # as above
        progress.update(month, visible=True, total=at.stories_total, completed=at.stories_done, note=f"{at.now:%d %b}")

    def on_work(done: int, still_open: int) -> None:
        progress.update(work, visible=True, total=done + still_open, completed=done, note=f"{done} done, {still_open} open")

    return DemoProgressReport(on_phase, on_month, on_work)

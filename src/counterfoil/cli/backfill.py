"""`counterfoil backfill`: read a connection's history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.instants import instant
from counterfoil.cli.output import count, print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, progress, run
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from rich.progress import Progress as Bars

    from counterfoil.app.backfilling import BackfillProgress, BackfillProgressReport, Done


def backfill(
    connection: Annotated[str, typer.Argument(help="The connection to read, as in the configuration.")],
    since: Annotated[str, typer.Option(help="Read what was created at or after this day or instant, UTC.")],
    kind: Annotated[list[str] | None, typer.Option(help="Only objects of this kind, e.g. invoice; may be repeated.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Read kinds again that were finished before; what is known is not taken twice.")
    ] = False,
    work: Annotated[bool, typer.Option("--work", help="Also do the work here until nothing is left, without `counterfoil up`.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Read a connection's history since a date, in the lane that delays nobody. May be stopped and run again: it goes on where it was."""
    done = run(_backfill(config, connection, instant(since), tuple(kind or ()), again, work))
    if as_json:
        print_json(done)
        return
    rows = [(one.kind, count(one.read), count(one.new)) for one in done.kinds]
    print_table(f"History of {connection}", ["kind", "objects read", "new here"], rows, right=(1, 2))
    if done.left and not done.has_worker:
        words.print(f"To be read or booked: {plural(done.left, 'record')}. Start `counterfoil up`, or run this again with --work.")
    elif done.left:
        words.print(f"Being read and booked: {plural(done.left, 'record')}. `counterfoil status` shows how far it is.")
    else:
        words.print("Everything that can be booked is booked; `counterfoil status` shows what waits and why.")


async def _backfill(config: Path, connection: str, since: datetime, kinds: tuple[str, ...], again: bool, work: bool) -> Done:
    from counterfoil.app.backfilling import BackfillOrder
    from counterfoil.app.backfilling import backfill as read_history
    from counterfoil.app.logs import quiet
    from counterfoil.app.settings import load

    quiet()
    settings = load(config)
    with progress() as bars:
        return await read_history(settings, BackfillOrder(connection, since, kinds, again, work), _watch(bars))


def _watch(bars: Bars) -> BackfillProgressReport:
    from counterfoil.app.backfilling import BackfillProgressReport

    tasks = {"": bars.add_task("Opening", total=None, note="")}

    def on_read(at: BackfillProgress) -> None:
        if "" in tasks:
            bars.remove_task(tasks.pop(""))
        if at.kind not in tasks:
            tasks[at.kind] = bars.add_task(at.kind.replace("_", " "), total=None, note="")
        total = max(at.read, 1) if at.is_done else None
        bars.update(tasks[at.kind], total=total, completed=at.read if at.read else 1, note=f"{at.read:,} read, {at.new:,} new")

    def on_worked(done: int, left: int) -> None:
        if "booked" not in tasks:
            tasks["booked"] = bars.add_task("Booked", total=None, note="")
        bars.update(tasks["booked"], total=max(done + left, 1), completed=done, note=f"{done:,} posted, {left:,} left")

    return BackfillProgressReport(on_read, on_worked)

"""`counterfoil schema`: the published shapes of everything canonical."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.output import print_json, words
from counterfoil.cli.running import AsJson, fail

app = typer.Typer(help="JSON Schemas of entities, events and commands.", no_args_is_help=True)


@app.callback()
def _noun() -> None:
    """Keep `export` a verb of its own."""


@app.command()
def export(
    dir: Annotated[Path, typer.Option("--dir", help="Folder to write to; one file per schema, in a folder per group.")] = Path("schemas"),
    as_json: AsJson = False,
) -> None:
    """Write every JSON Schema to a folder; with --json print them as one object by name instead, and write nothing."""
    from counterfoil.kit.schemas import schemas, write_schemas

    if as_json:
        print_json(schemas())
        return
    try:
        paths = write_schemas(dir)
    except OSError as error:
        fail(f"{dir} cannot be written: {error.strerror}")
    for path in paths:
        typer.echo(path)
    words.print(f"{len(paths)} schemas in {dir}.", markup=False)

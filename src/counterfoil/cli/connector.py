"""`counterfoil connector`: the connectors there are, and the skeleton of a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.output import print_json, print_table, words
from counterfoil.cli.running import AsJson, fail, need_sandboxes

app = typer.Typer(help="Connectors: what the hub can read from and post to.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the connectors installed, and what each can do."""
    from counterfoil.kit.discovery import load_connectors
    from counterfoil.kit.errors import SetupError

    try:
        found = load_connectors()
    except SetupError as error:
        fail(str(error))
    lines = [
        {
            "name": name,
            "reads": connector.source is not None,
            "history": connector.backfills.backfill_kinds() if connector.backfills is not None else (),
            "posts": sorted(kind.value for kind in connector.deliver),
            "sandbox": connector.sandbox is not None,
        }
        for name, connector in found.items()
    ]
    if as_json:
        print_json(lines)
        return
    rows = [
        (name, _yes(one.source), _yes(one.deliver), _yes(one.sandbox), ", ".join(one.backfills.backfill_kinds()) if one.backfills else "")
        for name, one in found.items()
    ]
    print_table("Connectors", ["name", "reads", "posts", "sandbox", "history of"], rows)


def _yes(value: object) -> str:
    return "yes" if value else "-"


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Its name: a lower-case word such as acme.")],
    dir: Annotated[Path | None, typer.Option("--dir", help="Folder to write into; the hub's own connectors otherwise.")] = None,
    package: Annotated[str, typer.Option(help="Dotted name of that folder's package.")] = "counterfoil.connectors",
    reads_only: Annotated[bool, typer.Option("--reads-only", help="A source: nothing is written there.")] = False,
    writes_only: Annotated[bool, typer.Option("--writes-only", help="A target: nothing is read there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the skeleton of a connector: it works against its own sandbox and passes the conformance suite as it is."""
    need_sandboxes()
    from counterfoil import connectors
    from counterfoil.kit.errors import SetupError
    from counterfoil.kit.scaffold import write_connector

    try:
        written = write_connector(name, dir or Path(connectors.__path__[0]), package, does_read=not writes_only, does_write=not reads_only)
    except SetupError as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write {error.filename}: {error.strerror}")
    if as_json:
        print_json([str(path) for path in written])
        return
    for path in written:
        typer.echo(path)
    words.print(f"Next: read {written[0].parent / 'README.md'}, then `make conformance c={name}`.", markup=False)

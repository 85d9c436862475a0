"""`counterfoil migrate`: the database brought up to date by itself, before the processes that use it start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import FINE, FOUND, print_json, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, run

if TYPE_CHECKING:
    from pathlib import Path


def migrate(
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for a database that does not answer yet.")] = 0.0,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; wait until nothing is missing. Exit code 1 if something still is.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Bring the database's schema up to date and make the months ahead; a second time there is nothing to do.

    Any number may run at once: one does it, the others wait for it. `counterfoil up` does the same by itself, unless told not to.
    """
    found = run(_migrate(config, wait, is_check=check))
    if as_json:
        print_json({"missing" if check else "applied": found})
    elif found:
        for name in found:
            typer.echo(name)
    else:
        words.print("Nothing is missing." if check else "Nothing to do.")
    raise typer.Exit(FOUND if check and found else FINE)


async def _migrate(config: Path, wait_s: float, *, is_check: bool) -> list[str]:
    from counterfoil.app.database import url_of
    from counterfoil.app.logs import quiet
    from counterfoil.app.migrating import migrate_when_there, missing_when_there
    from counterfoil.app.settings import load_plain

    quiet()
    hub = load_plain(config).hub
    act = missing_when_there if is_check else migrate_when_there
    return await act(hub.home, url_of(hub.database_url), wait_s, lambda reason: words.print(f"Waiting: {reason}", markup=False))

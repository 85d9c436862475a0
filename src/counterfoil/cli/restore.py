"""`counterfoil restore`: a backup put back, all or nothing; and a hub told to learn again what its targets hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import print_json, print_table, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, By, Config, fail, run, who

if TYPE_CHECKING:
    from counterfoil.app.backup import Restored


def restore(
    source: Annotated[Path | None, typer.Argument(help="A folder made by `counterfoil backup`.", metavar="[SOURCE]")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Drop what the database holds and put the backup in its place.")] = False,
    relearn_only: Annotated[
        bool,
        typer.Option("--relearn-only", help="The database was put back by other means (point-in-time recovery): only do what follows one."),
    ] = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Put a backup back, all or nothing, while no worker runs. Nothing is posted afterwards before the books were read again."""
    if (source is None) != relearn_only or (relearn_only and replace):
        fail("name the backup's folder, or give --relearn-only alone")
    restored = run(_restore(config, source, replace, who(by)))
    if as_json:
        print_json({"restored": restored, "commands": [gap.command for gap in restored.gaps if gap.command]})
        return
    if restored.manifest is not None:
        shown = restored.manifest
        words.print(f"Restored what the hub knew at {when(shown.taken_at)} UTC: {shown.received:,} deliveries, {shown.wished:,} postings.")
    if restored.migrations:
        words.print(f"Brought up to this version: {', '.join(restored.migrations)}.")
    rows = [(gap.connection, when(gap.since) or "never read", gap.command or "reads on from there by itself") for gap in restored.gaps]
    if rows:
        print_table("Sources", ["source", "read up to (UTC)", "what brings the rest"], rows)
    if restored.targets:
        words.print(
            f"Marked to be learned again: {', '.join(restored.targets)}. `counterfoil up` first reads which of our keys they hold; until"
            " then nothing is posted there, and what they hold is compared, never posted again. `counterfoil status` shows how far it is."
        )


async def _restore(config: Path, source: Path | None, is_replaced: bool, actor: str) -> Restored:
    import os
    from datetime import UTC, datetime

    from counterfoil.app.backup import mark_only
    from counterfoil.app.backup import restore as put_back
    from counterfoil.app.database import database_url
    from counterfoil.app.keys import configured_keys
    from counterfoil.app.logs import quiet
    from counterfoil.app.settings import load_plain

    quiet()
    file = load_plain(config)
    targets = file.written_to()
    async with database_url(file.hub.home, file.hub.database_url) as dsn:
        if source is None:
            return await mark_only(dsn, targets, file.connections, datetime.now(UTC), actor=actor)
        keys = configured_keys(file.hub.home, os.environ)
        return await put_back(dsn, source, keys, targets, file.connections, datetime.now(UTC), actor=actor, is_replaced=is_replaced)

"""`counterfoil backup`: the hub's database into a folder, consistent while the hub works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import count, print_json, print_table, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, run

if TYPE_CHECKING:
    from counterfoil.app.backup import Manifest


def backup(
    target: Annotated[Path, typer.Argument(help="A folder to be made; it must not exist yet.")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Back up the hub's database into a new folder, while it works. The encryption keys are NOT in it: keep them elsewhere."""
    manifest = run(_backup(config, target))
    if as_json:
        print_json({"folder": str(target), "manifest": manifest})
        return
    facts = [
        ("shows", f"{when(manifest.taken_at)} UTC"),
        ("size", f"{manifest.bytes / 1e6:,.1f} MB"),
        ("SHA-256", manifest.sha256),
        ("schema", manifest.schema),
        ("received", count(manifest.received)),
        ("postings called for", count(manifest.wished)),
        ("adds up", "yes" if manifest.is_balanced else "NO"),
        ("needs the key", ", ".join(key.id for key in manifest.keys) or "none: nothing is encrypted yet"),
    ]
    print_table(f"Backup {target}", ["", ""], facts)
    missing = [key.id for key in manifest.keys if not key.check]
    if missing:
        words.print(f"Key {', '.join(missing)} is not configured here: find it before you need this backup.", style="red")
    if manifest.keys:
        words.print(
            "The encryption keys are not in the backup, and without them it cannot be read: keep the key file (encryption.keys in the"
            " hub's home) or COUNTERFOIL_ENCRYPTION_KEYS in another safe place."
        )


async def _backup(config: Path, target: Path) -> Manifest:
    import os

    from counterfoil.app.backup import back_up
    from counterfoil.app.database import database_url
    from counterfoil.app.keys import configured_keys
    from counterfoil.app.logs import quiet
    from counterfoil.app.settings import load_plain

    quiet()
    file = load_plain(config)
    async with database_url(file.hub.home, file.hub.database_url) as dsn:
        return await back_up(dsn, configured_keys(file.hub.home, os.environ), target)

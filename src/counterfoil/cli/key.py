"""`counterfoil key`: the keys payloads are encrypted under, a new one, and re-encryption under it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from counterfoil.cli.output import FINE, FOUND, count, print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, By, Config, database_of, progress, run, who
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.keys import KeyUse

app = typer.Typer(help="Encryption keys of what is kept; see docs/how-to/keys.md.", no_args_is_help=True)


@app.command("list")
def list_(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List the keys and how many payloads are under each. A key with none that is not for writing can be retired."""
    found = run(_list(config))
    if as_json:
        print_json(found)
        return
    rows = [(key.id, "yes" if key.is_writing else "", "" if key.is_known else "NOT CONFIGURED", count(key.payloads)) for key in found]
    print_table("Encryption keys", ["key", "writes", "", "payloads"], rows, right=(3,))


async def _list(config: Path) -> list[KeyUse]:
    from counterfoil.app.keys import uses

    async with database_of(config) as (file, database):
        return await uses(database, file.hub.home, os.environ)


@app.command()
def new(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Make a new key for writing, in front of the others in the key file. Restart every `counterfoil up`, then `counterfoil key rotate`."""
    name = run(_new(config))
    if as_json:
        print_json({"key": name})
    else:
        words.print(f"Key {name} is for writing now. Restart every `counterfoil up`, then run `counterfoil key rotate`.", markup=False)


async def _new(config: Path) -> str:
    from counterfoil.app.keys import add_key
    from counterfoil.app.settings import load_plain

    return add_key(load_plain(config).hub.home, os.environ)


@app.command()
def rotate(by: By = "", config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Re-encrypt everything under the writing key. May be stopped and run again. Exit code 1: some was in use; run it again."""
    done, left = run(_rotate(config, who(by)))
    if as_json:
        print_json({"reencrypted": done, "left": left})
    elif left:
        words.print(f"{plural(done, 'payload')} re-encrypted, {left:,} in use just now: run it again.")
    else:
        words.print(f"{plural(done, 'payload')} re-encrypted; everything is under the writing key.")
    raise typer.Exit(FOUND if left else FINE)


async def _rotate(config: Path, actor: str) -> tuple[int, int]:
    from counterfoil.app import desk
    from counterfoil.app.keys import under_other_keys

    async with database_of(config) as (file, database):
        done = 0
        with progress() as bar:
            task = bar.add_task("Payloads", total=await under_other_keys(database), note="")
            async for done, total in desk.reencrypt(database, file, actor, datetime.now(UTC)):
                bar.update(task, completed=done, note=f"{done:,} of {total:,}")
        return done, await under_other_keys(database)

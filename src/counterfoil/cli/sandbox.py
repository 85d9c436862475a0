"""`counterfoil sandbox up`: serve the simulators on loopback, to try things on."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated, Any

import typer

from counterfoil.cli.output import MISUSE, print_json, print_table, words
from counterfoil.kit.errors import HubError

app = typer.Typer(help="Simulators of the systems the hub connects, over real HTTP on loopback.", no_args_is_help=True)


@app.callback()
def _noun() -> None:
    """Keep `up` a verb of its own."""


@app.command()
def up(
    only: Annotated[str, typer.Option(help="Comma-separated connectors; all that have a sandbox otherwise.")] = "",
    port: Annotated[list[str] | None, typer.Option(help="NAME=PORT; a free port otherwise.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="NAME.KEY=VALUE for a sandbox, e.g. odoo.version=18.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print addresses, keys and secrets as one JSON object.")] = False,
    until_stdin_closes: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Serve the sandboxes until interrupted; prints their addresses, keys and webhook secrets."""
    try:
        ports = {name: int(value) for name, value in _pairs(port or [])}
        asyncio.run(_serve(_names(only), ports, _options(option or []), as_json, until_stdin_closes))
    except (HubError, ValueError, OSError) as error:
        words.print(f"[red]{error}[/red]")
        raise typer.Exit(MISUSE) from None
    except KeyboardInterrupt:
        words.print("stopped")


def _names(only: str) -> tuple[str, ...]:
    from counterfoil.app.sandboxes import sandbox_names

    return tuple(name.strip() for name in only.split(",") if name.strip()) or sandbox_names()


def _pairs(given: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in given:
        key, separator, value = text.partition("=")
        if not separator:
            raise ValueError(f"{text!r}: write it as KEY=VALUE")
        pairs.append((key, value))
    return pairs


def _options(given: list[str]) -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = {}
    for key, text in _pairs(given):
        name, separator, field = key.partition(".")
        if not separator:
            raise ValueError(f"{key!r}: write it as NAME.KEY=VALUE")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        options.setdefault(name, {})[field] = value
    return options


async def _serve(
    names: tuple[str, ...], ports: dict[str, int], options: dict[str, dict[str, Any]], as_json: bool, until_stdin_closes: bool
) -> None:
    from counterfoil.app.sandboxes import build, serving

    async with serving(build(names, options), ports) as details:
        if as_json:
            print_json(details)
            sys.stdout.flush()
        else:
            rows = [(name, key, value) for name, given in details.items() for key, value in given.items()]
            print_table("Sandboxes (stop with Ctrl-C)", ["sandbox", "what", "value"], rows)
        if until_stdin_closes:
            await asyncio.to_thread(sys.stdin.read)
        else:
            await asyncio.Event().wait()

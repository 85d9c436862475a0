"""`counterfoil sandbox`: serve the simulators on loopback, to try things on, and make things happen there."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from counterfoil.cli.output import print_json, print_table, words
from counterfoil.cli.running import AsJson, fail, need_sandboxes, run, speak_json
from counterfoil.kit.errors import HubError


class ClockMode(StrEnum):
    """Whether the simulators' clocks run."""

    WALL = "wall"
    STILL = "still"


app = typer.Typer(help="Simulators of the systems the hub connects, over real HTTP on loopback.", no_args_is_help=True)


@app.command()
def up(
    only: Annotated[str, typer.Option(help="Comma-separated connectors; all that have a sandbox otherwise.")] = "",
    port: Annotated[list[str] | None, typer.Option(help="NAME=PORT; a free port otherwise.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="NAME.KEY=VALUE for a sandbox, e.g. books.version=18.")] = None,
    deliver_to: Annotated[
        list[str] | None,
        typer.Option(help="NAME=URL, e.g. billing=http://127.0.0.1:8400/in/billing: deliver what happens there; the secret is printed."),
    ] = None,
    clock: Annotated[
        ClockMode, typer.Option(help="wall: the simulators' clocks show the time of day and run; still: they move when told.")
    ] = (ClockMode.WALL),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print addresses, keys and secrets as one JSON object.", callback=speak_json)
    ] = False,
    until_stdin_closes: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Serve the sandboxes until interrupted; prints their addresses, keys and webhook secrets."""
    need_sandboxes()
    try:
        ports = {name: int(value) for name, value in _pairs(port or [])}
        asyncio.run(
            _serve(_names(only), ports, _options(option or []), _Manner(dict(_pairs(deliver_to or [])), clock, as_json, until_stdin_closes))
        )
    except (HubError, ValueError, OSError) as error:
        fail(str(error))
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


@dataclass(frozen=True, slots=True)
class _Manner:
    """How the sandboxes are served: where each delivers to, whether their clocks run, and how they are told of and ended."""

    deliver_to: Mapping[str, str]
    clock: ClockMode
    as_json: bool
    until_stdin_closes: bool


async def _serve(names: tuple[str, ...], ports: dict[str, int], options: dict[str, dict[str, Any]], manner: _Manner) -> None:
    from counterfoil.app.sandboxes import build, serving

    sandboxes = build(names, options)
    async with serving(sandboxes, ports, manner.deliver_to, does_clock_run=manner.clock is ClockMode.WALL) as details:
        if manner.as_json:
            print_json(details)
            sys.stdout.flush()
        else:
            rows = [(name, key, value) for name, given in details.items() for key, value in given.items()]
            print_table("Sandboxes (stop with Ctrl-C)", ["sandbox", "what", "value"], rows)
            for sandbox in sandboxes:
                if sandbox.triggers():
                    words.print(f"Make something happen: counterfoil sandbox trigger {next(iter(sandbox.triggers()))} --url {sandbox.url}")
        if manner.until_stdin_closes:
            await asyncio.to_thread(sys.stdin.read)
        else:
            await asyncio.Event().wait()


@app.command()
def trigger(
    event: Annotated[str, typer.Argument(help="The vendor's name of the event, e.g. invoice.paid; `list` for all there are.")],
    url: Annotated[str, typer.Option(envvar="COUNTERFOIL_SANDBOX_URL", help="The sandbox's address, as `sandbox up` prints it.")],
    as_json: AsJson = False,
) -> None:
    """Make an event happen in a sandbox that is up, by the calls that cause it, and print the ids of what it made."""
    need_sandboxes()
    made = run(_trigger(url, event))
    if as_json:
        print_json(made)
    elif event == "list":
        print_table("Triggers", ["event"], [(name,) for name in made["triggers"]])
    else:
        print_table(event, ["what", "id"], list(made["made"].items()))


async def _trigger(url: str, event: str) -> dict[str, Any]:
    from counterfoil.app.sandboxes import ask_control

    if event == "list":
        return await ask_control(url, "GET", "/_control/triggers")
    return await ask_control(url, "POST", "/_control/triggers", {"event": event})

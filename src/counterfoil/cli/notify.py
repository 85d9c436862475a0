"""`counterfoil notify`: who is told of cases, and whether they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import FINE, FOUND, data, print_json
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, fail, run

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(help="Who is told of cases, by e-mail, chat or webhook.", no_args_is_help=True)


@app.command("test")
def send_test(
    channel: Annotated[str, typer.Argument(help="Name of a channel; all of them otherwise.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Send a message that says it is a test. Exit code 1: a channel did not take it."""
    results = run(_test(config, channel))
    if as_json:
        print_json({name: why or "taken" for name, why in results.items()})
    else:
        for name, why in results.items():
            data.print(f"{name}: {why or 'taken'}", markup=False)
    raise typer.Exit(FOUND if any(results.values()) else FINE)


async def _test(config: Path, channel: str) -> dict[str, str]:
    from counterfoil.app.notifying import by_apprise, sent
    from counterfoil.app.settings import load_channels

    channels = load_channels(config)
    if channel and channel not in {one.name for one in channels}:
        fail(f"there is no [[notify]] channel {channel!r}; there are: {', '.join(one.name for one in channels) or 'none'}")
    if not channels:
        fail("no [[notify]] channel is configured")
    body = "This is a test: nothing is wrong. Cases would be told here."
    return {one.name: await sent(by_apprise, one.url, "Counterfoil: test", body) for one in channels if channel in ("", one.name)}

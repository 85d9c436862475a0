"""`counterfoil check`: try everything against the live systems before anything is posted."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from counterfoil.cli.output import FINE, FOUND, print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, run
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from counterfoil.app.checking import Checked
    from counterfoil.app.settings import Settings

WORDS = {"ok": "ok", "warning": "warning", "error": "ERROR"}
ORDER = {"error": 0, "warning": 1, "ok": 2}


def check(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Try every credential, right, journal, account, tax, currency and mapping against the live systems. Nothing is written to them.

    Exit code 1: something is wrong; the table says how to mend it.
    """
    found = run(_check(config))
    errors = sum(one.finding.severity == "error" for one in found)
    warnings = sum(one.finding.severity == "warning" for one in found)
    if as_json:
        plain = [{"connection": one.connection, "finding": one.finding} for one in found]
        print_json({"errors": errors, "warnings": warnings, "findings": plain})
    else:
        _show(found)
        words.print(f"{plural(errors, 'error')}, {plural(warnings, 'warning')}." if errors or warnings else "Everything is in order.")
    raise typer.Exit(FOUND if errors else FINE)


async def _check(config: Path) -> list[Checked]:
    from counterfoil.app.checking import check as check_hub
    from counterfoil.app.hub import open_hub
    from counterfoil.app.logs import quiet
    from counterfoil.app.settings import load

    quiet()
    with words.status("Asking the connected systems ..."), ExitStack() as stack:
        async with open_hub(_without_beginning(load(config), stack), does_share=False) as hub:
            return await check_hub(hub)


def _without_beginning(settings: Settings, stack: ExitStack) -> Settings:
    """Return settings whose home is there, or one for this look alone: looking must not begin a hub."""
    from counterfoil.app.settings import has_hub, try_beginning

    if settings.database_url or has_hub(settings.hub.home):
        return settings
    try_beginning(settings.hub.home)
    home = Path(stack.enter_context(TemporaryDirectory(prefix="counterfoil-check-")))
    home.chmod(0o755)  # a server that root starts runs as another user
    return replace(settings, hub=settings.hub.model_copy(update={"home": home / "home"}))


def _show(found: list[Checked]) -> None:
    rows = [
        (WORDS[f.severity.value], one.connection or "configuration", f.entity, f.message, f.remedy)
        for one in sorted(found, key=lambda one: ORDER[one.finding.severity.value])
        for f in [one.finding]
    ]
    print_table("Findings", ["", "connection", "entity", "finding", "remedy"], rows)

"""`counterfoil check`: try everything against the live systems before anything is posted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from counterfoil.cli.output import FINE, FOUND, print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, run
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.checking import Checked

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
    with words.status("Asking the connected systems ..."):
        async with open_hub(load(config)) as hub:
            return await check_hub(hub)


def _show(found: list[Checked]) -> None:
    rows = [
        (WORDS[f.severity.value], one.connection or "configuration", f.entity, f.message, f.remedy)
        for one in sorted(found, key=lambda one: ORDER[one.finding.severity.value])
        for f in [one.finding]
    ]
    print_table("Findings", ["", "connection", "entity", "finding", "remedy"], rows)

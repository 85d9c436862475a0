"""The how-to guides name only commands and options that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from tests.cli import running

ROOT = Path(__file__).parents[2]
GUIDES = [*sorted((ROOT / "docs" / "how-to").glob("*.md")), ROOT / "README.md"]
PROGRAM = re.compile(r"^(?:\.venv/bin/)?counterfoil (.*)$", re.MULTILINE)


def _commands(text: str) -> list[list[str]]:
    """Return the arguments of every call in a shell block, and of those set in the text's own lines."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    return [shlex.split(re.sub(r"^\s+", "", call), comments=True) for call in PROGRAM.findall(re.sub(r"(?m)^\s+", "", blocks))]


def _unknown(arguments: list[str]) -> str:
    """Return what of a call the program does not know, empty if it knows all."""
    command = running.command()
    rest = list(arguments)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"no command {' '.join(arguments)}"
        command = command.commands[rest.pop(0)]
    params = command.get_params(typer.Context(command))
    known = {name for param in params for name in param.opts if name.startswith("--")}
    required = {param.opts[0] for param in params if param.required and param.opts[0].startswith("--")}
    given = {argument.partition("=")[0] for argument in rest if argument.startswith("--")}
    return " ".join(sorted((given - known) | (required - given)))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_commands_in_guides_are_the_programs(guide: Path) -> None:
    assert {" ".join(call): _unknown(call) for call in _commands(guide.read_text("utf-8")) if _unknown(call)} == {}


def test_the_guides_are_all_there() -> None:
    assert {"first-connection.md", "backfill.md", "cases.md", "incidents.md", "keys.md"} <= {guide.name for guide in GUIDES}
    assert sum(len(_commands(guide.read_text("utf-8"))) for guide in GUIDES) > 25


def test_an_option_that_is_not_there_would_be_noticed() -> None:
    assert _commands("```sh\ncounterfoil backfill x \\\n    --sinse 2026\n```") == [["backfill", "x", "--sinse", "2026"]]
    assert _unknown(["backfill", "x", "--sinse", "2026"]) == "--since --sinse"
    assert _unknown(["cases"]) == "no command cases"

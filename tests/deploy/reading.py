"""The deployment's files as tests read them: parsed documents, a container file's instructions, the program's arguments."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from tests.cli import running

from counterfoil.app.settings import HUB_VARIABLES, load
from counterfoil.app.settings_file import HubSettings
from counterfoil.kit.errors import SetupError

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FIXTURES = Path(__file__).parent / "fixtures"
yaml: Any = importlib.import_module("yaml")


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def complaints(document: Any, fixture: str, definition: str = "") -> list[str]:
    """Return what a published schema has against a document."""
    schema = json.loads((FIXTURES / fixture).read_text("utf-8"))
    if definition:
        schema = {"$schema": schema["$schema"], "$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)]


@dataclass(frozen=True)
class Instruction:
    """One instruction of a container file and the name of its stage."""

    stage: str
    name: str
    text: str


def instructions(path: Path) -> list[Instruction]:
    """Return a container file's instructions, lines joined, comments left out."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    found: list[Instruction] = []
    stage = ""
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        name, _, text = line.partition(" ")
        if name == "FROM":
            stage = text.rpartition(" AS ")[2]
        found.append(Instruction(stage, name, text.strip()))
    return found


def configured(example: Path, secrets: Iterable[str], folder: Path, key: str = "") -> Path:
    """Return a copy of an example configuration beside just these secrets, as a process finds them. ``key``: what is in those of APIs."""
    folder.mkdir()
    for secret in secrets:
        (folder / secret).write_text("whsec_1" if secret.endswith("webhook_secret") else key, "utf-8")
    path = folder / "counterfoil.toml"
    path.write_text(example.read_text("utf-8").replace("/run/secrets/", f"{folder}/"), "utf-8")
    return path


def is_an_intake_only(path: Path) -> bool:
    """Tell whether a configuration, by the secrets that are there, is good for taking deliveries and for nothing else."""
    load(path, is_intake=True)
    try:
        load(path)
    except SetupError as error:
        lacking = {line.partition("secret file ")[2].partition(" ")[0].rpartition("/")[2] for line in str(error).splitlines()}
        return lacking == {"odoo_api_key", "stripe_api_key"}
    return False


def hub_settings(environment: Mapping[str, str]) -> HubSettings:
    """Return the hub's settings as an environment sets them. Raises ValidationError for a variable that sets none."""
    names = (name for name in environment if name.startswith(HUB_VARIABLES))
    return HubSettings.model_validate({name.removeprefix(HUB_VARIABLES).lower(): environment[name] for name in names})


def is_understood(arguments: list[str]) -> bool:
    """Tell whether the program takes these arguments. Raises the parser's own error if it does not."""
    command = running.command()
    rest = list(arguments)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(command.name, rest)
    return True

"""The units for plain hosts: the program takes their arguments, their settings exist, and a stop is given its time."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.deploy.reading import DEPLOY, hub_settings, is_understood

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def _values(unit: Path, name: str) -> list[str]:
    lines = unit.read_text("utf-8").replace("%i", "1").replace("%H", "host").replace("%d", "/run/credentials").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def test_there_is_a_unit_for_the_schema_the_intake_and_every_worker() -> None:
    assert [unit.name for unit in UNITS] == ["counterfoil-ingress.service", "counterfoil-migrate.service", "counterfoil-worker@.service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_says_what_the_program_understands(unit: Path) -> None:
    (start,) = _values(unit, "ExecStart")
    program, *arguments = shlex.split(start)
    assert program == "/usr/local/bin/counterfoil"
    assert is_understood(arguments)
    given = dict(part.split("=", 1) for value in _values(unit, "Environment") for part in value.split())
    settings = hub_settings(given)
    credentials = {value.partition(":")[0] for value in _values(unit, "LoadCredential")}
    assert {value.rpartition("/")[2] for name, value in given.items() if name.endswith("_FILE")} == credentials
    for stop in _values(unit, "TimeoutStopSec"):
        assert settings.linger_s + 20 < float(stop)

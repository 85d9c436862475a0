"""Every import contract bites: a line that breaks it, planted in a copy of the program, is named where that contract is broken."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tidy.sources import PACKAGE, ROOT

CONFIG = ".importlinter"
PREFIX = "importlinter:contract:"
PLANTS = {
    "layers": ("kit/http.py", "counterfoil.app.hub"),
    "one-desk": ("cli/status.py", "counterfoil.store.outbox"),
    "connectors-apart": ("connectors/stripe/client.py", "counterfoil.connectors.odoo.client"),
    "found-by-folder": ("app/hub.py", "counterfoil.connectors.odoo.client"),
    "pure-core": ("core/language/money.py", "os"),
    "wire-formats-outside": ("normalize/stage.py", "starlette.requests"),
    "sandboxes-apart": ("connectors/stripe/sandbox/__init__.py", "counterfoil.connectors.stripe.config"),
    "matching-alone": ("store/objects.py", "rapidfuzz"),
    "acyclic": ("core/language/money.py", "counterfoil.core.finance"),
}
"""Contract -> the file a violation is planted in, and the module it imports there."""


def contracts() -> dict[str, str]:
    """Return the contracts by id, with their names as they are reported."""
    config = configparser.ConfigParser()
    config.read(ROOT / CONFIG, encoding="utf-8")
    return {section.removeprefix(PREFIX): config[section]["name"] for section in config.sections() if section.startswith(PREFIX)}


def judged(copy: Path) -> str:
    """Return what the linter says of a copy of the program, on one line."""
    (tool,) = [path for path in (Path(sys.executable).parent / "lint-imports",) if path.exists()]
    given = {**os.environ, "PYTHONPATH": str(copy), "COLUMNS": "400"}
    done = subprocess.run([tool, "--no-cache", "--config", copy / CONFIG], cwd=copy, env=given, capture_output=True, text=True, check=False)
    return " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy in which everything is planted."""
    copy = tmp_path_factory.mktemp("planted")
    shutil.copytree(PACKAGE, copy / PACKAGE.name, ignore=lambda _, names: [name for name in names if name == "__pycache__"])
    shutil.copy(ROOT / CONFIG, copy)
    for file, module in PLANTS.values():
        path = copy / PACKAGE.name / file
        path.write_text(f"{path.read_text(encoding='utf-8')}\nimport {module}\n", encoding="utf-8")
    return judged(copy)


def told_of(contract: str) -> str:
    """Return what is told of the planted line: importer and imported; of a cycle the two neighbors, of another package its name alone."""
    if contract == "acyclic":
        return ".language -> .finance (1 import)"
    file, module = PLANTS[contract]
    importer = "counterfoil." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return f"{importer} -> {module if module.startswith('counterfoil.') else module.partition('.')[0]}"


def test_every_contract_has_its_plant() -> None:
    assert sorted(contracts()) == sorted(PLANTS)


@pytest.mark.parametrize("contract", PLANTS)
def test_a_planted_violation_breaks_its_contract_and_is_named(contract: str, verdict: str) -> None:
    name = contracts()[contract]
    assert f"{name} BROKEN" in verdict, verdict[-3000:]
    told = verdict.rpartition("Broken contracts")[2].partition(f"{name} -")[2].partition(" ---")[0]
    assert told_of(contract) in told, told

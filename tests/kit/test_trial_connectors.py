"""A source, a source over gRPC and a database are added to a copy of the repository: no file outside their folders changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tidy.sources import ROOT, kept_files

from counterfoil.kit.scaffold import write_connector

TRIALS = Path(__file__).parent / "trial_connectors"
CONNECTORS = Path("src") / "counterfoil" / "connectors"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository, commit it, and add the three connectors."""
    folder = tmp_path_factory.mktemp("repository")
    for path in kept_files():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    shutil.rmtree(folder / TRIALS.relative_to(ROOT))
    for command in ("init --quiet", "add --all", "-c user.name=a -c user.email=a@example.com commit --quiet -m before"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    for name in ("acme_feed", "acme_warehouse"):
        shutil.copytree(TRIALS / name, folder / CONNECTORS / name, ignore=shutil.ignore_patterns("__pycache__"))
    write_connector("acme_bills", folder / CONNECTORS, does_write=False)
    return folder


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(copy), str(copy / "src")]), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=copy, env=environment)


def test_they_are_found_with_the_parts_they_have(copy: Path) -> None:
    listed = {one["name"]: one for one in json.loads(run(copy, "counterfoil.cli.main", "connector", "list", "--json").stdout)}
    assert set(listed) >= {"acme_bills", "acme_feed", "acme_warehouse", "files"}


def test_what_is_asked_of_every_connector_is_asked_of_them_and_met(copy: Path) -> None:
    of_the_program = "tests/cli/test_tools.py::test_the_reference_has_every_command_and_option"
    chosen = ("tests/tidy/test_reference.py", "tests/tidy/test_vendors.py", of_the_program)
    result = run(copy, "pytest", "-vv", "-p", "no:cacheprovider", "-p", "no:xdist", *chosen)
    assert result.returncode == 0, result.stdout + result.stderr
    for name in ("acme_bills", "acme_feed", "acme_warehouse"):
        assert f"test_a_connectors_reference_is_that_of_its_settings[{name}] PASSED" in result.stdout


def test_init_asks_for_them_by_options_of_their_own(copy: Path) -> None:
    told = run(copy, "counterfoil.cli.main", "init", "--acme-bills", "bills=BILLS_KEY", "--config", str(copy / "of_init.toml"), "--json")
    assert json.loads(told.stdout)["connections"] == ["bills"]
    (copy / "of_init.toml").unlink()


def test_no_file_outside_their_folders_changed(copy: Path) -> None:
    status = subprocess.run(["git", "status", "--porcelain"], cwd=copy, check=True, capture_output=True, text=True).stdout
    assert status.splitlines() == [f"?? {CONNECTORS / name}/" for name in ("acme_bills", "acme_feed", "acme_warehouse")]

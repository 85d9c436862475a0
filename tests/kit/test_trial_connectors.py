"""Connectors are added to a copy of the repository, one over gRPC, one a database, others from the skeleton: no other file changes."""

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
SPECIAL = ("acme_feed", "acme_warehouse")
SKELETONS = {"acme_bills": (True, False), "acme_both": (True, True), "acme_desk": (False, True)}
"""Name -> whether it reads, whether it writes."""
ADDED = sorted((*SPECIAL, *SKELETONS))
CONNECTORS = Path("src") / "counterfoil" / "connectors"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository with what is compiled of it already, commit it, and add the connectors."""
    folder = tmp_path_factory.mktemp("repository")
    for path in kept_files():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    for compiled in (ROOT / "src").rglob("__pycache__/*.pyc"):
        target = folder / compiled.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(compiled, target)
    shutil.rmtree(folder / TRIALS.relative_to(ROOT))
    for command in ("init --quiet", "add --all", "-c user.name=a -c user.email=a@example.com commit --quiet -m before"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    for name in SPECIAL:
        shutil.copytree(TRIALS / name, folder / CONNECTORS / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (does_read, does_write) in SKELETONS.items():
        write_connector(name, folder / CONNECTORS, does_read=does_read, does_write=does_write)
    return folder


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(copy), str(copy / "src")]), "PYTHONDONTWRITEBYTECODE": ""}
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=copy, env=environment)


def test_they_are_found_with_the_parts_they_have(copy: Path) -> None:
    listed = {one["name"]: one for one in json.loads(run(copy, "counterfoil.cli.main", "connector", "list", "--json").stdout)}
    assert {name: (listed[name]["reads"], bool(listed[name]["posts"])) for name in ADDED} == {
        "acme_feed": (True, False),
        "acme_warehouse": (False, True),
        **SKELETONS,
    }


def test_what_is_asked_of_every_connectors_folder_is_met_by_theirs(copy: Path) -> None:
    result = run(copy, "pytest", "-vv", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/tidy/test_reference.py")
    assert result.returncode == 0, result.stdout + result.stderr
    for name in ADDED:
        assert f"test_a_connectors_reference_is_that_of_its_settings[{name}] PASSED" in result.stdout
        assert f"test_every_error_code_of_a_connector_has_its_meaning_in_its_folder[{name}] PASSED" in result.stdout


def test_their_types_are_right_as_written(copy: Path) -> None:
    result = run(copy, "mypy", *(str(CONNECTORS / name) for name in ADDED))
    assert result.returncode == 0, result.stdout
    shutil.rmtree(copy / ".mypy_cache", ignore_errors=True)


def test_the_programs_own_reference_stays_as_it_is(copy: Path) -> None:
    written = (copy / "docs" / "reference" / "cli.md").read_text("utf-8")
    assert run(copy, "counterfoil.cli.reference").stdout == written


def test_init_asks_for_them_by_options_of_their_own(copy: Path) -> None:
    told = run(copy, "counterfoil.cli.main", "init", "--acme-bills", "bills=BILLS_KEY", "--config", str(copy / "of_init.toml"), "--json")
    assert json.loads(told.stdout)["connections"] == ["bills"]
    (copy / "of_init.toml").unlink()


def test_their_requirements_become_extras(copy: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import hatch_build; print(hatch_build.extras('9'))"], cwd=copy, capture_output=True, text=True
    )
    assert "'acme_feed': ['grpcio>=1.76']" in told.stdout, told.stderr


def test_no_file_outside_their_folders_changed(copy: Path) -> None:
    status = subprocess.run(["git", "status", "--porcelain"], cwd=copy, check=True, capture_output=True, text=True).stdout
    assert status.splitlines() == [f"?? {CONNECTORS / name}/" for name in ADDED]

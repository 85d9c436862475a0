"""A new connector's skeleton works as written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from counterfoil.kit.discovery import load_connector
from counterfoil.kit.errors import SetupError
from counterfoil.kit.scaffold import files_of, write_connector

ROOT = Path(__file__).parents[2]


HALVES = {
    "both": {"does_read": True, "does_write": True},
    "reads only": {"does_read": True, "does_write": False},
    "writes only": {"does_read": False, "does_write": True},
}


@pytest.fixture
def halves(request: pytest.FixtureRequest) -> dict[str, bool]:
    """What the skeleton does; both unless a test says otherwise."""
    return HALVES[getattr(request, "param", "both")]


@pytest.fixture
def skeleton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, halves: dict[str, bool]) -> Iterator[Path]:
    package = tmp_path / "own_connectors"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    write_connector("acme_pay", package, "own_connectors", **halves)
    yield package / "acme_pay"
    for name in [name for name in sys.modules if name.startswith("own_connectors")]:
        del sys.modules[name]


def run(skeleton: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(skeleton.parents[1]), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=skeleton, env=environment)


@pytest.mark.parametrize("halves", HALVES, indirect=True)
def test_the_skeletons_own_tests_pass_as_written(skeleton: Path) -> None:
    result = run(
        skeleton, "pytest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(skeleton), str(skeleton)
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "failed" not in result.stdout


@pytest.mark.parametrize("halves", HALVES, indirect=True)
def test_the_skeleton_is_clean_as_written(tmp_path: Path, halves: dict[str, bool]) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    folder = tmp_path / "src" / "counterfoil" / "connectors"
    write_connector("acme_pay", folder, does_read=halves["does_read"], does_write=halves["does_write"])
    for name in ("__init__.py", "core", "kit"):
        (folder.parent / name).symlink_to(ROOT / "src" / "counterfoil" / name)
    for command in ("check", "format --check"):
        result = run(folder, "ruff", *command.split(), "--no-cache", str(folder))
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("halves", HALVES, indirect=True)
def test_the_skeleton_is_found_as_a_connector(skeleton: Path, halves: dict[str, bool]) -> None:
    found = load_connector("acme_pay", "own_connectors", [])
    assert (found.name, found.source is not None, bool(found.deliver)) == ("acme_pay", halves["does_read"], halves["does_write"])
    written = {str(path.relative_to(skeleton)) for path in skeleton.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert written == set(files_of(**halves).values())


def test_a_connector_without_halves_is_none(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="neither reads nor writes"):
        write_connector("acme_pay", tmp_path, does_read=False, does_write=False)


@pytest.mark.parametrize(
    ("name", "package", "code"),
    [
        ("Acme", "own_connectors", "connector.name"),
        ("acme-pay", "own_connectors", "connector.name"),
        ("class", "own_connectors", "connector.name"),
        ("../acme", "own_connectors", "connector.name"),
        ("other", "own connectors", "connector.package"),
        ("acme_pay", "own_connectors", "connector.exists"),
    ],
)
def test_a_name_that_cannot_be_or_is_taken_writes_nothing(skeleton: Path, name: str, package: str, code: str) -> None:
    before = sorted(skeleton.parent.rglob("*"))
    with pytest.raises(SetupError) as caught:
        write_connector(name, skeleton.parent, package)
    assert caught.value.code == code
    assert sorted(skeleton.parent.rglob("*")) == before

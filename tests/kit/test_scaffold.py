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
from counterfoil.kit.scaffold import FILES, write_connector

ROOT = Path(__file__).parents[2]


@pytest.fixture
def skeleton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = tmp_path / "own_connectors"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    write_connector("acme_pay", package, "own_connectors")
    yield package / "acme_pay"
    for name in [name for name in sys.modules if name.startswith("own_connectors")]:
        del sys.modules[name]


def run(skeleton: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(skeleton.parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=skeleton, env=environment)


def test_the_skeletons_own_tests_pass_as_written(skeleton: Path) -> None:
    result = run(
        skeleton, "pytest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(skeleton), str(skeleton)
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "failed" not in result.stdout


def test_the_skeleton_is_clean_as_written(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    folder = tmp_path / "src" / "counterfoil" / "connectors"
    write_connector("acme_pay", folder)
    for name in ("__init__.py", "core", "kit"):
        (folder.parent / name).symlink_to(ROOT / "src" / "counterfoil" / name)
    for command in ("check", "format --check"):
        result = run(folder, "ruff", *command.split(), "--no-cache", str(folder))
        assert result.returncode == 0, result.stdout + result.stderr


def test_the_skeleton_is_found_as_a_connector(skeleton: Path) -> None:
    assert load_connector("acme_pay", "own_connectors", []).name == "acme_pay"
    written = {str(path.relative_to(skeleton)) for path in skeleton.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert written == set(FILES.values())


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

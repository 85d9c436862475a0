"""The wheel holds all that is needed at run time and nothing else; the lock files name no index."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.tidy.sources import PACKAGE, ROOT, kept_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel and return the names of its files."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def needed() -> set[str]:
    """Return the package's kept files without its tests, as a wheel names them."""
    inside = (path for path in kept_files() if PACKAGE in path.parents and "tests" not in path.parts)
    return {path.relative_to(PACKAGE.parent).as_posix() for path in inside}


def test_the_wheel_holds_migrations_templates_and_every_module(wheel: set[str]) -> None:
    assert needed() - wheel == set()
    parts = ("py.typed", "store/migrations/0001_first_light.sql", "kit/templates/connector/__init__.py.tmpl", "store/guardian.py")
    assert {f"counterfoil/{part}" for part in parts} - wheel == set()


def test_the_wheel_holds_no_tests_and_nothing_of_its_making(wheel: set[str]) -> None:
    strange = {name for name in wheel if "/tests/" in name or "fixtures" in name or "__pycache__" in name}
    assert strange == set()
    assert {name.split("/", 1)[0] for name in wheel if ".dist-info/" not in name} == {"counterfoil"}


def test_the_wheel_has_the_licence_and_the_command(wheel: set[str]) -> None:
    endings = {name.split(".dist-info/", 1)[1] for name in wheel if ".dist-info/" in name}
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= endings


@pytest.mark.parametrize("name", ["runtime.lock", "dev.lock", "mutate.lock"])
def test_every_locked_file_has_a_hash_and_no_index_is_named(name: str) -> None:
    text = Path(ROOT / "requirements" / name).read_text(encoding="utf-8")
    pinned = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith(("#", "--"))]
    assert len(pinned) > 20
    blocks = text.replace("\\\n", " ").splitlines()
    assert [block.split()[0] for block in blocks if "==" in block and "--hash=sha256:" not in block] == []
    assert "http" not in text.replace("httptools", "").replace("aiohttp", "").replace("httpcore", "").replace("httpx", "")

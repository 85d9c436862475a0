"""Two wheels: what runs in production, and the simulators with the demo company; the lock files name no index."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatch_build import extras, requirements
from tests.tidy.sources import PACKAGE, ROOT, kept_files

from counterfoil import __version__
from counterfoil.kit.discovery import connector_names

APART = ("kit/sandbox/", "kit/conformance/", "kit/templates/", "kit/scaffold.py", "app/demo/", "app/simulation/", "app/sandboxes.py")
"""What a production installation does without, beside the connectors' own simulators."""
FOLDERS = {"production": ROOT, "sandboxes": ROOT / "packaging" / "sandboxes"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build both wheels."""
    found = {}
    for name, folder in FOLDERS.items():
        target = tmp_path_factory.mktemp(name)
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        (found[name],) = target.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def wheels(built: dict[str, Path]) -> dict[str, set[str]]:
    """Return the names of each wheel's files."""
    found = {}
    for name, path in built.items():
        with zipfile.ZipFile(path) as archive:
            found[name] = set(archive.namelist())
    return found


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the production wheel into a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(built["production"]) as archive:
        archive.extractall(folder)
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def needed() -> set[str]:
    """Return the package's kept files without its tests, as a wheel names them."""
    inside = (path for path in kept_files() if PACKAGE in path.parents and "tests" not in path.parts)
    return {path.relative_to(PACKAGE.parent).as_posix() for path in inside}


def is_apart(name: str) -> bool:
    inside = name.removeprefix("counterfoil/")
    return inside.startswith(APART) or "/sandbox/" in inside


def of_package(names: set[str]) -> set[str]:
    return {name for name in names if ".dist-info/" not in name}


def test_the_production_wheel_holds_all_but_what_imitates(wheels: dict[str, set[str]]) -> None:
    assert of_package(wheels["production"]) == {name for name in needed() if not is_apart(name)}
    parts = ("py.typed", "store/migrations/0001_first_light.sql", "store/guardian.py", "connectors/stripe/proof.py")
    assert {f"counterfoil/{part}" for part in parts} - wheels["production"] == set()


def test_the_other_wheel_holds_just_the_rest(wheels: dict[str, set[str]]) -> None:
    assert of_package(wheels["sandboxes"]) == {name for name in needed() if is_apart(name)}


def test_neither_holds_tests_or_anything_of_its_making(wheels: dict[str, set[str]]) -> None:
    names = wheels["production"] | wheels["sandboxes"]
    assert {name for name in names if "/tests/" in name or "fixtures" in name or "__pycache__" in name} == set()
    assert {name.split("/", 1)[0] for name in of_package(names)} == {"counterfoil"}


def test_the_production_wheel_has_the_licence_and_the_command(wheels: dict[str, set[str]]) -> None:
    endings = {name.split(".dist-info/", 1)[1] for name in wheels["production"] if ".dist-info/" in name}
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= endings


def test_both_are_of_one_version(built: dict[str, Path]) -> None:
    assert [path.name.split("-")[1] for path in built.values()] == [__version__, __version__]


IMPORT_ALL = """
import importlib, pkgutil, counterfoil
print(counterfoil.__file__)
for module in pkgutil.walk_packages(counterfoil.__path__, "counterfoil."):
    if not module.name.endswith(("__main__", "kit.grpc")):
        importlib.import_module(module.name)
"""


def test_every_module_of_production_can_be_imported_without_the_rest(installed: Path) -> None:
    """But for the gRPC client, whose driver comes with the connector that needs it."""
    told = run(installed, "-c", IMPORT_ALL)
    assert (told.returncode, told.stdout.strip()) == (0, str(installed / "counterfoil" / "__init__.py")), told.stderr


@pytest.mark.parametrize("command", ["demo", "simulate", "sandbox up", "sandbox trigger x --url http://127.0.0.1:1", "connector new acme"])
def test_what_needs_the_rest_says_how_to_get_it(installed: Path, command: str) -> None:
    told = run(installed, "-m", "counterfoil.cli.main", *command.split())
    assert (told.returncode, told.stdout) == (2, "")
    for words in ("not part of a production installation", "counterfoil-sandboxes", "make demo"):
        assert words in " ".join(told.stderr.split())


def test_with_both_installed_the_simulators_are_there(installed: Path, built: dict[str, Path], tmp_path: Path) -> None:
    for path in built.values():
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path)
    up = ("-m", "counterfoil.cli.main", "sandbox", "up", "--only", "files", "--json", "--until-stdin-closes")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    told = subprocess.run([sys.executable, *up], cwd=tmp_path, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (told.returncode, '"files"' in told.stdout) == (0, True), told.stderr


def test_a_connectors_requirements_are_an_extra_of_its_name() -> None:
    """None of ours has a driver of its own yet: what all of them speak over is the hub's."""
    of_connectors = {path.parent.name for path in (PACKAGE / "connectors").glob("*/requirements.txt")}
    assert of_connectors <= set(connector_names())
    assert extras("9") == {"sandboxes": ["counterfoil-sandboxes==9"], **{name: extras("9")[name] for name in of_connectors}}


def test_every_requirement_of_a_connector_is_locked_for_the_tests() -> None:
    locked = {line.split("==")[0] for line in (ROOT / "requirements" / "dev.lock").read_text("utf-8").splitlines() if "==" in line}
    files = [path for path in kept_files() if path.name in ("requirements.txt", "requirements-test.txt")]
    assert len(files) >= 3
    wanted = {line.split(">")[0].split("=")[0].split("[")[0] for path in files for line in requirements(path)}
    assert wanted - locked == set()


def test_no_vendors_library_is_required_by_the_hub() -> None:
    """It stands in the vendor's folder, and a connector that is not used costs nothing."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    listed = [line.strip(' ",') for line in text.splitlines() if line.startswith('    "') and ">" in line]
    assert len(listed) > 20
    assert [line for line in listed if any(name in line for name in (*connector_names(), "grpc") if name != "files")] == []


@pytest.mark.parametrize("name", ["runtime.lock", "dev.lock", "mutate.lock"])
def test_every_locked_file_has_a_hash_and_no_index_is_named(name: str) -> None:
    text = Path(ROOT / "requirements" / name).read_text(encoding="utf-8")
    pinned = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith(("#", "--"))]
    assert len(pinned) > 20
    blocks = text.replace("\\\n", " ").splitlines()
    assert [block.split()[0] for block in blocks if "==" in block and "--hash=sha256:" not in block] == []
    assert "http" not in text.replace("httptools", "").replace("aiohttp", "").replace("httpcore", "").replace("httpx", "")

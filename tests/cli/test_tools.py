"""Schemas, connectors, keys, and the reference."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from counterfoil.cli.reference import reference
from counterfoil.store import workers

from .conftest import Program
from .seeds import deliveries, in_database

ROOT = Path(__file__).parents[2]


def _read(folder: Path) -> dict[str, Any]:
    """Return the schemas of a folder without their words, which may be put better at any time."""
    return {str(path.relative_to(folder)): _without_words(json.loads(path.read_text("utf-8"))) for path in folder.rglob("*.json")}


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_words(part) for key, part in value.items() if not (key == "description" and isinstance(part, str))}
    return [_without_words(part) for part in value] if isinstance(value, list) else value


def test_exported_schemas_are_the_published_ones(folder: Program) -> None:
    ended = folder.bare("schema", "export", "--dir", str(folder.folder / "schemas"))
    assert ended.code == 0
    assert _read(folder.folder / "schemas") == _read(ROOT / "tests" / "kit" / "schemas")
    assert len(ended.out.splitlines()) == len(_read(folder.folder / "schemas"))
    assert set(folder.bare("schema", "export", "--json").json()) == {schema["$id"] for schema in _read(folder.folder / "schemas").values()}


def test_connectors_are_listed_with_what_they_can_do(folder: Program) -> None:
    lines = {line["name"]: line for line in folder.bare("connector", "list", "--json").json()}
    assert {"files", "odoo", "stripe"} <= set(lines)
    assert lines["stripe"]["posts"] == []
    assert "invoice" in lines["stripe"]["history"]
    assert "post_invoice" in lines["odoo"]["posts"]


def test_a_new_connector_is_written_once(folder: Program) -> None:
    arguments = ("connector", "new", "acme", "--dir", str(folder.folder), "--package", "example.connectors")
    ended = folder.bare(*arguments)
    assert ended.code == 0
    assert str(folder.folder / "acme" / "__init__.py") in ended.out.splitlines()
    again = folder.bare(*arguments)
    assert (again.code, "is there already" in again.err) == (2, True)
    assert folder.bare("connector", "new", "Not A Name", "--dir", str(folder.folder)).code == 2


def test_rotating_a_key_leaves_nothing_under_the_former_one(program: Program, database: str) -> None:
    deliveries(database, program.folder, "invoice.paid", "invoice.paid")
    (former,) = program.run("key", "list", "--json").json()
    assert (former["is_writing"], former["is_known"], former["payloads"]) == (True, True, 2)
    fresh = program.run("key", "new", "--json").json()["key"]
    assert fresh != former["id"]
    assert (program.folder / "home" / "encryption.keys").stat().st_mode & 0o077 == 0
    assert program.run("key", "rotate", "--json").json() == {"reencrypted": 2, "left": 0}
    under = {key["id"]: (key["is_writing"], key["payloads"]) for key in program.run("key", "list", "--json").json()}
    assert under == {fresh: (True, 2), former["id"]: (False, 0)}


def test_a_key_is_not_rotated_under_a_worker_that_does_not_know_it(program: Program, database: str) -> None:
    deliveries(database, program.folder, "invoice.paid")
    in_database(database, lambda conn: workers.join(conn, "old", "host", "0"))
    program.run("key", "new")
    os.utime(program.folder / "home" / "encryption.keys", (time.time() + 5, time.time() + 5))
    ended = program.run("key", "rotate")
    assert (ended.code, "restart it first" in ended.err) == (2, True)


def test_keys_of_the_environment_are_not_written_to_a_file(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_ENCRYPTION_KEYS", "a:" + "A" * 43 + "=")
    ended = program.run("key", "new")
    assert (ended.code, "COUNTERFOIL_ENCRYPTION_KEYS" in ended.err) == (2, True)
    assert not (program.folder / "home" / "encryption.keys").exists()


def test_the_reference_has_every_command_and_option() -> None:
    text = reference()
    assert (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8") == text, (
        "run python -m counterfoil.cli.reference > docs/reference/cli.md"
    )
    for command in ("up", "init", "check", "status", "trace", "backfill", "replay", "case waive", "map set", "key rotate", "sandbox up"):
        assert f"# counterfoil {command}\n" in text


def test_the_reference_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    first = reference()
    monkeypatch.setenv("COLUMNS", "40")
    assert reference() == first


def test_an_event_is_made_to_happen_in_a_sandbox_that_is_up(folder: Program, sandboxes: dict[str, dict[str, Any]]) -> None:
    url = sandboxes["stripe"]["url"]
    assert "invoice.paid" in folder.bare("sandbox", "trigger", "list", "--url", url).out
    made = folder.bare("sandbox", "trigger", "invoice.paid", "--url", url, "--json").json()
    assert made["made"]["invoice"].startswith("in_")
    wrong = folder.bare("sandbox", "trigger", "invoice.payd", "--url", url)
    assert (wrong.code, "invoice.paid" in wrong.err) == (2, True)
    away = folder.bare("sandbox", "trigger", "invoice.paid", "--url", "http://127.0.0.1:9")
    assert (away.code, "no sandbox answers" in away.err) == (3, True)

"""The program as such: version, help that loads nothing heavy, errors with their line and fix."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from counterfoil import __version__
from counterfoil.app import database, migrating

from .conftest import PLAIN, Program
from .running import invoke


def test_the_version_is_told_by_the_program_and_by_the_module(folder: Program) -> None:
    ended = folder.bare("--version")
    assert (ended.code, ended.out) == (0, f"counterfoil {__version__}\n")
    module = subprocess.run([sys.executable, "-m", "counterfoil", "--version"], capture_output=True, text=True, check=True)
    assert module.stdout == ended.out


def program(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "counterfoil", *arguments], text=True, stderr=subprocess.PIPE, check=False, **more)


def test_output_that_cannot_be_written_is_told_in_a_line_and_one_whose_reader_left_is_no_fault(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("id,name,domain\n" + "".join(f"{n},Firm {n},firm{n}.com\n" for n in range(2000)))
    match = ("identity", "match", str(tmp_path / "a"), str(tmp_path / "b"), "--json")
    with open("/dev/full", "w") as full:
        for words in (match, match[:-1], ("--version",)):
            ended = program(*words, stdout=full)
            assert (ended.returncode, ended.stderr.splitlines()[-1]) == (3, "the output cannot be written: No space left on device")
            assert "Traceback" not in ended.stderr
    read, write = os.pipe()
    os.close(read)
    left = program(*match, stdout=write)
    os.close(write)
    assert "Traceback" not in left.stderr
    assert "Exception" not in left.stderr
    closed = program("--version", preexec_fn=lambda: os.close(1))
    assert (closed.returncode, closed.stderr) == (0, "")


def test_nothing_that_is_shown_steers_the_terminal(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("id,name,domain\n1,\x1b]0;gone\x07Evil\u202e Corp,evil.com\n", "utf-8")
    ended = invoke("identity", "match", str(tmp_path / "a"), str(tmp_path / "b"))
    assert "\\x1b]0;gone" in ended.out
    assert "\\u202e" in ended.out
    assert not set("\x1b\x07\u202e") & set(ended.out + ended.err)


def test_help_loads_neither_engine_nor_database_nor_web_server() -> None:
    heavy = {"counterfoil.engine.engine", "psycopg", "uvicorn", "aiohttp", "pydantic"}
    seen = f"import sys, counterfoil.cli.main; print(sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("command", ["status", "check", "up", "trace in_1", "case list", "map list", "backfill x --since 2026-01-01"])
def test_without_a_configuration_every_command_names_the_one_that_writes_it(folder: Program, command: str) -> None:
    ended = folder.run(*command.split())
    assert ended.code == 2
    assert ended.err == f"{folder.config}: no such file; write one with `counterfoil init`\n"


@pytest.fixture
def silent(folder: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """Yield the program with a database that takes connections and says nothing, as one does that was frozen."""
    monkeypatch.setattr(database, "ANSWER_WITHIN_S", 0.5)
    monkeypatch.setattr(migrating, "ANSWER_WITHIN_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"postgresql://olga@127.0.0.1:{listening.getsockname()[1]}/hub?sslmode=disable")
        folder.configure(PLAIN)
        yield folder


@pytest.mark.parametrize(
    "command",
    [
        "case list",
        "case show 1",
        "case retry 1",
        "trace in_1",
        "map list",
        "map set tax de 19|exclusive VAT",
        "replay --list",
        "key rotate",
        "migrate --wait 0",
        "migrate --check --wait 0",
        "backup there",
        "top --once",
        "status",
    ],
)
def test_a_database_that_says_nothing_is_told_by_every_command(silent: Program, command: str) -> None:
    ended = silent.run(*command.split())
    assert ended.code == 3, ended
    assert ended.err.startswith("the database does not answer: nothing came within ")
    assert ended.err.endswith("Try again later.\n")


def test_a_wrong_setting_is_named_with_its_line_and_its_remedy(program: Program) -> None:
    program.configure(PLAIN.replace('currency = "EUR"', 'curency = "EUR"'))
    ended = program.run("status")
    assert ended.code == 2
    assert ended.err.splitlines() == [
        f"{program.config}:4: entities.de.currency: is required and missing",
        f"{program.config}:6: entities.de.curency: is not a known setting; did you mean currency?",
    ]


def test_every_secret_that_is_not_there_is_named_with_its_line(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_STRIPE_KEY", raising=False)
    ended = program.run("check")
    assert ended.code == 2
    assert ended.err == f"{program.config}:15: connections.stripe_de: environment variable TEST_STRIPE_KEY is not set\n"


def test_what_only_looks_at_the_database_needs_no_secrets(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_STRIPE_KEY", raising=False)
    assert program.run("status", "--json").json()["problems"] == ["no worker is running: `counterfoil up` starts one"]


def test_a_database_that_does_not_answer_is_a_matter_for_later(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none?connect_timeout=2")
    ended = program.run("status")
    assert ended.code == 3
    assert ended.err.startswith("the database does not answer: ")
    assert "Traceback" not in ended.err


def test_broken_toml_is_told_as_such(program: Program) -> None:
    program.config.write_text("[hub\n", "utf-8")
    ended = program.run("status")
    assert ended.code == 2
    assert "not valid TOML" in ended.err

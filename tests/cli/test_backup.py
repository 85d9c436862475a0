"""Backup and restore at the terminal."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime

import pytest

from counterfoil.store import audit, cursors
from counterfoil.store.cursors import Cursor

from .conftest import Program
from .seeds import deliveries, in_database


def test_a_backup_says_which_key_it_needs_and_that_it_does_not_hold_it(program: Program, database: str) -> None:
    deliveries(database, program.folder, "invoice.paid")
    ended = program.run("backup", str(program.folder / "b"))
    assert ended.code == 0
    (key,) = program.run("key", "list", "--json").json()
    assert key["id"] in ended.out
    assert "The encryption keys are not in the backup" in ended.err
    assert program.run("backup", str(program.folder / "b")).code == 2


def test_a_backup_is_restored_into_another_database(
    program: Program, database: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries(database, program.folder, "invoice.paid", "invoice.paid")
    long_ago = datetime(2026, 1, 2, tzinfo=UTC)
    read = Cursor("stripe_de", "poll", "c", covers_until=long_ago, recoverable_since=datetime(2025, 12, 3, tzinfo=UTC))
    in_database(database, lambda conn: cursors.save(conn, read, long_ago))
    assert program.run("backup", str(program.folder / "b")).code == 0
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", empty_database)
    ended = program.run("restore", str(program.folder / "b"))
    assert ended.code == 0
    assert "2 deliveries" in ended.err
    assert "Marked to be learned again: books" in ended.err
    assert "counterfoil backfill stripe_de --since 2026-01-01 --again" in " ".join(ended.out.split())
    shown = program.run("status")
    assert "being read: nothing is posted there yet" in shown.out
    assert "counterfoil backfill stripe_de --since 2026-01-01 --again" in shown.err
    again = program.run("restore", str(program.folder / "b"))
    assert (again.code, "--replace" in again.err) == (2, True)
    replaced = program.run("restore", str(program.folder / "b"), "--replace", "--by", "ada", "--json")
    assert replaced.code == 0
    assert replaced.json()["restored"]["targets"] == ["books"]
    (line,) = in_database(empty_database, audit.recent)  # of the restore before, nothing is left: it was dropped with that hub
    assert (line.actor, line.action, line.detail["replace"]) == ("ada", "restored", True)


def test_a_backup_without_its_key_is_not_restored(
    program: Program, database: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries(database, program.folder, "invoice.paid")
    assert program.run("backup", str(program.folder / "b")).code == 0
    (key,) = program.run("key", "list", "--json").json()
    (program.folder / "home" / "encryption.keys").unlink()
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", empty_database)
    ended = program.run("restore", str(program.folder / "b"))
    assert (ended.code, f"key {key['id']!r}" in ended.err) == (2, True)
    assert not (program.folder / "home" / "encryption.keys").exists()


def test_a_restore_by_a_container_s_user_without_a_name_is_noted_by_number(
    program: Program, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 10002")

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(os, "getuid", lambda: 10002)
    assert program.run("restore", "--relearn-only").code == 0
    assert [(line.actor, line.action) for line in in_database(database, audit.recent)] == [("uid 10002", "marked to be learned again")]


def test_learning_again_is_asked_for_alone_or_after_a_restore(program: Program) -> None:
    assert program.run("restore").code == 2
    assert program.run("restore", "x", "--relearn-only").code == 2
    assert program.run("restore", "--relearn-only", "--replace").code == 2
    assert program.run("restore", "--relearn-only").code == 0
    assert program.run("status", "--json").json()["relearning"] == [
        {"target": "books", "state": "being read: nothing is posted there yet", "unclaimed": None}
    ]

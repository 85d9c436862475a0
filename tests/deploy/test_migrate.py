"""`counterfoil migrate`: names what it applies; twice, or several at once, changes nothing; waits for a database that is not there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psycopg
import pytest
from tests.cli.running import Ended, invoke

from counterfoil.app.migrating import migrate_when_there, missing_when_there
from counterfoil.store.migrate import migrations


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "counterfoil.toml"
    path.write_text(f'[hub]\nhome = "{tmp_path / "home"}"\n', "utf-8")
    return path


def run(config: Path, *arguments: str) -> Ended:
    return invoke("migrate", *arguments, "--config", str(config))


def test_what_is_applied_is_named_and_a_second_time_there_is_nothing_to_do(
    config: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", empty_database)
    assert run(config, "--check", "--json").code == 1
    assert "work_lag" not in run(config, "--check").err
    first = run(config, "--json")
    names = [migration.name for migration in migrations()]
    applied = json.loads(first.out)["applied"]
    assert (first.code, applied[: len(names)]) == (0, names)
    assert {name.rsplit("_", 2)[0] for name in applied[len(names) :]} == {
        "receipt",
        "receipt_fetched",
        "receipt_bundle",
        "event",
        "command",
        "attempt",
        "audit",
    }
    second = run(config)
    assert (second.code, second.out, second.err) == (0, "", "Nothing to do.\n")
    assert run(config, "--check").code == 0


async def test_of_several_at_once_one_applies_and_the_others_find_nothing(empty_database: str, home: Path) -> None:
    found = await asyncio.gather(*(migrate_when_there(home, empty_database, 0, print) for _ in range(3)))
    assert sorted(bool(applied) for applied in found) == [False, False, True]


async def test_a_check_waits_until_another_process_has_migrated(scratch_older: str, home: Path) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    waiting = asyncio.create_task(missing_when_there(home, scratch_older, 60.0, told.put_nowait))
    assert await told.get() == "it lacks 0006_work_lag.sql"
    assert await migrate_when_there(home, scratch_older, 0, print) != []
    assert await waiting == []


async def test_a_database_that_is_not_there_yet_is_waited_for_and_the_reason_told_once(empty_database: str, home: Path) -> None:
    later = empty_database.replace("/test_", "/later_")
    told: asyncio.Queue[str] = asyncio.Queue()
    waiting = asyncio.create_task(migrate_when_there(home, later, 60.0, told.put_nowait))
    assert "does not exist" in await told.get()
    name = later.rpartition("/")[2].partition("?")[0]
    conn = await psycopg.AsyncConnection.connect(empty_database, autocommit=True)
    async with conn:
        await conn.execute(f"create database {name}".encode())
        assert (await waiting)[0] == "0001_first_light.sql"
        await conn.execute(f"drop database {name} with (force)".encode())
    assert told.empty()


def test_a_database_that_does_not_answer_in_time_is_a_matter_for_later(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none?connect_timeout=2")
    ended = run(config, "--wait", "0.5")
    assert ended.code == 3
    assert ended.err.startswith("Waiting: ")
    assert "the database does not answer" in ended.err

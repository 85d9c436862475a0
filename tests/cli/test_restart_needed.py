"""A configuration file that was written after a worker of this machine started is told: it is read at the start alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from counterfoil.app.restarts import restart_needed
from counterfoil.engine.membership import host_name
from counterfoil.store.pool import connect
from counterfoil.store.workers import Worker, join

from .conftest import Program

STARTED = datetime(2026, 3, 2, 8, tzinfo=UTC)


def worker(name: str, host: str) -> Worker:
    return Worker(f"{name}#1", host, "0", STARTED, STARTED, name, 1)


def written(path: Path, at: datetime) -> Path:
    path.write_text("")
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def test_workers_of_this_machine_that_started_before_the_file_was_written_are_named(tmp_path: Path) -> None:
    ours, theirs = worker("a", host_name()), worker("b", "elsewhere")
    config = written(tmp_path / "c.toml", STARTED + timedelta(minutes=1))
    assert restart_needed(config, [ours, theirs]) == (
        f"{config} was written at 2026-03-02 08:01:00 UTC, and is read when a worker starts: restart a#1."
    )
    assert restart_needed(written(config, STARTED - timedelta(minutes=1)), [ours]) == ""
    assert restart_needed(tmp_path / "none.toml", [ours]) == ""


async def _join(database: str) -> None:
    async with await connect(database) as conn:
        await join(conn, "w", host_name(), "0")


async def test_status_and_a_retry_say_that_a_restart_is_needed(program: Program, database: str) -> None:
    import asyncio

    assert (await asyncio.to_thread(program.run, "status", "--json")).json()["restart_needed"] == ""
    await _join(database)
    written_at = datetime.now(UTC) + timedelta(hours=1)
    os.utime(program.config, (written_at.timestamp(), written_at.timestamp()))
    for command in (("status",), ("case", "retry", "--class", "unmapped_tax")):
        ended = await asyncio.to_thread(program.run, *command)
        assert "is read when a worker starts: restart w#" in " ".join(ended.err.split()), ended.err

"""The hub and its sandboxes for crash tests, workers as processes of their own, and the table of what was lost, doubled or stuck."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.conftest import TEMPLATE, Server
from tests.crash.stories import Verdict
from tests.integration.path.house import House, house

_numbers = itertools.count(1)
PROPERTY = "crash"


@pytest.fixture(scope="module")
def crash_database(database_template: Server) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database for a module."""
    name = f"crash_{next(_numbers)}"
    database_template.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
    yield database_template.url_of(name)
    database_template.execute(f"drop database {name} with (force)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle(crash_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub that takes deliveries and does no work itself: workers are processes that die."""
    start = datetime.now(UTC)
    async with house(crash_database, Path(tmp_path_factory.mktemp("home")), start=start, is_working=False) as made:
        await made.deliver(made.news())
        yield made


@asynccontextmanager
async def worker(made: House, point: str = "", kind: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker process that dies at a point; it is killed at the end if it did not."""
    path = made.hub.settings.hub.home / "worker.json"
    path.write_text(json.dumps(dict(made.values)))
    command = [sys.executable, "-m", "tests.crash.runner", str(path), "worker", point, kind]
    process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def is_at_work(process: asyncio.subprocess.Process) -> bool:
    """Wait until a worker says that it works; False: it ended before."""
    if process.stdout is None:
        return False
    return await asyncio.wait_for(process.stdout.readline(), 60.0) == b"working\n"


Note = Callable[[str, str, Verdict], None]


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Note:
    """Give the function that notes a verdict on a kind of write and a fault for the table at the end."""

    def write(kind: str, fault: str, verdict: Verdict) -> None:
        record_property(PROPERTY, [kind, fault, len(verdict.lost), verdict.doubled, verdict.stuck])

    return write


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table: kind of write and fault -> lost, doubled, stuck."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    rows = [value for report in reports for name, value in report.user_properties if name == PROPERTY]
    if not rows:
        return
    terminalreporter.section("what crashes did")
    terminalreporter.write_line(f"{'write':<24}{'fault':<34}{'lost':>6}{'doubled':>9}{'stuck':>7}")
    for kind, fault, lost, doubled, stuck in sorted(rows):
        terminalreporter.write_line(f"{kind:<24}{fault:<34}{lost:>6}{doubled:>9}{stuck:>7}")

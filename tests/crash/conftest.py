"""The hub and its sandboxes for crash tests, workers as processes of their own, and the table of what was lost, doubled or stuck."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from tests.conftest import Server
from tests.crash.books import put_between
from tests.crash.judging import Verdict
from tests.crash.proxy import Proxy
from tests.integration.path.house import House, house

_numbers = itertools.count(1)
PROPERTY = "crash"


@pytest.fixture(autouse=True)
def plain_tracebacks() -> None:
    """Have failures of a connector logged as lines: one with all its variables is 75,000 of them, and nothing else goes on for a minute."""
    processors = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors[:-1], plain])


@pytest.fixture(scope="module")
def crash_database(database_template: Server) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database for a module."""
    with database_template.database(f"crash_{next(_numbers)}", opened_at=datetime.now(UTC)) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def between() -> AsyncIterator[Proxy]:
    """Yield the proxy that a person who works in the books stands in; it passes everything on until it is given rules."""
    proxy = Proxy("")
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle(crash_database: str, tmp_path_factory: pytest.TempPathFactory, between: Proxy) -> AsyncIterator[House]:
    """Yield a hub that takes deliveries and does no work itself: workers are processes that die."""
    start, home = datetime.now(UTC), Path(tmp_path_factory.mktemp("home"))
    async with house(crash_database, home, start=start, is_working=False, change=partial(put_between, between)) as made:
        await made.deliver(made.news())
        yield made


Note = Callable[[str, str, Verdict], None]


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Note:
    """Give the function that notes a verdict on a kind of write and a fault for the table at the end."""

    def write(kind: str, fault: str, verdict: Verdict) -> None:
        record_property(PROPERTY, [kind, fault, len(verdict.lost), verdict.doubled, verdict.stuck])

    return write


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table: kind of write and fault -> lost, doubled, stuck; and one line of totals."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    rows = sorted(value for report in reports for name, value in report.user_properties if name == PROPERTY)
    if not rows:
        return
    terminalreporter.section("what crashes did")
    terminalreporter.write_line(f"{'write':<52}{'fault':<50}{'lost':>6}{'doubled':>9}{'stuck':>7}")
    for kind, fault, lost, doubled, stuck in rows:
        terminalreporter.write_line(f"{kind:<52}{fault:<50}{lost:>6}{doubled:>9}{stuck:>7}")
    lost, doubled, stuck = (sum(row[place] for row in rows) for place in (2, 3, 4))
    terminalreporter.write_line(f"{len(rows)} faults struck: {lost} lost, {doubled} doubled, {stuck} stuck")

"""PostgreSQL killed by SIGKILL while the hub is at work: its guardian starts it again, and everything acknowledged is there."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from tests.crash.conftest import Note, is_at_work, worker
from tests.crash.stories import judge, play
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House, house

from counterfoil.store.embedded import embedded

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[House, Path]]:
    """Yield a hub that takes deliveries on a server of its own, which commits to the disk; and the server's directory.

    It is not below pytest's own directories: those are shut against the user the server of root runs as.
    """
    with tempfile.TemporaryDirectory(prefix="counterfoil-", ignore_cleanup_errors=True) as directory:
        os.chmod(directory, 0o755)
        home = Path(directory)
        async with (
            embedded(home) as url,
            house(url, Path(tmp_path_factory.mktemp("home")), start=datetime.now(UTC), is_working=False) as made,
        ):
            yield made, home / "postgres" / "data" / "postmaster.pid"


def kill_server(pid_file: Path) -> None:
    """Kill the server's first process."""
    os.kill(int(pid_file.read_text().split("\n", 1)[0]), signal.SIGKILL)


async def has_begun(made: House) -> bool:
    """Tell whether a first command is done: the rest is in the middle of its way."""
    async with made.hub.pool.connection() as conn:
        return (await (await conn.execute("select count(*) > 0 from command where state = 'done'")).fetchone()) == (True,)


async def wait_for_server(url: str, seconds: float = 30.0) -> None:
    """Wait until the server answers again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            await (await psycopg.AsyncConnection.connect(url, connect_timeout=2)).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "the server did not come back"
            await asyncio.sleep(0.1)


async def test_a_database_killed_in_the_middle_loses_nothing_that_was_acknowledged(own_server: tuple[House, Path], note: Note) -> None:
    made, pid_file = own_server
    told = [await play(made) for _ in range(3)]
    news = made.news()
    assert set(await made.deliver(news[: len(news) // 2])) == {200}
    async with worker(made) as process:
        assert await is_at_work(process)
        await made.until(lambda: has_begun(made))
        kill_server(pid_file)
        statuses = await made.deliver(news[len(news) // 2 :])
        assert set(statuses) <= {200, 503, None}
        await wait_for_server(made.hub.dsn)
        refused = [event for event, status in zip(news[len(news) // 2 :], statuses, strict=True) if status != 200]
        await made.deliver(refused)  # as the sender does
        again = await made.deliver(refused)
        assert set(again) <= {200}
        await made.settle()
        assert process.returncode is None, "the worker outlives its database"
    for one in told:
        verdict = await judge(made, one)
        note("any", "database killed", verdict)
        assert verdict.is_right, (verdict, await made.where())
    await assert_balanced(made)
    proof = await made.prove()
    assert [row for row in proof.totals if not row.is_equal] == []

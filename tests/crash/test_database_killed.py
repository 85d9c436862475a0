"""PostgreSQL killed, or its connections ended, in the middle of every kind's delivery: everything acknowledged is there afterwards."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from tests.crash.conftest import Note
from tests.crash.judging import all_in_one, judge, strays
from tests.crash.matrix import IS_FULL, SECOND_CHAPTER
from tests.crash.stories import Told, begin, end
from tests.crash.workers import deliver_shuffled, strike, until_answered, worker
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House, house

from counterfoil.core.canonical.commands import CommandKind
from counterfoil.store.embedded import embedded

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

WAYS = {"server": "database killed", "terminate": "connections ended"}
Round = Mapping[CommandKind, str]
ROUNDS: Mapping[str, Round] = (
    {f"{way} {half}": dict.fromkeys(list(CommandKind)[half::2], way) for way in WAYS for half in (0, 1)}
    if IS_FULL
    else {"each once": {CommandKind.POST_INVOICE: "server", CommandKind.ALLOCATE: "terminate"}}
)
"""Name -> what is done to the database in the middle of which kind's delivery; few a round: the guardian bears five in a row."""


@pytest_asyncio.fixture(loop_scope="module")
async def own_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[House, str]]:
    """Yield a hub that takes deliveries on a server of its own, which commits to the disk; and the file with its process id.

    It is not below pytest's own directories: those are shut against the user the server of root runs as.
    """
    with tempfile.TemporaryDirectory(prefix="counterfoil-", ignore_cleanup_errors=True) as directory:
        os.chmod(directory, 0o755)
        home = Path(directory)
        async with (
            embedded(home) as url,
            house(url, Path(tmp_path_factory.mktemp("home")), start=datetime.now(UTC), is_working=False) as made,
        ):
            await made.deliver(made.news())
            yield made, str(home / "postgres" / "data" / "postmaster.pid")


async def strike_all(made: House, ways: Round, told: Told, pid_file: str, seed: int) -> None:
    """Deliver what is new and work it with a worker that strikes the database once in the middle of each kind's delivery, and goes on.

    The target has just done the write and nothing of it is noted: the worst moment.
    """
    strikes = [strike(way, "answered", kind.value, told, pid_file=pid_file) for kind, way in ways.items()]
    async with worker(made, strikes) as one:
        assert await one.is_at_work()
        sending = asyncio.create_task(deliver_shuffled(made, seed))  # deliveries come in all the while, and are refused or taken
        await one.until_struck(len(strikes))
        await sending
        await until_answered(made)
        await made.settle()
        assert one.process.returncode is None, "the worker outlives its database"


@pytest.mark.parametrize("name", ROUNDS)
async def test_a_database_struck_in_every_delivery_loses_nothing_that_was_acknowledged(
    own_server: tuple[House, str], note: Note, name: str
) -> None:
    made, pid_file = own_server
    told = await begin(made)
    ways = ROUNDS[name]
    await strike_all(made, {kind: way for kind, way in ways.items() if kind not in SECOND_CHAPTER}, told, pid_file, 1)
    await end(made, told)
    await strike_all(made, {kind: way for kind, way in ways.items() if kind in SECOND_CHAPTER}, told, pid_file, 2)
    verdicts = await judge(made, told)
    for kind, way in ways.items():
        note(kind.value, WAYS[way], verdicts[kind.value])
    assert all_in_one(verdicts).is_right, (verdicts, await made.where())
    assert await strays(made) == 0
    await assert_balanced(made)
    proof = await made.prove()
    assert [row for row in proof.totals if not row.is_equal] == []

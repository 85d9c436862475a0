"""PostgreSQL killed, or its connections ended, in every kind's delivery: everything acknowledged is there afterwards.

Every kind is struck where it is worst: the target has just done the write and nothing of it is noted. Three kinds are struck at the other
boundaries, too: in the transaction that notes the intent, after it, in the transaction that notes the outcome, after it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from tests.crash.conftest import Note
from tests.crash.judging import all_in_one, assert_whole, judge
from tests.crash.matrix import BOOKED, IS_FULL, SECOND_CHAPTER
from tests.crash.stories import PlayedStory, begin, end
from tests.crash.workers import deliver_shuffled, strike, until_answered, worker
from tests.integration.path.house import House, house

from counterfoil.core.commands.books import BookCommand
from counterfoil.core.language.commands import CommandKind
from counterfoil.store.embedded import embedded

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

WAYS = {"server": "database killed", "terminate": "connections ended"}
OTHER_BOUNDARIES = ("claimed", "sent", "settling", "settled")
IN_DOUBT = {"sent": "resolving", "answered": "resolved"}
"""What is the same of a command in doubt: with other hands all of a kind may have been under way when the strike before this one fell, and
none of them is sent for a first time then."""
AT_OTHERS = (BookCommand.POST_INVOICE, BookCommand.POST_PAYMENT, BookCommand.ALLOCATE)


@dataclass(frozen=True, slots=True)
class Cell:
    """One strike: what is done to the database, when a command of which kind is at which boundary (see matrix.py)."""

    way: str
    kind: CommandKind
    boundary: str = "answered"


Round = Sequence[Cell]
ROUNDS: Mapping[str, Round] = (
    {
        **{f"{way} {half}": [Cell(way, kind) for kind in list(BOOKED)[half::2]] for way in WAYS for half in (0, 1)},
        **{f"{way} {kind.value}": [Cell(way, kind, boundary) for boundary in OTHER_BOUNDARIES] for way in WAYS for kind in AT_OTHERS},
    }
    if IS_FULL
    else {"each once": [Cell("server", BookCommand.POST_INVOICE), Cell("terminate", BookCommand.ALLOCATE)]}
)
"""Name -> the strikes of one story; few a round: the guardian waits longer with each."""


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


async def strike_all(made: House, cells: Round, told: PlayedStory, pid_file: str, seed: int) -> None:
    """Deliver what is new and work it with a worker that strikes the database once for each cell, and goes on."""
    strikes = [
        strike(cell.way, cell.boundary, cell.kind.value, told, pid_file=pid_file, in_doubt=IN_DOUBT.get(cell.boundary, ""))
        for cell in cells
    ]
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
    cells = ROUNDS[name]
    await strike_all(made, [cell for cell in cells if cell.kind not in SECOND_CHAPTER], told, pid_file, 1)
    await end(made, told)
    await strike_all(made, [cell for cell in cells if cell.kind in SECOND_CHAPTER], told, pid_file, 2)
    verdicts = await judge(made, told)
    for cell in cells:
        note(cell.kind.value, f"{WAYS[cell.way]}: {cell.boundary}", verdicts[cell.kind.value])
    assert all_in_one(verdicts).is_right, (verdicts, await made.where())
    await assert_whole(made)

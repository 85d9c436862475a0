"""One hub over sandboxes per module; after every test the books are proven and every delivery is accounted for."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.conftest import Server
from tests.integration.path.house import START, House, house

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def module_database(database_template: Server) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database for a module."""
    with database_template.database(f"path_{next(_numbers)}", opened_at=START) as url:
        yield url


@pytest.fixture
def second_database(database_template: Server) -> Iterator[str]:
    """Yield the URL of one more fresh, migrated database."""
    with database_template.database(f"path_{next(_numbers)}", opened_at=START) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home_of_all(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield the module's hub, at work."""
    async with house(module_database, Path(tmp_path_factory.mktemp("home"))) as made:
        await made.tell()
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def hub(home_of_all: House) -> AsyncIterator[House]:
    """Yield the module's hub, and prove the books after the test: equal to the cent, nothing lost, nothing left over."""
    yield home_of_all
    await home_of_all.settle()
    await assert_balanced(home_of_all)
    proof = await home_of_all.prove()
    assert [row for row in proof.totals if not row.is_equal] == []
    assert [row for row in proof.clearing if row.difference_minor] == []
    assert [row for row in proof.stocks if not row.is_equal] == []


async def assert_balanced(made: House) -> None:
    """Assert that every delivery and every wish is somewhere, and none is under way."""
    found = await made.conservation()
    assert found.is_balanced, found
    assert sum(line.pending for line in found.sources) == 0, found
    assert all(line.ready + line.unknown == 0 for line in found.targets), found

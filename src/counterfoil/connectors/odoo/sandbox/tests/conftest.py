"""A sandbox with the three companies: straight, of each version, or listening."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from counterfoil.connectors.odoo.sandbox.tests.desk import Books, Json2, made


@pytest.fixture
def books() -> Books:
    """Odoo 19, the US company."""
    return made(19)


@pytest.fixture(params=[17, 18, 19])
def any_books(request: pytest.FixtureRequest) -> Books:
    """Each version, the US company."""
    return made(request.param)


@pytest.fixture
async def served(books: Books) -> AsyncIterator[Books]:
    """Odoo 19 listening."""
    await books.sandbox.start()
    yield books
    await books.sandbox.stop()


@pytest.fixture
async def client(served: Books) -> AsyncIterator[Json2]:
    """A client of the listening Odoo 19."""
    async with aiohttp.ClientSession() as session:
        yield Json2(served, session)

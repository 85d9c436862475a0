"""The same faults in front of the real Odoo that COUNTERFOIL_TEST_ODOO_URL (with _DB, _LOGIN, _KEY) names; the counts are read from it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.crash.books import Ground, RealOdoo, ground
from tests.crash.conftest import Note
from tests.crash.matrix import IS_FULL, MIXED, faults
from tests.crash.test_target_faults import play_through

_URL = "COUNTERFOIL_TEST_ODOO_URL"
TIMEOUT_S = 10.0
"""A real server takes longer than the sandbox: what is late must be late for it, too."""
ROUNDS = (MIXED, *faults(TIMEOUT_S)) if IS_FULL else (MIXED,)

pytestmark = [
    pytest.mark.crash,
    pytest.mark.live,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(_URL not in os.environ, reason=f"{_URL} names no Odoo"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books(crash_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """Yield a hub at work before a real Odoo, with the proxy between them."""
    db, login, key = (os.environ[f"{_URL.removesuffix('URL')}{name}"] for name in ("DB", "LOGIN", "KEY"))
    odoo = RealOdoo(os.environ[_URL], db, login, key)
    async with ground(crash_database, Path(tmp_path_factory.mktemp("home")), timeout_s=TIMEOUT_S, odoo=odoo) as found:
        yield found


@pytest.mark.parametrize("fault", ROUNDS)
async def test_every_write_that_fails_at_a_real_server_is_done_once(books: Ground, note: Note, fault: str) -> None:
    await play_through(books, note, fault, TIMEOUT_S)

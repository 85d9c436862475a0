"""An Odoo to try the demonstration's parts on: the sandbox of each version, and a real one if an environment variable names it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from counterfoil.app.demo.odoo_plain import OdooPlain
from counterfoil.connectors.odoo.sandbox import OdooSandbox

REAL_URL = os.environ.get("COUNTERFOIL_TEST_ODOO_URL", "")
REAL_DB = os.environ.get("COUNTERFOIL_TEST_ODOO_DB", "")
REAL_KEY = os.environ.get("COUNTERFOIL_TEST_ODOO_KEY", "")


REAL = [pytest.param("real", marks=pytest.mark.live)] if REAL_URL else []


@pytest.fixture(params=["17", "18", "19", *REAL])
async def odoo(request: pytest.FixtureRequest) -> AsyncIterator[OdooPlain]:
    """A database nothing else uses; the real one keeps what earlier tests left."""
    if request.param == "real":
        async with OdooPlain(REAL_URL, REAL_DB, REAL_KEY) as client:
            yield client
        return
    sandbox = OdooSandbox(version=int(request.param))
    url = await sandbox.start()
    async with OdooPlain(url, sandbox.db_name, sandbox.api_key) as client:
        yield client
    await sandbox.stop()

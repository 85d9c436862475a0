"""Whether the suite of this folder ran on a real Odoo: it does when COUNTERFOIL_TEST_ODOO_URL, _DB, _LOGIN and _KEY name one."""

from __future__ import annotations

import os

import pytest

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.detect import MAJORS
from counterfoil.connectors.odoo.tests.conftest import Desk


@pytest.mark.live
@pytest.mark.skipif(
    "COUNTERFOIL_TEST_ODOO_URL" not in os.environ,
    reason="no real Odoo: set COUNTERFOIL_TEST_ODOO_URL, _DB, _LOGIN and _KEY to run this folder's tests on one instead of the sandbox",
)
async def test_a_real_odoo_is_of_a_supported_version(desk: Desk) -> None:
    assert CONNECTOR.books is not None
    state = await CONNECTOR.books.state(desk.ctx)
    assert int(state.version.split(".")[0]) in MAJORS

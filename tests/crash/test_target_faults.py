"""The target's answers cut, doubled by proxies, or too late, after it did the work: nothing is lost, doubled or stuck."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.crash.conftest import Note
from tests.crash.stories import judge, play
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House, house

from counterfoil.kit.sandbox import Fault

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

TIMEOUT_S = 1.0
WRITES = {
    "customers": "res.partner/load",
    "documents and entries": "account.move/load",
    "posting": "account.move/action_post",
    "payments": "account.payment/load",
    "posting of payments": "account.payment/action_post",
    "matches": "account.partial.reconcile/load",
}
FAULTS: dict[str, dict[str, Any]] = {
    "answer dropped after commit": {"kind": "drop_after"},
    "502 after commit": {"kind": "status_after", "status": 502},
    "500 after commit": {"kind": "status_after", "status": 500},
    "answer cut after commit": {"kind": "truncate_after"},
    "no answer in time": {"kind": "stall_after", "delay_s": 2 * TIMEOUT_S},
    "never arrived": {"kind": "drop_before"},
}
EVERY = [(write, fault) for write in WRITES for fault in FAULTS]
QUICK = list(zip(WRITES, FAULTS, strict=True))
CASES = EVERY if os.environ.get("COUNTERFOIL_CRASH") == "full" else QUICK


def impatient(values: dict[str, Any]) -> None:
    """Let the hub wait for the books no longer than TIMEOUT_S."""
    values["connections"]["books"]["timeout_s"] = TIMEOUT_S


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(crash_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub at work."""
    async with house(crash_database, Path(tmp_path_factory.mktemp("home")), change=impatient) as made:
        await made.tell()
        yield made


@pytest.mark.parametrize(("write", "fault"), CASES)
async def test_a_write_whose_answer_is_lost_is_done_once(hub: House, note: Note, write: str, fault: str) -> None:
    told = await play(hub)
    armed = Fault(path=WRITES[write], times=2, **FAULTS[fault])
    hub.odoo.switch.faults.append(armed)
    await hub.tell()
    hub.odoo.switch.faults.remove(armed)
    assert armed.times < 2, f"no call of {WRITES[write]} was struck"
    verdict = await judge(hub, told)
    note(write, fault, verdict)
    assert verdict.is_right, (verdict, await hub.cases(), await hub.where())
    await assert_balanced(hub)
    proof = await hub.prove()
    assert [row for row in proof.totals if not row.is_equal] == []

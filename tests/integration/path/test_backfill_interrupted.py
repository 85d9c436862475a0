"""A backfill whose process is killed, or whose source fails, goes on after its last page: nothing missing, one page read twice."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.path.backfiller import SINCE
from tests.integration.path.house import House, house
from tests.nursery import Forked, fork

from counterfoil.app.demo.entities import US
from counterfoil.app.hub import wait_until
from counterfoil.ingress.backfill import Backfill, BackfillProgress, stream_of
from counterfoil.kit.errors import SetupError
from counterfoil.kit.sandbox import Fault
from counterfoil.store import cursors

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUSTOMERS = 330
PAGES = 4  # of 100
LIST = r"^GET /v1/customers(\?|$)"


@pytest_asyncio.fixture(loop_scope="module")
async def idle(second_database: str, tmp_path: Path) -> AsyncIterator[House]:
    """Yield a hub beside a source with a history of four pages; every call for a page of it is counted."""
    async with house(second_database, tmp_path, entities=[US], is_working=False) as made:
        for number in range(CUSTOMERS):
            await made.apis["US"].post("/v1/customers", name=f"Customer {number}")
        made.stripe.switch.faults.append(Fault("stall_before", LIST, times=-1, delay_s=0.0))
        yield made


def strike(made: House, fault: Fault) -> None:
    """Have a fault strike before all others."""
    made.stripe.switch.faults.insert(0, fault)


def calls(made: House) -> int:
    return len(made.stripe.switch.struck)


async def kept(made: House) -> int:
    """Return how many objects the committed pages held."""
    async with made.hub.pool.connection() as conn:
        cursor = await cursors.load(conn, "stripe_us", stream_of("customer", SINCE))
    return 0 if cursor is None else cursor.read_count


async def receipts_of_customers(made: House) -> tuple[int, int]:
    async with made.hub.pool.connection() as conn:
        statement = "select count(*), count(distinct dedupe_key) from receipt where kind = 'customer.listed'"
        row = await (await conn.execute(statement)).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def configured(made: House, folder: Path) -> Path:
    path = folder / "backfill.json"
    path.write_text(json.dumps(dict(made.values)), "utf-8")
    return path


async def backfiller(config: Path) -> Forked:
    return await fork("tests.integration.path.backfiller", str(config))


async def test_a_backfill_killed_between_two_pages_goes_on_after_the_last_one_committed(idle: House, tmp_path: Path) -> None:
    strike(idle, Fault("stall_before", LIST, delay_s=60.0, skip=2))
    config = configured(idle, tmp_path)
    process = await backfiller(config)

    async def is_under_way() -> bool:
        return await kept(idle) == 200 and calls(idle) == 3

    assert await wait_until(is_under_way, timeout_s=60.0, every_s=0.05)
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    second = await backfiller(config)
    said = await asyncio.wait_for(second.stdout.read(), 60.0)
    assert (await second.wait(), said) == (0, b"300\n330\n")
    assert calls(idle) == PAGES + 1  # the page that was under way, once more
    assert await receipts_of_customers(idle) == (CUSTOMERS, CUSTOMERS)


async def test_a_backfill_its_source_refuses_half_way_goes_on_after_the_last_page(idle: House) -> None:
    strike(idle, Fault("status", LIST, status=401, skip=2))
    connection, ctx = idle.hub.settings.connections["stripe_us"], idle.hub.contexts["stripe_us"]
    history = connection.connector.backfills
    assert history is not None
    shown: list[BackfillProgress] = []
    reader = Backfill(history, ctx, idle.hub.pool, idle.hub.cipher, idle.hub.arm, shown.append)
    with pytest.raises(SetupError):
        await reader.run(SINCE, ("customer",))
    assert await kept(idle) == 200
    assert await reader.run(SINCE, ("customer",)) == (BackfillProgress("customer", CUSTOMERS, 130, True),)
    assert calls(idle) == PAGES + 1
    assert await receipts_of_customers(idle) == (CUSTOMERS, CUSTOMERS)

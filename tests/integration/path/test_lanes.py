"""A payment is decided before what lies there in bulk, however much that is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House, house

from counterfoil.app.hub import wait_until
from counterfoil.core.language.commands import Lane
from counterfoil.store import receipts
from counterfoil.store.receipts import Incoming

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEHIND = 20_000
PAGE = 2000
_WHERE = """
select exists (select from command where kind = 'post_payment'), (select count(*) from to_read where lane >= 30)
"""


@pytest_asyncio.fixture(loop_scope="module")
async def idle(module_database: str, tmp_path: Path) -> AsyncIterator[House]:
    """Yield a hub that takes deliveries and does not work yet."""
    async with house(module_database, tmp_path, is_working=False) as made:
        yield made


async def lay_down(made: House, count: int) -> None:
    """Put receipts of a replay before the hub: of a kind that is ignored by a named rule."""
    body = b'{"id": "evt_1", "type": "plan.created"}'
    for first in range(0, count, PAGE):
        incoming = [
            Incoming("stripe_us", f"old/evt_{n}", f"plan_{n}", "plan.created", body, made.clock.now(), lane=Lane.REPLAY)
            for n in range(first, first + PAGE)
        ]
        async with made.hub.pool.connection() as conn, conn.transaction():
            appended = await receipts.append(conn, made.hub.cipher, incoming, made.clock.now())
            await made.hub.arm(conn, appended.touched)


async def test_a_payment_behind_a_large_replay_is_decided_before_it(idle: House) -> None:
    await lay_down(idle, BEHIND)
    story = idle.story(tax="ca")
    customer = await story.customer()
    await story.item(customer, "Consulting", 20000)
    invoice = await story.bill(customer)
    assert await story.pay(invoice["id"])
    await idle.deliver(idle.news())
    await idle.hub.start_work("lanes")
    seen: list[tuple[bool, int]] = []

    async def is_decided() -> bool:
        async with idle.hub.pool.connection() as conn:
            row = await (await conn.execute(_WHERE)).fetchone()
        seen.append((False, 0) if row is None else (row[0], row[1]))
        return seen[-1][0]

    assert await wait_until(is_decided, timeout_s=60.0, every_s=0.02)
    assert seen[-1][1] > BEHIND / 4
    await idle.settle()
    await assert_balanced(idle)
    assert (await idle.prove()).is_proven

"""A replay that does differ from then: rehearsed to the cent before, done once, and without effect the second time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House, house
from tests.integration.path.replaying import everything_of, left_behind, rehearsed, replayed

from counterfoil.app.demo.entities import US
from counterfoil.store.replays import ReplayOrder

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def ignorant(module_database: str, tmp_path: Path) -> AsyncIterator[House]:
    """Yield a hub whose former release ignored a customer's invoice and payment."""
    async with house(module_database, tmp_path, entities=[US], is_working=False) as made:
        story = made.story(tax="ca")
        customer = await story.customer()
        await story.item(customer, "Consulting", 20000)
        invoice = await story.bill(customer)
        assert await story.pay(invoice["id"])
        await made.deliver(made.news())
        async with made.hub.pool.connection() as conn:
            await conn.execute("update receipt set state = 'ignored', rule = 'not_known_then'")
            await conn.execute("update receipt_bundle set read_at = received_at")
        await made.hub.start_work("ignorant")
        yield made


async def test_what_a_former_release_ignored_is_rehearsed_and_then_booked_once(ignorant: House) -> None:
    everything = ReplayOrder(selection=everything_of("stripe_us"))
    found = await rehearsed(ignorant, everything)
    assert found.outcomes["ignored: not_known_then", "normalized"] > 0
    assert found.objects["invoice"] == found.objects["payment"] == 1
    # 200.00 and 8.25 % sales tax: 216.50.
    assert (found.new["post_invoice", "USD"].count, found.new["post_invoice", "USD"].minor) == (1, 21650)
    assert (found.new["post_payment", "USD"].minor, found.canceled) == (21650, {})
    assert found.examples
    assert (await left_behind(ignorant))["commands"] == []

    done = await replayed(ignorant, everything)
    assert done.changed_count >= sum(found.objects.values())
    await assert_balanced(ignorant)
    assert (await ignorant.prove()).is_proven
    booked = await left_behind(ignorant)
    assert sum(command[2] == "done" for command in booked["commands"]) == sum(one.count for one in found.new.values())

    assert (await rehearsed(ignorant, everything)).is_without_effect
    await replayed(ignorant, everything)
    assert await left_behind(ignorant) == booked

"""The traps of the domain (section 6) on the whole path: daylight-saving and month-end boundaries in the entity's own time zone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.path.house import House, house

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home_of_all(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub on the last day of the year."""
    start = datetime(2025, 12, 31, 12, tzinfo=UTC)
    async with house(module_database, Path(tmp_path_factory.mktemp("home")), start=start) as made:
        await made.tell()
        yield made


async def day_of_an_invoice(hub: House, entity: str) -> str:
    """Bill one customer of an entity and return the day the invoice is booked on."""
    story = hub.story(entity)
    customer = await story.customer(card="")
    await story.item(customer, "Consulting", 10000)
    invoice = await story.bill(customer)
    await hub.tell()
    return str(hub.document(f"invoice_stripe.{invoice['id']}")["date"])


async def test_the_same_instant_is_another_year_in_tokyo_than_in_los_angeles(hub: House) -> None:
    # 15:30 UTC: half past midnight in Tokyo (UTC+9), half past seven in the morning in Los Angeles (UTC-8).
    await hub.at(datetime(2025, 12, 31, 15, 30, tzinfo=UTC))
    assert [await day_of_an_invoice(hub, entity) for entity in ("JP", "US", "DE")] == ["2026-01-01", "2025-12-31", "2025-12-31"]


async def test_the_month_ends_at_midnight_of_the_entitys_own_zone(hub: House) -> None:
    # 23:30 UTC: half past midnight in Berlin (UTC+1).
    await hub.at(datetime(2025, 12, 31, 23, 30, tzinfo=UTC))
    assert [await day_of_an_invoice(hub, entity) for entity in ("DE", "US")] == ["2026-01-01", "2025-12-31"]


async def test_daylight_saving_time_moves_the_end_of_the_month(hub: House) -> None:
    # 22:30 UTC on 31 March: half past midnight in Berlin by summer time (UTC+2), half an hour before midnight by winter time.
    await hub.at(datetime(2026, 3, 31, 22, 30, tzinfo=UTC))
    assert await day_of_an_invoice(hub, "DE") == "2026-04-01"
    # 07:30 UTC on 1 April: half past midnight in Los Angeles by daylight saving time (UTC-7), half an hour before by winter time.
    await hub.at(datetime(2026, 4, 1, 6, 30, tzinfo=UTC))
    assert await day_of_an_invoice(hub, "US") == "2026-03-31"
    await hub.at(datetime(2026, 4, 1, 7, 30, tzinfo=UTC))
    assert await day_of_an_invoice(hub, "US") == "2026-04-01"

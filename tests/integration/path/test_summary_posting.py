"""Summary posting on the whole path: one entry per entity, day and currency, with the same sums as the documents would have had."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House, house

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIVABLE, CLEARING, REVENUE, TAX, FEES = "121000", "105601", "400000", "251000", "620100"


def configured(values: dict[str, Any]) -> None:
    """Let the American and the German entity post summaries; the Japanese one keeps its documents."""
    for entity in ("US", "DE"):
        values["entities"][entity]["posting"] = "summary"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home_of_all(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub configured so, at noon (UTC) of 2 December."""
    start = datetime(2025, 12, 2, 12, tzinfo=UTC)
    async with house(module_database, Path(tmp_path_factory.mktemp("home")), start=start, change=configured) as made:
        await made.tell()
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def hub(home_of_all: House) -> AsyncIterator[House]:
    """Yield the hub; afterwards everything is accounted for."""
    yield home_of_all
    await home_of_all.settle()
    await assert_balanced(home_of_all)


async def test_a_day_becomes_one_entry_per_currency_and_a_late_fact_a_supplement(hub: House) -> None:
    await hub.bill(10000, "US", tax="ca")
    await hub.bill(20000, "US", is_paid=True)
    await hub.bill(11900, "DE", tax="ust19_incl")
    await hub.bill(8000, "DE", currency="USD")
    await hub.tell()
    late = await hub.bill(4400, "US")
    held = hub.news()
    assert not any(key.startswith(("invoice_", "payment_", "summary_")) for key in hub.external_keys())
    await hub.at(datetime(2025, 12, 3, 12, tzinfo=UTC))
    await hub.close_days("US", "DE")
    # 100.00 and 8.25 of tax are owed; 200.00 were paid, of which the processor kept 2.9 % and 0.30: 6.10.
    assert hub.has("summary_US.2025-12-02.USD.1"), (await hub.where(), await hub.cases(), hub.journal.lines)
    assert hub.lines("summary_US.2025-12-02.USD.1") == {RECEIVABLE: 10825, REVENUE: -30000, TAX: -825, CLEARING: 19390, FEES: 610}
    assert hub.lines("summary_DE.2025-12-02.EUR.1") == {RECEIVABLE: 11900, REVENUE: -10000, TAX: -1900}
    # 80.00 USD at 0.86.
    assert hub.lines("summary_DE.2025-12-02.USD.1") == {RECEIVABLE: 6880, REVENUE: -6880}
    assert str(hub.document("summary_US.2025-12-02.USD.1")["date"]) == "2025-12-02"
    await hub.deliver(held)
    await hub.settle()
    await hub.close_days("US", "DE")
    assert hub.lines("summary_US.2025-12-02.USD.2") == {RECEIVABLE: 4400, REVENUE: -4400}
    assert not hub.has(f"invoice_stripe.{late['id']}")
    await hub.close_days("US", "DE")
    assert [key for key in hub.external_keys() if key.startswith("summary_")] == [
        "summary_DE.2025-12-02.EUR.1",
        "summary_DE.2025-12-02.USD.1",
        "summary_US.2025-12-02.USD.1",
        "summary_US.2025-12-02.USD.2",
    ]


async def test_an_entity_that_did_not_switch_keeps_its_documents(hub: House) -> None:
    invoice = await hub.bill(5000, "JP")
    await hub.tell()
    assert hub.document(f"invoice_stripe.{invoice['id']}")["amount_total"] == 5000.0

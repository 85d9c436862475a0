"""Days of summary posting under changing rules: a changed product group adds nothing, a day that differs is a case and stops no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.house import House, house

from counterfoil.app.changed_modes import refuse_changed_modes
from counterfoil.core.policies.rules import PostingMode
from counterfoil.kit.errors import SetupError

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIVABLE, REVENUE = "121000", "400000"
DAY_2, DAY_3 = "summary_US.2025-12-02.USD.1", "summary_US.2025-12-03.USD.1"


def configured(values: dict[str, Any]) -> None:
    """Let the American entity post summaries."""
    values["entities"]["US"]["posting"] = "summary"


@pytest_asyncio.fixture(loop_scope="module")
async def hub(second_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub configured so, at noon (UTC) of 2 December."""
    start = datetime(2025, 12, 2, 12, tzinfo=UTC)
    async with house(second_database, Path(tmp_path_factory.mktemp("home")), start=start, change=configured) as made:
        await made.tell()
        yield made


async def test_a_changed_group_adds_nothing_and_a_day_that_differs_stops_no_other(hub: House) -> None:
    story = hub.story("US")
    price = next(price for price, currency in story.catalog.prices if currency == "USD")
    sold = await story.subscribe(await story.customer(), price, collection_method="send_invoice", days_until_due=14)
    bill = sold["latest_invoice"] if isinstance(sold["latest_invoice"], str) else sold["latest_invoice"]["id"]
    if (found := await story.api.get(f"/v1/invoices/{bill}"))["status"] == "draft":
        found = await story.api.post(f"/v1/invoices/{bill}/finalize")
    await hub.tell()
    await hub.at(datetime(2025, 12, 3, 12, tzinfo=UTC))
    await hub.close_days("US")
    booked = hub.lines(DAY_2)
    assert booked == {RECEIVABLE: found["total"], REVENUE: -found["total"]}
    product = (await story.lines_of(bill))[0]["pricing"]["price_details"]["product"]
    await story.api.post(f"/v1/products/{product}", metadata={"product_group": "suite2"})
    await hub.tell()
    await story.api.post(f"/v1/invoices/{bill}/mark_uncollectible")
    await hub.bill(7700, "US")
    await hub.tell()
    # As if an older version had added half a document to 2 December: 49.00 that nothing balances.
    async with hub.hub.pool.connection() as conn, conn.transaction():
        await conn.execute(
            "insert into summary_item (entity, day, currency, item_key, subject, document_id, account, amount_minor, added_at)"
            " values ('US', '2025-12-02', 'USD', 'half', 'invoice/stripe:in_x', 'invoice_stripe.in_x', 'revenue:suite2', 4900, now())"
        )
    await hub.at(datetime(2025, 12, 4, 12, tzinfo=UTC))
    await hub.close_days("US")
    await hub.settle()
    assert hub.lines(DAY_2) == booked
    assert hub.lines(DAY_3)[REVENUE] == -7700  # the day after is posted all the same
    assert not hub.has("summary_US.2025-12-02.USD.2")
    (case,) = [case for case in await hub.cases() if case.code == "summary.day_differs"]
    assert (case.owner, case.entity, case.money_minor) == ("finance", "US", 4900)
    async with hub.hub.pool.connection() as conn, conn.transaction():
        await conn.execute("delete from summary_item where item_key = 'half'")
    await hub.close_days("US")
    assert not [case for case in await hub.cases() if case.code == "summary.day_differs"]


async def test_a_changed_mode_without_a_day_is_refused(hub: House) -> None:
    await hub.bill(7700, "US")
    await hub.tell()
    rules = hub.hub.rules
    async with hub.hub.pool.connection() as conn:
        await refuse_changed_modes(conn, rules)
        detailed = replace(rules.entities["US"], posting_mode=PostingMode.DETAILED)
        changed = replace(rules, entities={**rules.entities, "US": detailed})
        with pytest.raises(SetupError, match="posting_from") as refused:
            await refuse_changed_modes(conn, changed)
        assert refused.value.code == "settings.posting_changed"
        since = replace(detailed, posting_mode_from=datetime(2025, 12, 3, tzinfo=UTC).date())
        await refuse_changed_modes(conn, replace(rules, entities={**rules.entities, "US": since}))

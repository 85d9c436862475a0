"""The same deliveries, doubled, shuffled and in part lost, give the same books."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.integration.path.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEDS = range(6)


async def story(hub: House) -> dict[str, str]:
    """Play what one customer does: credit used, a credit note before payment, payment, a refund, a negative invoice; return ids by name."""
    story = hub.story(tax="ca")
    customer = await story.customer()
    await story.api.post(f"/v1/customers/{customer}/balance_transactions", amount=-1500, currency="usd", description="Goodwill")
    await story.item(customer, "Consulting", 20000)
    first = await story.bill(customer)
    line = (await story.lines_of(first["id"]))[0]
    note = await story.credit(first["id"], [(line, 4000)])
    assert await story.pay(first["id"])
    refund = await story.api.post("/v1/refunds", payment_intent=await story.payment_of(first["id"]), amount=2500)
    await story.item(customer, "Taken back", -3000)
    second = await story.bill(customer)
    await story.item(customer, "Consulting", 7000)
    third = await story.bill(customer)
    await story.api.post(f"/v1/invoices/{third['id']}/void")
    return {
        "customer": customer,
        f"invoice_stripe.{first['id']}": "first",
        f"credit_note_stripe.{note['id']}": "note",
        f"refund_stripe.{refund['id']}": "refund",
        f"invoice_stripe.{second['id']}": "second",
        f"invoice_stripe.{third['id']}": "third",
        f"invoice_void_stripe.{third['id']}": "reversal",
    }


async def test_duplicates_shuffles_and_losses_of_one_sequence_give_the_same_books(hub: House) -> None:
    expected: list[tuple[Any, ...]] | None = None
    for seed in SEEDS:
        told = await story(hub)
        news = hub.news()
        if seed:
            chance = random.Random(seed)
            news = news + chance.sample(news, len(news) // 3)
            chance.shuffle(news)
            lost = set(chance.sample(range(len(news)), len(news) // 5)) if seed % 2 else set()
            news = [event for place, event in enumerate(news) if place not in lost]
        await hub.deliver(news)
        await hub.settle()
        await hub.poll("stripe_us")
        await hub.settle()
        found = hub.books_of(told["customer"])
        expected = expected or found
        assert found == expected, f"seed {seed}"
        assert [key for key in told if key != "customer" and not hub.has(key)] == []

"""The traps of the domain (section 6) on the whole path: payments, refunds and credit notes, in whatever order they are told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.path.house import House

from counterfoil.app.demo.story import DISPUTED_CARD, StoryContext

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLEARING, DISPUTED, BAD_DEBT = "105601", "105603", "620300"


async def paid(story: StoryContext, amount: int) -> tuple[dict[str, Any], str, str]:
    """Bill a new customer and charge his card; return the invoice, the payment intent and the charge."""
    customer = await story.customer()
    await story.item(customer, "Consulting", amount)
    invoice = await story.bill(customer, is_charged=True)
    assert await story.pay(invoice["id"])
    intent = await story.payment_of(invoice["id"])
    charge = (await story.api.get(f"/v1/payment_intents/{intent}"))["latest_charge"]
    return invoice, intent, str(charge)


def residual(hub: House, invoice: dict[str, Any]) -> float:
    """Return what is open on an invoice in the books."""
    return float(hub.document(f"invoice_stripe.{invoice['id']}")["amount_residual"])


async def test_a_payment_told_before_its_invoice_is_booked_and_applied_later(hub: House) -> None:
    invoice, _, charge = await paid(hub.story(), 9900)
    news = hub.news()
    late = [event for event in news if event.type.startswith("invoice")]
    await hub.deliver(event for event in news if event not in late)
    await hub.settle()
    assert hub.payment(f"payment_stripe.{charge}")["amount"] == 99.0
    await hub.deliver(late)
    await hub.settle()
    assert residual(hub, invoice) == 0.0


async def test_a_refund_told_before_its_payment_is_booked_once_and_matched_later(hub: House) -> None:
    story = hub.story()
    invoice, intent, charge = await paid(story, 8800)
    refund = await story.api.post("/v1/refunds", payment_intent=intent)
    news = hub.news()
    first = [event for event in news if event.type.startswith("refund")]
    await hub.deliver(first)
    await hub.settle(is_patient=True)
    await hub.deliver(event for event in news if event not in first)
    await hub.settle()
    sent = hub.payment(f"refund_stripe.{refund['id']}")
    assert (sent["payment_type"], sent["amount"]) == ("outbound", 88.0)
    assert hub.payment(f"payment_stripe.{charge}")["payment_type"] == "inbound"
    assert residual(hub, invoice) == 0.0


async def test_a_credit_note_on_a_paid_invoice_is_matched_with_its_refund(hub: House) -> None:
    # 640.00 paid; 160.00 credited and sent back.
    story = hub.story()
    invoice, _, _ = await paid(story, 64000)
    part = [((await story.lines_of(invoice["id"]))[0], 16000)]
    note = await story.credit(invoice["id"], part, refund_amount=16000)
    await hub.tell()
    document = hub.document(f"credit_note_stripe.{note['id']}")
    assert (document["move_type"], document["amount_total"], document["amount_residual"]) == ("out_refund", 160.0, 0.0)
    assert residual(hub, invoice) == 0.0


async def test_a_partial_refund_in_several_steps_is_one_payment_out_per_step(hub: House) -> None:
    # 500.00 paid; 70.00, 50.00 and 30.00 go back: 350.00 less the fee stays on the clearing account.
    story = hub.story()
    before = hub.balance("US", CLEARING)
    invoice, intent, charge = await paid(story, 50000)
    refunds = []
    for amount in (7000, 5000, 3000):
        refunds.append(await story.api.post("/v1/refunds", payment_intent=intent, amount=amount))
        await hub.tell()
    assert [hub.payment(f"refund_stripe.{refund['id']}")["amount"] for refund in refunds] == [70.0, 50.0, 30.0]
    fee = 1480  # 2.9 % of 500.00 and 0.30
    assert hub.balance("US", CLEARING) - before == 35000 - fee
    assert residual(hub, invoice) == 0.0
    assert hub.has(f"payment_stripe.{charge}")


async def test_a_payment_in_currency_without_decimals_is_whole_units(hub: House) -> None:
    invoice, _, charge = await paid(hub.story("JP", tax="jct10_incl"), 11000)
    await hub.tell()
    assert hub.payment(f"payment_stripe.{charge}")["amount"] == 11000.0
    document = hub.document(f"invoice_stripe.{invoice['id']}")
    assert (document["amount_total"], document["amount_tax"], document["amount_residual"]) == (11000.0, 1000.0, 0.0)


async def test_a_dispute_lost_ends_on_bad_debt(hub: House) -> None:
    story = hub.story()
    customer = await story.customer(card=DISPUTED_CARD)
    await story.item(customer, "Consulting", 25000)
    invoice = await story.bill(customer, is_charged=True)
    before = hub.balance("US", DISPUTED), hub.balance("US", BAD_DEBT)
    await story.pay(invoice["id"])
    await hub.tell()
    assert hub.balance("US", DISPUTED) - before[0] == 25000
    disputes = await story.api.get("/v1/disputes", payment_intent=await story.payment_of(invoice["id"]))
    await hub.later(days=1)
    evidence: Any = {"uncategorized_text": "losing_evidence"}
    await story.api.post(f"/v1/disputes/{disputes['data'][0]['id']}", evidence=evidence, submit=True)
    await hub.tell()
    assert (hub.balance("US", DISPUTED) - before[0], hub.balance("US", BAD_DEBT) - before[1]) == (0, 25000)


async def test_deliveries_that_never_came_are_found_by_polling(hub: House) -> None:
    invoice, _, charge = await paid(hub.story(), 7700)
    hub.news()  # nobody is told
    await hub.later(minutes=5)
    await hub.poll("stripe_us")
    await hub.settle()
    assert (residual(hub, invoice), hub.has(f"payment_stripe.{charge}")) == (0.0, True)


async def test_a_wish_that_comes_twice_is_booked_once(hub: House) -> None:
    invoice, _, _ = await paid(hub.story(), 6600)
    news = hub.news()
    assert set(await hub.deliver(news)) == {200}
    await hub.settle()
    keys, moves = hub.external_keys(), len(hub.odoo.env().rows("account.move"))
    before = (await hub.conservation()).sources
    assert set(await hub.deliver([*news, *reversed(news)])) == {200}
    await hub.settle()
    assert ((await hub.conservation()).sources, hub.external_keys(), len(hub.odoo.env().rows("account.move"))) == (before, keys, moves)
    assert residual(hub, invoice) == 0.0

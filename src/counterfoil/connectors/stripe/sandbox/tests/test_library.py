"""The official Python library works against the sandbox.

Library: stripe 16.1 (MIT). It is synchronous here, so it runs in a thread beside the server's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import stripe

from counterfoil.connectors.stripe.sandbox import StripeSandbox


@pytest.fixture
async def client() -> AsyncIterator[stripe.StripeClient]:
    sandbox = StripeSandbox(6)
    url = await sandbox.start()
    yield stripe.StripeClient("sk_test_sandbox", base_addresses={"api": url}, max_network_retries=0)
    await sandbox.stop()


def _sell(client: stripe.StripeClient) -> stripe.Subscription:
    customer = client.v1.customers.create(
        {"email": "a@example.com", "payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    )
    price = client.v1.prices.create(
        {"unit_amount": 1500, "currency": "usd", "recurring": {"interval": "month"}, "product_data": {"name": "Plan"}}
    )
    return client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": price.id, "quantity": 2}], "expand": ["latest_invoice.payments"]}
    )


async def test_a_sale_a_refund_and_a_credit_note(client: stripe.StripeClient) -> None:
    def work() -> None:
        subscription = _sell(client)
        invoice = subscription.latest_invoice
        assert isinstance(invoice, stripe.Invoice)
        assert (subscription.status, invoice.total, invoice.status) == ("active", 3000, "paid")
        assert invoice.payments is not None
        intent = invoice.payments.data[0].payment.payment_intent
        assert isinstance(intent, str)
        refund = client.v1.refunds.create({"payment_intent": intent, "amount": 1000})
        assert refund.status == "succeeded"
        assert invoice.id is not None
        note = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 500, "credit_amount": 500})
        assert note.post_payment_amount == 500
        paid = [event.data.object["id"] for event in client.v1.events.list({"type": "invoice.paid"}).auto_paging_iter()]
        assert paid == [invoice.id]
        gone = client.v1.subscriptions.cancel(subscription.id)
        assert gone.status == "canceled"

    await asyncio.to_thread(work)


async def test_lists_page_by_themselves(client: stripe.StripeClient) -> None:
    def work() -> None:
        made = [client.v1.customers.create({"name": str(i)}).id for i in range(23)]
        assert [c.id for c in client.v1.customers.list({"limit": 5}).auto_paging_iter()] == made[::-1]

    await asyncio.to_thread(work)


async def test_errors_have_their_classes(client: stripe.StripeClient) -> None:
    def work() -> None:
        with pytest.raises(stripe.InvalidRequestError) as missing:
            client.v1.customers.retrieve("cus_no")
        assert (missing.value.http_status, missing.value.code, missing.value.param) == (404, "resource_missing", "id")
        with pytest.raises(stripe.CardError) as declined:
            client.v1.payment_intents.create(
                {"amount": 500, "currency": "usd", "confirm": True, "payment_method": "pm_card_chargeDeclinedInsufficientFunds"}
            )
        assert declined.value.error is not None
        assert declined.value.error.decline_code == "insufficient_funds"
        wrong = stripe.StripeClient("sk_test_wrong_key_0000", base_addresses={"api": client._requestor.base_addresses["api"]})
        with pytest.raises(stripe.AuthenticationError):
            wrong.v1.balance.retrieve()
        client.v1.customers.create({"name": "A"}, {"idempotency_key": "k"})
        with pytest.raises(stripe.IdempotencyError):
            client.v1.customers.create({"name": "B"}, {"idempotency_key": "k"})

    await asyncio.to_thread(work)


async def test_time_and_webhooks_are_reached_through_the_library(client: stripe.StripeClient) -> None:
    def work() -> None:
        clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1767225600})
        client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1767225600 + 86_400})
        assert client.v1.test_helpers.test_clocks.retrieve(clock.id).status == "ready"
        endpoint = client.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["invoice.paid"]})
        assert (endpoint.secret or "").startswith("whsec_")
        assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id).to_dict()

    await asyncio.to_thread(work)

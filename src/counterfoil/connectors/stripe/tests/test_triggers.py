"""The scenarios of Stripe's command line tool, played through the sandbox: everything that happens normalizes."""

from __future__ import annotations

import pytest

from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.connectors.stripe.sandbox.errors import StripeError
from counterfoil.core.canonical.events import EventType

from .building import SOURCE, fixture
from .sandboxed import normalized_all, opened, run_trigger, walk

NOT_SIMULATED = frozenset(
    {
        "cash_balance.funds_available",
        "checkout.session.async_payment_failed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.completed",
        "checkout.session.expired",
        "payment_intent.partially_funded",
        "payment_link.created",
        "payment_link.updated",
        "transfer.created",
        "transfer.reversed",
        "transfer.updated",
        "v1.billing.meter.error_report_triggered",
        "v1.billing.meter.no_meter_found",
    }
)
"""Scenarios of products that the sandbox may lack: there the events up to the missing call are played."""

EXPECTED = {
    "charge.captured": {EventType.PAYMENT_SUCCEEDED},
    "charge.failed": {EventType.PAYMENT_FAILED},
    "charge.refunded": {EventType.PAYMENT_SUCCEEDED, EventType.REFUND_SUCCEEDED},
    "credit_note.voided": {EventType.CUSTOMER_CREATED, EventType.INVOICE_ISSUED, EventType.INVOICE_UPDATED, EventType.CREDIT_NOTE_VOIDED},
    "customer.deleted": {EventType.CUSTOMER_CREATED, EventType.CUSTOMER_SUSPENDED},
    "invoice.deleted": {EventType.CUSTOMER_CREATED, EventType.INVOICE_DELETED},
    "invoice.marked_uncollectible": {EventType.CUSTOMER_CREATED, EventType.INVOICE_UNCOLLECTIBLE},
    "invoice.paid": {EventType.CUSTOMER_CREATED, EventType.INVOICE_PAID, EventType.PAYMENT_SUCCEEDED},
    "invoice.voided": {EventType.CUSTOMER_CREATED, EventType.INVOICE_VOIDED},
    "payment_intent.amount_capturable_updated": {EventType.PAYMENT_AUTHORIZED},
    "product.deleted": {EventType.PRODUCT_RELEASED, EventType.PRODUCT_RETIRED},
    "tax_rate.created": {EventType.TAX_RATE_CHANGED},
}
"""What some scenarios must come to, once everything they need was fetched (states are those at the end of the scenario)."""


@pytest.mark.parametrize("name", sorted(fixture("cli-triggers.json")))
async def test_a_trigger_scenario_normalizes(name: str) -> None:
    sandbox = StripeSandbox()
    try:
        run_trigger(sandbox, name)
    except StripeError:
        if name not in NOT_SIMULATED:
            raise
    async with opened(sandbox) as ctx:
        deliveries, _ = await walk(lambda cursor: SOURCE.poll(ctx, cursor))
        facts, _ = await normalized_all(ctx, deliveries)
    if name in EXPECTED:
        assert {fact.type for fact in facts} == EXPECTED[name]

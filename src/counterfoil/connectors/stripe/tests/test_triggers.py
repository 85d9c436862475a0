"""The scenarios of Stripe's command line tool, played through the sandbox: everything that happens normalizes."""

from __future__ import annotations

import pytest

from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.connectors.stripe.sandbox.errors import StripeError
from counterfoil.core.kinds.credit_note import CreditNoteEvent
from counterfoil.core.kinds.customer import CustomerEvent
from counterfoil.core.kinds.invoice import InvoiceEvent
from counterfoil.core.kinds.payment import PaymentEvent
from counterfoil.core.kinds.product import ProductEvent
from counterfoil.core.kinds.refund import RefundEvent
from counterfoil.core.kinds.tax_rate import TaxRateEvent

from .building import POLLS, fixture
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
    "charge.captured": {PaymentEvent.SUCCEEDED},
    "charge.failed": {PaymentEvent.FAILED},
    "charge.refunded": {PaymentEvent.SUCCEEDED, RefundEvent.SUCCEEDED},
    "credit_note.voided": {CustomerEvent.CREATED, InvoiceEvent.ISSUED, InvoiceEvent.UPDATED, CreditNoteEvent.VOIDED},
    "customer.deleted": {CustomerEvent.CREATED, CustomerEvent.SUSPENDED},
    "invoice.deleted": {CustomerEvent.CREATED, InvoiceEvent.DELETED},
    "invoice.marked_uncollectible": {CustomerEvent.CREATED, InvoiceEvent.UNCOLLECTIBLE},
    "invoice.paid": {CustomerEvent.CREATED, InvoiceEvent.PAID, PaymentEvent.SUCCEEDED},
    "invoice.voided": {CustomerEvent.CREATED, InvoiceEvent.VOIDED},
    "payment_intent.amount_capturable_updated": {PaymentEvent.AUTHORIZED},
    "product.deleted": {ProductEvent.RELEASED, ProductEvent.RETIRED},
    "tax_rate.created": {TaxRateEvent.CHANGED},
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
        deliveries, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
        facts, _ = await normalized_all(ctx, deliveries)
    if name in EXPECTED:
        assert {fact.type for fact in facts} == EXPECTED[name]

"""The kit's conformance suite, run against the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from counterfoil.connectors.stripe import CONNECTOR
from counterfoil.connectors.stripe.normalize.events import HANDLED
from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.conformance.harness import Harness, Sample, Webhook
from counterfoil.kit.conformance.suite import Conformance
from counterfoil.kit.context import Context
from counterfoil.kit.sandbox import FaultSwitch

from .building import CREATED_AT, delivery, event_body, fetched_as_snapshot, fixture, listed_delivery, official, sign
from .sandboxed import client_of, run_trigger, settings_of

SECRET, KEY = "whsec_test_5f8d0c3a9b7e4d21", "sk_test_sandbox"


class StripeHarness(Harness):
    """Stripe's sandbox, its official samples as events and lists, and the scenarios of its command line tool as changes."""

    connector = CONNECTOR
    secrets = (SECRET, KEY)
    page_size_max = 100
    read_path = r"^GET /v1/"
    missing_ref = "acct_sandbox/invoice/in_nobody"
    fuzz_count = 25

    async def open(self) -> Context:
        """Start the sandbox on a free port."""
        self.sandbox = StripeSandbox()
        await self.sandbox.start()
        settings = settings_of(self.sandbox, webhook_secrets=[SECRET])
        self.http = client_of(settings)
        await self.http.__aenter__()
        clock = SettableClock(datetime.fromtimestamp(self.sandbox.now, UTC) + timedelta(seconds=10))
        return Context("stripe", settings, self.http, clock)

    async def close(self) -> None:
        """Stop the sandbox."""
        await self.http.close()
        await self.sandbox.stop()

    def switch(self) -> FaultSwitch:
        """Return the sandbox's faults."""
        return self.sandbox.switch if hasattr(self, "sandbox") else FaultSwitch()

    def samples(self) -> Sequence[Sample]:
        """Return one event per mapped type with an official object, and the invoice in both generations as event and list."""
        found = [_sample(kind, official(obj)) for kind, obj in sorted(HANDLED.items()) if obj != "invoice_payment"]
        for name in ("invoice.basil.json", "invoice.2023-08-16.json"):
            invoice = fixture(name)
            found += [_sample("invoice.paid", invoice, name), Sample(f"listed {name}", listed_delivery(invoice))]
        return found

    def webhooks(self) -> Sequence[Webhook]:
        """Return a snapshot event as it is delivered."""
        return (Webhook(event_body("invoice.paid", fixture("invoice.basil.json")), CREATED_AT),)

    def sign(self, body: bytes, now: datetime) -> Mapping[str, str]:
        """Sign as Stripe does."""
        return sign(body, now, SECRET)

    async def change(self, ctx: Context) -> None:
        """Sell something, refund something, pay something out."""
        for name in ("invoice.paid", "charge.refunded", "credit_note.created", "payout.created"):
            run_trigger(self.sandbox, name)


def _sample(kind: str, obj: dict[str, object], name: str = "") -> Sample:
    one = delivery(kind, obj)
    return Sample(f"{kind} {name}".strip(), one, fetched_as_snapshot(one, obj))


class TestConformance(Conformance):
    """Grows one test per rule of the kit."""

    harness = StripeHarness

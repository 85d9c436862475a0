"""A month in the life of an account, touching every kind of object; and small hands for tests."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.connectors.stripe.sandbox.errors import StripeError

FIXTURES = Path(__file__).parent / "fixtures"
DAY = 86_400
Obj = dict[str, Any]


def fixture(name: str) -> Any:
    """Return a JSON fixture, compressed or not."""
    raw = (FIXTURES / name).read_bytes()
    return json.loads(gzip.decompress(raw) if name.endswith(".gz") else raw)


class Hands:
    """Short words for calls to one sandbox, in-process."""

    def __init__(self, seed: int = 1, **terms: Any) -> None:
        self.sandbox = StripeSandbox(seed, with_default_account=False)
        rates = {"eur": "1.0842", "jpy": "0.0067", "kwd": "3.25", "isk": "0.0072"}
        self.account = self.sandbox.add_account("acct_us", "US", "usd", "sk_test_us", name="Example", rates=rates, **terms)
        self.version = ""

    def post(self, path: str, **params: Any) -> Obj:
        """Create or change."""
        return self.sandbox.request("POST", f"/v1/{path}", params, version=self.version)

    def get(self, path: str, **params: Any) -> Obj:
        """Read."""
        return self.sandbox.request("GET", f"/v1/{path}", params, version=self.version)

    def delete(self, path: str, **params: Any) -> Obj:
        """Delete."""
        return self.sandbox.request("DELETE", f"/v1/{path}", params, version=self.version)

    def refused(self, path: str, **params: Any) -> Obj:
        """Make a call that must fail and return its error object with the status under ``http``."""
        try:
            self.post(path, **params)
        except StripeError as error:
            return error.error | {"http": error.status}
        raise AssertionError(f"POST {path} was not refused")

    def advance(self, days: float) -> None:
        """Move the clock."""
        self.sandbox.advance(int(days * DAY))

    def types(self) -> list[str]:
        """Return the types of all events so far, oldest first."""
        return [event.type for event in self.sandbox.world.journal.events.get(self.account.id, [])]

    def events(self, kind: str) -> list[Obj]:
        """Return the events of a type, oldest first, with decoded data."""
        found = [event for event in self.sandbox.world.journal.events.get(self.account.id, []) if event.type == kind]
        return [{"id": e.id, "data": json.loads(e.data[e.api_version])} for e in found]

    def customer(self, card: str = "pm_card_visa", **params: Any) -> Obj:
        """Create a customer who pays with a test card."""
        if card:
            params |= {"payment_method": card, "invoice_settings": {"default_payment_method": card}}
        return self.post("customers", **params)

    def price(self, amount: int = 2000, interval: str | None = "month", currency: str = "usd", **params: Any) -> Obj:
        """Create a price with its product."""
        if interval:
            params["recurring"] = {"interval": interval}
        return self.post("prices", unit_amount=amount, currency=currency, product_data={"name": f"Plan {amount}"}, **params)

    def subscribe(self, customer: Obj, price: Obj, quantity: int = 1, **params: Any) -> Obj:
        """Create a subscription."""
        return self.post("subscriptions", customer=customer["id"], items=[{"price": price["id"], "quantity": quantity}], **params)

    def invoice(self, customer: Obj, *amounts: int, currency: str = "usd", **params: Any) -> Obj:
        """Create a draft with one item per amount."""
        invoice = self.post("invoices", customer=customer["id"], currency=currency, **params)
        for amount in amounts:
            self.post("invoiceitems", customer=customer["id"], invoice=invoice["id"], amount=amount, currency=currency)
        return self.get(f"invoices/{invoice['id']}")

    def rate(self, percentage: str, inclusive: bool = False) -> str:
        """Create a tax rate and return its id."""
        return str(self.post("tax_rates", display_name="VAT", percentage=percentage, inclusive=inclusive)["id"])


def play_everything(hands: Hands) -> None:
    """Create at least one object of every kind, in most of their states."""
    _play_subscriptions(hands)
    _play_invoices(hands)
    _play_payments(hands)
    hands.advance(45)


def _play_subscriptions(hands: Hands) -> None:
    vat, inclusive = hands.rate("19"), hands.rate("7.7", True)
    coupon = hands.post("coupons", percent_off="12.5", duration="forever")
    code = hands.post("promotion_codes", promotion={"type": "coupon", "coupon": coupon["id"]}, code="SPRING")
    customer = hands.customer(
        email="a@example.com", address={"country": "DE", "city": "Berlin"}, tax_id_data=[{"type": "eu_vat", "value": "DE123456789"}]
    )
    small, large = hands.price(1999), hands.price(4999)
    subscription = hands.subscribe(customer, small, 3, default_tax_rates=[vat], discounts=[{"promotion_code": code["id"]}])
    hands.advance(10)
    item = subscription["items"]["data"][0]["id"]
    hands.post(f"subscriptions/{subscription['id']}", items=[{"id": item, "price": large["id"]}], proration_behavior="always_invoice")
    hands.post(f"subscriptions/{subscription['id']}", items=[{"id": item, "quantity": 1}])
    hands.post(f"subscriptions/{subscription['id']}", cancel_at_period_end=True)
    hands.subscribe(hands.customer(), small, trial_period_days=7, default_tax_rates=[inclusive])
    hands.subscribe(hands.customer("pm_card_chargeCustomerFail"), small)
    hands.subscribe(hands.customer("", email="b@example.com"), small, collection_method="send_invoice", days_until_due=14)
    gone = hands.subscribe(hands.customer(), small)
    hands.delete(f"subscriptions/{gone['id']}")
    paused = hands.subscribe(hands.customer(), small)
    hands.post(f"subscriptions/{paused['id']}", pause_collection={"behavior": "void"})
    clock = hands.post("test_helpers/test_clocks", frozen_time=hands.sandbox.now)
    hands.subscribe(hands.customer(test_clock=clock["id"]), small)
    hands.post(f"test_helpers/test_clocks/{clock['id']}/advance", frozen_time=hands.sandbox.now + 40 * DAY)
    phases = [{"items": [{"price": small["id"], "quantity": n}], "iterations": 1} for n in (1, 2)]
    hands.post("subscription_schedules", customer=hands.customer()["id"], start_date="now", phases=phases)
    one_off = hands.price(700, interval=None)
    quote = hands.post("quotes", customer=hands.customer()["id"], line_items=[{"price": one_off["id"], "quantity": 2}])
    hands.post(f"quotes/{quote['id']}/finalize")
    hands.post(f"quotes/{quote['id']}/accept")
    meter = hands.post("billing/meters", display_name="Calls", event_name="calls", default_aggregation={"formula": "sum"})
    user = hands.customer()
    metered = hands.post(
        "prices", unit_amount=2, currency="usd", product_data={"name": "Calls"},
        recurring={"interval": "month", "usage_type": "metered", "meter": meter["id"]},
    )  # fmt: skip
    hands.post("subscriptions", customer=user["id"], items=[{"price": metered["id"]}])
    hands.post("billing/meter_events", event_name="calls", payload={"stripe_customer_id": user["id"], "value": "250"})


def _play_invoices(hands: Hands) -> None:
    vat = hands.rate("8.875")
    customer = hands.customer(email="c@example.com")
    paid = hands.invoice(customer, 12345, 678, default_tax_rates=[vat])
    hands.post(f"invoices/{paid['id']}/pay")
    line = hands.get(f"invoices/{paid['id']}/lines")["data"][0]
    given = {"invoice": paid["id"], "lines": [{"type": "invoice_line_item", "invoice_line_item": line["id"], "amount": 1000}]}
    total = hands.get("credit_notes/preview", **given)["total"]
    hands.post("credit_notes", **given, refund_amount=total, reason="order_change")
    hands.post("credit_notes", invoice=paid["id"], amount=500, credit_amount=500)
    open_one = hands.invoice(customer, 5000)
    hands.post(f"invoices/{open_one['id']}/finalize")
    hands.post(
        "credit_notes", invoice=open_one["id"], lines=[{"type": "custom_line_item", "unit_amount": 700, "quantity": 2, "description": "x"}]
    )
    intent = hands.post(
        "payment_intents", amount=1000, currency="usd", payment_method="pm_card_visa", confirm=True, customer=customer["id"]
    )
    hands.post(f"invoices/{open_one['id']}/attach_payment", payment_intent=intent["id"])
    for last in ("void", "mark_uncollectible", "pay"):
        invoice = hands.invoice(customer, 4000)
        hands.post(f"invoices/{invoice['id']}/finalize")
        hands.post(f"invoices/{invoice['id']}/{last}", **({"paid_out_of_band": True} if last == "pay" else {}))
    negative = hands.invoice(customer, 1000, -2500)
    hands.post(f"invoices/{negative['id']}/finalize")
    failing = hands.invoice(hands.customer("pm_card_chargeCustomerFail"), 900)
    hands.refused(f"invoices/{failing['id']}/pay")
    hands.post("invoiceitems", customer=customer["id"], amount=10, currency="usd", tax_rates=[vat])


def _play_payments(hands: Hands) -> None:
    hands.post("setup_intents", payment_method="pm_card_visa", confirm=True)
    for card in ("pm_card_visa", "pm_card_createDispute", "pm_card_createDisputeInquiry", "pm_card_pendingRefund", "pm_card_refundFail"):
        for currency in ("usd", "jpy"):
            intent = hands.post("payment_intents", amount=9000, currency=currency, payment_method=card, confirm=True)
            if not card.startswith("pm_card_createDispute"):
                hands.post("refunds", payment_intent=intent["id"], amount=4000)
    hands.refused("payment_intents", amount=9000, currency="usd", payment_method="pm_card_chargeDeclined", confirm=True)
    hands.post("payment_intents", amount=900, currency="usd", payment_method="pm_card_authenticationRequired", confirm=True)
    held = hands.post("payment_intents", amount=900, currency="usd", payment_method="pm_card_visa", confirm=True, capture_method="manual")
    hands.post(f"payment_intents/{held['id']}/capture", amount_to_capture=600)
    disputes = hands.get("disputes")["data"]
    hands.post(f"disputes/{disputes[-1]['id']}", evidence={"uncategorized_text": "winning_evidence"})
    hands.post("payment_intents", amount=50000, currency="usd", payment_method="pm_card_bypassPending", confirm=True)
    hands.post("payouts", amount=1000, currency="usd")
    hands.post("webhook_endpoints", url="http://127.0.0.1:1/", enabled_events=["*"], api_version="2023-08-16")
    hands.sandbox.adjust("stripe_fee", -250, "usd", "Billing - Usage Fee")


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())

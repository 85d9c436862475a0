"""Events made to happen by their name, each by the calls that cause it, as Stripe's command line tool does: `stripe trigger invoice.paid`.

Source: https://docs.stripe.com/cli/trigger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import StripeError

if TYPE_CHECKING:
    from .server import StripeSandbox

Made = dict[str, str]


class _Hands:
    """Calls to one sandbox that remember what they made."""

    def __init__(self, sandbox: StripeSandbox) -> None:
        self.sandbox = sandbox
        self.made: Made = {}

    def post(self, path: str, **params: Any) -> Any:
        answer = self.sandbox.request("POST", f"/v1/{path}", params)
        self.made[str(answer["object"])] = str(answer["id"])
        return answer

    def customer(self, card: str = "pm_card_visa") -> str:
        customer = self.post(
            "customers", name="Example Ltd", email="billing@example.com", address={"country": "US", "line1": "1 Main Street"}
        )
        method = self.post(f"payment_methods/{card}/attach", customer=customer["id"])
        self.post(f"customers/{customer['id']}", invoice_settings={"default_payment_method": method["id"]})
        return str(customer["id"])

    def invoice(self, card: str = "pm_card_visa") -> str:
        draft = self.post("invoices", customer=self.customer(card), pending_invoice_items_behavior="exclude", auto_advance=False)
        self.post("invoiceitems", customer=draft["customer"], invoice=draft["id"], amount=2000, currency="usd", description="Example plan")
        return str(self.post(f"invoices/{draft['id']}/finalize")["id"])

    def paid_invoice(self) -> Any:
        return self.post(f"invoices/{self.invoice()}/pay")

    def charge(self, card: str = "pm_card_visa") -> str:
        customer = self.customer("pm_card_visa")
        intent = self.post("payment_intents", amount=2000, currency="usd", customer=customer, payment_method=card, confirm=True)
        self.made["charge"] = str(intent["latest_charge"])
        return self.made["charge"]

    def price(self) -> str:
        product = self.post("products", name="Example plan")
        return str(self.post("prices", product=product["id"], unit_amount=1500, currency="usd", recurring={"interval": "month"})["id"])

    def subscription(self) -> str:
        return str(self.post("subscriptions", customer=self.customer(), items=[{"price": self.price()}])["id"])


def _payment_failed(hands: _Hands) -> None:
    invoice = hands.invoice("pm_card_chargeCustomerFail")
    try:
        hands.post(f"invoices/{invoice}/pay")
    except StripeError as error:
        if error.status != 402:
            raise


def _credit_note(hands: _Hands) -> None:
    hands.post("credit_notes", invoice=hands.invoice(), amount=500)


def _dispute_closed(hands: _Hands) -> None:
    dispute = hands.sandbox.open_dispute(hands.charge())
    hands.made["dispute"] = str(dispute["id"])
    hands.sandbox.resolve_dispute(dispute["id"], "won")


def _disputed(hands: _Hands) -> None:
    hands.made["dispute"] = str(hands.sandbox.open_dispute(hands.charge())["id"])


def _canceled(hands: _Hands) -> None:
    hands.sandbox.request("DELETE", f"/v1/subscriptions/{hands.subscription()}", {})


def _paid_out(hands: _Hands) -> None:
    hands.charge()
    hands.sandbox.advance(4 * 86_400)


_TRIGGERS: Mapping[str, Callable[[_Hands], object]] = {
    "charge.dispute.closed": _dispute_closed,
    "charge.dispute.created": _disputed,
    "charge.refunded": lambda hands: hands.post("refunds", charge=hands.charge()),
    "credit_note.created": _credit_note,
    "customer.created": lambda hands: hands.customer(),
    "customer.subscription.created": lambda hands: hands.subscription(),
    "customer.subscription.deleted": _canceled,
    "customer.updated": lambda hands: hands.post(f"customers/{hands.customer()}", name="Example Limited"),
    "invoice.finalized": lambda hands: hands.invoice(),
    "invoice.marked_uncollectible": lambda hands: hands.post(f"invoices/{hands.invoice()}/mark_uncollectible"),
    "invoice.paid": lambda hands: hands.paid_invoice(),
    "invoice.payment_failed": _payment_failed,
    "invoice.voided": lambda hands: hands.post(f"invoices/{hands.invoice()}/void"),
    "payment_intent.succeeded": lambda hands: hands.charge(),
    "payout.paid": _paid_out,
    "price.created": lambda hands: hands.price(),
    "product.created": lambda hands: hands.price(),
}


def triggers_of(sandbox: StripeSandbox) -> dict[str, Callable[[], Made]]:
    """Return the triggers of a sandbox, by the name of the event each causes; ``payout.paid`` moves the clock on by four days.

    The first one is what people try first: it is named where the sandbox starts.
    """
    names = sorted(_TRIGGERS, key=lambda name: (name != "invoice.paid", name))
    return {name: partial(_play, sandbox, _TRIGGERS[name]) for name in names}


def _play(sandbox: StripeSandbox, cause: Callable[[_Hands], object]) -> Made:
    hands = _Hands(sandbox)
    cause(hands)
    return hands.made

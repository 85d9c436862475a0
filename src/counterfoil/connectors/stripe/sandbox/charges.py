"""Charges: money taken from a payment method, with its fee and what test cards do next (disputes, pending funds).

Sources: https://docs.stripe.com/api/charges, https://docs.stripe.com/testing.
"""

from __future__ import annotations

from typing import Any

from . import currencies, errors, forms, ledger, lists
from .calls import Call, route
from .cards import TestCard, behavior, decline_message, find_method, test_name
from .forms import Obj
from .world import Account


def check_amount(amount: int, currency: str) -> None:
    """Raise Stripe's errors for amounts that cannot be charged."""
    if amount > 99_999_999_99:
        raise errors.invalid("Amount must be no more than 9999999999.", "amount", "amount_too_large")
    least = currencies.MINIMUM.get(currency, 1)
    if amount < least:
        raise errors.invalid(
            f"Amount must be at least {least} {currency} in minor units.", "amount",
            "parameter_invalid_integer" if amount < 1 else "amount_too_small",
        )  # fmt: skip
    if amount % currencies.step(currency):
        raise errors.invalid(f"Amounts in {currency} must be divisible by {currencies.step(currency)}.", "amount")


def create_charge(account: Account, amount: int, currency: str, method: Obj, *, is_captured: bool = True, **links: Any) -> Obj:
    """Charge a payment method. A declined charge comes back with status failed; bank debits stay pending.

    ``links`` are fields of the charge: customer, payment_intent, description, metadata, receipt_email, statement_descriptor, shipping.
    """
    card = behavior(method)
    customer = links.get("customer")
    is_bank = method["type"] != "card"
    charge = _blank(account, amount, currency, method, customer) | links
    account.add(charge)
    if card.decline is not None:
        code, decline_code = card.decline
        charge |= {
            "status": "failed",
            "paid": False,
            "captured": False,
            "failure_code": code,
            "failure_message": decline_message(decline_code),
        }
        charge["outcome"] = _outcome("declined_by_network", "issuer_declined", decline_code, decline_message(decline_code))
        account.emit("charge.failed", charge)
        return charge
    charge["captured"] = is_captured
    if is_bank:
        charge |= {"status": "pending", "paid": False, "outcome": _outcome("approved_by_network", "authorized", None, "Payment pending.")}
        account.emit("charge.pending", charge)
        return charge
    succeed(account, charge, card)
    return charge


def succeed(account: Account, charge: Obj, card: TestCard) -> None:
    """Mark a charge as succeeded and move its funds if it is captured."""
    charge |= {"status": "succeeded", "paid": True}
    if account.terms.is_capture_async and charge["captured"]:
        account.emit("charge.succeeded", charge)
        before = account.before(charge)
        _capture_funds(account, charge, charge["amount"], card)
        account.emit("charge.updated", charge, before)
    else:
        if charge["captured"]:
            _capture_funds(account, charge, charge["amount"], card)
        account.emit("charge.succeeded", charge)
    if card.dispute:
        from .disputes import open_dispute

        def dispute() -> None:
            open_dispute(account, charge, card.dispute)

        account.world.deferred.append(dispute)


def capture(account: Account, charge: Obj, amount: int) -> None:
    """Capture an authorized charge, wholly or in part; the rest is released."""
    if charge["captured"]:
        raise errors.invalid("Charge has already been captured.", code="charge_already_captured")
    if amount > charge["amount"]:
        raise errors.invalid("Amount to capture exceeds the authorized amount.", "amount_to_capture", "amount_too_large")
    before = account.before(charge)
    charge["captured"] = True
    method = account.find(charge["payment_method"], "payment_method")
    _capture_funds(account, charge, amount, behavior(method) if method else TestCard())
    charge["amount_refunded"] = charge["amount"] - amount
    account.emit("charge.captured", charge, before)


def _capture_funds(account: Account, charge: Obj, amount: int, card: TestCard) -> None:
    gross, currency, rate = ledger.settled(account, amount, charge["currency"])
    now = account.now(charge["customer"])
    entry = ledger.post(
        account,
        "charge" if charge["payment_method_details"]["type"] == "card" else "payment",
        gross,
        currency,
        fee=ledger.processing_fee(account, gross, currency),
        source=charge["id"],
        description=charge["description"],
        customer=charge["customer"],
        rate=rate,
        available_on=now if card.is_available_at_once else ledger.available_on(account, now),
    )
    charge["balance_transaction"] = entry["id"]
    charge["amount_captured"] = amount


def _outcome(network: str, kind: str, reason: str | None, message: str) -> Obj:
    return {
        "advice_code": None, "network_advice_code": None, "network_decline_code": None, "network_status": network, "reason": reason,
        "risk_level": "normal", "risk_score": 20, "seller_message": message, "type": kind,
    }  # fmt: skip


def _blank(account: Account, amount: int, currency: str, method: Obj, customer: str | None) -> Obj:
    charge_id = account.new_id("ch" if method["type"] == "card" else "py")
    return {
        "id": charge_id,
        "object": "charge",
        "amount": amount,
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": (account.name or "SANDBOX")[:22].upper(),
        "captured": True,
        "created": account.now(customer),
        "currency": currency,
        "customer": customer,
        "description": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": _outcome("approved_by_network", "authorized", None, "Payment complete."),
        "paid": True,
        "payment_intent": None,
        "payment_method": method["id"],
        "payment_method_details": _method_details(method),
        "radar_options": {},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": f"https://pay.stripe.com/receipts/payment/{charge_id}",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def _method_details(method: Obj) -> Obj:
    if method["type"] != "card":
        return {"type": method["type"], method["type"]: {}}
    card = method["card"]
    details = {
        "amount_authorized": None, "authorization_code": None, "brand": card["brand"], "checks": card["checks"], "country": card["country"],
        "exp_month": card["exp_month"], "exp_year": card["exp_year"], "fingerprint": card["fingerprint"], "funding": card["funding"],
        "installments": None, "last4": card["last4"], "mandate": None, "network": card["brand"], "network_token": {"used": False},
        "network_transaction_id": None, "regulated_status": "unregulated", "three_d_secure": None, "wallet": None,
    }  # fmt: skip
    return {"card": details, "type": "card"}


def method_for_customer(account: Account, customer: Obj | None) -> Obj | None:
    """Return the customer's default payment method or source, or None."""
    if customer is None or customer.get("deleted"):
        return None
    default = customer["invoice_settings"]["default_payment_method"] or customer["default_source"]
    return account.find(default, "payment_method")


@route("POST", "/v1/charges")
def _create(call: Call) -> Obj:
    account = call.account
    amount, currency = call.need_integer("amount"), call.currency()
    check_amount(amount, currency)
    customer = account.living("customer", call.text("customer"), "customer") if call.text("customer") else None
    source = call.text("source")
    if source is not None:
        name = test_name(source)
        method = find_method(account, f"pm_card_{name}" if name else source, "source")
    else:
        found = method_for_customer(account, customer)
        if found is None:
            raise errors.StripeError("Must provide source or customer.", code="missing", param="source")
        method = found
    charge = create_charge(
        account, amount, currency, method, is_captured=call.flag("capture", True), customer=customer["id"] if customer else None,
        description=call.text("description"), metadata=call.metadata({}), receipt_email=call.text("receipt_email"),
    )  # fmt: skip
    if charge["status"] == "failed":
        decline = charge["outcome"]["reason"]
        raise errors.card_error(charge["failure_message"], charge["failure_code"], decline, charge=charge["id"])
    return charge


@route("POST", "/v1/charges/{id}")
def _update(call: Call) -> Obj:
    charge = call.account.get("charge", call.args[0])
    before = call.account.before(charge)
    call.assign(charge, "description", "receipt_email", "transfer_group")
    charge["metadata"] = call.metadata(charge["metadata"])
    if call.has("shipping"):
        charge["shipping"] = forms.to_shipping(call.params["shipping"])
    call.account.emit("charge.updated", charge, before)
    return charge


@route("POST", "/v1/charges/{id}/capture")
def _capture(call: Call) -> Obj:
    charge = call.account.get("charge", call.args[0])
    capture(call.account, charge, call.integer("amount") or charge["amount"])
    return charge


lists.serve("/v1/charges", "charge", equal=("customer", "payment_intent", "transfer_group"))

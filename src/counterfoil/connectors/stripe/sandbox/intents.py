"""Payment intents and setup intents: the state machine from a wish to pay to a charge.

Sources: https://docs.stripe.com/payments/paymentintents/lifecycle, https://docs.stripe.com/api/payment_intents, /setup_intents.
"""

from __future__ import annotations

from typing import Any

from . import errors, forms, lists
from .calls import Call, route
from .cards import attach, behavior, decline_message, find_method
from .charges import capture, check_amount, create_charge, succeed
from .forms import Obj
from .render import build
from .timeline import DAY
from .world import Account


def create_intent(account: Account, amount: int, currency: str, customer: str | None, **fields: Any) -> Obj:
    """Create a payment intent that waits for a payment method."""
    intent_id = account.new_id("pi")
    intent: Obj = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{intent_id}_secret_{account.world.ids.letters(25)}",
        "confirmation_method": "automatic",
        "created": account.now(customer),
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
        "_invoice": None,
    }
    account.add(intent | fields)
    intent = account.get("payment_intent", intent_id)
    account.emit("payment_intent.created", intent)
    return intent


def confirm(account: Account, intent: Obj, method: Obj) -> Obj | None:
    """Confirm an intent with a payment method and return the error object of a failure, or None.

    A card that needs authentication leaves the intent in requires_action; a bank debit in processing.
    """
    intent["payment_method"] = method["id"]
    card = behavior(method)
    if card.needs_action:
        intent["status"] = "requires_action"
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        account.emit("payment_intent.requires_action", intent)
        return None
    intent["next_action"] = None
    fields = {
        key: intent[key] for key in ("description", "metadata", "receipt_email", "shipping", "statement_descriptor", "transfer_group")
    }
    charge = create_charge(
        account,
        intent["amount"],
        intent["currency"],
        method,
        is_captured=intent["capture_method"] != "manual",
        customer=intent["customer"],
        payment_intent=intent["id"],
        **fields,
    )
    intent["latest_charge"] = charge["id"]
    if charge["status"] == "failed":
        return _failed(account, intent, charge, method)
    intent["last_payment_error"] = None
    if charge["status"] == "pending":
        intent["status"] = "processing"
        account.emit("payment_intent.processing", intent)
        account.at(intent["customer"], account.now(intent["customer"]) + 3 * DAY, lambda: _settle(account, intent, charge))
    elif not charge["captured"]:
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        account.emit("payment_intent.amount_capturable_updated", intent)
    else:
        _succeeded(account, intent, charge["amount"])
    return None


def _failed(account: Account, intent: Obj, charge: Obj, method: Obj) -> Obj:
    error: Obj = {
        "charge": charge["id"],
        "code": charge["failure_code"],
        "decline_code": charge["outcome"]["reason"],
        "doc_url": f"https://stripe.com/docs/error-codes/{charge['failure_code'].replace('_', '-')}",
        "message": charge["failure_message"],
        "payment_method": build(account, method, ""),
        "type": "card_error",
    }
    intent |= {"status": "requires_payment_method", "payment_method": None, "last_payment_error": error}
    account.emit("payment_intent.payment_failed", intent)
    return error


def _succeeded(account: Account, intent: Obj, amount: int) -> None:
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    account.emit("payment_intent.succeeded", intent)


def _settle(account: Account, intent: Obj, charge: Obj) -> None:
    """Let a bank debit arrive."""
    if intent["status"] != "processing":
        return
    method = account.get("payment_method", charge["payment_method"])
    succeed(account, charge, behavior(method))
    _succeeded(account, intent, charge["amount"])
    if intent["_invoice"]:
        from .collection import settle_processing

        settle_processing(account, intent)


def raise_failure(account: Account, intent: Obj, error: Obj, version: str) -> None:
    """Raise the 402 an API call answers with when its confirmation failed."""
    extra = {k: v for k, v in error.items() if k not in ("code", "decline_code", "doc_url", "message", "type")}
    raise errors.card_error(error["message"], error["code"], error["decline_code"], payment_intent=build(account, intent, version), **extra)


def cancel(account: Account, intent: Obj, reason: str | None) -> None:
    """Cancel an intent that has not succeeded."""
    if intent["status"] in ("succeeded", "canceled", "processing"):
        raise errors.invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.", code="payment_intent_unexpected_state"
        )
    charge = account.find(intent["latest_charge"], "charge")
    if intent["status"] == "requires_capture" and charge is not None:
        before = account.before(charge)
        charge |= {"amount_refunded": charge["amount"], "refunded": True}
        account.emit("charge.refunded", charge, before)
    intent |= {"status": "canceled", "canceled_at": account.now(intent["customer"]), "cancellation_reason": reason, "amount_capturable": 0}
    account.emit("payment_intent.canceled", intent)


def _fill(call: Call, intent: Obj) -> None:
    call.assign(intent, "description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")
    intent["metadata"] = call.metadata(intent["metadata"])
    if call.has("shipping"):
        intent["shipping"] = forms.to_shipping(call.params["shipping"])
    if call.has("setup_future_usage"):
        intent["setup_future_usage"] = call.text("setup_future_usage")


@route("POST", "/v1/payment_intents")
def _create(call: Call) -> Obj:
    account = call.account
    amount, currency = call.need_integer("amount"), call.currency()
    check_amount(amount, currency)
    customer = call.text("customer")
    if customer is not None:
        account.living("customer", customer, "customer")
    method = find_method(account, call.need("payment_method")) if call.text("payment_method") else None
    types = call.list("payment_method_types")
    capture_method = call.text("capture_method") or ("automatic" if call.version[:10] < "2024-04-10" else "automatic_async")
    if capture_method not in ("automatic", "automatic_async", "manual"):
        raise errors.invalid("Invalid capture_method: must be one of automatic, automatic_async, or manual", "capture_method")
    intent = create_intent(
        account, amount, currency, customer, capture_method=capture_method,
        confirmation_method=call.text("confirmation_method") or "automatic", payment_method=method["id"] if method else None,
        payment_method_types=types or ["card"], status="requires_confirmation" if method else "requires_payment_method",
        automatic_payment_methods=None if types else {"allow_redirects": "always", "enabled": True},
        description=call.text("description"), metadata=call.metadata({}), receipt_email=call.text("receipt_email"),
    )  # fmt: skip
    _fill(call, intent)
    if call.flag("confirm"):
        _confirm_call(call, intent)
    return intent


def _confirm_call(call: Call, intent: Obj) -> None:
    account = call.account
    if call.text("payment_method"):
        method = account.find(intent["payment_method"], "payment_method") or find_method(account, call.need("payment_method"))
    elif intent["payment_method"]:
        method = account.get("payment_method", intent["payment_method"])
    else:
        raise errors.invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a "
            "payment method and then confirm it again, or confirm it again directly with a payment method.",
            code="payment_intent_unexpected_state",
        )
    customer = account.find(intent["customer"], "customer")
    if intent["setup_future_usage"] and customer is not None and method["customer"] is None:
        attach(account, method["id"], customer)
    error = confirm(account, intent, method)
    if error is not None:
        raise_failure(account, intent, error, call.version)


@route("POST", "/v1/payment_intents/{id}/confirm")
def _confirm(call: Call) -> Obj:
    intent = call.account.get("payment_intent", call.args[0])
    if intent["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        raise errors.invalid(
            f"This PaymentIntent's status is {intent['status']}, so it cannot be confirmed.", code="payment_intent_unexpected_state"
        )
    if call.text("payment_method"):
        intent["payment_method"] = find_method(call.account, call.need("payment_method"))["id"]
    _confirm_call(call, intent)
    return intent


@route("POST", "/v1/payment_intents/{id}/capture")
def _capture(call: Call) -> Obj:
    account = call.account
    intent = account.get("payment_intent", call.args[0])
    if intent["status"] != "requires_capture":
        raise errors.invalid(
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a PaymentIntent with one of the "
            "following statuses may be captured: requires_capture.",
            code="payment_intent_unexpected_state",
        )
    amount = call.integer("amount_to_capture") or intent["amount"]
    capture(account, account.get("charge", intent["latest_charge"]), amount)
    _succeeded(account, intent, amount)
    return intent


@route("POST", "/v1/payment_intents/{id}/cancel")
def _cancel(call: Call) -> Obj:
    intent = call.account.get("payment_intent", call.args[0])
    cancel(call.account, intent, call.text("cancellation_reason"))
    return intent


@route("POST", "/v1/payment_intents/{id}")
def _update(call: Call) -> Obj:
    account = call.account
    intent = account.get("payment_intent", call.args[0])
    if intent["status"] in ("succeeded", "canceled") and (call.has("amount") or call.has("currency")):
        raise errors.invalid(
            "This PaymentIntent's amount could not be updated because of its status.", code="payment_intent_unexpected_state"
        )
    amount = call.integer("amount")
    if amount is not None:
        check_amount(amount, intent["currency"])
        intent["amount"] = amount
    if call.text("payment_method"):
        intent |= {"payment_method": find_method(account, call.need("payment_method"))["id"], "status": "requires_confirmation"}
    _fill(call, intent)
    return intent


@route("POST", "/v1/setup_intents")
def _create_setup(call: Call) -> Obj:
    account = call.account
    customer = call.text("customer")
    method = find_method(account, call.need("payment_method")) if call.text("payment_method") else None
    setup_id = account.new_id("seti")
    setup: Obj = {
        "id": setup_id, "object": "setup_intent", "application": None, "automatic_payment_methods": None, "cancellation_reason": None,
        "client_secret": f"{setup_id}_secret_{account.world.ids.letters(25)}", "created": account.now(customer), "customer": customer,
        "customer_account": None, "description": call.text("description"), "excluded_payment_method_types": None, "flow_directions": None,
        "last_setup_error": None, "latest_attempt": None, "livemode": False, "mandate": None, "metadata": call.metadata({}),
        "next_action": None, "on_behalf_of": None, "payment_method": method["id"] if method else None,
        "payment_method_configuration_details": None, "payment_method_options": {},
        "payment_method_types": call.list("payment_method_types") or ["card"], "single_use_mandate": None,
        "status": "requires_confirmation" if method else "requires_payment_method", "usage": call.text("usage") or "off_session",
    }  # fmt: skip
    account.add(setup)
    account.emit("setup_intent.created", setup)
    if call.flag("confirm") and method is not None:
        _confirm_setup(account, setup, method)
    return setup


def _confirm_setup(account: Account, setup: Obj, method: Obj) -> None:
    card = behavior(method)
    if card.needs_action:
        setup |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}}
        account.emit("setup_intent.requires_action", setup)
        return
    if card.decline is not None and card.when == "always":
        code, decline = card.decline
        message = decline_message(decline)
        setup |= {
            "status": "requires_payment_method",
            "last_setup_error": {"code": code, "decline_code": decline, "message": message, "type": "card_error"},
        }
        account.emit("setup_intent.setup_failed", setup)
        raise errors.card_error(message, code, decline, setup_intent=build(account, setup, ""))
    setup["status"] = "succeeded"
    customer = account.find(setup["customer"], "customer")
    if customer is not None and method["customer"] is None:
        attach(account, method["id"], customer)
    account.emit("setup_intent.succeeded", setup)


@route("POST", "/v1/setup_intents/{id}/confirm")
def _confirm_setup_call(call: Call) -> Obj:
    setup = call.account.get("setup_intent", call.args[0])
    given = call.text("payment_method") or setup["payment_method"]
    if given is None:
        raise errors.required("payment_method")
    method = find_method(call.account, given)
    setup["payment_method"] = method["id"]
    _confirm_setup(call.account, setup, method)
    return setup


@route("POST", "/v1/setup_intents/{id}/cancel")
def _cancel_setup(call: Call) -> Obj:
    setup = call.account.get("setup_intent", call.args[0])
    setup |= {"status": "canceled", "cancellation_reason": call.text("cancellation_reason")}
    call.account.emit("setup_intent.canceled", setup)
    return setup


lists.serve("/v1/payment_intents", "payment_intent", equal=("customer",))
lists.serve("/v1/setup_intents", "setup_intent", equal=("customer", "payment_method"))

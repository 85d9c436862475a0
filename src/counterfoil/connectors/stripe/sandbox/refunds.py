"""Refunds of charges: partial, several, pending, failing.

Sources: https://docs.stripe.com/refunds, https://docs.stripe.com/api/refunds.
"""

from __future__ import annotations

from typing import Any

from . import errors, ledger, lists
from .calls import Call, route
from .cards import behavior
from .forms import Obj
from .timeline import DAY
from .world import Account

_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create_refund(account: Account, charge: Obj, amount: int | None, **fields: Any) -> Obj:
    """Refund a charge, wholly if amount is None. Raises 400 for what cannot be refunded."""
    left = charge["amount"] - charge["amount_refunded"]
    if charge["status"] == "failed" or not charge["captured"]:
        raise errors.invalid(f"Charge {charge['id']} cannot be refunded.", "charge", "charge_not_refundable")
    if charge["disputed"] and not _is_refundable(account, charge):
        raise errors.invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", "charge", "charge_disputed")
    if left <= 0:
        raise errors.invalid(f"Charge {charge['id']} has already been refunded.", "charge", "charge_already_refunded")
    amount = left if amount is None else amount
    if amount < 1:
        raise errors.invalid("Invalid positive integer", "amount", "parameter_invalid_integer")
    if amount > left:
        raise errors.invalid(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", "amount", "amount_too_large")
    method = account.find(charge["payment_method"], "payment_method")
    card = behavior(method) if method else None
    refund = _blank(account, charge, amount) | fields
    account.add(refund)
    _post(account, charge, refund, -amount, "refund")
    before = account.before(charge)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] >= charge["amount"]
    now = account.now(charge["customer"])
    if card is not None and card.refund == "pending":
        refund |= {"status": "pending", "pending_reason": "processing"}
        account.at(charge["customer"], now + DAY, lambda: _complete(account, refund))
    elif card is not None and card.refund == "fails":
        account.at(charge["customer"], now + DAY, lambda: fail(account, refund, "expired_or_canceled_card"))
    account.emit("refund.created", refund)
    account.emit("charge.refunded", charge, before)
    return refund


def _is_refundable(account: Account, charge: Obj) -> bool:
    return all(d["is_charge_refundable"] for d in account.rows("dispute") if d["charge"] == charge["id"])


def _post(account: Account, charge: Obj, refund: Obj, amount: int, kind: str) -> None:
    gross, currency, rate = ledger.settled(account, amount, charge["currency"])
    if kind == "refund" and charge["payment_method_details"]["type"] != "card":
        kind = "payment_refund"
    entry = ledger.post(
        account, kind, gross, currency, source=refund["id"], description="REFUND FOR CHARGE", customer=charge["customer"], rate=rate
    )
    refund["balance_transaction" if amount < 0 else "failure_balance_transaction"] = entry["id"]


def _blank(account: Account, charge: Obj, amount: int) -> Obj:
    is_card = charge["payment_method_details"]["type"] == "card"
    return {
        "id": account.new_id("re" if is_card else "pyr"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.now(charge["customer"]),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {
            "card": {
                "reference": "7262800000000000",
                "reference_status": "available",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        }
        if is_card
        else {"type": charge["payment_method_details"]["type"]},
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def _complete(account: Account, refund: Obj) -> None:
    if refund["status"] != "pending":
        return
    before = account.before(refund)
    refund["status"] = "succeeded"
    refund.pop("pending_reason", None)
    account.emit("refund.updated", refund, before)
    account.emit("charge.refund.updated", refund, before)


def fail(account: Account, refund: Obj, reason: str, status: str = "failed") -> None:
    """Fail or cancel a refund: the money comes back to the account's balance."""
    if refund["status"] in ("failed", "canceled"):
        return
    charge = account.get("charge", refund["charge"])
    before, charge_before = account.before(refund), account.before(charge)
    _post(account, charge, refund, refund["amount"], "refund_failure")
    refund |= {"status": status, "failure_reason": reason}
    refund.pop("pending_reason", None)
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    if status == "failed":
        account.emit("refund.failed", refund, before)
    account.emit("refund.updated", refund, before)
    account.emit("charge.refund.updated", refund, before)
    account.emit("charge.updated", charge, charge_before)


def charge_of(account: Account, charge: str | None, intent: str | None) -> Obj:
    """Return the charge a refund is for. Raises 400 if neither is given, 404 if it does not exist."""
    if intent is not None:
        found = account.get("payment_intent", intent, "payment_intent")
        charge = found["latest_charge"]
        if charge is None or found["status"] not in ("succeeded", "requires_capture"):
            raise errors.invalid(f"This PaymentIntent ({intent}) does not have a successful charge to refund.", "payment_intent")
    if charge is None:
        raise errors.invalid("One of the following params should be provided for this request: payment_intent or charge.")
    return account.get("charge", charge, "charge")


@route("POST", "/v1/refunds")
def _create(call: Call) -> Obj:
    reason = call.text("reason")
    if reason is not None and reason not in _REASONS:
        raise errors.invalid(f"Invalid reason: must be one of {', '.join(_REASONS)}", "reason")
    charge = charge_of(call.account, call.text("charge"), call.text("payment_intent"))
    return create_refund(call.account, charge, call.integer("amount"), reason=reason, metadata=call.metadata({}))


@route("POST", "/v1/charges/{id}/refund")
def _create_of_charge(call: Call) -> Obj:
    charge = call.account.get("charge", call.args[0])
    create_refund(call.account, charge, call.integer("amount"), reason=call.text("reason"))
    return charge


@route("POST", "/v1/refunds/{id}")
def _update(call: Call) -> Obj:
    refund = call.account.get("refund", call.args[0])
    before = call.account.before(refund)
    refund["metadata"] = call.metadata(refund["metadata"])
    call.account.emit("refund.updated", refund, before)
    call.account.emit("charge.refund.updated", refund, before)
    return refund


@route("POST", "/v1/refunds/{id}/cancel")
def _cancel(call: Call) -> Obj:
    refund = call.account.get("refund", call.args[0])
    if refund["status"] != "pending":
        raise errors.invalid(f"A refund with status {refund['status']} cannot be canceled.", code="refund_not_cancelable")
    fail(call.account, refund, "merchant_request", "canceled")
    return refund


@route("POST", "/v1/test_helpers/refunds/{id}/expire")
def _expire(call: Call) -> Obj:
    refund = call.account.get("refund", call.args[0])
    fail(call.account, refund, "expired_or_canceled_card")
    return refund


lists.serve("/v1/refunds", "refund", equal=("charge", "payment_intent"))

"""Disputes: opened with funds withdrawn and a fee (inquiries without), answered, won or lost.

Sources: https://docs.stripe.com/disputes/how-disputes-work, https://docs.stripe.com/testing#disputes, https://docs.stripe.com/api/disputes.
"""

from __future__ import annotations

from . import errors, forms, ledger, lists
from .calls import Call, route
from .forms import Obj
from .timeline import DAY
from .world import Account

_FIELDS = """
access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal customer_communication
customer_email_address customer_name customer_purchase_ip customer_signature duplicate_charge_documentation duplicate_charge_explanation
duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation service_date
service_documentation shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number uncategorized_file
uncategorized_text
"""
_EVIDENCE = _FIELDS.split()
_CLOSED = ("won", "lost", "warning_closed")
_CODES = {"fraudulent": "10.4", "product_not_received": "13.1", "general": "10.4"}


def open_dispute(account: Account, charge: Obj, reason: str, amount: int | None = None) -> Obj:
    """Dispute a charge. ``reason`` inquiry opens a warning that moves no money; otherwise amount and fee are withdrawn at once."""
    if charge["disputed"]:
        raise errors.invalid(f"Charge {charge['id']} is disputed already.")
    is_inquiry = reason == "inquiry"
    reason = "general" if is_inquiry else reason
    now = account.now(charge["customer"])
    dispute: Obj = {
        "id": account.new_id("dp"),
        "object": "dispute",
        "amount": charge["amount"] - charge["amount_refunded"] if amount is None else amount,
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(_EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + 9 * DAY, "enhanced_eligibility": {}, "has_evidence": False, "past_due": False, "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": is_inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {"card": _card(charge, reason, is_inquiry), "type": "card"},
        "reason": reason,
        "status": "warning_needs_response" if is_inquiry else "needs_response",
        "_balance_transactions": [],
    }  # fmt: skip
    account.add(dispute)
    before = account.before(charge)
    charge["disputed"] = True
    account.emit("charge.updated", charge, before)
    if not is_inquiry:
        _move(account, dispute, charge, -dispute["amount"], "dispute", account.terms.dispute_fee)
    account.emit("charge.dispute.created", dispute)
    if not is_inquiry:
        account.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _card(charge: Obj, reason: str, is_inquiry: bool) -> Obj:
    card = charge["payment_method_details"].get("card") or {}
    return {
        "brand": card.get("brand", "visa"),
        "case_type": "inquiry" if is_inquiry else "chargeback",
        "network": card.get("network", "visa"),
        "network_reason_code": _CODES.get(reason, "13.7"),
    }


def _move(account: Account, dispute: Obj, charge: Obj, amount: int, category: str, fee: int) -> None:
    gross, currency, rate = ledger.settled(account, amount, dispute["currency"])
    entry = ledger.post(
        account, "adjustment", gross, currency, fee=fee, fee_description="Dispute fee", source=dispute["id"], category=category,
        description=f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {charge['id']}", customer=charge["customer"], rate=rate,
    )  # fmt: skip
    dispute["_balance_transactions"].append(entry["id"])


def resolve(account: Account, dispute: Obj, status: str) -> Obj:
    """End a dispute as won, lost or warning_closed; a won one gives the funds back."""
    if dispute["status"] in _CLOSED:
        raise errors.invalid(f"This dispute is already closed: {dispute['status']}.", code="dispute_already_closed")
    before = account.before(dispute)
    charge = account.get("charge", dispute["charge"])
    if status != "warning_closed" and dispute["status"].startswith("warning"):
        raise errors.invalid("An inquiry can only be closed as warning_closed.")
    dispute["status"] = status
    if status == "won":
        fee = -account.terms.dispute_fee if account.terms.is_dispute_fee_returned else 0
        _move(account, dispute, charge, dispute["amount"], "dispute_reversal", fee)
        account.emit("charge.dispute.funds_reinstated", dispute, before)
    account.emit("charge.dispute.closed", dispute, before)
    return dispute


@route("POST", "/v1/disputes/{id}")
def _update(call: Call) -> Obj:
    account = call.account
    dispute = account.get("dispute", call.args[0])
    if dispute["status"] in _CLOSED:
        raise errors.invalid("This dispute is already closed.", code="dispute_already_closed")
    before = account.before(dispute)
    evidence = call.object("evidence")
    for name, value in evidence.items():
        if name not in dispute["evidence"]:
            raise errors.unknown_parameter(f"evidence[{name}]")
        dispute["evidence"][name] = forms.to_text(value)
    dispute["metadata"] = call.metadata(dispute["metadata"])
    if evidence:
        dispute["evidence_details"]["has_evidence"] = True
    text = dispute["evidence"]["uncategorized_text"]
    if evidence and call.flag("submit", True):
        dispute["evidence_details"] |= {
            "submission_count": dispute["evidence_details"]["submission_count"] + 1,
            "submission_method": "manual",
        }
        dispute["status"] = "warning_under_review" if dispute["status"].startswith("warning") else "under_review"
    account.emit("charge.dispute.updated", dispute, before)
    if evidence and text in ("winning_evidence", "losing_evidence"):
        outcome = "won" if text == "winning_evidence" else "lost"
        resolve(account, dispute, "warning_closed" if dispute["status"].startswith("warning") else outcome)
    return dispute


@route("POST", "/v1/disputes/{id}/close")
def _close(call: Call) -> Obj:
    dispute = call.account.get("dispute", call.args[0])
    return resolve(call.account, dispute, "warning_closed" if dispute["status"].startswith("warning") else "lost")


lists.serve("/v1/disputes", "dispute", equal=("charge", "payment_intent"))

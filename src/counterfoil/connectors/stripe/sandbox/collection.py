"""Collecting invoices: attempts, partial payments, out of band, retries (dunning), and what being paid leads to.

Sources: https://docs.stripe.com/billing/revenue-recovery/smart-retries, https://docs.stripe.com/api/invoices/pay, /invoice-payment.
"""

from __future__ import annotations

from . import errors, intents
from .forms import Obj
from .invoices import add_payment, cancel_payments, payment_method, subscription_of
from .timeline import DAY
from .world import Account


def collect(account: Account, invoice: Obj) -> None:
    """Charge an open invoice if it is collected automatically; otherwise send it."""
    if invoice["status"] != "open":
        return
    if invoice["collection_method"] == "send_invoice":
        account.emit("invoice.sent", invoice)
        return
    attempt(account, invoice, payment_method(account, invoice))


def attempt(account: Account, invoice: Obj, method: Obj | None) -> Obj | None:
    """Try to charge what remains of an open invoice and return the error object of a failure, or None."""
    before = account.before(invoice)
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    if method is None:
        _failed(account, invoice, before)
        return {"code": "", "decline_code": "", "message": "This customer has no attached payment source or default payment method."}
    payment = _default_payment(account, invoice)
    intent = account.get("payment_intent", payment["payment"]["payment_intent"])
    error = intents.confirm(account, intent, method)
    if error is not None:
        _failed(account, invoice, before)
        return error
    if intent["status"] == "requires_action":
        _failed(account, invoice, before, "invoice.payment_action_required")
        return {
            "code": "invoice_payment_intent_requires_action", "decline_code": "",
            "message": "This payment requires additional user action before it can be completed successfully.",
        }  # fmt: skip
    if intent["status"] == "succeeded":
        apply_payment(account, invoice, payment, intent, before)
    return None


def _default_payment(account: Account, invoice: Obj) -> Obj:
    """Return the open default payment; a new one if what is due changed hands meanwhile."""
    for payment_id in invoice["_payments"]:
        payment = account.get("invoice_payment", payment_id)
        if payment["is_default"] and payment["status"] == "open":
            intent = account.get("payment_intent", payment["payment"]["payment_intent"])
            payment["amount_requested"] = intent["amount"] = invoice["amount_remaining"]
            return payment
    intent = intents.create_intent(account, invoice["amount_remaining"], invoice["currency"], invoice["customer"], _invoice=invoice["id"])
    return add_payment(account, invoice, intent, invoice["amount_remaining"], is_default=True)


def apply_payment(account: Account, invoice: Obj, payment: Obj, intent: Obj, before: dict[str, bytes] | None = None) -> None:
    """Count a succeeded payment intent towards an invoice; more than remains is shown as overpaid and becomes customer credit."""
    before = before or account.before(invoice)
    now = account.now(invoice["customer"])
    amount = intent["amount_received"]
    used = min(amount, invoice["amount_remaining"])
    payment |= {"status": "paid", "amount_paid": amount}
    payment["status_transitions"]["paid_at"] = now
    invoice["amount_paid"] += used
    invoice["amount_remaining"] -= used
    invoice["amount_overpaid"] += amount - used
    account.emit("invoice_payment.paid", payment)
    if amount > used:
        from .customers import add_balance

        add_balance(
            account,
            account.get("customer", invoice["customer"]),
            used - amount,
            "invoice_overpaid",
            currency=invoice["currency"],
            invoice=invoice["id"],
        )
        account.emit("invoice.overpaid", invoice)
    if invoice["amount_remaining"] == 0:
        mark_paid(account, invoice, before)
    else:
        account.emit("invoice.updated", invoice, before)


def mark_paid(account: Account, invoice: Obj, before: dict[str, bytes] | None = None, *, is_out_of_band: bool = False) -> None:
    """Close an invoice as paid and let its subscription know."""
    before = before or account.before(invoice)
    invoice["status"] = "paid"
    invoice["attempted"] = True
    invoice["next_payment_attempt"] = None
    invoice["auto_advance"] = False
    invoice["status_transitions"]["paid_at"] = account.now(invoice["customer"])
    invoice["_paid_out_of_band"] = is_out_of_band
    cancel_payments(account, invoice, "void_invoice" if not is_out_of_band else "abandoned")
    account.emit("invoice.updated", invoice, before)
    account.emit("invoice.paid", invoice)
    if not is_out_of_band:
        account.emit("invoice.payment_succeeded", invoice)
    customer = account.get("customer", invoice["customer"])
    if not customer.get("deleted") and customer["delinquent"]:
        customer_before = account.before(customer)
        customer["delinquent"] = False
        account.emit("customer.updated", customer, customer_before)
    from .subscriptions import invoice_settled

    invoice_settled(account, invoice)


def pay_out_of_band(account: Account, invoice: Obj) -> None:
    """Mark an invoice as paid outside Stripe."""
    before = account.before(invoice)
    invoice["amount_paid_off_stripe"] = invoice["amount_remaining"]
    invoice["amount_paid"] += invoice["amount_remaining"]
    invoice["amount_remaining"] = 0
    mark_paid(account, invoice, before, is_out_of_band=True)


def _failed(account: Account, invoice: Obj, before: dict[str, bytes], kind: str = "invoice.payment_failed") -> None:
    terms = account.terms
    now = account.now(invoice["customer"])
    subscription = subscription_of(account, invoice)
    retries = terms.dunning_days if subscription is not None and invoice["billing_reason"] != "subscription_create" else []
    number = invoice["attempt_count"]
    invoice["next_payment_attempt"] = None
    if number <= len(retries) and invoice["auto_advance"]:
        due = invoice["next_payment_attempt"] = now + retries[number - 1] * DAY
        account.at(invoice["customer"], due, lambda: _retry(account, invoice, due))
    customer = account.get("customer", invoice["customer"])
    if not customer.get("deleted") and not customer["delinquent"]:
        customer_before = account.before(customer)
        customer["delinquent"] = True
        account.emit("customer.updated", customer, customer_before)
    account.emit("invoice.updated", invoice, before)
    if kind == "invoice.payment_action_required":
        account.emit("invoice.payment_action_required", invoice)
    account.emit("invoice.payment_failed", invoice)
    if subscription is not None:
        from .subscriptions import invoice_failed

        invoice_failed(account, subscription, invoice)


def _retry(account: Account, invoice: Obj, due: int) -> None:
    if invoice["status"] == "open" and invoice["next_payment_attempt"] == due:
        attempt(account, invoice, payment_method(account, invoice))


def settle_processing(account: Account, intent: Obj) -> None:
    """Count a bank debit that arrived."""
    invoice = account.find(intent["_invoice"], "invoice")
    if invoice is None or invoice["status"] not in ("open", "uncollectible"):
        return
    for payment_id in invoice["_payments"]:
        payment = account.get("invoice_payment", payment_id)
        if payment["payment"]["payment_intent"] == intent["id"] and payment["status"] == "open":
            apply_payment(account, invoice, payment, intent)


def check_payable(invoice: Obj) -> None:
    """Raise Stripe's errors for an invoice that cannot be paid."""
    if invoice["status"] == "paid":
        raise errors.invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "void":
        raise errors.invalid("Invoice is void and cannot be paid.", code="invoice_not_editable")
